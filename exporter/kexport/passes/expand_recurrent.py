"""Makes loops of recurrent layers, for targets that have no such op, or not for all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from kexport.ir import Builder, Graph, Node, Value
from kexport.ir.loops import CellStep, run_cell, zeros
from kexport.ir.ops.recurrent import LAYOUTS, layer_inputs
from kexport.passes.infrastructure import Pass
from kexport.passes.rewriting import Rewriter

#: (builder, node) → what one step computes of the product with the input's kernel, which is done before the loop.
_Cell: TypeAlias = Callable[[Builder, Node], CellStep]


def expand_recurrent(keep: Callable[[Node], bool] = lambda _: False) -> Pass:
    """Make each recurrent op a loop, but those that a target holds (``keep``).

    Given::

        y, last, h = simple_rnn(x, kernel, recurrent_kernel, bias; activation=tanh)

    Result::

        p = transpose(dense(x, kernel, bias), (1, 0, 2))     # the input's product, all steps at once
        s, h = scan(p, 0; body=(h' = tanh(p_t + dense(h, recurrent_kernel))))
        y = transpose(s, (1, 0, 2))
    """

    def rule(node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
        return None if node.op not in LAYOUTS or keep(node) else _expand(node, rewriter.builder)

    def apply(graph: Graph) -> bool:
        return Rewriter(graph).run(rule)

    return Pass("expand_recurrent", apply)


def _expand(node: Node, b: Builder) -> list[Value]:
    x, (_, mask, states) = node.input(0), layer_inputs(node.inputs)
    if node.attrs["go_backwards"]:
        x = b.op("reverse", x, axes=(1,))
        mask = None if mask is None else b.op("reverse", mask, axes=(1,))
    state = node.outputs[1].type
    ran = run_cell(
        b,
        b.op("dense", x, node.input(1), _outer_bias(node, b)),
        states or [zeros(b, state)] * LAYOUTS[node.op].states,
        _CELLS[node.op](b, node),
        output_type=state,
        mask=mask,
        zero_output_for_mask=node.attrs["zero_output_for_mask"],
    )
    return [ran.sequence, ran.last, *ran.states]


def _outer_bias(node: Node, b: Builder) -> Value | None:
    """The bias of the input's product."""
    bias, _, _ = layer_inputs(node.inputs)
    return bias if bias is None or bias.rank == 1 else _row(b, bias, 0)


def _row(b: Builder, x: Value, row: int) -> Value:
    """One row of a matrix."""
    if x.constant is not None:
        return b.constant(x.constant.map(lambda array: array[row], shape=x.constant.shape[1:]), name="bias")
    part = b.op("slice", x, begin=(row, 0), end=(row + 1, None), strides=(1, 1))
    return b.op("squeeze", part, axes=(0,))


def _columns(b: Builder, x: Value, start: int, stop: int) -> Value:
    """Columns of a matrix."""
    if x.constant is not None:
        part = x.constant.map(
            lambda array: np.ascontiguousarray(array[:, start:stop]),
            shape=(x.constant.shape[0], stop - start),
        )
        return b.constant(part, name="recurrent_kernel")
    return b.op("slice", x, begin=(0, start), end=(None, stop), strides=(1, 1))


def _activate(b: Builder, node: Node, x: Value, name: str = "activation") -> Value:
    (result,) = b.inline(node.attrs[name], x)
    return result


def _gates(b: Builder, x: Value, count: int) -> list[Value]:
    """``x`` (batch, count * units) in parts."""
    return b.ops("split", x, axis=1, sizes=(int(str(x.shape[1])) // count,) * count)


def _simple(b: Builder, node: Node) -> CellStep:
    def step(x: Value, states: list[Value]) -> tuple[Value, list[Value]]:
        h = _activate(b, node, b.op("add", x, b.op("dense", states[0], node.input(2), None)))
        return h, [h]

    return step


def _lstm(b: Builder, node: Node) -> CellStep:
    def step(x: Value, states: list[Value]) -> tuple[Value, list[Value]]:
        h, c = states
        i, f, g, o = _gates(b, b.op("add", x, b.op("dense", h, node.input(2), None)), 4)
        kept = b.op("mul", _activate(b, node, f, "recurrent_activation"), c)
        new = b.op("mul", _activate(b, node, i, "recurrent_activation"), _activate(b, node, g))
        c = b.op("add", kept, new)
        h = b.op("mul", _activate(b, node, o, "recurrent_activation"), _activate(b, node, c))
        return h, [h, c]

    return step


def _gru(b: Builder, node: Node) -> CellStep:
    recurrent, (bias, _, _) = node.input(2), layer_inputs(node.inputs)
    units, after = int(str(recurrent.shape[0])), node.attrs["reset_after"]
    if after:
        inner = None if bias is None else _row(b, bias, 1)
    else:
        first, last = _columns(b, recurrent, 0, 2 * units), _columns(b, recurrent, 2 * units, 3 * units)

    def step(x: Value, states: list[Value]) -> tuple[Value, list[Value]]:
        (h,), (xz, xr, xg) = states, _gates(b, x, 3)
        if after:
            hz, hr, hg = _gates(b, b.op("dense", h, recurrent, inner), 3)
        else:
            hz, hr = _gates(b, b.op("dense", h, first, None), 2)
        z = _activate(b, node, b.op("add", xz, hz), "recurrent_activation")
        r = _activate(b, node, b.op("add", xr, hr), "recurrent_activation")
        reset = b.op("mul", r, hg) if after else b.op("dense", b.op("mul", r, h), last, None)
        g = _activate(b, node, b.op("add", xg, reset))
        h = b.op("add", g, b.op("mul", z, b.op("sub", h, g)))
        return h, [h]

    return step


_CELLS: dict[str, _Cell] = {"simple_rnn": _simple, "lstm": _lstm, "gru": _gru}
