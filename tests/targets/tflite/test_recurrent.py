"""Recurrent layers on LiteRT: loops, and the LSTMs that the builtin computes, at every invocation the same."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kexport.ir import symbol
from kexport.ir.evaluate import evaluate
from kexport_targets.tflite.legalize import legalize
from kexport_targets.tflite.legalize.recurrent import UNROLLED
from support.comparing import assert_close
from support.recurrent import Drawn, drawn
from targets.tflite.running import Model, emit

BATCH, TIME = symbol("batch"), symbol("time")
BUILTIN = "UNIDIRECTIONAL_SEQUENCE_LSTM"

#: An LSTM that the builtin holds.
PLAIN = Drawn("lstm", 2, 5, 3, 4, ("tanh", "sigmoid"), True, False, False, False, False, False)


def ops(model: Model) -> Counter[str]:
    return Counter(name for name, _ in model.operations())


def model_of(row: Drawn, folder: Path, *lengths: Any, outputs: int | None = 3, **options: Any) -> Model:
    """The row's graph on LiteRT; its last cell state is the fourth output, which the builtin doesn't return."""
    graph = row.graph(*lengths)
    graph.outputs, graph.output_names = graph.outputs[:outputs], graph.output_names[:outputs]
    return Model(emit(graph, folder, **{"fused_lstm": True, **options}))


def meant(row: Drawn, inputs: dict[str, Any]) -> list[Any]:
    with np.errstate(all="ignore"):
        return evaluate(row.graph(), list(inputs.values()))


def compare(model: Model, row: Drawn, inputs: dict[str, Any], tolerance: float = 1e-5) -> None:
    wanted = meant(row, inputs)
    for name, array in model(inputs).items():
        assert_close(array, wanted[int(name[1:])], tolerance)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(drawn, st.booleans(), st.sampled_from([1, 3, 11]), st.sampled_from([0, 1, 2]))
def test_any_arguments(row: Drawn, fused: bool, times: int, open_lengths: int) -> None:
    import tempfile

    if times > 1:  # what other functions grow to, or do with a rounding, is nobody's to say after many steps
        row = replace(row, time=row.time * times, activations=("tanh", "sigmoid"))
    lengths: tuple[Any, ...] = [(), (None, TIME), (BATCH, TIME)][open_lengths]
    with tempfile.TemporaryDirectory() as folder:
        model = model_of(row, Path(folder), *lengths, outputs=None, fused_lstm=fused)
        for seed in (1, 2):
            compare(model, row, row.inputs(seed))


@pytest.mark.parametrize("activation", ["tanh", "relu", "relu6"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("go_backwards", [True, False])
def test_the_builtin(activation: str, bias: bool, go_backwards: bool, tmp_path: Path) -> None:
    row = replace(PLAIN, activations=(activation, "sigmoid"), bias=bias, go_backwards=go_backwards)
    model = model_of(row, tmp_path)
    assert ops(model)[BUILTIN] == 1
    compare(model, row, row.inputs())


@pytest.mark.parametrize(
    "change",
    [
        {"activations": ("linear", "sigmoid")},
        {"activations": ("softplus", "sigmoid")},
        {"activations": ("tanh", "tanh")},
        {"mask": True},
        {"op": "gru"},
        {"op": "simple_rnn"},
    ],
)
def test_what_it_does_not_hold_is_a_loop(change: dict[str, Any], tmp_path: Path) -> None:
    row = replace(PLAIN, time=20, **change)
    model = model_of(row, tmp_path)
    assert ops(model)["WHILE"]
    assert not ops(model)[BUILTIN]
    compare(model, row, row.inputs())


def test_a_batch_or_a_cell_state_that_it_does_not_know(tmp_path: Path) -> None:
    row = replace(PLAIN, time=20)
    for name, lengths, outputs in (("batch", (BATCH,), 3), ("state", (), None)):
        model = model_of(row, tmp_path / name, *lengths, outputs=outputs)
        assert not ops(model)[BUILTIN]
        compare(model, row, row.inputs())


def test_any_length(tmp_path: Path) -> None:
    model = model_of(PLAIN, tmp_path, None, TIME)
    assert ops(model)[BUILTIN] == 1
    for time in (1, 5, 40):
        row = replace(PLAIN, time=time)
        compare(model, row, row.inputs())


@pytest.mark.parametrize("states", [False, True])
def test_nothing_stays_from_one_invocation_to_the_next(states: bool, tmp_path: Path) -> None:
    """Not even what multiplying by 0 would leave: NaN and infinity."""
    row = replace(PLAIN, states=states)
    model = model_of(row, tmp_path)
    assert ops(model)[BUILTIN] == 1
    for poison in (0.0, 1.0, 1e30, np.inf, -np.inf, np.nan):
        poisoned = {name: array * np.float32(poison) for name, array in row.inputs(7).items()}
        results = model(poisoned)
        if np.isnan(poison):
            assert all(np.isnan(array).any() for array in results.values())
        for seed in (1, 2):
            compare(model, row, row.inputs(seed))


def test_two_layers_have_states_of_their_own(tmp_path: Path) -> None:
    """In a graph of two, either way round, with delegated operators around them."""
    from kexport.ir import Builder, TensorType, Value
    from support.graphs import graph_of

    def body(b: Builder, x: Value) -> dict[str, Value]:
        ahead = PLAIN._body(b, b.op("tanh", x))["y0"]
        back = replace(PLAIN, go_backwards=True)._body(b, x)["y0"]
        both = b.op("concat", ahead, b.op("reverse", back, axes=(1,)), axis=2)
        last = replace(PLAIN, features=8)._body(b, b.op("relu", both))["y1"]
        return {"y": b.op("softmax", last, axis=1)}

    types = {"x": TensorType("float32", (2, 5, 3))}
    model = Model(emit(graph_of(types, body), tmp_path, fused_lstm=True))
    assert ops(model)[BUILTIN] == 3
    rng = np.random.default_rng(0)
    for _ in range(3):
        x = rng.normal(size=(2, 5, 3)).astype("f4")
        assert_close(model({"x": x})["y"], evaluate(graph_of(types, body), [x])[0])


def test_half_precision_weights(tmp_path: Path) -> None:
    row = replace(PLAIN, units=20, features=9)
    model = model_of(row, tmp_path, float16=True)
    assert ops(model)[BUILTIN] == 1
    assert ops(model)["DEQUANTIZE"]
    for seed in (1, 2):
        compare(model, row, row.inputs(seed), 5e-3)


def test_what_xnnpack_takes_of_a_body_is_one_piece(tmp_path: Path) -> None:
    """Gates are parted by a SPLIT, which it takes; a SPLIT_V would end its piece."""
    for op in ("lstm", "gru"):
        model = model_of(replace(PLAIN, op=op, time=20), tmp_path / op, fused_lstm=False)
        operators = schema_ops(tmp_path / op / "model.tflite")
        assert operators["SPLIT"]
        assert not operators["SPLIT_V"]
        compare(model, replace(PLAIN, op=op, time=20), replace(PLAIN, op=op, time=20).inputs())


def schema_ops(path: Path) -> Counter[str]:
    """How often each builtin stands in the file, loops' bodies included."""
    from ai_edge_litert import schema_py_generated as schema

    file = schema.Model.GetRootAs(path.read_bytes(), 0)
    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}
    found: Counter[str] = Counter()
    for index in range(file.SubgraphsLength()):
        graph = file.Subgraphs(index)
        for position in range(graph.OperatorsLength()):
            found[names[file.OperatorCodes(graph.Operators(position).OpcodeIndex()).BuiltinCode()]] += 1
    return found


@pytest.mark.parametrize(
    ("units", "features", "batch", "time", "builtin"),
    [
        (16, 8, 1, 100, True),
        (64, 16, 1, 100, True),
        (16, 8, 1, UNROLLED, False),
        (128, 64, 1, 100, False),
        (256, 128, 1, 100, False),
        (64, 64, 1, None, True),
        (16, 8, 8, 100, False),
    ],
)
def test_the_builtin_is_taken_where_it_is_faster(
    units: int, features: int, batch: int, time: int | None, builtin: bool
) -> None:
    row = replace(PLAIN, units=units, features=features, batch=batch, time=time or 5)
    graph = row.graph(None, None if time else TIME)
    graph.outputs, graph.output_names = graph.outputs[:1], graph.output_names[:1]
    legalize(graph, {"float16": False, "fused_lstm": False})
    assert any(node.op == "lstm" for node in graph.nodes) == builtin
