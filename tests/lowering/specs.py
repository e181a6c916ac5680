"""Model specs written by hand, for tests that need no Keras and no file."""

from __future__ import annotations

import numpy as np

from kexport.ir import Constant
from kexport.loading.spec import CallSpec, LayerSpec, ModelSpec, Provenance, TensorRef

KERAS3 = Provenance("3.15.0", "tensorflow", "keras")
KERAS2 = Provenance("2.10.0", "tensorflow", "h5", "tf.keras")


def input_layer(name, shape, dtype="float32"):
    return LayerSpec(name, name, "InputLayer", {"batch_shape": shape, "dtype": dtype}, calls=(CallSpec(()),))


def layer(
    name,
    class_name,
    *calls,
    weights=None,
    path=None,
    model=None,
    children=None,
    module="keras.layers",
    **config,
):
    """A layer; each of ``calls`` is a tensor, a list of tensors or a :class:`CallSpec`."""
    made = tuple(call if isinstance(call, CallSpec) else CallSpec((call,)) for call in calls)
    held = {key: Constant.of(np.asarray(array, np.float32)) for key, array in (weights or {}).items()}
    return LayerSpec(name, path or name, class_name, config, module, "", made, held, model, children or {})


def model(layers, inputs, outputs, provenance=KERAS3, name="model"):
    """A model; ``inputs`` are names, ``outputs`` names or references."""
    refs = tuple(ref if isinstance(ref, TensorRef) else TensorRef(ref) for ref in outputs)
    return ModelSpec(
        name,
        "Functional",
        tuple(layers),
        tuple(TensorRef(item) for item in inputs),
        refs,
        tuple(inputs),
        tuple(f"out{i}" for i in range(len(refs))),
        provenance,
    )


def one_layer(shape, class_name, provenance=KERAS3, input_dtype="float32", **arguments):
    """A model of one layer called ``layer`` on one input called ``x``."""
    return model(
        [input_layer("x", shape, input_dtype), layer("layer", class_name, TensorRef("x"), **arguments)],
        ["x"],
        ["layer"],
        provenance,
    )
