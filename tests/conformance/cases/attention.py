"""Attention layers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .case import BIASED, K3, Case


def attention_case(label: str, build: Callable[..., Any], shapes: tuple[tuple[int | None, ...], ...] = ((5, 8), (6, 8)), only: tuple[str, ...] = ("keras3", "keras2"), **more: Any) -> Case:
    """An attention layer on a query, a value, and masks, which are those among ``integers``."""

    def model(keras: Any) -> Any:
        dtypes = ["bool" if index in more.get("integers", {}) else "float32" for index in range(len(shapes))]
        inputs = [keras.Input(shape, name=f"x{index}", dtype=dtypes[index]) for index, shape in enumerate(shapes)]
        return keras.Model(inputs, build(keras.layers, *inputs))

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
    yield from _masked()
    yield from _more_dimensions()
    yield Case("Functional-transformer", _transformer, integers={0: 9})


def _masked() -> Iterable[Case]:
    """All ways in which a score may not count; rows of which none does; what is gated."""
    heads, group = {"num_heads": 2, "key_dim": 4, **BIASED}, {"head_dim": 4, "num_query_heads": 4, "num_key_value_heads": 2, **BIASED}
    def few(layers: Any, x: Any) -> Any:
        return layers.Masking(0.5)(x)

    yield attention_case("MultiHeadAttention-masked-rows", lambda layers, q, v: layers.MultiHeadAttention(**heads)(few(layers, q), few(layers, v)))
    yield attention_case("MultiHeadAttention-masked-rows-scores", lambda layers, q, v: layers.MultiHeadAttention(**heads)(few(layers, q), few(layers, v), return_attention_scores=True))
    yield attention_case("MultiHeadAttention-masked-key", lambda layers, q, v: layers.MultiHeadAttention(**heads)(q, v, few(layers, layers.Activation("linear")(v)), use_causal_mask=True))
    yield attention_case("MultiHeadAttention-masked-dropout-causal", lambda layers, q, v: layers.MultiHeadAttention(dropout=0.2, **heads)(few(layers, q), few(layers, q), use_causal_mask=True))
    for label, shape in (("attention_mask", (5, 6)), ("attention_mask-heads", (2, 5, 6))):
        yield attention_case(f"MultiHeadAttention-{label}", lambda layers, q, v, m: layers.MultiHeadAttention(**heads)(q, v, attention_mask=m), ((5, 8), (6, 8), shape), integers={2: 2})
    yield attention_case("MultiHeadAttention-masks", lambda layers, q, v, m, n: layers.MultiHeadAttention(**heads)(q, v, query_mask=m, value_mask=n), ((5, 8), (6, 8), (5,), (6,)), only=K3, integers={2: 2, 3: 2})
    yield attention_case("MultiHeadAttention-gate", lambda layers, q, v: layers.MultiHeadAttention(use_gate=True, value_dim=3, **heads)(q, v), only=K3)
    yield attention_case("MultiHeadAttention-window", lambda layers, q, v: layers.MultiHeadAttention(sliding_window=2, **heads)(q, v), only=K3)
    yield attention_case("MultiHeadAttention-window-causal-dynamic", lambda layers, q, v: layers.MultiHeadAttention(sliding_window=3, **heads)(q, q, use_causal_mask=True), ((None, 8), (None, 8)), only=K3)
    yield attention_case("GroupQueryAttention-gate", lambda layers, q, v: layers.GroupQueryAttention(use_gate=True, **group)(q, v), only=K3)
    yield attention_case("GroupQueryAttention-window-scores", lambda layers, q, v: layers.GroupQueryAttention(sliding_window=2, **group)(q, v, return_attention_scores=True), only=K3)
    yield attention_case("GroupQueryAttention-masked-rows", lambda layers, q, v: layers.GroupQueryAttention(**group)(few(layers, q), few(layers, v)), only=K3)
    yield attention_case("GroupQueryAttention-masks", lambda layers, q, v, m, n: layers.GroupQueryAttention(**group)(q, v, query_mask=m, value_mask=n, key_mask=n), ((5, 8), (6, 8), (5,), (6,)), only=K3, integers={2: 2, 3: 2})
    yield attention_case("GroupQueryAttention-attention_mask", lambda layers, q, v, m: layers.GroupQueryAttention(**group)(q, v, attention_mask=m, use_causal_mask=True), ((5, 8), (6, 8), (5, 6)), only=K3, integers={2: 2})
    yield attention_case("Softmax-mask", lambda layers, q, m: layers.Softmax()(q, mask=m), ((5, 8), (5, 8)), integers={1: 2})
    yield attention_case("Softmax-mask-broadcast-axes", lambda layers, q, m: layers.Softmax(axis=(1, 2))(q, mask=m), ((5, 8), (1, 8)), integers={1: 2})
    yield Case("Softmax-implicit", _implicit_mask, K3, integers={0: 4})


def _implicit_mask(keras: Any) -> Any:
    """Softmax of embedded tokens, whose mask (batch, time) it takes for one of (time, features), as it broadcasts: they have one length."""
    tokens = keras.Input((3,), dtype="int32", name="tokens")
    return keras.Model(tokens, keras.layers.Softmax()(keras.layers.Embedding(4, 3, mask_zero=True, name="layer")(tokens)))


def _more_dimensions() -> Iterable[Case]:
    """Queries of more dimensions, attended over all or some of them."""
    heads = {"num_heads": 2, "key_dim": 3, **BIASED}
    image, other = (3, 4, 8), (3, 5, 8)
    yield attention_case("MultiHeadAttention-rank4", lambda layers, q, v: layers.MultiHeadAttention(**heads)(q, v), ((3, 4, 8), (2, 5, 8)))
    yield attention_case("MultiHeadAttention-rank4-scores", lambda layers, q, v: layers.MultiHeadAttention(**heads)(q, v, return_attention_scores=True)[0], (image, (2, 5, 8)))
    yield attention_case("MultiHeadAttention-axis2", lambda layers, q, v: layers.MultiHeadAttention(attention_axes=2, value_dim=5, **heads)(q, v), (image, other))
    yield attention_case("MultiHeadAttention-axis1", lambda layers, q, v: layers.MultiHeadAttention(attention_axes=(1,), **heads)(q, v), ((4, 3, 8), (5, 3, 8)))
    yield attention_case("MultiHeadAttention-axes-order", lambda layers, q, v: layers.MultiHeadAttention(attention_axes=(2, 1), **heads)(q, v), (image, (2, 5, 8)))
    yield attention_case("MultiHeadAttention-axis1-mask", lambda layers, q, v, m: layers.MultiHeadAttention(attention_axes=(1,), **heads)(q, v, attention_mask=m), ((4, 3, 8), (5, 3, 8), (4, 5)), integers={2: 2})
    yield attention_case("MultiHeadAttention-output-shape", lambda layers, q, v: layers.MultiHeadAttention(output_shape=(3, 2), **heads)(q, v))


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


def _shared_tokens(keras: Any) -> Any:
    """Layers that read the mask of one tensor, which MultiHeadAttention of Keras 3.8 and later takes away as it runs."""
    layers = keras.layers
    tokens = keras.Input((7,), dtype="int32", name="tokens")
    x = layers.Embedding(4, 8, mask_zero=True)(tokens)
    heads = [layers.MultiHeadAttention(2, 4, **BIASED)(x, x) for _ in range(2)]
    late = layers.MultiHeadAttention(2, 4, **BIASED)(heads[0], x)
    others = [layers.Attention()([x, x]), layers.AdditiveAttention()([heads[1], x]), layers.Multiply()([x, late])]
    return keras.Model(tokens, [*heads, late, *others, layers.GRU(3)(others[-1])])


CASES: tuple[Case, ...] = (*_attention(), Case("MultiHeadAttention-shared-tokens", _shared_tokens, integers={0: 4}))
