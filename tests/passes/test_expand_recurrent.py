"""A loop computes what the recurrent op means, whatever its arguments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kexport.ir import symbol
from kexport.ir.evaluate import evaluate
from kexport.passes import expand_recurrent, run_passes
from passes.building import ops
from support.comparing import assert_close
from support.recurrent import Drawn, drawn

EXAMPLE = Drawn("lstm", 2, 5, 3, 4, ("tanh", "sigmoid"), True, False, False, False, False, False)


@settings(max_examples=150)
@given(drawn, st.booleans())
def test_a_loop_means_the_same(row: Drawn, open_lengths: bool) -> None:
    lengths: Any = (symbol("batch"), symbol("time")) if open_lengths else ()
    inputs = list(row.inputs().values())
    wanted = evaluate(row.graph(), inputs)
    graph = row.graph(*lengths)
    run_passes(graph, [expand_recurrent()])
    assert "scan" in ops(graph)
    assert row.op not in ops(graph)
    for computed, meant in zip(evaluate(graph, inputs), wanted, strict=True):
        # Sums of numbers around 1 are rounded at 1e-7, however small what is left of them.
        small = max(1.0, 1e-2 / max(float(np.abs(meant).max()), 1e-6))
        assert_close(computed, meant, 1e-5 * small)


def test_what_a_target_holds_stays() -> None:
    graph = EXAMPLE.graph()
    assert not expand_recurrent(lambda node: node.op == "lstm")(graph)
    assert ops(graph) == ["lstm"]


def test_the_formulas_by_hand() -> None:
    """One step from zeros: c = i g, h = o tanh(c)."""
    inputs = EXAMPLE.inputs()
    graph = EXAMPLE.graph()
    sequence, last, h, c = evaluate(graph, list(inputs.values()))
    kernel, recurrent, bias = (
        value.constant.numpy() for value in graph.nodes[0].inputs[1:4] if value and value.constant
    )
    gates = np.split(inputs["x"][:, 0] @ kernel + bias, 4, axis=-1)
    i, _, _, o = (1 / (1 + np.exp(-gate)) for gate in gates)
    assert_close(sequence[:, 0], o * np.tanh(i * np.tanh(gates[2])))
    assert_close(sequence[:, -1], last)
    assert_close(h, last)
    assert recurrent.shape == (4, 16)
    assert c.shape == (2, 4)


@pytest.mark.parametrize(
    "change",
    [
        {"x": (2, 5)},
        {"kernel": (3, 12)},
        {"recurrent": (4, 12)},
        {"bias": (2, 16)},
        {"mask": (2, 4)},
        {"state": (2, 3)},
        {"states": 1},
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Any]) -> None:
    from kexport.ir import Builder, TensorType
    from kexport.ir.ops import OpError

    b, row = Builder(), EXAMPLE
    shapes = {
        "x": (2, 5, 3),
        "kernel": (3, 16),
        "recurrent": (4, 16),
        "bias": (16,),
        "state": (2, 4),
    } | change
    given = [b.input(n, TensorType("float32", shapes[n])) for n in ("x", "kernel", "recurrent", "bias")]
    mask = b.input("mask", TensorType("bool", shapes["mask"])) if "mask" in shapes else None
    states = [b.input("s", TensorType("float32", shapes["state"])) for _ in range(change.get("states", 2))]
    attrs = {name: row._activation("tanh", name) for name in ("activation", "recurrent_activation")}
    with pytest.raises(OpError, match="Received"):
        b.ops("lstm", *given, mask, *states, **attrs)
