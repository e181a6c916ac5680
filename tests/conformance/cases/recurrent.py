"""Recurrent layers and what works on sequences."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from .case import BIASED, K3, Case, layer_case, recurrent_case


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


CASES: tuple[Case, ...] = (*_recurrent(), *_conv_lstm())
