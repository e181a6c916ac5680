"""Makes one op of scaled dot-product attention."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kexport.ir import Builder, Graph, Node, Value
from kexport.passes.infrastructure import as_pass
from kexport.passes.rewriting import Rewriter
from kexport.passes.views.view import view_of

#: A number no higher, added to a score or in its place, is for scores that don't count: a softmax makes 0 of it beside any other.
_EXCLUDES = -1e4

#: Added, it does what a low number in the place of scores does: where none of a row counts, it makes all of them alike.
_LOWEST = -1e38


@as_pass("fuse_attention")
def fuse_attention(graph: Graph) -> bool:
    """Make one op of two products of heads with a softmax between them, whoever spelled it out.

    Given::

        q = transpose(reshape(query, (batch, rows, heads, size)), (0, 2, 1, 3))
        k = transpose(reshape(key, (batch, columns, heads, size)), (0, 2, 3, 1))
        v = transpose(reshape(value, (batch, columns, heads, size)), (0, 2, 1, 3))
        w = softmax(select(mask, matmul(q, k), -1e9), axis=3)
        return matmul(w, v)

    Result::

        a = attention(query, key, value, select(mask, 0, lowest))
        return transpose(reshape(a, (batch, rows, heads, size)), (0, 2, 1, 3))
    """
    return Rewriter(graph).run(_rule)


@dataclass(frozen=True)
class _Scores:
    """``query key^T * scale``, and what of it counts: ``bias`` is added, and ``low`` where the bool ``mask`` is False; ``zeroed``: a row
    without any that counts is 0."""

    query: Value
    key: Value
    key_turned: bool
    scale: float = 1.0
    mask: Value | None = None
    low: float = _LOWEST
    bias: Value | None = None
    zeroed: bool = False


def _rule(node: Node, rewriter: Rewriter) -> list[Value] | None:
    if node.op != "matmul" or node.attrs["transpose_a"]:
        return None
    scores = _weights(node.input(0), rewriter)
    if scores is None:
        return None
    query = _Heads.of(scores.query, turned=False)
    key = _Heads.of(scores.key, turned=scores.key_turned)
    value = _Heads.of(node.input(1), turned=node.attrs["transpose_b"])
    if query is None or key is None or value is None or query.size != key.size:
        return None
    key, value = _shared(key, value)
    if key.heads != value.heads or query.heads % key.heads:
        return None
    b = rewriter.builder
    mask, causal = _mask(b, scores)
    made = b.op(
        "attention",
        *(heads.flat(b) for heads in (query, key, value)),
        mask,
        heads=query.heads,
        shared_heads=key.heads,
        scale=scores.scale,
        causal=causal,
    )
    if node.output.rank == made.rank:
        return [made]
    apart = b.op("reshape", made, shape=(*made.shape[:2], query.heads, value.size))
    return [b.op("transpose", apart, perm=(0, 2, 1, 3))]


# The scores.


def _weights(value: Value, rewriter: Rewriter) -> _Scores | None:
    """Of a softmax over the last axis that nothing else reads, with zeros where nothing counts or without."""
    node, zeroing = rewriter.sole_producer(value), None
    if node is not None and node.op == "select" and _number(node.input(2)) == 0:
        zeroing = node.input(0)
        node = rewriter.sole_producer(node.input(1))
    if node is None or node.op != "softmax" or node.attrs["axis"] not in (value.rank - 1, (value.rank - 1,)):
        return None
    found = _masked(node.input(0), rewriter)
    if found is None or zeroing is None:
        return found
    return replace(found, zeroed=True) if zeroing is found.mask and found.bias is None else None


def _masked(value: Value, rewriter: Rewriter) -> _Scores | None:
    """Of scores with a low number in place of those that don't count, less a high one, or with something added."""
    node = rewriter.sole_producer(value)
    if node is None:
        return None
    if node.op == "select":
        kept, other = node.input(1), node.input(2)
        if kept.shape != value.shape:
            return None
        low = _number(other)
        if low is not None and low <= _EXCLUDES:
            found = _biased(kept, rewriter)
            return None if found is None else replace(found, mask=node.input(0))
        low = _lowered(rewriter.sole_producer(other), kept)
        if low is None or low > _EXCLUDES or rewriter.uses(kept) != 2:
            return None
        found = _scaled(kept.producer, rewriter)
        return None if found is None else replace(found, mask=node.input(0), low=low)
    return _biased(value, rewriter)


def _lowered(node: Node | None, scores: Value) -> float | None:
    """What is added to the scores; None where nothing is, or no number."""
    if node is None or node.op not in ("add", "sub") or node.input(0) is not scores:
        return None
    number = _number(node.input(1))
    return number if number is None or node.op == "add" else -number


def _biased(value: Value, rewriter: Rewriter) -> _Scores | None:
    node = rewriter.sole_producer(value)
    if node is None or node.op != "add" or node.attrs["activation"] != "none":
        return _scaled(node, rewriter)
    for scores, bias in ((node.input(0), node.input(1)), (node.input(1), node.input(0))):
        found = _scaled(rewriter.sole_producer(scores), rewriter)
        if found is not None and scores.shape == value.shape:
            return replace(found, bias=bias)
    return None


def _scaled(node: Node | None, rewriter: Rewriter) -> _Scores | None:
    """Of a product of query and key, times a number or not."""
    scale = 1.0
    if node is not None and node.op in ("mul", "div") and node.attrs["activation"] == "none":
        factor = _number(node.input(1))
        if factor is None or (node.op == "div" and factor == 0):
            return None
        scale = factor if node.op == "mul" else 1 / factor
        node = rewriter.sole_producer(node.input(0))
    if node is None or node.op != "matmul" or node.attrs["transpose_a"]:
        return None
    return _Scores(node.input(0), node.input(1), not node.attrs["transpose_b"], scale)


def _number(value: Value) -> float | None:
    """The number that a constant of one element holds."""
    if value.constant is None or value.constant.size != 1:
        return None
    return float(value.constant.numpy().reshape(()))


# The heads.


@dataclass(frozen=True)
class _Heads:
    """``apart`` is (batch, time, heads, size); or (batch, time, size), which is one head."""

    apart: Value

    @classmethod
    def of(cls, value: Value, *, turned: bool) -> _Heads | None:
        """Of (batch, heads, time, size), or with its last two dimensions ``turned``, made by a transpose that is left out then."""
        axes = {3: (0, 1, 2), 4: (0, 2, 1, 3)}.get(value.rank)
        if axes is None:
            return None
        order = (*axes[:-2], axes[-1], axes[-2]) if turned else axes
        source = value
        if order != tuple(range(value.rank)):
            node = value.producer
            view = None if node is None else view_of(node)
            # Of (batch, heads, time, size) seen in the order of (batch, time, heads, size).
            if (
                node is None
                or view is None
                or view.axes != _seen(value.rank, turned)
                or view.rank != value.rank
            ):
                return None
            source = node.input(0)
        known = source.shape[2:]
        return cls(source) if all(isinstance(dim, int) for dim in known) else None

    @property
    def heads(self) -> int:
        return int(str(self.apart.shape[2])) if self.apart.rank == 4 else 1

    @property
    def size(self) -> int:
        return int(str(self.apart.shape[-1]))

    def flat(self, b: Builder) -> Value:
        """(batch, time, heads * size)."""
        if self.apart.rank == 3:
            return self.apart
        node = self.apart.producer
        source = node.input(0) if node is not None and node.op == "reshape" else self.apart
        return b.op("reshape", source, shape=(*self.apart.shape[:2], self.heads * self.size))

    def once(self) -> tuple[_Heads, int]:
        """The heads that are repeated, each side by side, and how often; once where none are."""
        node = self.apart.producer
        if self.apart.rank != 4 or node is None or node.op != "gather" or node.attrs["axis"] != 2:
            return self, 1
        source, indices = node.input(0), node.input(1).constant
        if source.rank != 4 or node.attrs["batch_dims"] or indices is None or indices.shape != (self.heads,):
            return self, 1
        own = _Heads(source)
        times = self.heads // own.heads
        if times < 1 or not np.array_equal(indices.numpy(), np.repeat(np.arange(own.heads), times)):
            return self, 1
        return own, times


def _seen(rank: int, turned: bool) -> tuple[int, ...]:
    """The axes of (batch, time, heads, size) that those of (batch, heads, time, size), or turned, are."""
    if rank == 3:
        return (0, 2, 1)
    return (0, 2, 3, 1) if turned else (0, 2, 1, 3)


def _shared(key: _Heads, value: _Heads) -> tuple[_Heads, _Heads]:
    """Without their repetitions, where both have the same."""
    (one, times), (other, more) = key.once(), value.once()
    return (one, other) if times == more else (key, value)


# The mask.


def _mask(b: Builder, scores: _Scores) -> tuple[Value | None, bool]:
    """The op's mask, and whether it is causal instead."""
    if scores.mask is None:
        return _for_heads(b, scores.bias, scores), False
    if scores.bias is None and _is_causal(scores.mask):
        return None, True  # no row is without any that count
    if scores.zeroed:
        return _for_heads(b, scores.mask, scores), False
    added, low = scores.bias or b.scalar(0.0, scores.query), b.scalar(scores.low, scores.query)
    return _for_heads(b, b.op("select", scores.mask, added, low), scores), False


def _for_heads(b: Builder, mask: Value | None, scores: _Scores) -> Value | None:
    """A mask of scores without heads, as one of scores with them."""
    if mask is None or scores.query.rank > 3 or mask.rank < 3:
        return mask
    return b.op("expand_dims", mask, axes=(1,))


def _is_causal(mask: Value) -> bool:
    """Whether column j counts for row i where j <= i: as a constant, or as a comparison of cumulated ones."""
    if mask.constant is not None:
        rows, columns = (1, 1, *mask.constant.shape)[-2:]
        alone = mask.constant.size == rows * columns
        return alone and np.array_equal(mask.constant.numpy().reshape(rows, columns), np.tri(rows, columns))
    node = mask.producer
    while node is not None and node.op in ("expand_dims", "reshape") and view_of(node) is not None:
        node = node.input(0).producer
    if node is None or node.op != "greater_equal":
        return False
    ones = [_cumulated_ones(node.input(index), axis) for index, axis in ((0, -2), (1, -1))]
    return ones[0] is not None and ones[0] is ones[1]


def _cumulated_ones(value: Value, axis: int) -> Value | None:
    """What ``value`` cumulates along ``axis``, if it is 1 everywhere."""
    node = value.producer
    if node is None or node.op != "cumsum" or node.attrs["axis"] != value.rank + axis:
        return None
    source = node.input(0).producer
    if node.attrs["exclusive"] or node.attrs["reverse"] or source is None or source.op != "broadcast_to":
        return None
    return node.input(0) if _number(source.input(0)) == 1 else None
