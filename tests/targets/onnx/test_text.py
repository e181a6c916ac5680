"""Ops of text in ONNX: ONNX Runtime computes what they mean in NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from kexport.ir import Builder, Graph, Value
from kexport.ir.texts import readable
from kexport_runtimes.onnxruntime import RUNTIME
from support.graphs import expected, graph_from
from support.texts import LENGTH, TEXTS, N, looked_up, tokens, vocabulary
from targets.onnx.complete import emitted


def check(graph: Graph, inputs: dict[str, Any], tmp_path: Path) -> onnx.ModelProto:
    """The file, which computes what the graph means."""
    truth = expected(graph, [*inputs.values()])
    artifact = emitted(graph, tmp_path)
    outputs = RUNTIME.run(artifact.main, inputs)
    for name, array in zip(graph.output_names, truth, strict=True):
        np.testing.assert_array_equal(outputs[name], readable(array) if array.dtype == object else array)
        assert outputs[name].shape == array.shape
    model = onnx.load(artifact.main)
    onnx.checker.check_model(model)
    return model


@pytest.mark.parametrize("ngrams", [None, (1, 2), (3,), (2, 1)])
@pytest.mark.parametrize("length", [LENGTH, 2, 60])
def test_tokens(ngrams: Any, length: Any, tmp_path: Path) -> None:
    graph = graph_from({"x": ("string", (N,))}, tokens("whitespace", ngrams, length))
    model = check(graph, {"x": TEXTS}, tmp_path)
    assert [(item.domain, item.version) for item in model.opset_import] == [("", 20)]


@pytest.mark.parametrize("length", [LENGTH, 3])
def test_no_words_at_all(length: Any, tmp_path: Path) -> None:
    graph = graph_from({"x": ("string", (N,))}, tokens("whitespace", None, length))
    check(graph, {"x": np.asarray(["", " "])}, tmp_path)


def test_neighbours_of_words(tmp_path: Path) -> None:
    def body(b: Builder, x: Value) -> Value:
        return b.op("tokenize", x, split="none", ngrams=(1, 2), length=5)

    graph = graph_from({"x": ("string", (N, 3))}, body)
    check(graph, {"x": np.asarray([["a", "b", "c"], ["d", "", "f"]])}, tmp_path)


@pytest.mark.parametrize("count", [1, 3, 20_000])
def test_words_are_found(count: int, tmp_path: Path) -> None:
    graph = graph_from({"x": ("string", (N, 2))}, looked_up(vocabulary(count)))
    model = check(graph, {"x": np.asarray([["wörd0", "none"], ["", "wörd4"]])}, tmp_path)
    assert [(item.domain, item.version) for item in model.opset_import] == [("", 17), ("ai.onnx.ml", 2)]


def test_tokens_of_places(tmp_path: Path) -> None:
    def body(b: Builder, x: Value) -> Value:
        words = b.constant(vocabulary(6), "string")
        return b.op("lookup", x, b.constant(np.arange(2, 8)), words, default=b"[UNK]")

    check(graph_from({"x": ("int64", (N, 3))}, body), {"x": np.asarray([[0, 2, 7], [8, 3, -1]])}, tmp_path)


@pytest.mark.parametrize("dtype", ["int64", "float32"])
@pytest.mark.parametrize("binary", [False, True])
def test_counts(dtype: str, binary: bool, tmp_path: Path) -> None:
    graph = graph_from(
        {"x": ("int64", (N, 4))}, lambda b, x: b.op("bincount", x, depth=5, binary=binary, dtype=dtype)
    )
    check(graph, {"x": np.asarray([[0, 3, 3, 2**62], [1, 1, 1, 4], [-1, 5, 9, 0]])}, tmp_path)


def test_text_is_moved(tmp_path: Path) -> None:
    def body(b: Builder, x: Value, y: Value) -> list[Value]:
        both = b.op("concat", x, b.op("transpose", y, perm=(1, 0)), axis=1)
        is_a = b.op("equal", both, b.constant(np.asarray(b"a", object), "string"))
        chosen = b.op("select", is_a, both, b.op("reverse", both, axes=(1,)))
        return [
            chosen,
            b.op("gather", chosen, b.constant([2, 0], "int32"), axis=1),
            b.op("tile", x, multiples=(1, 2)),
        ]

    graph = graph_from({"x": ("string", (N, 2)), "y": ("string", (2, N))}, body)
    given = {"x": np.asarray([["a", "é"], ["", "b"]]), "y": np.asarray([[b"c", b"d"], [b"a", b"a"]])}
    model = check(graph, given, tmp_path)
    assert [item.version for item in model.opset_import] == [19]
