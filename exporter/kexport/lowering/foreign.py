"""Layers of Keras that no file or target can hold: text, and code of other frameworks. Each says what to do instead."""

from __future__ import annotations

from kexport.ir import Value
from kexport.lowering.registry import Context, lowers


@lowers(
    "StringLookup", "TextVectorization", refusing="it takes or makes text, and targets compute with numbers"
)
def lower_text(ctx: Context, *inputs: Value) -> Value:
    """Refused: no target computes with text."""
    name = ctx.layer.name
    raise ctx.error(
        "It takes or makes text, and what is exported computes with numbers alone, on every target",
        hint=f"Run it before the model: layer = model.get_layer({name!r}); ids = layer(texts). Export what comes after it: of a Sequential "
        "keras.Sequential([keras.Input(layer.output.shape[1:], dtype=layer.output.dtype), *model.layers[1:]]), else "
        "keras.Model(inputs, model.outputs), where inputs are the model's with layer.output in place of the text.",
    )


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
