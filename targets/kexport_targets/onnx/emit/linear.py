"""Matrix products and layer normalization."""

from __future__ import annotations

import numpy as np

from kexport.ir import Node, Value
from kexport_targets.onnx.emit.emitter import Emitter, emits


@emits("dense")
def dense(e: Emitter, node: Node) -> None:
    """Gemm for rank 2; MatMul, then Add, for others."""
    x, kernel = node.input(0), node.input(1)
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    if bias is None:
        e.op("MatMul", [x, kernel], node.outputs)
    elif x.rank == 2:
        e.op("Gemm", [x, kernel, bias], node.outputs)
    else:
        e.op("Add", [e.op("MatMul", [x, kernel]), bias], node.outputs)


@emits("matmul")
def matmul(e: Emitter, node: Node) -> None:
    """MatMul, on operands that are turned first where asked."""
    left = _turned(e, node.input(0)) if node.attrs["transpose_a"] else e.name(node.input(0))
    right = _turned(e, node.input(1)) if node.attrs["transpose_b"] else e.name(node.input(1))
    e.op("MatMul", [left, right], node.outputs)


def _turned(e: Emitter, value: Value) -> str:
    perm = [*range(value.rank - 2), value.rank - 1, value.rank - 2]
    return e.op("Transpose", [value], perm=perm)


@emits("layer_norm")
def layer_norm(e: Emitter, node: Node) -> None:
    """LayerNormalization over the last axes (legalization leaves no others), whose scale is required; since opset 17."""
    x, axes = node.input(0), node.attrs["axes"]
    scale, offset = (node.inputs[index] if len(node.inputs) > index else None for index in (1, 2))
    shape = [int(str(x.shape[axis])) for axis in axes]
    given = e.name(scale) if scale is not None else e.constant(np.ones(shape, x.dtype), "ones")
    if e.opset < 17:
        shift = e.name(offset) if offset is not None else e.constant(np.zeros(shape, x.dtype), "zeros")
        _spelled_out(e, node, given, shift)
        return
    e.op(
        "LayerNormalization",
        [x, given, offset],
        node.outputs,
        axis=axes[0],
        epsilon=float(node.attrs["epsilon"]),
    )


def _spelled_out(e: Emitter, node: Node, scale: str, offset: str) -> None:
    """The same in older operators, just as ONNX Runtime knows it and makes one kernel of it (core/optimizer/layer_norm_fusion.cc, 1.17)."""
    x, axes = node.input(0), list(node.attrs["axes"])
    centred = e.op("Sub", [x, e.op("ReduceMean", [x], axes=axes, keepdims=1)])
    square = e.op("Pow", [centred, e.scalar(2.0, x.dtype)])
    variance = e.op("ReduceMean", [square], axes=axes, keepdims=1)
    deviation = e.op("Sqrt", [e.op("Add", [variance, e.scalar(float(node.attrs["epsilon"]), x.dtype)])])
    scaled = e.op("Mul", [e.op("Div", [centred, deviation]), scale])
    e.op("Add", [scaled, offset], node.outputs)
