"""An input that is an image: Core ML hands it over as numbers from 0 to 255, channels first."""

from __future__ import annotations

import numpy as np

from kexport.contracts import Pixels
from kexport.errors import UsageError
from kexport.ir import Builder, Graph, Value
from kexport.passes import Pass
from kexport.passes.rewrites.kernel_dtypes import cast


def image_input(name: str, pixels: Pixels) -> Pass:
    """Make the input called ``name`` an image.

    Given::

        return f(x)  # x: (1, height, width, 3)

    Result::

        a = add(mul(y, scale), bias)  # y: float32 (1, 3, height, width)
        return f(transpose(a, (0, 2, 3, 1)))
    """
    return Pass(f"image_input({name})", lambda graph: _apply(graph, name, pixels))


def position(graph: Graph, name: str) -> int:
    """Which of the inputs has that name.

    Raises:
        UsageError: none has.
    """
    if name not in graph.input_names:
        raise UsageError(
            f"The model has no input {name!r}.", hint=f"Its inputs: {', '.join(graph.input_names)}."
        )
    return graph.input_names.index(name)


def _apply(graph: Graph, name: str, pixels: Pixels) -> bool:
    index = position(graph, name)
    old = graph.inputs[index]
    b = Builder.for_graph(graph)
    shape = old.shape if pixels.axis == 1 else (old.shape[0], old.shape[3], *old.shape[1:3])
    image = Value(b.names.unique(f"{old.name}/image"), "float32", shape)
    made: Value = image
    if pixels.scale != 1:
        made = b.op("mul", made, b.constant(np.float32(pixels.scale), "float32", name="scale"))
    if any(pixels.bias):
        column = np.asarray(pixels.bias, np.float32).reshape(-1, 1, 1)
        made = b.op("add", made, b.constant(column, name="bias"))
    if pixels.axis == 3:
        made = b.op("transpose", made, perm=(0, 2, 3, 1))
    made = made if old.dtype == "float32" else cast(b, made, old.dtype)
    graph.inputs[index] = image
    graph.nodes = [*b.nodes, *graph.nodes]
    graph.replace_values({old: made})
    if pixels.axis == 3:
        graph.input_axes[name] = (0, 3, 1, 2)
    return True
