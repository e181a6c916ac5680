"""Ops of text in TensorFlow's graphs: on its own runtime they compute what they mean in NumPy, with tables and without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kexport.ir import Builder, Graph, Value
from kexport.ir.loops import scan
from kexport_runtimes.tensorflow import RUNTIME
from kexport_targets.saved_model import FROZEN_GRAPH, TARGET
from support.graphs import expected, graph_from
from support.texts import LENGTH, TEXTS, N, looked_up, tokens, vocabulary

TARGETS = pytest.mark.parametrize("target", [TARGET, FROZEN_GRAPH], ids=lambda target: str(target.name))


def check(target: Any, graph: Graph, inputs: dict[str, Any], tmp_path: Path) -> dict[str, int]:
    """How often each operator stands in the file, which computes what the graph means."""
    truth = expected(graph, [*inputs.values()])
    artifact = target.emit(target.legalize(graph, {}), tmp_path, {})
    outputs = RUNTIME.run(tmp_path / artifact.main, inputs)
    for name, array in zip(graph.output_names, truth, strict=True):
        found = outputs[name]
        assert found.shape == array.shape
        np.testing.assert_array_equal(found, array.astype(np.bytes_) if array.dtype == object else array)
    ops: dict[str, int] = artifact.details["ops"]
    return ops


@TARGETS
@pytest.mark.parametrize("split", ["whitespace", "character"])
@pytest.mark.parametrize("ngrams", [None, (1, 2), (3,)])
@pytest.mark.parametrize("length", [LENGTH, 2, 60])
def test_tokens(target: Any, split: str, ngrams: Any, length: Any, tmp_path: Path) -> None:
    graph = graph_from({"x": ("string", (N,))}, tokens(split, ngrams, length))
    check(target, graph, {"x": TEXTS}, tmp_path)


@TARGETS
@pytest.mark.parametrize("batch", [N, 2])
def test_neighbours_of_words(target: Any, batch: Any, tmp_path: Path) -> None:
    def body(b: Builder, x: Value) -> Value:
        return b.op("tokenize", x, split="none", ngrams=(1, 2), length=5)

    graph = graph_from({"x": ("string", (batch, 3))}, body)
    check(target, graph, {"x": np.asarray([["a", "b", "c"], ["d", "", "f"]])}, tmp_path)


@TARGETS
@pytest.mark.parametrize("texts", [[], ["", ""]])
def test_no_words_at_all(target: Any, texts: list[str], tmp_path: Path) -> None:
    graph = graph_from({"x": ("string", (N,))}, tokens("whitespace", None, LENGTH))
    check(target, graph, {"x": np.asarray(texts, np.str_)}, tmp_path)


@TARGETS
@pytest.mark.parametrize("count", [1, 3, 20_000])
def test_words_are_found(target: Any, count: int, tmp_path: Path) -> None:
    graph = graph_from({"x": ("string", (N, 4))}, looked_up(vocabulary(count)))
    rng = np.random.default_rng(0)
    x = np.asarray([f"wörd{index * index}" for index in rng.integers(0, count, 18)] + ["", "none"])
    ops = check(target, graph, {"x": x.reshape(5, 4)}, tmp_path)
    assert ("HashTableV2" in ops) == (target is TARGET)


def test_bytes_that_are_no_utf_8(tmp_path: Path) -> None:
    words = np.asarray([b"\xff\xfe", b"a"], object)
    graph = graph_from({"x": ("string", (3,))}, looked_up(words))
    check(TARGET, graph, {"x": np.asarray([b"a", b"\xff\xfe", b"\xff"])}, tmp_path)


def test_a_vocabulary_that_is_read_twice_is_one_table(tmp_path: Path) -> None:
    def body(b: Builder, x: Value, y: Value) -> list[Value]:
        return [looked_up(vocabulary(9))(b, x), looked_up(vocabulary(9), default=0)(b, y)]

    graph = graph_from({"x": ("string", (3,)), "y": ("string", (2,))}, body)
    ops = check(
        TARGET, graph, {"x": np.asarray(["wörd4", "", "wörd0"]), "y": np.asarray(["a", "wörd9"])}, tmp_path
    )
    assert ops["HashTableV2"] == ops["LookupTableImportV2"] == 1


@TARGETS
def test_tokens_of_places(target: Any, tmp_path: Path) -> None:
    def body(b: Builder, x: Value) -> Value:
        words = b.constant(vocabulary(6), "string")
        return b.op("lookup", x, b.constant(np.arange(2, 8)), words, default=b"[UNK]")

    graph = graph_from({"x": ("int64", (N, 3))}, body)
    check(target, graph, {"x": np.asarray([[0, 2, 7], [8, 3, -1]])}, tmp_path)


@TARGETS
@pytest.mark.parametrize("key", [None, (3, 9)])
def test_hashes(target: Any, key: Any, tmp_path: Path) -> None:
    graph = graph_from(
        {"x": ("string", (N,))}, lambda b, x: b.op("hash_bucket", x, buckets=10**9 + 7, key=key)
    )
    check(target, graph, {"x": np.asarray([*TEXTS, "x" * 200])}, tmp_path)


@TARGETS
@pytest.mark.parametrize("kinds", [("string", "string"), ("string", "int64"), ("int64", "string", "string")])
def test_crossings(target: Any, kinds: tuple[str, ...], tmp_path: Path) -> None:
    columns = {"string": TEXTS[:, None], "int64": np.arange(-3, len(TEXTS) - 3)[:, None] * 10**11}
    types = {f"x{index}": (kind, (N, 1)) for index, kind in enumerate(kinds)}
    graph = graph_from(types, lambda b, *inputs: b.op("cross_hash", *inputs, buckets=99_991))
    check(target, graph, {name: columns[kind] for name, (kind, _) in types.items()}, tmp_path)


@TARGETS
@pytest.mark.parametrize("dtype", ["int64", "float32"])
@pytest.mark.parametrize("binary", [False, True])
def test_counts(target: Any, dtype: str, binary: bool, tmp_path: Path) -> None:
    graph = graph_from(
        {"x": ("int64", (N, 4))}, lambda b, x: b.op("bincount", x, depth=5, binary=binary, dtype=dtype)
    )
    check(target, graph, {"x": np.asarray([[0, 3, 3, 2**62], [1, 1, 1, 4]])}, tmp_path)


@TARGETS
def test_text_is_moved(target: Any, tmp_path: Path) -> None:
    def body(b: Builder, x: Value, y: Value) -> list[Value]:
        both = b.op("concat", x, b.op("transpose", y, perm=(1, 0)), axis=1)
        chosen = b.op(
            "select",
            b.op("equal", both, b.constant(np.asarray(b"a", object), "string")),
            both,
            b.op("reverse", both, axes=(1,)),
        )
        return [
            chosen,
            b.op("gather", chosen, b.constant([2, 0], "int32"), axis=1),
            b.op("reshape", b.op("tile", x, multiples=(1, 2)), shape=(4, N)),
        ]

    graph = graph_from({"x": ("string", (N, 2)), "y": ("string", (2, N))}, body)
    check(
        target,
        graph,
        {"x": np.asarray([["a", "é"], ["", "b"]]), "y": np.asarray([["c", "d"], ["a", "a"]])},
        tmp_path,
    )


@TARGETS
def test_words_in_a_loop(target: Any, tmp_path: Path) -> None:
    def body(b: Builder, x: Value, total: Value) -> list[Value]:
        def step(rows: list[Value], states: list[Value]) -> tuple[list[Value], list[Value]]:
            found = looked_up(vocabulary(5))(b, rows[0])
            return [found], [b.op("add", states[0], found)]

        (steps,), (last,) = scan(b, [x], [total], step)
        return [steps, last]

    graph = graph_from({"x": ("string", (4, 2)), "total": ("int64", (2,))}, body)
    words = np.asarray([["wörd4", "no"], ["", "wörd0"], ["wörd1", "wörd9"], ["x", "y"]])
    check(target, graph, {"x": words, "total": np.asarray([1, 2])}, tmp_path)


def test_the_same_model_is_the_same_bytes(tmp_path: Path) -> None:
    written = []
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        graph = graph_from({"x": ("string", (N, 4))}, looked_up(vocabulary(50)))
        artifact = TARGET.emit(TARGET.legalize(graph, {}), folder, {})
        written.append([(folder / file).read_bytes() for file in artifact.files])
    assert written[0] == written[1]
