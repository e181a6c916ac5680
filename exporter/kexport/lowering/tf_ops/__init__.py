"""TensorFlow's functions in Functional models of Keras 2: layers of the classes ``TFOpLambda`` and ``SlicingOpLambda``, and before
TensorFlow 2.4 its raw operators, ``TensorFlowOpLayer``.

``tf.nn.relu(x)`` on a Keras tensor is a layer whose config names the function (``nn.relu``) and whose call holds its arguments.
A family of functions a file; what computes the same as an operation of ``keras.ops`` is lowered by that one's rule.
"""

from kexport.lowering.tf_ops import (  # registers
    calls,
    elementwise,
    images,
    indexing,
    linear,
    networks,
    raw_ops,
    reductions,
    refused,
    shapes,
)

__all__ = [
    "calls",
    "elementwise",
    "images",
    "indexing",
    "linear",
    "networks",
    "raw_ops",
    "reductions",
    "refused",
    "shapes",
]
