"""coremltools' way from a Keras model: ``python benchmarks/peer_coreml.py MODEL OUT``.

coremltools 9 converts TensorFlow's functions: of the model, for a batch of 1. In float32, for iOS 16, as kexport writes by default.
"""

from __future__ import annotations

import sys

import coremltools
import tensorflow as tf

from peer_tflite import load


def main() -> None:
    """Load, convert, write."""
    source, out = sys.argv[1:3]
    model = load(source)
    signature = [tf.TensorSpec((1, *tensor.shape[1:]), tensor.dtype) for tensor in model.inputs]
    call = tf.function(lambda *inputs: model(inputs if len(inputs) > 1 else inputs[0], training=False))
    converted = coremltools.convert(
        [call.get_concrete_function(*signature)],
        source="tensorflow",
        convert_to="mlprogram",
        minimum_deployment_target=coremltools.target.iOS16,
        compute_precision=coremltools.precision.FLOAT32,
        skip_model_load=True,
    )
    converted.save(out)


if __name__ == "__main__":
    main()
