"""Layers of Keras that no file or target can hold: code of other frameworks. Each says what to do instead."""

from __future__ import annotations

from kexport.ir import Value
from kexport.lowering.registry import Context, lowers

_FRAMEWORKS = {
    "TFSMLayer": "a SavedModel of TensorFlow",
    "FlaxLayer": "a Flax module",
    "JaxLayer": "a JAX function",
    "TorchModuleWrapper": "a PyTorch module",
}


@lowers(*_FRAMEWORKS, refusing="it wraps another framework's code, which is no Keras layers")
def lower_foreign(ctx: Context, *inputs: Value) -> Value:
    """Refused: what it computes is another framework's code, not Keras layers."""
    raise ctx.error(
        f"It wraps {_FRAMEWORKS[ctx.layer.class_name]}, which is code of its own and no Keras layers",
        hint="Build the same computation from Keras layers, load its weights into them, and export that model.",
    )


@lowers("DenseFeatures", refusing="its feature columns are TensorFlow's own objects and no Keras layers")
def lower_dense_features(ctx: Context, *inputs: Value) -> Value:
    """Refused: its feature columns are objects of TensorFlow's, of which a file has no more than the names of their classes."""
    raise ctx.error(
        "Its feature columns are TensorFlow's own objects and no Keras layers",
        hint="Build the columns from Keras layers (Hashing, IntegerLookup, Discretization, CategoryEncoding, Embedding, Concatenate), and "
        "save that model.",
    )
