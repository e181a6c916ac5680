"""Lookups of integers in tables of keys, as gathers and comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kexport.ir import Array, Builder, Graph, Node, Value
from kexport.passes.infrastructure import as_pass
from kexport.passes.rewriting import Rewriter

#: A table with a place for every integer between the least and the largest key may have this many places, or so many a key.
_PLACES, _PLACES_A_KEY = 4096, 4

_LIMITS = np.iinfo(np.int64)


def _rule(node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
    if node.op != "lookup":
        return None
    keys, values = (node.input(index).constant for index in (1, 2))
    if node.input(0).dtype == "string":
        return None  # hash functions find words
    if keys is None or values is None:
        return None
    order = np.argsort(keys.numpy(), kind="stable")
    sorted_keys, sorted_values = keys.numpy()[order], values.numpy()[order]
    default = node.attrs["default"]
    least, most = int(sorted_keys[0]), int(sorted_keys[-1])
    room = max(_PLACES, _PLACES_A_KEY * len(sorted_keys))
    direct = most - least < room and least > _LIMITS.min and most < _LIMITS.max
    place = _direct if direct else _searched
    return [place(rewriter.builder, node.input(0), sorted_keys, sorted_values, default)]


def _dtype(values: Array) -> str:
    return "string" if values.dtype == object else values.dtype.name


def _direct(b: Builder, x: Value, keys: Array, values: Array, default: Any) -> Value:
    """A table from one below the least key to one above the largest, where the default stands."""
    first, last = int(keys[0]) - 1, int(keys[-1]) + 1
    table = np.full(last - first + 1, default, values.dtype)
    table[keys - first] = values
    low, high = b.scalar(first, x), b.scalar(last, x)
    inside = b.op("minimum", b.op("maximum", x, low), high)
    place = b.op("cast", b.op("sub", inside, low), dtype="int32")
    return b.op("gather", b.constant(table, _dtype(values), name="table"), place)


def _searched(b: Builder, x: Value, keys: Array, values: Array, default: Any) -> Value:
    """Binary search: the number of keys that are at most x, a bit a step from the highest down."""
    bits = max(1, len(keys).bit_length())
    # Place 0 is before all keys. What fills the table up counts as larger than any x; where it does not (x is the largest
    # integer), it says what the last key says, if that is the same integer.
    last = values[-1] if keys[-1] == _LIMITS.max else default
    filled = (1 << bits) - 1 - len(keys)
    key_table = b.constant(np.concatenate([[0], keys, np.full(filled, _LIMITS.max)]), "int64", name="keys")
    held = np.concatenate([[default], values, np.full(filled, last)]).astype(values.dtype)
    place: Value | None = None
    for bit in range(bits - 1, -1, -1):
        step = b.constant(1 << bit, "int32")
        none = b.constant(0, "int32")
        candidate = step if place is None else b.op("add", place, step)
        reached = b.op("greater_equal", x, b.op("gather", key_table, candidate))
        place = b.op("select", reached, candidate, none if place is None else place)
    assert place is not None
    found = b.op("equal", b.op("gather", key_table, place), x)
    value = b.op("gather", b.constant(held, _dtype(values), name="values"), place)
    return b.op("select", found, value, b.scalar(default, value))


@as_pass("expand_lookups")
def expand_lookups(graph: Graph) -> bool:
    """Make every ``lookup`` of integers by constant keys a gather, from a table with a place for every integer between the keys, or after a
    binary search where the keys lie far apart.

    Given::

        a = lookup(x, keys, values; default=0)

    Result::

        b = minimum(maximum(x, least - 1), largest + 1)
        a = gather(table, cast(sub(b, least - 1), int32))
    """
    return Rewriter(graph).run(_rule)
