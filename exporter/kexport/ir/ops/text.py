"""Text: what is done with it before it is looked up. Elements are UTF-8, and only ASCII letters have cases."""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np

from kexport.ir.dims import Symbolic
from kexport.ir.graph import Array, Attrs, TensorType
from kexport.ir.ops._registry import REQUIRED, Inputs, OpError, op, required
from kexport.ir.texts import encoded

#: What ``strip_punctuation`` takes away: ASCII's 32 signs.
PUNCTUATION: Final = string.punctuation.encode()


def _text_type(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    x = required(inputs, 0)
    if x.dtype != "string":
        raise OpError(f"It takes text. Received: {x!r}")
    return [x.type]


def _each(function: Callable[[bytes], bytes], x: Array) -> Array:
    found = np.empty(x.shape, object)
    found.reshape(-1)[:] = [function(encoded(item)) for item in x.reshape(-1).tolist()]
    return found


@op("lower", infer=_text_type)
def lower(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """``tf.strings.lower(x)``: the ASCII letters of each text in lower case, all else as it is."""
    return [_each(bytes.lower, inputs[0])]


@op("strip_punctuation", infer=_text_type)
def strip_punctuation(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """Each text without its :data:`PUNCTUATION`; what stood on both sides of it is joined (``don't`` is ``dont``)."""
    return [_each(lambda text: text.translate(None, PUNCTUATION), inputs[0])]


def _whole(text: bytes) -> list[bytes]:
    return [text]


def _characters(text: bytes) -> list[bytes]:
    return [character.encode() for character in text.decode("utf-8", "replace")]


#: What ``split`` can be: at ASCII's whitespace, between characters, or not at all.
SPLITS: Final[dict[str, Callable[[bytes], list[bytes]]]] = {
    "whitespace": bytes.split,
    "character": _characters,
    "none": _whole,
}


def _tokens_type(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    x, split, ngrams = required(inputs, 0), attrs["split"], attrs["ngrams"]
    if x.dtype != "string" or split not in SPLITS or x.rank != (2 if split == "none" else 1):
        raise OpError(
            f"tokenize takes text (N,), or with split='none' tokens (N, K). Received: {x!r}, split={split!r}"
        )
    if ngrams is not None and (not ngrams or min(ngrams) < 1):
        raise OpError(f"ngrams are positive lengths. Received: {ngrams}")
    return [TensorType("string", (x.shape[0], attrs["length"]))]


@op("tokenize", infer=_tokens_type, attrs={"split": "whitespace", "ngrams": None, "length": REQUIRED})
def tokenize(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """The tokens of N texts, (N, length): those of a row first, then empty texts; what is beyond ``length`` is left out.

    ``split`` is one of :data:`SPLITS`. ``ngrams`` are lengths: the tokens are then, for each of these, as many neighbours as it says,
    joined by spaces (``tf.strings.ngrams``). A ``length`` that is a symbol is the number of tokens in the longest row.
    """
    (x,) = inputs
    split, length = SPLITS[attrs["split"]], attrs["length"]
    rows = x if x.ndim == 2 else x[:, None]
    rows = [[token for item in row for token in split(encoded(item))] for row in rows]
    if attrs["ngrams"] is not None:
        rows = [list(_ngrams(row, attrs["ngrams"])) for row in rows]
    size = max(map(len, rows), default=0) if isinstance(length, Symbolic) else int(length)
    found = np.full((len(rows), size), b"", object)
    for place, row in zip(found, rows, strict=True):
        kept = row[:size]
        place[: len(kept)] = kept
    return [found]


def _ngrams(tokens: list[bytes], widths: Sequence[int]) -> Iterator[bytes]:
    for width in widths:
        for start in range(len(tokens) - width + 1):
            yield b" ".join(tokens[start : start + width])


def ngram_count(tokens: int, widths: Sequence[int]) -> int:
    """How many n-grams of these lengths a row of so many tokens has."""
    return sum(max(0, tokens - width + 1) for width in widths)
