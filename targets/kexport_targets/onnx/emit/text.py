"""Text: cases, signs, words, their neighbours and their places, in operators that ONNX Runtime has kernels for.

Nothing replaces a part of a text. What is to go is split at, and the pieces are joined, two at a time, in a loop that has no steps where
the text has none of it.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from kexport.errors import UnsupportedOpError
from kexport.ir import Constant, Graph, Node, Symbolic, Value, symbol
from kexport.ir.ops.text import PUNCTUATION
from kexport.ir.texts import encoded
from kexport_targets.onnx import schema
from kexport_targets.onnx.emit.emitter import Body, Emitter, emits
from kexport_targets.onnx.emit.lengths import shape_vector

#: The operator set that splits and joins text.
SPLITTING: Final = 20

#: The first operator set that has the operators of an op, where that is not the oldest.
SINCE: Final = {"strip_punctuation": SPLITTING, "tokenize": SPLITTING, "bincount": 16}

#: Whitespace beside the space: StringSplit, whatever the standard says, splits at spaces alone (ONNX Runtime 1.32).
_WHITESPACE: Final = "\t\n\v\f\r"

_LAST: Final = np.iinfo(np.int64).max

_ELSE: Final = "Export to saved_model, or do it before the model: StringLookup and TextVectorization that split at whitespace are left to ONNX."


@emits("lower")
def lower(e: Emitter, node: Node) -> None:
    """StringNormalizer, which takes one axis. In the locale ``C`` only ASCII's letters have cases, as in TensorFlow."""
    flat = e.op("Reshape", [node.input(0), e.ints([-1])])
    made = e.op("StringNormalizer", [flat], case_change_action="LOWER", locale="C")
    e.op("Reshape", [made, shape_vector(e, node.output.shape)], node.outputs)


@emits("strip_punctuation")
def strip_punctuation(e: Emitter, node: Node) -> None:
    """Split at each sign, and joined."""
    e.require(SPLITTING, "splitting text")
    x = e.op("Reshape", [node.input(0), e.ints([-1])])
    for sign in PUNCTUATION.decode():
        x = _replaced(e, x, sign, "")
    e.op("Reshape", [x, shape_vector(e, node.output.shape)], node.outputs)


def _replaced(e: Emitter, x: str, old: str, new: str) -> str:
    """The texts (N,) with ``new`` in place of ``old``, and more of it at the ends."""
    none = _column(e, x)
    pieces, _ = e.several("StringSplit", [x], 2, delimiter=old)
    # One piece at least: of empty texts there is none.
    pieces = e.op("Concat", [pieces, none], axis=1)
    joined = e.op("Loop", ["", _has_several(e, pieces), pieces], body=_joining(e, none, new), hint="joined")
    return e.op("Reshape", [joined, e.ints([-1])])


def _joining(e: Emitter, none: str, between: str) -> Body:
    """A step of a loop: the pieces (N, M) in pairs; the last one of an odd number by itself."""
    pieces, pairs = (Value(name, "string", (symbol("texts"), symbol(name))) for name in ("pieces", "pairs"))
    inner = e.nested(Graph("join", [], [], [], [], []))
    step, going = Value("step", "int64", ()), Value("going", "bool", ())
    inner.body.inputs = [(inner.name(value), value) for value in (step, going, pieces)]
    first = _columns(inner, inner.name(pieces), 0)
    second = _columns(inner, inner.op("Concat", [pieces, none], axis=1), 1)
    if between:
        second = inner.op("StringConcat", [_text(inner, between), second])
    made = inner.op("StringConcat", [first, second])
    inner.body.outputs = [(_has_several(inner, made), going), (made, pairs)]
    return inner.body


def _columns(e: Emitter, x: str, start: int) -> str:
    """Every other column from ``start`` on."""
    return e.op("Slice", [x, e.ints([start]), e.ints([_LAST]), e.ints([1]), e.ints([2])])


def _has_several(e: Emitter, x: str) -> str:
    """Whether (N, M) has more than one column."""
    count = e.op("Gather", [e.op("Shape", [x]), e.scalar(1, "int64")], axis=0)
    return e.op("Greater", [count, e.scalar(1, "int64")])


def _text(e: Emitter, item: str) -> str:
    contents = np.asarray(item.encode(), object)
    return e.once(("text", item), lambda: e.constant(Constant.of(contents, "string"), "text"))


def _column(e: Emitter, x: str, count: str | None = None) -> str:
    """Empty texts, a column (N, 1) or ``count`` of them, for the texts (N, …)."""
    rows = e.op("Slice", [e.op("Shape", [x]), e.ints([0]), e.ints([1])])
    return e.op("Expand", [_text(e, ""), e.op("Concat", [rows, count or e.ints([1])], axis=0)])


@emits("tokenize")
def tokenize(e: Emitter, node: Node) -> None:
    """StringSplit at spaces, which all other whitespace becomes before."""
    e.require(SPLITTING, "splitting text")
    split, length = node.attrs["split"], node.attrs["length"]
    if split == "character":
        raise UnsupportedOpError(
            f"Layer {node.origin!r}: ONNX has no operator that splits text into characters. Received: opset {e.opset}.",
            hint=_ELSE,
        )
    tokens, counts = _words(e, node) if split == "whitespace" else _given(e, node)
    if node.attrs["ngrams"] is not None:
        tokens, counts = _ngrams(e, tokens, counts, node.attrs["ngrams"])
    if isinstance(length, Symbolic):
        end = e.op("ReduceMax", [counts, e.ints([0])], keepdims=1)
    else:
        end = e.ints([length])
        tokens = e.op("Concat", [tokens, _column(e, tokens, end)], axis=1)
    e.op("Slice", [tokens, e.ints([0]), end, e.ints([1])], node.outputs)


def _words(e: Emitter, node: Node) -> tuple[str, str]:
    """Words (N, M), empty texts behind a row's; how many each row has, (N,)."""
    x = e.name(node.input(0))
    for sign in _WHITESPACE:
        x = _replaced(e, x, sign, " ")
    words, counts = e.several("StringSplit", [x], 2, delimiter="")
    return words, counts


def _given(e: Emitter, node: Node) -> tuple[str, str]:
    """Words that are split already: a row has as many as another."""
    x = node.input(0)
    sizes = e.op("Shape", [x])
    rows, columns = (e.op("Slice", [sizes, e.ints([axis]), e.ints([axis + 1])]) for axis in (0, 1))
    return e.name(x), e.op("Expand", [columns, rows])


def _ngrams(e: Emitter, tokens: str, counts: str, widths: tuple[int, ...]) -> tuple[str, str]:
    """For each width, what begins at each word and does not end behind the last; those of a row moved together."""
    size = e.op("Slice", [e.op("Shape", [tokens]), e.ints([1]), e.ints([2])])
    padded = e.op("Concat", [tokens, _column(e, tokens, e.ints([max(widths)]))], axis=1)
    place = e.op("Range", [e.scalar(0, "int64"), e.op("Squeeze", [size]), e.scalar(1, "int64")])
    column = e.op("Unsqueeze", [counts, e.ints([1])])
    grams, kept, made = [], [], ""
    for width in range(1, max(widths) + 1):
        after = e.op(
            "Slice", [padded, e.ints([width - 1]), e.op("Add", [size, e.ints([width - 1])]), e.ints([1])]
        )
        made = e.op("StringConcat", [e.op("StringConcat", [made, _text(e, " ")]), after]) if made else after
        if width in widths:
            grams.append((width, made))
            ends = e.op("Add", [place, e.scalar(width, "int64")])
            kept.append((width, e.op("LessOrEqual", [ends, column])))
    order = [next(index for index, (have, _) in enumerate(grams) if have == width) for width in widths]
    whole = e.op("Concat", [grams[index][1] for index in order], axis=1)
    valid = e.op(
        "Cast", [e.op("Concat", [kept[index][1] for index in order], axis=1)], to=schema.TENSOR_TYPES["int64"]
    )
    total = e.op("ReduceSum", [valid, e.ints([1])], keepdims=0)
    # The larger first, and of equals the one that comes first.
    size_of_all = e.op("Slice", [e.op("Shape", [valid]), e.ints([1]), e.ints([2])])
    _, indices = e.several("TopK", [valid, size_of_all], 2, axis=1, largest=1, sorted=1)
    together = e.op("GatherElements", [whole, indices], axis=1)
    rank = e.op("Range", [e.scalar(0, "int64"), e.op("Squeeze", [size_of_all]), e.scalar(1, "int64")])
    within = e.op("Less", [rank, e.op("Unsqueeze", [total, e.ints([1])])])
    return e.op("Where", [within, together, _text(e, "")]), total


@emits("lookup")
def lookup(e: Emitter, node: Node) -> None:
    """LabelEncoder of ONNX's operators for machine learning; legalization makes gathers of lookups of integers."""
    keys, values = node.input(1).constant, node.input(2).constant
    assert keys is not None
    assert values is not None
    e.op(
        "LabelEncoder",
        [node.input(0)],
        node.outputs,
        keys_strings=[encoded(word) for word in keys.numpy().tolist()],
        values_int64s=values.numpy().tolist(),
        default_int64=int(node.attrs["default"]),
    )


@emits("hash_bucket", "cross_hash")
def hash_of_text(e: Emitter, node: Node) -> None:
    """Refused; hashes of integers are other operators by now."""
    raise UnsupportedOpError(
        f"Layer {node.origin!r}: ONNX has no operator that hashes text. Received: opset {e.opset}.",
        hint=f"{_ELSE} A StringLookup with num_oov_indices=1 hashes none.",
    )


@emits("bincount")
def bincount(e: Emitter, node: Node) -> None:
    """ScatterElements of ones; what is beyond the depth goes into a column that is cut off."""
    x, depth, dtype = node.input(0), int(node.attrs["depth"]), node.output.dtype
    e.require(SINCE[node.op], "counting")
    low = e.op("GreaterOrEqual", [x, e.scalar(0, x.dtype)])
    known = e.op("And", [low, e.op("Less", [x, e.scalar(depth, x.dtype)])])
    places = e.op("Where", [known, x, e.scalar(depth, x.dtype)])
    rows = e.op("Slice", [e.op("Shape", [x]), e.ints([0]), e.ints([1])])
    zeros = e.op("Expand", [e.scalar(0, dtype), e.op("Concat", [rows, e.ints([depth + 1])], axis=0)])
    ones = e.op("Expand", [e.scalar(1, dtype), e.op("Shape", [x])])
    how = "none" if node.attrs["binary"] else "add"
    counted = e.op("ScatterElements", [zeros, places, ones], axis=1, reduction=how)
    e.op("Slice", [counted, e.ints([0]), e.ints([depth]), e.ints([1])], node.outputs)
