"""Attention layers of drawn heads, widths, lengths and masks, against Keras, in NumPy and on the targets' runtimes."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lowering.live_model import check

FEW = settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
small = st.integers(1, 5)
maybe = st.booleans()


class Drawn:
    """The inputs of an attention layer: query, value, perhaps a key, and masks that are inputs of their own."""

    def __init__(self, data: st.DataObject, widths: tuple[int, int, int]) -> None:
        self.rows, self.columns = data.draw(small), data.draw(small)
        self.shapes: list[tuple[int, ...]] = [(self.rows, widths[0]), (self.columns, widths[1])]
        self.dtypes = ["float32", "float32"]
        self._rng = np.random.default_rng(data.draw(st.integers(0, 99)))
        self.arrays: dict[int, Any] = {}
        self.at: dict[str, int] = {}
        if data.draw(maybe):
            self.at["key"] = 2
            self.shapes.append((self.columns, widths[2]))
            self.dtypes.append("float32")

    def mask(self, name: str, *shape: int) -> None:
        """Add a mask whose first column counts: a row of which nothing counts has no softmax."""
        array = self._rng.integers(0, 2, (3, *shape)).astype(bool)
        self.at[name] = len(self.shapes)
        self.arrays[len(self.shapes)] = array
        self.shapes.append(shape)
        self.dtypes.append("bool")

    def check(self, call: Any) -> None:
        """``call(layers, query, value, tensors by name)`` computes what it does in Keras."""

        def build(layers: Any) -> Any:
            return lambda tensors: call(
                layers, tensors[0], tensors[1], {name: tensors[at] for name, at in self.at.items()}
            )

        check(build, *self.shapes, dtype=self.dtypes, given=self.arrays, targets=True)


@FEW
@given(
    data=st.data(),
    score_mode=st.sampled_from(["dot", "concat", "additive"]),
    use_scale=maybe,
    causal=maybe,
    scores=maybe,
)
def test_attention(data: st.DataObject, score_mode: str, use_scale: bool, causal: bool, scores: bool) -> None:
    width = data.draw(small)
    drawn = Drawn(data, (width, width, width))
    for name, length in (("query_mask", drawn.rows), ("value_mask", drawn.columns)):
        if data.draw(maybe):
            drawn.mask(name, length)

    def call(layers: Any, query: Any, value: Any, more: dict[str, Any]) -> Any:
        given = [query, value, *([more["key"]] if "key" in more else [])]
        mask = [more.get("query_mask"), more.get("value_mask")]
        if score_mode == "additive":
            layer = layers.AdditiveAttention(use_scale=use_scale)
        else:
            layer = layers.Attention(use_scale=use_scale, score_mode=score_mode)
        flags = {"use_causal_mask": causal, "return_attention_scores": scores}
        return layer(given, mask=mask if mask != [None, None] else None, **flags)

    drawn.check(call)


def masked(drawn: Drawn, data: st.DataObject, heads: int) -> None:
    """Draw masks of query, value and key, and of single scores. One of the single heads' scores goes alone: Keras adds to it what the others
    say as if their samples were its heads."""
    if data.draw(st.sampled_from([False, False, True])):
        drawn.mask("attention_mask", heads, drawn.rows, drawn.columns)
        return
    for name, length in (
        ("query_mask", drawn.rows),
        ("value_mask", drawn.columns),
        ("key_mask", drawn.columns),
    ):
        if data.draw(maybe) and (name != "key_mask" or "key" in drawn.at):
            drawn.mask(name, length)
    if data.draw(maybe):
        drawn.mask("attention_mask", drawn.rows, drawn.columns)


def options(data: st.DataObject) -> dict[str, Any]:
    """Arguments of the layer; with ``dropout`` Keras computes the scores itself, also where nothing is dropped."""
    return {
        "use_gate": data.draw(maybe),
        "sliding_window": data.draw(st.none() | small),
        "dropout": data.draw(st.sampled_from([0.0, 0.1])),
    }


@FEW
@given(data=st.data(), heads=st.integers(1, 3), bias=maybe, causal=maybe, scores=maybe)
def test_multi_head_attention(
    data: st.DataObject, heads: int, bias: bool, causal: bool, scores: bool
) -> None:
    drawn = Drawn(data, (data.draw(small), data.draw(small), data.draw(small)))
    masked(drawn, data, heads)
    # Not 1: Keras's `add` on TensorFlow takes a bias (heads, 1) for one of the time steps, where there are as many of them.
    value_dim, output_shape = data.draw(st.none() | st.integers(2, 5)), data.draw(st.none() | small)
    more_options = options(data)

    def call(layers: Any, query: Any, value: Any, more: dict[str, Any]) -> Any:
        layer = layers.MultiHeadAttention(
            heads, 3, value_dim, use_bias=bias, output_shape=output_shape, **more_options
        )
        return layer(query, value, use_causal_mask=causal, return_attention_scores=scores, **more)

    drawn.check(call)


@FEW
@given(
    data=st.data(),
    groups=st.integers(1, 3),
    repeats=st.integers(1, 3),
    bias=maybe,
    causal=maybe,
    scores=maybe,
)
def test_grouped_query_attention(
    data: st.DataObject, groups: int, repeats: int, bias: bool, causal: bool, scores: bool
) -> None:
    width = data.draw(small)  # of query and value: Keras takes no two
    drawn = Drawn(data, (width, width, data.draw(small)))
    masked(drawn, data, groups * repeats)
    more_options = options(data)

    def call(layers: Any, query: Any, value: Any, more: dict[str, Any]) -> Any:
        layer = layers.GroupQueryAttention(3, groups * repeats, groups, use_bias=bias, **more_options)
        return layer(query, value, use_causal_mask=causal, return_attention_scores=scores, **more)

    drawn.check(call)
