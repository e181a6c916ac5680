"""Text: cases, signs, words and their neighbours, and hashes.

Words are an array of all of them and of where each row's begin (``row_splits``), until they are filled up to a rectangle.
"""

from __future__ import annotations

from typing import Final

from kexport.ir import Node, Symbolic
from kexport_targets.saved_model.emit.emitter import DType, Emitter, emits
from kexport_targets.saved_model.emit.lengths import length, shape_vector

#: ASCII's 32 signs, in RE2's words (https://github.com/google/re2/wiki/Syntax).
_PUNCTUATION: Final = rb"[!-/:-@\[-`{-~]"

_UTF_8: Final = b"UTF-8"


@emits("lower")
def lower(e: Emitter, node: Node) -> None:
    """StringLower, of ASCII's letters where it is told of no encoding."""
    e.op("StringLower", [node.input(0)], node.output)


@emits("strip_punctuation")
def strip_punctuation(e: Emitter, node: Node) -> None:
    """StaticRegexReplace by nothing."""
    e.op("StaticRegexReplace", [node.input(0)], node.output, pattern=_PUNCTUATION, rewrite=b"")


@emits("tokenize")
def tokenize(e: Emitter, node: Node) -> None:
    """StringSplitV2, or UnicodeDecode and UnicodeEncode for characters; StringNGrams; RaggedTensorToTensor."""
    values, splits = _SPLIT[node.attrs["split"]](e, node)
    if node.attrs["ngrams"] is not None:
        made = e.op(
            "StringNGrams",
            [values, splits],
            separator=b" ",
            ngram_widths=list(node.attrs["ngrams"]),
            left_pad=b"",
            right_pad=b"",
            pad_width=0,
            preserve_short_sequences=False,
            Tsplits=DType("int64"),
        )
        values, splits = made, _second(e, made, "int64")
    wanted = node.attrs["length"]
    shape = e.ints([-1, -1 if isinstance(wanted, Symbolic) else wanted])
    e.op(
        "RaggedTensorToTensor",
        [shape, values, e.text(b""), splits],
        node.output,
        num_row_partition_tensors=1,
        row_partition_types=[b"ROW_SPLITS"],
    )


def _second(e: Emitter, made: str, dtype: str) -> str:
    """The second output of an operation."""
    e.program.dtypes[f"{made}:1"] = dtype
    return f"{made}:1"


def _words(e: Emitter, node: Node) -> tuple[str, str]:
    """(word, 2) rows and columns in order of the rows, and the words."""
    made = e.op("StringSplitV2", [node.input(0), e.text(b"")], dtype="int64")
    begin, end, ones = e.ints([0, 0]), e.ints([0, 1]), e.ints([1, 1])
    rows = e.op("StridedSlice", [made, begin, end, ones], begin_mask=1, end_mask=1, shrink_axis_mask=2)
    # Where a row begins: at the first word whose row is not before it.
    ends = e.op("AddV2", [length(e, node.input(0).shape[0]), e.scalar(1)])
    numbers = e.op(
        "Cast", [e.op("Range", [e.scalar(0), ends, e.scalar(1)])], dtype="int64", DstT=DType("int64")
    )
    sides = [e.op("ExpandDims", [side, e.scalar(0)]) for side in (rows, numbers)]
    found = e.op("LowerBound", sides, dtype="int64", out_type=DType("int64"))
    splits = e.op("Reshape", [found, e.ints([-1])])
    return _second(e, made, "string"), splits


def _characters(e: Emitter, node: Node) -> tuple[str, str]:
    """Code points, each encoded by itself."""
    splits = e.op(
        "UnicodeDecode",
        [node.input(0)],
        dtype="int64",
        input_encoding=_UTF_8,
        errors=b"replace",
        Tsplits=DType("int64"),
    )
    points = _second(e, splits, "int32")
    count = e.op("Size", [points], dtype="int64", out_type=DType("int64"))
    zero, one = e.scalar(0, "int64"), e.scalar(1, "int64")
    each = e.op("Range", [zero, e.op("AddV2", [count, one]), one])
    values = e.op(
        "UnicodeEncode",
        [points, each],
        dtype="string",
        errors=b"replace",
        output_encoding=_UTF_8,
        Tsplits=DType("int64"),
    )
    return values, splits


def _tokens(e: Emitter, node: Node) -> tuple[str, str]:
    """Rows of one length."""
    x = node.input(0)
    values = e.op("Reshape", [x, e.ints([-1])])
    count, width = length(e, x.shape[0]), length(e, x.shape[1])
    # Of no row the end would not be reached by steps of its width.
    numbers = e.op("Range", [e.scalar(0), e.op("AddV2", [count, e.scalar(1)]), e.scalar(1)])
    splits = e.op("Cast", [e.op("Mul", [numbers, width])], dtype="int64", DstT=DType("int64"))
    return values, splits


_SPLIT: Final = {"whitespace": _words, "character": _characters, "none": _tokens}


@emits("hash_bucket")
def hash_bucket(e: Emitter, node: Node) -> None:
    """What Keras does: of integers their decimal text; StringToHashBucketFast of it, or under a key StringToHashBucketStrong."""
    x = node.input(0)
    text = e.name(x) if x.dtype == "string" else e.op("AsString", [x], dtype="string")
    buckets, key = int(node.attrs["buckets"]), node.attrs["key"]
    if key is None:
        e.op("StringToHashBucketFast", [text], node.output, num_buckets=buckets)
    else:
        e.op("StringToHashBucketStrong", [text], node.output, num_buckets=buckets, key=[*key])


@emits("cross_hash")
def cross_hash(e: Emitter, node: Node) -> None:
    """SparseCross of columns that are not sparse; legalization makes other operations of it where no column is text."""
    from kexport.ir.ops.fingerprints import CROSS_KEY

    columns = [node.input(index) for index in range(len(node.inputs))]
    kinds = [DType(column.dtype) for column in columns]
    made = e.op(
        "SparseCross",
        [e.op("Reshape", [column, e.ints([-1, 1])]) for column in columns],
        dtype="int64",
        N=0,
        hashed_output=True,
        num_buckets=int(node.attrs["buckets"]),
        hash_key=CROSS_KEY,
        sparse_types=[],
        dense_types=kinds,
        out_type=DType("int64"),
        internal_type=DType("int64" if "int64" in kinds else "string"),
    )
    values = _second(e, made, "int64")
    e.op("Reshape", [values, shape_vector(e, node.output.shape)], node.output)
