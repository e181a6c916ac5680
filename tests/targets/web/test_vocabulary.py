"""What a vocabulary's file says."""

from __future__ import annotations

import json

import numpy as np
import pytest

from kexport.errors import UsageError
from kexport.ir import Builder, TensorType, Value
from kexport_targets.web.vocabulary import read_vocabulary, rows_read
from support.graphs import graph_of

TEXT = {"name": "text", "shape": [1, 5], "dtype": "int32", "rows": 5}
IMAGE = {"name": "image", "shape": [1, 8, 8, 1], "dtype": "float32"}


def read(tmp_path, contents, *, name="words.txt", padding="pre", inputs=(IMAGE, TEXT)):
    path = tmp_path / name
    path.write_text(contents, "utf-8", newline="")
    return read_vocabulary(path, padding, inputs)


def test_lines_count_from_zero_and_the_unknown_word_is_told_apart(tmp_path):
    found = read(tmp_path, "\r\n[UNK]\r\nthe\r\nNaïve\r\n")
    assert found == {
        "input": "text",
        "unit": "word",
        "padding": "pre",
        "unknown": 1,
        "words": {"the": 2, "Naïve": 3},
    }


def test_json_and_what_the_model_has_no_row_for(tmp_path):
    words = {"a": 1, " ": 2, "\u2028": 3, "z": 5}
    found = read(tmp_path, json.dumps(words), name="w.json", padding="post")
    assert found["unit"] == "character"
    assert found["words"] == {"a": 1, " ": 2, "\u2028": 3}
    assert found["unknown"] is None
    assert read(tmp_path, '["", "one", "two"]', name="w.json")["words"] == {"one": 1, "two": 2}


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ("[1, 2]", "a JSON list of words"),
        ('{"a": -1}', "a JSON object of integers"),
        ('{"a": true}', "a JSON object of integers"),
        ("{", "can't be read"),
        ("[" * 100_000, "can't be read"),
        ('{"a": 7}', "no words that the model knows"),
    ],
)
def test_others_are_refused(tmp_path, contents, message):
    with pytest.raises(UsageError, match=message):
        read(tmp_path, contents, name="w.json")


def test_the_input_and_the_padding_must_be_there(tmp_path):
    with pytest.raises(UsageError, match=r"shape \(samples, length\)\. Received: image \(1, 8, 8, 1\)"):
        read(tmp_path, "a", inputs=(IMAGE,))
    with pytest.raises(UsageError, match="padded pre or post"):
        read(tmp_path, "a", padding="left")
    with pytest.raises(UsageError, match="can't be read"):
        read_vocabulary(tmp_path / "none.txt", "pre", (TEXT,))
    assert read_vocabulary(None, "pre", ()) is None


def test_rows_are_those_of_the_smallest_table():
    def body(b: Builder, x: Value) -> dict[str, Value]:
        tables = [b.constant(np.zeros((rows, 2), np.float32)) for rows in (9, 7)]
        return {str(rank): b.op("gather", table, x, axis=0) for rank, table in enumerate(tables)}

    assert rows_read(graph_of({"x": TensorType("int32", (1, 3))}, body, [])) == {"x": 7}
