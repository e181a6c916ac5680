"""TextVectorization: texts to the places of their words.

keras/src/layers/preprocessing/text_vectorization.py, Keras 3.15; tf_keras/src/layers/preprocessing/text_vectorization.py, 2.21.
"""

from __future__ import annotations

from typing import Any, Final

from kexport.ir import Dim, Value, symbol
from kexport.ir.ops.text import ngram_count
from kexport.lowering.encoding import output_mode
from kexport.lowering.lookup import LOOKUP_MODES, placed, table_of
from kexport.lowering.registry import Context, lowers

_STANDARDS: Final[dict[str | None, tuple[str, ...]]] = {
    None: (),
    "lower": ("lower",),
    "strip_punctuation": ("strip_punctuation",),
    "lower_and_strip_punctuation": ("lower", "strip_punctuation"),
}

_SPLITS: Final = {None: "none", "whitespace": "whitespace", "character": "character"}

#: More neighbours than that are no words of any vocabulary.
_MOST_NGRAMS: Final = 1000


@lowers("TextVectorization")
def lower_text_vectorization(ctx: Context, x: Value) -> Value:
    """The places of each text's words, those of a text first, then zeros; 1 is what is not in the vocabulary. In other modes vectors of
    words counted.

    Without ``output_sequence_length`` the output is as long as the longest text of the batch, which is a symbol of its own.
    """
    if x.dtype != "string":
        raise ctx.error(f"It takes text. Received: {x.type}")
    config = ctx.layer.config
    if config.get("ragged"):
        raise ctx.error(
            "A ragged output has no equivalent", hint="Set ragged=False before the model is saved."
        )
    mode = output_mode(ctx, LOOKUP_MODES)
    table = table_of(ctx, mode, "string", mask="", unknown="[UNK]", oov=1)
    for op in _choice(ctx, "standardize", _STANDARDS):
        x = ctx.b.op(op, x)
    split, ngrams = _choice(ctx, "split", _SPLITS), _ngrams(ctx)
    length = _length(ctx) if mode == "int" else None
    if split == "none":
        tokens = x if ngrams is None else _dense_ngrams(ctx, x, ngrams)
        return _fitted(ctx, placed(ctx, tokens, table, mode), length)
    tokens = _tokens(ctx, x, split, ngrams, length)
    return placed(ctx, tokens, table, mode)


def _choice(ctx: Context, name: str, choices: dict[Any, Any]) -> Any:
    given = ctx.layer.config.get(name)
    if given is None or (isinstance(given, str) and given in choices):
        return choices[given]
    known = ", ".join(repr(choice) for choice in choices)
    raise ctx.error(
        f"Its {name} is {_shown(given)}, which is code of the user's own, and a file holds none. Known are {known}",
        hint=f"Do what it does to the texts before the model, and make the layer with {name}=None before the model is saved.",
    )


def _shown(given: Any) -> str:
    """The name of a function, as files have it."""
    while isinstance(given, dict):
        inner = given.get("config")
        given = inner.get("name", inner) if isinstance(inner, dict) else inner
    return f"the function {given[:80]!r}" if isinstance(given, str) else "a function"


def _ngrams(ctx: Context) -> tuple[int, ...] | None:
    given = ctx.layer.config.get("ngrams")
    if given is None:
        return None
    widths = range(1, given + 1) if type(given) is int else given
    fits = isinstance(widths, range | list | tuple) and 0 < len(widths) <= _MOST_NGRAMS
    if not fits or not all(type(width) is int and 0 < width <= _MOST_NGRAMS for width in widths):
        raise ctx.error(f"ngrams is None, a positive integer or a tuple of them. Received: {given!r}")
    return tuple(widths)


def _length(ctx: Context) -> int | None:
    given = ctx.layer.config.get("output_sequence_length")
    if given is not None and (type(given) is not int or given < 1):
        raise ctx.error(f"output_sequence_length is None or a positive integer. Received: {given!r}")
    return given


def _tokens(ctx: Context, x: Value, split: str, ngrams: tuple[int, ...] | None, length: int | None) -> Value:
    """The tokens of each text, (N, length)."""
    if x.rank == 2 and x.shape[1] == 1:
        x = ctx.b.op("squeeze", x, axes=(1,))
    if x.rank != 1:
        raise ctx.error(
            f"It splits texts of shape (batch,) or (batch, 1). Received: {x.type}",
            hint="Set split=None where the texts are words already.",
        )
    size: Dim = symbol(ctx.b.names.unique("tokens")) if length is None else length
    return ctx.b.op("tokenize", x, split=split, ngrams=ngrams, length=size)


def _dense_ngrams(ctx: Context, x: Value, widths: tuple[int, ...]) -> Value:
    """The n-grams of words that are split already, along the last axis."""
    if x.rank != 2:
        raise ctx.error(f"It joins the words of inputs (batch, words). Received: {x.type}")
    words = x.shape[1]
    if isinstance(words, int) and words < min(widths):
        raise ctx.error(f"Of {words} words there are no {min(widths)} neighbours", hint="Take fewer ngrams.")
    size: Dim = ngram_count(words, widths) if isinstance(words, int) else symbol(ctx.b.names.unique("tokens"))
    return ctx.b.op("tokenize", x, split="none", ngrams=widths, length=size)


def _fitted(ctx: Context, places: Value, length: int | None) -> Value:
    """``places``, their last axis cut or filled up with zeros to ``length``."""
    if length is None:
        return places
    last, rank = places.shape[-1], places.rank
    if rank < 2 or not isinstance(last, int):
        raise ctx.error(
            f"It brings its last axis to output_sequence_length={length}, which is no axis of known length. Received: {places.type}",
            hint="Give the words of a text an axis of a known length.",
        )
    if last >= length:
        ends = (*[None] * (rank - 1), length)
        return ctx.b.op("slice", places, begin=(0,) * rank, end=ends, strides=(1,) * rank)
    return ctx.b.op(
        "pad", places, pads=(*[(0, 0)] * (rank - 1), (0, length - last)), mode="constant", value=0
    )
