"""IntegerLookup: integers to their places in a vocabulary, and back.

keras/src/layers/preprocessing/{index_lookup,integer_lookup}.py, Keras 3.15.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kexport.ir import Array, Value
from kexport.lowering.arguments import numbers
from kexport.lowering.encoding import MODES, encoded, output_mode
from kexport.lowering.hashing import salt
from kexport.lowering.registry import Context, lowers

_LIMITS = np.iinfo(np.int64)


@dataclass(frozen=True)
class _Table:
    """What the layer looks up.

    Attributes:
        tokens: int64, without the special ones.
        mask: the token that stands for nothing, None where there is none.
        mask_places: how many places it takes: 1 in the mode ``int``, else 0.
        oov: how many places there are for what is not in the vocabulary.
        special: whether the saved vocabulary began with the special tokens.
    """

    tokens: Array
    mask: int | None
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


def _table(ctx: Context, mode: str) -> _Table:
    """The vocabulary without the mask and out-of-vocabulary tokens that it may begin with (``set_vocabulary``)."""
    config = ctx.layer.config
    given = config.get("vocabulary")
    if not isinstance(given, list | tuple) or not given:
        raise ctx.error(
            "Its vocabulary is not in the file: .h5 files have none of a layer that was adapted",
            hint="Save the model as .keras, or make the layer with vocabulary=… before the model is saved.",
        )
    entries = [_integer(ctx, "Every entry of vocabulary", item) for item in given]
    mask = None if config.get("mask_token") is None else _integer(ctx, "mask_token", config["mask_token"])
    oov_token = config.get("oov_token", -1)
    oov = _integer(ctx, "num_oov_indices", config.get("num_oov_indices", 1))
    places = 1 if mask is not None and mode == "int" else 0
    special = [mask] * places + [oov_token] * oov
    found = entries[: len(special)] == special
    tokens = entries[len(special) :] if found else entries
    if not tokens or len(set(tokens)) != len(tokens):
        raise ctx.error(f"Its vocabulary has distinct tokens, and one at least. Received: {given[:8]!r}…")
    return _Table(np.asarray(tokens, np.int64), mask, places, oov, found)


@lowers("IntegerLookup")
def lower_integer_lookup(ctx: Context, x: Value) -> Value:
    """The place of each integer in the vocabulary, after those of the mask and of what is in none; in other modes vectors that
    leave the mask out. With ``invert``, the token at each place."""
    mode = output_mode(ctx, (*MODES, "tf_idf"))
    table = _table(ctx, mode)
    numbers_ = x if x.dtype == "int64" else ctx.b.op("cast", x, dtype="int64")
    if ctx.layer.config.get("invert"):
        return _inverted(ctx, numbers_, table)
    places = _places(ctx, numbers_, table, mode)
    if mode == "int":
        return places
    padded = ctx.layer.config.get("pad_to_max_tokens")
    depth = _integer(ctx, "max_tokens", ctx.layer.config.get("max_tokens")) if padded else table.size
    old = ctx.provenance.keras_major < 3
    if mode == "tf_idf":
        weights = ctx.b.constant(_idf_weights(ctx, table, depth), "float32", name="idf_weights")
        return ctx.b.op("mul", encoded(ctx, places, "count", depth, "float32"), weights)
    return encoded(ctx, places, mode, depth, ctx.compute_dtype if old else "int64")


def _inverted(ctx: Context, x: Value, table: _Table) -> Value:
    """The token at each place; ``oov_token`` where there is none, ``mask_token`` at 0."""
    b = ctx.b
    default = _integer(ctx, "oov_token", ctx.layer.config.get("oov_token", -1))
    keys = b.constant(np.arange(table.start, table.size), "int64", name="places")
    tokens = b.op("lookup", x, keys, b.constant(table.tokens, "int64", name="vocabulary"), default=default)
    if table.mask is None:
        return tokens
    return b.op("select", b.op("equal", x, b.scalar(0, x)), b.scalar(table.mask, tokens), tokens)


def _places(ctx: Context, x: Value, table: _Table, mode: str) -> Value:
    b = ctx.b
    keys = b.constant(table.tokens, "int64", name="vocabulary")
    places = b.constant(np.arange(table.start, table.size), "int64", name="places")
    default = table.mask_places if table.oov == 1 else -1
    found = b.op("lookup", x, keys, places, default=default, strict=table.oov == 0)
    if table.oov > 1:
        absent = b.op("equal", found, b.scalar(-1, found))
        found = b.op("select", absent, _spread(ctx, x, table), found)
    if table.mask is None:
        return found
    # In the modes that count, it is beyond every place, and so counts for nothing.
    masked = b.scalar(0 if mode == "int" else _LIMITS.max, found)
    return b.op("select", b.op("equal", x, b.scalar(table.mask, x)), masked, found)


def _spread(ctx: Context, x: Value, table: _Table) -> Value:
    """Which of the several places for what is not in the vocabulary: the remainder, or a hash."""
    b = ctx.b
    if ctx.layer.config.get("oov_method") == "farmhash":
        place = b.op("hash_bucket", x, buckets=table.oov, key=salt(ctx))
    else:
        place = b.op("mod", x, b.scalar(table.oov, x))
    return b.op("add", place, b.scalar(table.mask_places, place)) if table.mask_places else place


def _idf_weights(ctx: Context, table: _Table, depth: int) -> Array:
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
