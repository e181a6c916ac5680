"""What the target can't hold: each error names the layer, what was received, and a way out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kexport.errors import UnsupportedOpError
from kexport.ir import Builder, Graph, Node, TensorType, Value, dims
from kexport.ir.ops import known_ops
from kexport_targets.onnx.emit import emit_graph, emittable_ops
from kexport_targets.onnx.legalize.registry import TABLE
from support.graphs import graph_of
from targets.onnx.complete import emitted

BATCH, TIME = dims.symbol("batch"), dims.symbol("time")


def test_every_op_of_the_graph_has_an_operator_or_a_rewrite() -> None:
    passes = {"absmax_quantize", "round_float8"}  # make others of them
    assert set(known_ops()) == set(emittable_ops()) | set(TABLE.ops()) | passes


@pytest.mark.parametrize(
    ("op", "attrs", "message"),
    [
        ("tokenize", {"split": "character", "length": 3}, "no operator that splits text into characters"),
        ("hash_bucket", {"buckets": 9}, "no operator that hashes text"),
        ("cross_hash", {"buckets": 9}, "no operator that hashes text"),
    ],
)
def test_text_that_onnx_has_no_operators_for(
    op: str, attrs: dict[str, Any], message: str, tmp_path: Path
) -> None:
    def body(b: Builder, x: Value) -> dict[str, Value]:
        b.origin = "words"
        return {"y": b.op(op, x, **attrs)}

    with pytest.raises(UnsupportedOpError, match=rf"(?s)'words': .*{message}.*opset 20.*saved_model"):
        emitted(graph_of({"x": TensorType("string", (BATCH,))}, body), tmp_path, opset=20)


@pytest.mark.parametrize(
    ("op", "attrs", "opset"), [("tokenize", {"length": 3}, 20), ("strip_punctuation", {}, 20)]
)
def test_text_that_older_operator_sets_have_no_operators_for(
    op: str, attrs: dict[str, Any], opset: int, tmp_path: Path
) -> None:
    graph = graph_of({"x": TensorType("string", (BATCH,))}, lambda b, x: {"y": b.op(op, x, **attrs)})
    with pytest.raises(UnsupportedOpError, match=rf"(?s)splitting text.*from {opset} on.*--opset {opset}"):
        emitted(graph, tmp_path, opset=opset - 1)


def test_symmetric_padding_of_an_open_length(tmp_path: Path) -> None:
    def body(b: Builder, x: Value) -> dict[str, Value]:
        b.origin = "block/pad"
        return {"y": b.op("pad", x, pads=((0, 0), (1, 1)), mode="symmetric")}

    with pytest.raises(UnsupportedOpError, match=r"(?s)'block/pad'.*known length. Received: .*--dim"):
        emitted(graph_of({"x": TensorType("float32", (BATCH, TIME))}, body), tmp_path)


def test_a_length_that_no_input_has() -> None:
    x = Value("x", "float32", (2, 3))
    out = Value("y", "float32", (dims.symbol("rows"), 2, 3))
    node = Node("broadcast_to", [x], [out], {"shape": out.shape}, "encoder/tile")
    graph = Graph("g", [x], [out], [node], ["x"], ["y"])
    with pytest.raises(UnsupportedOpError, match=r"(?s)'encoder/tile'.*Received: 'rows'.*--dim rows=N"):
        emit_graph(graph, opset=17)


def test_an_op_that_nobody_knows() -> None:
    x, y = (Value(name, "float32", (2,)) for name in "xy")
    graph = Graph("g", [x], [y], [Node("conjure", [x], [y], {}, "magic")], ["x"], ["y"])
    with pytest.raises(
        UnsupportedOpError, match=r"(?s)'magic': the op 'conjure'.*opset 18.*export to TF Lite"
    ):
        emit_graph(graph, opset=18)


def test_a_wrong_constant_is_found_before_the_file_is_whole(tmp_path: Path) -> None:
    from kexport.ir import Constant

    def body(b: Builder, x: Value) -> dict[str, Value]:
        read = Constant.lazy("float32", (3,), lambda: np.zeros(4, np.float32))
        return {"y": b.op("add", x, b.constant(read))}

    with pytest.raises(ValueError, match=r"\(3,\) was read as \(4,\)"):
        emitted(graph_of({"x": TensorType("float32", (2, 3))}, body), tmp_path)
