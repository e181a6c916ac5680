"""Dense layers, matrix products and layer normalization."""

from __future__ import annotations

import numpy as np

from kexport.ir import Node
from kexport_targets.coreml.emit.emitter import Emitter, emits

#: The most dimensions of what ``linear`` takes (coremltools 9.0, converters/mil/mil/ops/defs/iOS15/linear.py).
LINEAR_RANK = 3


@emits("dense")
def dense(e: Emitter, node: Node) -> None:
    """``linear``, whose kernel is (out, in)."""
    kernel = node.input(1)
    rows, columns = (int(str(dim)) for dim in kernel.shape)
    weight = e.weight(kernel, np.transpose, (columns, rows))
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    e.op("linear", {"x": node.input(0), "weight": weight, "bias": bias}, node.output)


@emits("matmul")
def matmul(e: Emitter, node: Node) -> None:
    """``matmul``."""
    flags = {
        "transpose_x": bool(node.attrs["transpose_a"]),
        "transpose_y": bool(node.attrs["transpose_b"]),
    }
    e.op("matmul", {"x": node.input(0), "y": node.input(1), **flags}, node.output)


@emits("layer_norm")
def layer_norm(e: Emitter, node: Node) -> None:
    """``layer_norm`` over the last axes, with constant scale and offset."""
    parameters = [*node.inputs[1:], None, None][:2]
    given = {
        "x": node.input(0),
        "axes": list(node.attrs["axes"]),
        "gamma": parameters[0],
        "beta": parameters[1],
        "epsilon": e.number(float(node.attrs["epsilon"]), node.output.dtype),
    }
    e.op("layer_norm", given, node.output)
