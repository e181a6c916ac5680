"""IntegerLookup and StringLookup: integers or words to their places in a vocabulary, and back.

keras/src/layers/preprocessing/{index_lookup,integer_lookup,string_lookup}.py, Keras 3.15.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from kexport.ir import Array, Value
from kexport.lowering.arguments import numbers
from kexport.lowering.encoding import MODES, encoded, output_mode
from kexport.lowering.hashing import salt
from kexport.lowering.registry import Context, lowers

_LIMITS = np.iinfo(np.int64)

LOOKUP_MODES: Final = (*MODES, "tf_idf")


@dataclass(frozen=True)
class Table:
    """What a layer looks up.

    Attributes:
        dtype: of the tokens: int64 or string.
        tokens: without the special ones; bytes where they are text.
        mask: the token that stands for nothing, None where there is none.
        mask_places: how many places it takes: 1 in the mode ``int``, else 0.
        oov: how many places there are for what is not in the vocabulary.
        special: whether the saved vocabulary began with the special tokens.
    """

    dtype: str
    tokens: Array
    mask: int | bytes | None
    mask_places: int
    oov: int
    special: bool

    @property
    def start(self) -> int:
        """The place of the first token."""
        return self.mask_places + self.oov

    @property
    def size(self) -> int:
        """The number of places."""
        return self.start + len(self.tokens)


def _integer(ctx: Context, name: str, given: Any) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or not _LIMITS.min <= given <= _LIMITS.max:
        raise ctx.error(f"{name} is an integer of 64 bits. Received: {given!r}")
    return given


def _token(ctx: Context, name: str, given: Any, dtype: str) -> int | bytes:
    if dtype == "int64":
        return _integer(ctx, name, given)
    if not isinstance(given, str):
        raise ctx.error(f"{name} is text. Received: {given!r}")
    return given.encode()


def table_of(ctx: Context, mode: str, dtype: str, *, mask: Any, unknown: Any, oov: int) -> Table:
    """The vocabulary without the mask and out-of-vocabulary tokens that it may begin with (``set_vocabulary``).

    Args:
        mode: the layer's output mode.
        dtype: of the tokens.
        mask, unknown: the special tokens, as in the config.
        oov: ``num_oov_indices``.
    """
    given = ctx.layer.config.get("vocabulary")
    if isinstance(given, str):
        raise ctx.error(
            f"Its vocabulary is in a file beside the model, which is not read. Received: {given[:120]!r}",
            hint="Make the layer with the words themselves, vocabulary=[…], before the model is saved.",
        )
    if not isinstance(given, list | tuple) or not given:
        raise ctx.error(
            "Its vocabulary is not in the file: .h5 files have none of a layer that was adapted",
            hint="Save the model as .keras, or make the layer with vocabulary=… before the model is saved.",
        )
    entries = [_token(ctx, "Every entry of vocabulary", item, dtype) for item in given]
    mask_token = None if mask is None else _token(ctx, "mask_token", mask, dtype)
    places = 1 if mask_token is not None and mode == "int" else 0
    oov_token = None if unknown is None else _token(ctx, "oov_token", unknown, dtype)
    special = [mask_token] * places + [oov_token] * oov
    found = entries[: len(special)] == special
    tokens = entries[len(special) :] if found else entries
    if not tokens or len(set(tokens)) != len(tokens):
        raise ctx.error(f"Its vocabulary has distinct tokens, and one at least. Received: {given[:8]!r}…")
    array = np.empty(len(tokens), np.int64 if dtype == "int64" else object)
    array[:] = tokens
    return Table(dtype, array, mask_token, places, oov, found)


@lowers("IntegerLookup")
def lower_integer_lookup(ctx: Context, x: Value) -> Value:
    """The place of each integer in the vocabulary, after those of the mask and of what is in none; in other modes vectors that
    leave the mask out. With ``invert``, the token at each place."""
    numbers_ = x if x.dtype == "int64" else ctx.b.op("cast", x, dtype="int64")
    return _looked_up(ctx, numbers_, "int64", default_unknown=-1)


@lowers("StringLookup")
def lower_string_lookup(ctx: Context, x: Value) -> Value:
    """The place of each word in the vocabulary; arguments and modes as of IntegerLookup. ``encoding`` says how Keras shows the
    vocabulary, and changes nothing that is computed."""
    inverted = bool(ctx.layer.config.get("invert"))
    if not inverted and x.dtype != "string":
        raise ctx.error(
            f"It looks up text. Received: {x.type}", hint="Numbers are looked up by an IntegerLookup."
        )
    if inverted and x.dtype != "int64":
        x = ctx.b.op("cast", x, dtype="int64")
    return _looked_up(ctx, x, "string", default_unknown="[UNK]")


def _looked_up(ctx: Context, x: Value, dtype: str, *, default_unknown: Any) -> Value:
    config, mode = ctx.layer.config, output_mode(ctx, LOOKUP_MODES)
    oov_token = config.get("oov_token", default_unknown)
    oov = _integer(ctx, "num_oov_indices", config.get("num_oov_indices", 1))
    table = table_of(ctx, mode, dtype, mask=config.get("mask_token"), unknown=oov_token, oov=oov)
    if config.get("invert"):
        return _inverted(ctx, x, table, _token(ctx, "oov_token", oov_token, dtype))
    return placed(ctx, x, table, mode)


def placed(ctx: Context, x: Value, table: Table, mode: str) -> Value:
    """The places of tokens, in the output mode."""
    places = _places(ctx, x, table, mode)
    if mode == "int":
        return places
    padded = ctx.layer.config.get("pad_to_max_tokens")
    depth = _integer(ctx, "max_tokens", ctx.layer.config.get("max_tokens")) if padded else table.size
    old = ctx.provenance.keras_major < 3
    if mode == "tf_idf":
        weights = ctx.b.constant(_idf_weights(ctx, table, depth), "float32", name="idf_weights")
        return ctx.b.op("mul", _encoded(ctx, places, table, "count", depth, "float32"), weights)
    # The dtype policy of the layers that take text is of text.
    kind = "float32" if ctx.compute_dtype == "string" else ctx.compute_dtype
    return _encoded(ctx, places, table, mode, depth, kind if old else "int64")


def _encoded(ctx: Context, places: Value, table: Table, mode: str, depth: int, dtype: str) -> Value:
    """Words are counted in one op: a vector a word, as long as the vocabulary, is more than a memory holds."""
    is_text = table.dtype == "string" and dtype in ("int64", "float32")
    if is_text and mode in ("multi_hot", "count") and places.rank == 2:
        return ctx.b.op("bincount", places, depth=depth, binary=mode == "multi_hot", dtype=dtype)
    return encoded(ctx, places, mode, depth, dtype)


def _inverted(ctx: Context, x: Value, table: Table, default: int | bytes) -> Value:
    """The token at each place; ``oov_token`` where there is none, ``mask_token`` at 0."""
    b = ctx.b
    keys = b.constant(np.arange(table.start, table.size), "int64", name="places")
    tokens = b.op(
        "lookup", x, keys, b.constant(table.tokens, table.dtype, name="vocabulary"), default=default
    )
    if table.mask is None:
        return tokens
    mask = b.constant(np.asarray(table.mask, table.tokens.dtype), table.dtype, name="mask_token")
    return b.op("select", b.op("equal", x, b.scalar(0, x)), mask, tokens)


def _places(ctx: Context, x: Value, table: Table, mode: str) -> Value:
    b = ctx.b
    # In the modes that count, the mask is beyond every place, and so counts for nothing.
    masked = 0 if mode == "int" else _LIMITS.max
    tokens, numbers_ = table.tokens, np.arange(table.start, table.size)
    if table.mask is not None and table.dtype == "string":
        tokens, numbers_ = np.append(tokens, table.mask), np.append(numbers_, masked)
    keys = b.constant(tokens, table.dtype, name="vocabulary")
    places = b.constant(numbers_, "int64", name="places")
    default = table.mask_places if table.oov == 1 else -1
    found = b.op("lookup", x, keys, places, default=default, strict=table.oov == 0)
    if table.oov > 1:
        absent = b.op("equal", found, b.scalar(-1, found))
        found = b.op("select", absent, _spread(ctx, x, table), found)
    if table.mask is None or table.dtype == "string":
        return found
    mask = b.constant(table.mask, table.dtype, name="mask_token")
    return b.op("select", b.op("equal", x, mask), b.scalar(masked, found), found)


def _spread(ctx: Context, x: Value, table: Table) -> Value:
    """Which of the several places for what is not in the vocabulary: of integers the remainder, or a hash."""
    b = ctx.b
    if table.dtype == "string" or ctx.layer.config.get("oov_method") == "farmhash":
        place = b.op("hash_bucket", x, buckets=table.oov, key=salt(ctx))
    else:
        place = b.op("mod", x, b.scalar(table.oov, x))
    return b.op("add", place, b.scalar(table.mask_places, place)) if table.mask_places else place


def _idf_weights(ctx: Context, table: Table, depth: int) -> Array:
    """The weights of all places: those given, after the mean of them for places that no token has, before zeros."""
    if ctx.layer.config.get("idf_weights") is None:
        raise ctx.error(
            "Its idf_weights are not in the file: .h5 files have none of a layer that was adapted",
            hint="Save the model as .keras, or make the layer with idf_weights=… before the model is saved.",
        )
    given = numbers(ctx, "idf_weights").reshape(-1)
    if len(given) == depth:  # as `save_own_variables` has them
        return given
    front = 0 if table.special else table.start
    if front + len(given) > depth:
        raise ctx.error(f"idf_weights has a weight a token, {len(table.tokens)}. Received: {len(given)}")
    return np.concatenate([np.full(front, given.mean()), given, np.zeros(depth - front - len(given))])
