"""Recurrent layers and what works on sequences."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from .case import BIASED, K3, Case, layer_case, recurrent_case

K2 = ("keras2",)


def _recurrent() -> Iterable[Case]:
    for name in ("SimpleRNN", "LSTM", "GRU"):
        def layer(layers: Any, x: Any, name: str = name, **arguments: Any) -> Any:
            return getattr(layers, name)(4, **BIASED, **arguments)(x)

        yield recurrent_case(f"{name}-last", layer)
        yield recurrent_case(f"{name}-sequences", partial(layer, return_sequences=True))
        yield recurrent_case(f"{name}-states", partial(layer, return_sequences=True, return_state=True))
        yield recurrent_case(f"{name}-backwards", partial(layer, return_sequences=True, go_backwards=True))
        yield recurrent_case(f"{name}-relu-nobias", lambda layers, x, name=name: getattr(layers, name)(4, activation="relu", use_bias=False)(x))
        yield recurrent_case(f"{name}-dynamic", partial(layer, return_sequences=True), (None, 5))
        yield recurrent_case(f"{name}-unroll", partial(layer, unroll=True))
        yield recurrent_case(f"{name}-stateful-dropout", partial(layer, dropout=0.3, recurrent_dropout=0.2))
        yield recurrent_case(f"{name}-masked", lambda layers, x, layer=layer: layer(layers, layers.Masking(0.5)(x), return_sequences=True))
        yield recurrent_case(f"{name}-masked-last", lambda layers, x, layer=layer: layer(layers, layers.Masking(0.5)(x)))
        yield recurrent_case(f"{name}-embedded", lambda layers, x, layer=layer: layer(layers, layers.Embedding(7, 3, mask_zero=True)(x)), (6,), integers={0: 7})
        yield recurrent_case(f"{name}-stack", lambda layers, x, layer=layer: layer(layers, layer(layers, layers.Masking(0.5)(x), return_sequences=True)))
        for mode in ("concat", "sum", "mul", "ave", None):
            yield recurrent_case(f"Bidirectional-{name}-{mode}", lambda layers, x, name=name, mode=mode: layers.Bidirectional(getattr(layers, name)(3, return_sequences=True, **BIASED), merge_mode=mode)(x))
        yield recurrent_case(f"Bidirectional-{name}-last", lambda layers, x, name=name: layers.Bidirectional(getattr(layers, name)(3, return_state=True, **BIASED))(x))
        yield recurrent_case(f"Bidirectional-{name}-masked", lambda layers, x, name=name: layers.Bidirectional(getattr(layers, name)(3, return_sequences=True, **BIASED))(layers.Embedding(7, 3, mask_zero=True)(x)), (6,), integers={0: 7})
        yield recurrent_case(f"Bidirectional-{name}-masked-last", lambda layers, x, name=name: layers.Bidirectional(getattr(layers, name)(3, **BIASED))(layers.Embedding(7, 3, mask_zero=True)(x)), (6,), integers={0: 7})
        yield recurrent_case(f"RNN-{name}Cell", lambda layers, x, name=name: layers.RNN(getattr(layers, f"{name}Cell")(3, **BIASED), return_sequences=True)(x))
    yield recurrent_case("GRU-reset-before", lambda layers, x: layers.GRU(4, reset_after=False, return_sequences=True, **BIASED)(x))
    yield recurrent_case("LSTM-hard", lambda layers, x: layers.LSTM(4, recurrent_activation="hard_sigmoid", activation="softsign", **BIASED)(x))
    yield recurrent_case("RNN-stacked", lambda layers, x: layers.RNN([layers.LSTMCell(3, **BIASED), layers.GRUCell(4, **BIASED)], return_state=True)(x))
    yield recurrent_case("LSTM-encoder-decoder", _encoder_decoder)
    yield recurrent_case("TimeDistributed-Dense", lambda layers, x: layers.TimeDistributed(layers.Dense(3, activation="relu"))(x))
    yield recurrent_case("GlobalAveragePooling1D-masked", lambda layers, x: layers.GlobalAveragePooling1D()(layers.Embedding(7, 3, mask_zero=True)(x)), (6,), integers={0: 7})
    yield recurrent_case("Concatenate-masked", lambda layers, x: layers.GRU(3)(layers.Concatenate()([layers.Masking(0.5)(x), layers.Dense(2)(layers.Masking(0.5)(x))])))
    yield recurrent_case("Add-masked", lambda layers, x: layers.GRU(3)(layers.Add()([layers.Masking(0.5)(x), layers.Dense(5)(layers.Masking(0.5)(x))])))


def _lengths_and_states() -> Iterable[Case]:
    """Loops that are too long to be written out, of known and of unknown length; a single step; states that are given or kept."""
    for name in ("SimpleRNN", "LSTM", "GRU"):
        def layer(layers: Any, x: Any, name: str = name, **arguments: Any) -> Any:
            return getattr(layers, name)(4, **BIASED, **arguments)(x)

        yield recurrent_case(f"{name}-long", partial(layer, return_sequences=True, return_state=True), (30, 5))
        yield recurrent_case(f"{name}-long-backwards", partial(layer, go_backwards=True), (30, 5))
        yield recurrent_case(f"{name}-long-masked", lambda layers, x, layer=layer: layer(layers, layers.Masking(0.5)(x), return_sequences=True, return_state=True), (30, 5))
        yield recurrent_case(f"{name}-dynamic-last", layer, (None, 5), lengths=17)
        yield recurrent_case(f"{name}-dynamic-masked", lambda layers, x, layer=layer: layer(layers, layers.Masking(0.5)(x), return_sequences=True, go_backwards=True), (None, 5), lengths=17)
        yield recurrent_case(f"{name}-dynamic-embedded", lambda layers, x, layer=layer: layer(layers, layers.Embedding(4, 3, mask_zero=True)(x)), (None,), integers={0: 4}, lengths=17)
        yield recurrent_case(f"{name}-one-step", partial(layer, return_sequences=True, return_state=True), (1, 5))
        yield recurrent_case(f"{name}-zero-output-masked", lambda layers, x, layer=layer: layer(layers, layers.Masking(0.5)(x), return_sequences=True, zero_output_for_mask=True))
        yield recurrent_case(f"{name}-unroll-masked", lambda layers, x, layer=layer: layer(layers, layers.Masking(0.5)(x), return_sequences=True, unroll=True))
        for implementation in (1, 2):
            yield recurrent_case(f"{name}-implementation{implementation}", partial(layer, implementation=implementation), only=K2)
        yield Case(f"{name}-stateful", partial(_stateful, name=name))
        yield Case(f"{name}-initial-state", partial(_initial_state, name=name))
        yield Case(f"{name}-initial-state-masked", partial(_initial_state, name=name, masked=True))
        yield recurrent_case(f"RNN-{name}Cell-arguments", lambda layers, x, name=name: layers.RNN(getattr(layers, f"{name}Cell")(3, **BIASED), return_state=True, go_backwards=True, unroll=True)(x))


def _stateful(keras: Any, name: str) -> Any:
    inputs = keras.Input(batch_shape=(3, 6, 5), name="x")
    return keras.Model(inputs, getattr(keras.layers, name)(4, stateful=True, return_sequences=True, **BIASED)(inputs))


def _initial_state(keras: Any, name: str, *, masked: bool = False) -> Any:
    layers = keras.layers
    states = [keras.Input((4,), name=f"state{index}") for index in range(2 if name == "LSTM" else 1)]
    inputs = keras.Input((6, 5), name="x")
    x = layers.Masking(0.5)(inputs) if masked else inputs
    y = getattr(layers, name)(4, return_sequences=True, **BIASED)(x, initial_state=states)
    return keras.Model([inputs, *states], [y, layers.GRU(3, **BIASED)(y)])  # the mask goes on to the next layer


def _around() -> Iterable[Case]:
    """Layers of two kinds in one Bidirectional, and what TimeDistributed wraps."""
    for sequences in (True, False):
        yield recurrent_case(f"Bidirectional-two-{sequences}", partial(_two_ways, sequences=sequences))
        yield recurrent_case(f"Bidirectional-two-masked-{sequences}", lambda layers, x, sequences=sequences: _two_ways(layers, layers.Masking(0.5)(x), sequences=sequences))
    yield recurrent_case("Bidirectional-LSTM-long", lambda layers, x: layers.Bidirectional(layers.LSTM(3, return_sequences=True, **BIASED))(x), (30, 5))
    yield recurrent_case("Bidirectional-RNN-stacked", lambda layers, x: layers.Bidirectional(layers.RNN([layers.LSTMCell(3, **BIASED), layers.GRUCell(4, **BIASED)]))(x))
    yield recurrent_case("RNN-stacked-masked", lambda layers, x: layers.RNN([layers.LSTMCell(3, **BIASED), layers.SimpleRNNCell(4, **BIASED)], return_sequences=True, go_backwards=True)(layers.Masking(0.5)(x)))
    yield recurrent_case("RNN-reverse-state-order", lambda layers, x: layers.RNN(layers.StackedRNNCells([layers.LSTMCell(4, **BIASED), layers.LSTMCell(4, **BIASED)], reverse_state_order=True), return_state=True)(x), only=K2)
    yield recurrent_case("TimeDistributed-Conv2D", lambda layers, x: layers.TimeDistributed(layers.Conv2D(3, 3, padding="same", **BIASED))(x), (4, 5, 6, 2))
    yield recurrent_case("TimeDistributed-LSTM", lambda layers, x: layers.TimeDistributed(layers.LSTM(3, return_sequences=True, **BIASED))(x), (4, 20, 5))
    yield recurrent_case("TimeDistributed-Flatten-LSTM", lambda layers, x: layers.LSTM(3, **BIASED)(layers.TimeDistributed(layers.Flatten())(x)), (None, 5, 2))
    yield recurrent_case("TimeDistributed-Dense-masked", lambda layers, x: layers.GRU(3, **BIASED)(layers.TimeDistributed(layers.Dense(4, **BIASED))(layers.Masking(0.5)(x))))
    yield Case("TimeDistributed-model", _time_distributed_model)
    yield layer_case("ConvLSTM2D", "dynamic", (None, 5, 6, 2), filters=3, kernel_size=3, return_sequences=True)
    for name in ("LSTM", "GRU"):
        yield Case(f"CuDNN{name}", partial(_cudnn, name=name), K2, formats=(".h5",))


def _two_ways(layers: Any, x: Any, *, sequences: bool) -> Any:
    ahead = layers.LSTM(3, return_sequences=sequences, **BIASED)
    back = layers.GRU(2, return_sequences=sequences, go_backwards=True, activation="relu", **BIASED)
    return layers.Bidirectional(ahead, backward_layer=back)(x)


def _time_distributed_model(keras: Any) -> Any:
    layers = keras.layers
    frame = keras.Input((6, 5, 2))
    inner = keras.Model(frame, layers.GlobalAveragePooling2D()(layers.Conv2D(3, 3, activation="relu", **BIASED)(frame)))
    inputs = keras.Input((4, 6, 5, 2), name="x")
    return keras.Model(inputs, layers.LSTM(3, **BIASED)(layers.TimeDistributed(inner)(inputs)))


def _encoder_decoder(layers: Any, x: Any) -> Any:
    _, h, c = layers.LSTM(4, return_state=True, **BIASED)(x)
    return layers.LSTM(4, return_sequences=True, **BIASED)(x, initial_state=[h, c])


def _conv_lstm() -> Iterable[Case]:
    for rank, shape in ((1, (4, 6, 2)), (2, (4, 5, 6, 2)), (3, (3, 4, 3, 4, 2))):
        name = f"ConvLSTM{rank}D"
        yield layer_case(name, "last", shape, filters=3, kernel_size=3)
        yield layer_case(name, "sequences", shape, filters=3, kernel_size=3, padding="same", return_sequences=True, go_backwards=True)
        yield layer_case(name, "strides", shape, filters=3, kernel_size=2, strides=2, padding="same", use_bias=False)
        yield layer_case(name, "hard", shape, filters=2, kernel_size=2, activation="relu", recurrent_activation="hard_sigmoid")
    yield layer_case("ConvLSTM2D", "dilated-states", (4, 7, 6, 2), filters=3, kernel_size=2, dilation_rate=2, return_state=True)
    yield layer_case("ConvLSTM2D", "channels_first", (4, 2, 5, 6), only=K3, filters=3, kernel_size=3, data_format="channels_first")


def _cudnn(keras: Any, name: str) -> Any:
    """A file of CuDNN layers, and what the plain layers compute that Keras 2 itself converts their weights for: without a GPU CuDNN's
    don't run."""
    from tf_keras.src.layers.rnn import cudnn_gru, cudnn_lstm

    made = {"LSTM": cudnn_lstm.CuDNNLSTM, "GRU": cudnn_gru.CuDNNGRU}[name](4, return_sequences=True, name="layer", **BIASED)
    plain = getattr(keras.layers, name)(4, return_sequences=True, name="layer")
    models = []
    for layer in (made, plain):
        inputs = keras.Input((6, 5), name="x")
        models.append(keras.Model(inputs, layer(inputs)))
    with tempfile.TemporaryDirectory() as folder:
        models[0].save_weights(Path(folder) / "weights.h5")
        models[1].load_weights(Path(folder) / "weights.h5")
    models[1].save = models[0].save
    return models[1]


CASES: tuple[Case, ...] = (*_recurrent(), *_lengths_and_states(), *_around(), *_conv_lstm())
