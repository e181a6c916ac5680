"""Texts that are made up for golden inputs, by what a graph does with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from kexport.errors import UsageError
from kexport.ir import Builder, Graph, TensorType, Value, dims
from kexport.reference.inputs import golden_inputs
from kexport.reference.samples import check_inputs
from support.graphs import graph_of

BATCH, TOKENS = dims.symbol("batch"), dims.symbol("tokens")
WORDS = np.asarray([b"the", b"cat", "über".encode(), b"sat on", b""], object)


def looked_up(b: Builder, x: Value, *, strict: bool = False, words: Any = WORDS) -> Value:
    keys = b.constant(words, "string")
    return b.op("lookup", x, keys, b.constant(np.arange(len(words))), default=-1, strict=strict)


def words_graph(shape: tuple[Any, ...] = (BATCH, 40), *, strict: bool = False) -> Graph:
    def body(b: Builder, x: Value) -> Mapping[str, Value]:
        return {"y": looked_up(b, b.op("reshape", x, shape=(*shape, 1)), strict=strict)}

    return graph_of({"x": TensorType("string", shape)}, body)


def texts_graph(batch: Any = BATCH, length: Any = TOKENS, window: int = 1, **how: Any) -> Graph:
    def body(b: Builder, x: Value) -> Mapping[str, Value]:
        plain = b.op("strip_punctuation", b.op("lower", x))
        found = looked_up(b, b.op("tokenize", plain, length=length, **how))
        end = (None, 1 - window if window > 1 else None)
        return {"y": b.op("slice", found, begin=(0, 0), end=end, strides=(1, 1))}

    return graph_of({"x": TensorType("string", (batch,))}, body)


def test_words_are_of_every_kind() -> None:
    drawn = golden_inputs(words_graph())["x"]
    assert drawn.shape == (8, 40)
    flat = set(drawn.reshape(-1).tolist())
    assert {"the", "cat", "über", "sat on", "", "naïve", "東京", "THE", "(cat!"} <= flat
    assert max(len(word.encode()) for word in flat) > 64


def test_nothing_but_the_vocabulary_where_nothing_else_has_a_place() -> None:
    drawn = golden_inputs(words_graph(strict=True))["x"]
    assert set(drawn.reshape(-1).tolist()) == {"the", "cat", "über", "sat on"}


def test_texts_are_of_many_lengths_and_one_is_empty() -> None:
    drawn = golden_inputs(texts_graph())["x"].tolist()
    counts = [len(text.split()) for text in drawn]
    assert len(set(counts)) > 4
    assert "" in drawn
    whole = "".join(drawn)
    assert {"\t", "\n", "(", "!", "-", "ü", "東"} <= set(whole)
    assert "  " in whole
    assert "THE" in whole


def test_a_text_is_longer_than_what_is_kept() -> None:
    assert max(len(text.split()) for text in golden_inputs(texts_graph(length=50))["x"]) > 50
    assert max(len(text.split()) for text in golden_inputs(texts_graph(length=10**6))["x"]) < 1000


@pytest.mark.parametrize("how", [{}, {"split": "character"}, {"ngrams": (2,)}, {"ngrams": (1, 3)}])
def test_there_are_tokens_enough_for_what_follows(how: Mapping[str, Any]) -> None:
    from kexport.ir.evaluate import evaluate

    graph = texts_graph(window=60, **how)
    assert evaluate(graph, [golden_inputs(graph)["x"]])[0].shape[1] >= 1


@pytest.mark.parametrize("how", [{}, {"split": "character"}, {"ngrams": (1, 3)}])
def test_texts_are_all_as_long_where_a_batch_is_split_into_batches(how: Mapping[str, Any]) -> None:
    from kexport.ir.evaluate import evaluate

    graph = texts_graph(batch=2, **how)
    drawn = golden_inputs(graph)["x"]
    assert len(set(drawn.tolist())) == len(drawn)
    (tokens,) = evaluate(graph, [drawn], [graph.found_lengths()["tokens"]])
    assert (tokens != b"").all()


def test_the_same_texts_every_time() -> None:
    first, again = golden_inputs(texts_graph())["x"], golden_inputs(texts_graph())["x"]
    assert first.tolist() == again.tolist()
    assert golden_inputs(texts_graph(), seed=1)["x"].tolist() != first.tolist()


def test_texts_of_the_users_own() -> None:
    graph = texts_graph(window=3)
    given = [np.asarray(["a b c", "é"]), np.asarray([b"a", b"\xff"]), np.asarray(["a", b"b"], object)]
    for array in given:
        assert check_inputs({"x": array}, graph, what="samples")["x"].dtype.kind in "US"
    for wrong in (np.asarray([1, 2]), np.asarray(["a", 3], object)):
        with pytest.raises(UsageError, match="'x' has dtype string"):
            check_inputs({"x": wrong}, graph, what="samples")
