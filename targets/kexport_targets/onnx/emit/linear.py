"""Matrix products."""

from __future__ import annotations

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
