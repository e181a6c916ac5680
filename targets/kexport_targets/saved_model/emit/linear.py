"""Matrix products."""

from __future__ import annotations

from kexport.ir import Node
from kexport_targets.saved_model.emit.emitter import Emitter, emits
from kexport_targets.saved_model.emit.lengths import shape_vector


@emits("dense")
def dense(e: Emitter, node: Node) -> None:
    """MatMul of all rows at once, then BiasAdd."""
    x, kernel = node.input(0), node.input(1)
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    flat = x.rank == 2
    rows = e.name(x) if flat else e.op("Reshape", [x, e.ints([-1, _width(x.shape[-1])])])
    if bias is None and flat:
        e.op("MatMul", [rows, kernel], node.output)
        return
    product = e.op("MatMul", [rows, kernel])
    if bias is not None:
        product = e.op("BiasAdd", [product, bias], node.output if flat else None)
    if not flat:
        e.op("Reshape", [product, shape_vector(e, node.output.shape)], node.output)


def _width(dim: object) -> int:
    assert isinstance(dim, int)
    return dim


@emits("matmul")
def matmul(e: Emitter, node: Node) -> None:
    """MatMul, BatchMatMulV2 for stacks of matrices, which it broadcasts."""
    a, b = node.input(0), node.input(1)
    left, right = bool(node.attrs["transpose_a"]), bool(node.attrs["transpose_b"])
    if a.rank == 2 and b.rank == 2:
        e.op("MatMul", [a, b], node.output, transpose_a=left, transpose_b=right)
    else:
        e.op("BatchMatMulV2", [a, b], node.output, adj_x=left, adj_y=right)
