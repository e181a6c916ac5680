"""Gathers, padding, broadcasting and resizing that the operations hold otherwise."""

from __future__ import annotations

import numpy as np

from kexport.errors import UnsupportedOpError
from kexport.ir import Builder, Node, Value, dims, dtypes
from kexport.ir.ops.elementwise import broadcast_shapes
from kexport.passes import Rewriter
from kexport.passes.rewrites.kernel_dtypes import cast
from kexport_targets.coreml.emit.shape import whole_factors
from kexport_targets.coreml.legalize.registry import legalizes


@legalizes("gather")
def from_the_front(node: Node, rewriter: Rewriter) -> Value | None:
    """Constant indices that count from the end."""
    table, indices, b = node.input(0), node.input(1), rewriter.builder
    length = table.shape[node.attrs["axis"]]
    if indices.constant is None or not isinstance(length, int):
        return None
    given = indices.constant.numpy()
    if not (given < 0).any():
        return None
    turned = np.where(given < 0, given + length, given)
    return b.op("gather", table, b.constant(turned, indices.dtype, name="indices"), **node.attrs)


@legalizes("broadcast_to")
def of_one_rank(node: Node, rewriter: Rewriter) -> Value | None:
    """Leading dimensions of 1, which ``tile`` repeats."""
    x, shape, b = node.input(0), node.output.shape, rewriter.builder
    if x.rank == len(shape):
        return b.op("identity", x) if x.shape == shape else None
    column = b.op("reshape", x, shape=(1,) * (len(shape) - x.rank) + x.shape)
    return b.op("broadcast_to", column, shape=shape)


@legalizes("pad")
def pad(node: Node, rewriter: Rewriter) -> Value | None:
    """``pad`` is for floats. Of integers and bools, and by mirroring, it is a ``concat`` of what is before, x and what is after, one
    axis after the other."""
    x, mode = node.input(0), node.attrs["mode"]
    if mode == "constant" and dtypes.is_float(x.dtype):
        return None
    b = rewriter.builder
    for axis, (before, after) in enumerate(node.attrs["pads"]):
        if not before and not after:
            continue
        if mode == "constant":
            parts = [_constant(b, x, node.attrs["value"], axis, width) for width in (before, after)]
            x = _joined(b, parts[0], x, parts[1], axis)
        else:
            x = _mirrored(b, node, x, axis, int(before), int(after))
    return x if x is not node.input(0) else b.op("identity", x)


def _constant(b: Builder, x: Value, value: float, axis: int, width: int) -> Value | None:
    if not width:
        return None
    shape = (*x.shape[:axis], width, *x.shape[axis + 1 :])
    number = np.full((1,) * x.rank, value).astype(dtypes.numpy_dtype(x.dtype))
    return b.op("broadcast_to", b.constant(number, x.dtype, name="padding"), shape=shape)


def _joined(b: Builder, before: Value | None, x: Value, after: Value | None, axis: int) -> Value:
    parts = [part for part in (before, x, after) if part is not None]
    return parts[0] if len(parts) == 1 else b.op("concat", *parts, axis=axis)


def _mirrored(b: Builder, node: Node, x: Value, axis: int, before: int, after: int) -> Value:
    """The first elements turned round before it, the last ones after it; ``symmetric`` has the edge in them."""
    skip = 0 if node.attrs["mode"] == "symmetric" else 1
    length = x.shape[axis]
    if isinstance(length, int) and max(before, after) + skip > length:
        mode = "symmetric" if not skip else "reflect"
        indices = np.pad(np.arange(length), (before, after), mode=mode)  # type: ignore[call-overload]
        return b.op("gather", x, b.constant(indices, "int32", name="mirrored"), axis=axis)
    low = _reversed_part(b, x, axis, skip, skip + before) if before else None
    high = _reversed_part(b, x, axis, -after - skip, -skip or None) if after else None
    return _joined(b, low, x, high, axis)


def _reversed_part(b: Builder, x: Value, axis: int, begin: int, end: int | None) -> Value:
    begins = tuple(begin if index == axis else 0 for index in range(x.rank))
    ends = tuple(end if index == axis else None for index in range(x.rank))
    part = b.op("slice", x, begin=begins, end=ends, strides=(1,) * x.rank)
    return b.op("reverse", part, axes=(axis,))


@legalizes("resize")
def exact(node: Node, rewriter: Rewriter) -> Value | None:
    """``nearest`` by factors that are no whole numbers is a gather along each axis; ``bilinear`` between open lengths, a blend of two."""
    x, size, b = node.input(0), tuple(node.attrs["size"]), rewriter.builder
    if node.attrs["data_format"] != "channels_first":
        return None
    if node.attrs["method"] == "nearest":
        if len(whole_factors(node)) == 2:
            return None
        for axis, new in enumerate(size, start=2):
            x = _nearest(b, node, x, axis, new)
        return x
    if dims.is_static((*x.shape[2:], *size)):
        return None
    for axis, new in enumerate(size, start=2):
        x = _blended(b, node, x, axis, new)
    return x


def _nearest(b: Builder, node: Node, x: Value, axis: int, new: dims.Dim) -> Value:
    old = x.shape[axis]
    if old == new:
        return x
    if isinstance(old, int) and isinstance(new, int):
        scale = np.float32(old) / np.float32(new)
        found = np.floor((np.arange(new, dtype=np.float32) + np.float32(0.5)) * scale).astype(np.int64)
        indices = b.constant(np.minimum(found, old - 1), "int32", name="nearest")
        return b.op("gather", x, indices, axis=axis)
    centre, last = _centres(b, x, axis, new)
    return b.op("gather", x, cast(b, b.op("minimum", b.op("floor", centre), last), "int32"), axis=axis)


def _blended(b: Builder, node: Node, x: Value, axis: int, new: dims.Dim) -> Value:
    if x.shape[axis] == new:
        return x
    centre, last = _centres(b, x, axis, new)
    half = b.op("sub", centre, b.scalar(0.5, centre))
    where = b.op("minimum", b.op("maximum", half, b.scalar(0.0, half)), last)
    low = b.op("floor", where)
    high = b.op("minimum", b.op("add", low, b.scalar(1.0, low)), last)
    shape = (new, *(1,) * (x.rank - axis - 1))
    weight = b.op("reshape", b.op("sub", where, low), shape=shape)
    before, after = (b.op("gather", x, cast(b, index, "int32"), axis=axis) for index in (low, high))
    rest = b.op("sub", b.scalar(1.0, weight), weight)
    return b.op("add", b.op("mul", before, rest), b.op("mul", after, weight))


def _centres(b: Builder, x: Value, axis: int, new: dims.Dim) -> tuple[Value, Value]:
    """``(i + 0.5) * old / new`` of each new element, and the last old one's index, in float32."""
    one = b.constant(np.ones(1), "float32", name="one")
    count = b.op("cumsum", b.op("broadcast_to", one, shape=(new,)), axis=0)
    lengths = [_length(b, x, axis), b.op("slice", count, begin=(-1,), end=(None,), strides=(1,))]
    scale = b.op("div", *lengths)
    centre = b.op("mul", b.op("sub", count, b.scalar(0.5, count)), scale)
    return centre, b.op("sub", lengths[0], one)


def _length(b: Builder, x: Value, axis: int) -> Value:
    """The length of a dimension: float32 (1,)."""
    part = b.op("slice", b.op("shape", x), begin=(axis,), end=(axis + 1,), strides=(1,))
    return b.op("cast", part, dtype="float32")


def batched_gather_before_ios16(node: Node, rewriter: Rewriter) -> Value | None:
    """``gather`` has batch dimensions since iOS16: before, the batch's rows in one table, and indices that go to them."""
    table, indices, b = node.input(0), node.input(1), rewriter.builder
    axis, batch = int(node.attrs["axis"]), int(node.attrs["batch_dims"])
    if not batch:
        return None
    lead, length = table.shape[:batch], table.shape[axis]
    if not dims.is_static((*lead, length)):
        raise UnsupportedOpError(
            f"Layer {node.origin!r}: lookups that go along with a batch of any size need iOS16. Received: {table.type}.",
            hint="Export with --deployment-target iOS16, or with a fixed batch.",
        )
    perm = (*range(batch), axis, *range(batch, axis), *range(axis + 1, table.rank))
    turned = b.op("transpose", table, perm=perm)
    count = int(np.prod([int(str(dim)) for dim in lead]))
    rest = turned.shape[batch + 1 :]
    rows = b.op("reshape", turned, shape=(count * int(str(length)), *rest))
    own = indices.shape[batch:]
    flat = b.op("reshape", indices, shape=(count, dims.product(own)))
    first = np.arange(count).reshape(count, 1) * int(str(length))
    at = b.op("add", flat, b.constant(first, indices.dtype, name="first"))
    found = b.op("gather", rows, at)
    made = b.op("reshape", found, shape=(*lead, *own, *rest))
    between = axis - batch
    back = (
        *range(batch),
        *range(batch + len(own), batch + len(own) + between),
        *range(batch, batch + len(own)),
        *range(batch + len(own) + between, made.rank),
    )
    return b.op("transpose", made, perm=back)


@legalizes("select")
def as_wide_as_the_condition(node: Node, rewriter: Rewriter) -> Value | None:
    """The result of ``select`` has the shape of its two values together: where the condition is wider, one of them is spread out."""
    _, yes, no = (node.input(index) for index in range(3))
    shape = node.output.shape
    if broadcast_shapes(yes.shape, no.shape) == shape:
        return None
    b = rewriter.builder
    return b.op("select", node.input(0), b.op("broadcast_to", yes, shape=shape), no)
