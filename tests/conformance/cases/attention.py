"""Attention layers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .case import BIASED, K3, Case


def attention_case(label: str, build: Callable[[Any, Any, Any], Any], shapes: tuple[tuple[int | None, ...], ...] = ((5, 8), (6, 8)), only: tuple[str, ...] = ("keras3", "keras2"), **more: Any) -> Case:
    """An attention layer on a query and a value."""

    def model(keras: Any) -> Any:
        query, value = (keras.Input(shape, name=name) for shape, name in zip(shapes, ("q", "v"), strict=True))
        return keras.Model([query, value], build(keras.layers, query, value))

    return Case(label, model, only, **more)


def _attention() -> Iterable[Case]:
    yield attention_case("Attention-dot", lambda layers, q, v: layers.Attention()([q, v]))
    yield attention_case("Attention-key-scores", lambda layers, q, v: layers.Attention()([q, v, layers.Dense(8)(v)], return_attention_scores=True))
    yield attention_case("Attention-scale", lambda layers, q, v: layers.Attention(use_scale=True)([q, v]))
    yield attention_case("Attention-concat", lambda layers, q, v: layers.Attention(score_mode="concat")([q, v]))
    yield attention_case("Attention-concat-scale", lambda layers, q, v: layers.Attention(score_mode="concat", use_scale=True)([q, v]))
    yield attention_case("Attention-causal", lambda layers, q, v: layers.Attention()([q, q], use_causal_mask=True))
    yield attention_case("Attention-dynamic", lambda layers, q, v: layers.Attention()([q, v], use_causal_mask=True), ((None, 8), (None, 8)))
    yield attention_case("Attention-masked", lambda layers, q, v: layers.Attention()([layers.Masking(0.5)(q), layers.Masking(0.5)(v)]))
    yield attention_case("AdditiveAttention-plain", lambda layers, q, v: layers.AdditiveAttention()([q, v]))
    yield attention_case("AdditiveAttention-noscale-masked", lambda layers, q, v: layers.AdditiveAttention(use_scale=False)([layers.Masking(0.5)(q), layers.Masking(0.5)(v)]))
    yield attention_case("MultiHeadAttention-self", lambda layers, q, v: layers.MultiHeadAttention(2, 4, **BIASED)(q, q))
    yield attention_case("MultiHeadAttention-cross", lambda layers, q, v: layers.MultiHeadAttention(2, 3, value_dim=5, output_shape=7, **BIASED)(q, v, layers.Dense(8)(v)))
    yield attention_case("MultiHeadAttention-nobias-scores", lambda layers, q, v: layers.MultiHeadAttention(2, 4, use_bias=False, dropout=0.1)(q, v, return_attention_scores=True))
    yield attention_case("MultiHeadAttention-causal", lambda layers, q, v: layers.MultiHeadAttention(2, 4, **BIASED)(q, q, use_causal_mask=True))
    yield attention_case("MultiHeadAttention-dynamic", lambda layers, q, v: layers.MultiHeadAttention(2, 4, **BIASED)(q, v), ((None, 8), (None, 8)))
    yield attention_case("MultiHeadAttention-masked", lambda layers, q, v: layers.GlobalAveragePooling1D()(layers.MultiHeadAttention(2, 4, **BIASED)(layers.Masking(0.5)(q), layers.Masking(0.5)(v))))
    yield attention_case("GroupQueryAttention-plain", lambda layers, q, v: layers.GroupQueryAttention(4, 4, 2, **BIASED)(q, v), only=K3)
    yield attention_case("GroupQueryAttention-causal", lambda layers, q, v: layers.GroupQueryAttention(4, 4, 2, **BIASED)(q, q, use_causal_mask=True), only=K3)
    yield Case("Functional-transformer", _transformer, integers={0: 9})


def _transformer(keras: Any) -> Any:
    """An encoder block on embedded tokens of which some are padding, then a mean over those that are not."""
    layers = keras.layers
    tokens = keras.Input((7,), dtype="int32", name="tokens")
    x = layers.Embedding(9, 8, mask_zero=True)(tokens)
    y = layers.MultiHeadAttention(2, 4, **BIASED)(x, x)
    x = layers.LayerNormalization(beta_initializer="random_normal")(layers.Add()([x, y]))
    y = layers.Dense(8)(layers.Dense(16, activation="gelu")(x))
    x = layers.LayerNormalization()(layers.Add()([x, y]))
    return keras.Model(tokens, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling1D()(x)))


CASES: tuple[Case, ...] = (*_attention(),)
