"""Recurrent layers with any arguments against Keras itself."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kexport.ir.evaluate import evaluate
from kexport.loading import load
from kexport.lowering import lower
from kexport.passes import expand_recurrent
from lowering.one_layer import keras
from support.comparing import assert_close

FUNCTIONS = ["tanh", "sigmoid", "relu", "elu", "softsign", "hard_sigmoid", "gelu", "linear", "softmax"]
GATES = ["sigmoid", "hard_sigmoid", "tanh", "softmax"]

arguments = st.fixed_dictionaries(
    {
        "units": st.integers(1, 4),
        "activation": st.sampled_from(FUNCTIONS),
        "use_bias": st.booleans(),
        "go_backwards": st.booleans(),
        "return_sequences": st.booleans(),
        "return_state": st.booleans(),
        "unroll": st.booleans(),
    }
)


def computed_by(build: Any, shapes: list[tuple[int, ...]], seed: int) -> None:
    """The model of ``build`` on inputs of these shapes computes in the graph, and in its loops, what it does in Keras."""
    rng = np.random.default_rng(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tensors = [keras().Input(shape) for shape in shapes]
        model = keras().Model(tensors, build(keras().layers, *tensors))
        model.set_weights([rng.normal(0, 0.7, weight.shape) for weight in model.get_weights()])
        arrays = [rng.normal(0, 1.5, (3, *shape)).astype("f4") for shape in shapes]
        arrays[0][0, 1:] = 0.0  # what Masking masks
        arrays[0][1, :1] = 0.0
        wanted = model(arrays)
    wanted = [np.asarray(part) for part in (wanted if isinstance(wanted, list | tuple) else [wanted])]
    graph = lower(load(model), batch=None)
    for result, meant in zip(evaluate(graph, arrays), wanted, strict=True):
        assert_close(result, meant)
    expand_recurrent()(graph)
    for result, meant in zip(evaluate(graph, arrays), wanted, strict=True):
        assert_close(result, meant)


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(["SimpleRNN", "LSTM", "GRU"]),
    arguments,
    st.sampled_from(GATES),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.integers(1, 5),
    st.integers(0, 9),
)
def test_layers(
    name: str,
    given: dict[str, Any],
    gate: str,
    reset_after: bool,
    masked: bool,
    states: bool,
    time: int,
    seed: int,
) -> None:
    given = dict(given)
    if name != "SimpleRNN":
        given["recurrent_activation"] = gate
    if name == "GRU":
        given["reset_after"] = reset_after
    count = (2 if name == "LSTM" else 1) if states else 0

    def build(layers: Any, x: Any, *initial: Any) -> Any:
        x = layers.Masking(0.0)(x) if masked else x
        return getattr(layers, name)(**given)(x, initial_state=list(initial) or None)

    computed_by(build, [(time, 3), *[(given["units"],)] * count], seed)


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.sampled_from(["SimpleRNNCell", "LSTMCell", "GRUCell"]), min_size=2, max_size=3
    ),  # Keras fails on one that is masked
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.integers(0, 9),
)
def test_stacks_of_cells(names: list[str], backwards: bool, sequences: bool, masked: bool, seed: int) -> None:
    def build(layers: Any, x: Any) -> Any:
        x = layers.Masking(0.0)(x) if masked else x
        cells = [getattr(layers, name)(2 + index) for index, name in enumerate(names)]
        return layers.RNN(cells, go_backwards=backwards, return_sequences=sequences)(x)

    computed_by(build, [(4, 3)], seed)


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(["SimpleRNN", "LSTM", "GRU"]),
    st.sampled_from(["SimpleRNN", "LSTM", "GRU"]),
    st.sampled_from(["concat", "sum", "mul", "ave", None]),
    st.booleans(),
    st.booleans(),
    st.integers(0, 9),
)
def test_both_ways(ahead: str, back: str, mode: str | None, sequences: bool, masked: bool, seed: int) -> None:
    def build(layers: Any, x: Any) -> Any:
        x = layers.Masking(0.0)(x) if masked else x
        one = getattr(layers, ahead)(3, return_sequences=sequences)
        other = getattr(layers, back)(3, return_sequences=sequences, go_backwards=True, activation="softsign")
        return layers.Bidirectional(one, merge_mode=mode, backward_layer=other)(x)

    computed_by(build, [(4, 3)], seed)
