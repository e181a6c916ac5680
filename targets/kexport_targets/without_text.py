"""What targets say of text whose formats hold numbers alone."""

from __future__ import annotations

from kexport.errors import UnsupportedOpError
from kexport.ir import Graph, Node

#: Words of a vocabulary that a message shows.
_SHOWN = 4


def refuse_text(graph: Graph, format_name: str) -> None:
    """Raise where the graph takes, makes or computes with text.

    Raises:
        UnsupportedOpError: naming the layer, its vocabulary, and what to do before the model.
    """
    reader = next((node for node in graph.nodes if node.origin and _is_of_text(node)), None)
    if reader is not None:
        layer = next((node.origin for node in graph.nodes if _is_lookup(node)), reader.origin)
        raise UnsupportedOpError(
            f"Layer {layer!r} computes with text{_vocabulary(graph, layer)}, and {format_name} has tensors of numbers alone.",
            hint=f"Run it before the model: layer = model.get_layer({layer.split('/')[-1]!r}); ids = layer(texts). Export what comes after "
            "it: of a Sequential keras.Sequential([keras.Input(layer.output.shape[1:], dtype=layer.output.dtype), *model.layers[1:]]), "
            "else keras.Model(inputs, model.outputs), where inputs are the model's with layer.output in place of the text. "
            "Or export to saved_model or frozen_graph, which hold text, or to onnx, which holds words and their vocabulary.",
        )
    for names, values in ((graph.input_names, graph.inputs), (graph.output_names, graph.outputs)):
        for name, value in zip(names, values, strict=True):
            if value.dtype == "string":
                raise UnsupportedOpError(
                    f"{name!r} is text, and {format_name} has tensors of numbers alone.",
                    hint="Export the part of the model behind its text, or export to saved_model.",
                )


def _is_of_text(node: Node) -> bool:
    return any(value is not None and value.dtype == "string" for value in (*node.inputs, *node.outputs))


def _is_lookup(node: Node) -> bool:
    return node.op == "lookup" and _is_of_text(node)


def _vocabulary(graph: Graph, layer: str) -> str:
    """The words that a layer looks up."""
    for node in graph.nodes:
        if node.origin == layer and _is_lookup(node):
            found = node.input(1 if node.input(0).dtype == "string" else 2).constant
            if found is not None:
                words = [bytes(word).decode("utf-8", "replace") for word in found.numpy()[:_SHOWN].tolist()]
                more = ", …" if found.size > _SHOWN else ""
                count = f"{found.size:,} word{'s' if found.size > 1 else ''}"
                return f" (its vocabulary has {count}: {', '.join(map(repr, words))}{more})"
    return ""
