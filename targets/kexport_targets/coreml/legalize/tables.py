"""Tables of 8-bit numbers: quantized embeddings."""

from __future__ import annotations

from typing import Final

from kexport.ir import Graph, Node, Value, dtypes
from kexport.passes import Rewriter, as_pass

_NARROW: Final = ("int8", "uint8")


@as_pass("tables_of_floats")
def tables_of_floats(graph: Graph) -> bool:
    """Look rows up in a table of floats where they become floats anyway.

    The table stands in the package in 8 bits all the same (``write/storage.py``); as one of integers, which are int32 in an ML program, it
    would take 32.

    Given::

        rows = gather(table, indices)  # table, rows: int8
        y = cast(rows, float32)

    Result::

        y = gather(table', indices)  # table', y: float32
    """
    return Rewriter(graph).run(_rule)


def _rule(node: Node, rewriter: Rewriter) -> list[Value] | None:
    if node.op != "cast" or not dtypes.is_float(node.output.dtype):
        return None
    gather = rewriter.sole_producer(node.input(0))
    if gather is None or gather.op != "gather":
        return None
    table, indices = gather.input(0), gather.input(1)
    if table.constant is None or table.dtype not in _NARROW:
        return None
    dtype = node.output.dtype
    wanted = dtypes.numpy_dtype(dtype)
    wide = table.constant.map(lambda array: array.astype(wanted), dtype=dtype)
    # All numbers of 8 bits are few enough for a palette; signed ones need none.
    made = wide.known_as("int8" if table.dtype == "int8" else None)
    b = rewriter.builder
    return [b.op("gather", b.constant(made, name=table.name), indices, **gather.attrs)]
