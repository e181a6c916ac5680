"""Writes short loops out."""

from __future__ import annotations

from collections.abc import Sequence

from kexport.ir import Builder, Graph, Node, Value
from kexport.passes.infrastructure import Pass
from kexport.passes.rewriting import Rewriter


def unroll_scans(*, steps: int, bytes_of_constants: int) -> Pass:
    """Replace a ``scan`` of at most ``steps`` steps by its steps.

    Given::

        ys, h = scan(xs, h0; body=(h' = tanh(x + h)))        # xs: (2, batch, units)

    Result::

        x0, x1 = split(xs, axis=0)
        h1 = tanh(squeeze(x0) + h0)
        h = tanh(squeeze(x1) + h1)
        ys = concat(expand_dims(h1), expand_dims(h), axis=0)

    Each step has kernels of its own then, and a runtime that packs weights packs them for each: ``bytes_of_constants`` bounds what the
    constants of all steps come to.
    """

    def rule(node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
        if node.op != "scan":
            return None
        count = node.input(0).shape[0]
        if not isinstance(count, int) or not 0 < count <= steps:
            return None
        size = sum(value.constant.nbytes for value in node.attrs["body"].constants() if value.constant)
        return _steps(node, count, rewriter.builder) if count * size <= bytes_of_constants else None

    def apply(graph: Graph) -> bool:
        return Rewriter(graph).run(rule)

    return Pass("unroll_scans", apply)


def _steps(node: Node, count: int, b: Builder) -> list[Value]:
    sequences, states = node.attrs["sequences"], node.attrs["states"]
    rows = [_rows(b, node.input(index), count) for index in range(sequences)]
    rest = [node.input(index) for index in range(sequences, len(node.inputs))]
    columns: list[list[Value]] = [[] for _ in range(len(node.outputs) - states)]
    for step in range(count):
        made = b.inline(node.attrs["body"], *(row[step] for row in rows), *rest)
        rest[:states] = made[len(columns) :]
        for column, value in zip(columns, made, strict=False):
            column.append(b.op("expand_dims", value, axes=(0,)))
    whole = [column[0] if count == 1 else b.op("concat", *column, axis=0) for column in columns]
    return [*whole, *rest[:states]]


def _rows(b: Builder, x: Value, count: int) -> list[Value]:
    """``x`` along its first dimension."""
    parts = [x] if count == 1 else b.ops("split", x, axis=0, sizes=(1,) * count)
    return [b.op("squeeze", part, axes=(0,)) for part in parts]
