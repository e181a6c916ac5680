"""Computes at export what no input changes."""

from __future__ import annotations

from kexport.ir import Array, Constant, Graph, Node, Value, dims
from kexport.ir.evaluate import evaluate_node
from kexport.passes.infrastructure import as_pass
from kexport.passes.rewriting import Rewriter

#: Ops that compute nothing: what is narrow before them is narrow after them.
_MOVES = frozenset(["expand_dims", "identity", "reshape", "reverse", "slice", "squeeze", "transpose"])

#: Elements up to which a result is computed at once and held; larger ones are computed whenever they are read.
EAGER_ELEMENTS = 4096


def _fold(node: Node, rewriter: Rewriter) -> list[Value] | None:
    constants = [value.constant for value in node.inputs if value is not None]
    if not constants or None in constants:
        return None
    if not all(dims.is_static(value.shape) for value in node.outputs):
        return None
    if any(value.dtype == "string" for value in node.outputs):
        return None
    read = sum(constant.nbytes for constant in constants if constant is not None)
    sizes = [Constant.lazy(v.dtype, [int(str(d)) for d in v.shape], _unread).nbytes for v in node.outputs]
    if sum(sizes) > max(read, 4 * EAGER_ELEMENTS):
        return None  # a tiled or broadcast constant would make the artifact larger
    return [rewriter.builder.constant(_computed(node, index), name="folded") for index in range(len(sizes))]


def _unread() -> Array:
    raise AssertionError("only its size is asked for")


def _computed(node: Node, index: int) -> Constant:
    """Output ``index`` of a node with constant inputs."""
    output = node.outputs[index]

    def read() -> Array:
        arrays = [None if v is None or v.constant is None else v.constant.numpy() for v in node.inputs]
        return evaluate_node(node, arrays)[index]

    shape = tuple(int(str(dim)) for dim in output.shape)
    lazy = Constant.lazy(output.dtype, shape, read)
    inputs = sum(v.constant.size for v in node.inputs if v is not None and v.constant is not None)
    made = lazy if max(lazy.size, inputs) > EAGER_ELEMENTS else Constant.of(read(), output.dtype)
    source = node.input(0).constant
    return made.known_as(source.narrow) if node.op in _MOVES and source is not None else made


@as_pass("constant_folding")
def constant_folding(graph: Graph) -> bool:
    """Replace what is computed from constants alone by a constant.

    Given::

        a = transpose(kernel)
        b = mul(a, two)
        c = dense(x, b)

    Result::

        c = dense(x, b_computed)

    Large results stay lazy: they are computed from their sources each time they are read, and nothing is held.
    Results larger than all they are computed from (a tiled constant) stay in the graph.
    """
    return Rewriter(graph).run(_fold)
