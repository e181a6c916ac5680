"""Gathers, padding and resizing that the operators hold otherwise."""

from __future__ import annotations

import numpy as np

from kexport.errors import UnsupportedOpError
from kexport.ir import Node, Value, dims
from kexport.passes import Rewriter
from kexport_targets.onnx.legalize.registry import legalizes


@legalizes("gather")
def batched_gather(node: Node, rewriter: Rewriter) -> Value | None:
    """GatherND goes along the axis after the batch dimensions: another one is moved there and back."""
    table, indices, b = node.input(0), node.input(1), rewriter.builder
    axis, batch = node.attrs["axis"], node.attrs["batch_dims"]
    if indices.dtype not in ("int32", "int64"):
        return b.op("gather", table, b.op("cast", indices, dtype="int64"), **node.attrs)
    if batch in (0, axis):
        return None
    between = tuple(range(batch, axis))
    perm = (*range(batch), axis, *between, *range(axis + 1, table.rank))
    made = b.op("gather", b.op("transpose", table, perm=perm), indices, axis=batch, batch_dims=batch)
    own = indices.rank - batch
    back = (
        *range(batch),
        *range(batch + own, batch + own + len(between)),
        *range(batch, batch + own),
        *range(batch + own + len(between), made.rank),
    )
    return b.op("transpose", made, perm=back)


@legalizes("pad")
def symmetric_pad(node: Node, rewriter: Rewriter) -> Value | None:
    """A gather along each axis: the operator mirrors without the edge only."""
    x, b = node.input(0), rewriter.builder
    if node.attrs["mode"] != "symmetric":
        return None
    for axis, (before, after) in enumerate(node.attrs["pads"]):
        if not before and not after:
            continue
        length = x.shape[axis]
        if not isinstance(length, int):
            raise UnsupportedOpError(
                f"Layer {node.origin!r}: symmetric padding needs a known length. Received: {x.type}.",
                hint="Fix the length with --dim.",
            )
        indices = np.pad(np.arange(length), (before, after), mode="symmetric")
        x = b.op("gather", x, b.constant(indices, "int64", name="mirrored"), axis=axis)
    return x


@legalizes("resize")
def exact_nearest(node: Node, rewriter: Rewriter) -> Value | None:
    """``nearest`` between known sizes that are no multiples: a gather, since the operator's scale is rounded otherwise."""
    x, b, size = node.input(0), rewriter.builder, tuple(node.attrs["size"])
    if node.attrs["method"] != "nearest" or not dims.is_static((*x.shape[2:], *size)):
        return None
    lengths = [int(str(dim)) for dim in x.shape[2:]]
    wanted = [int(str(dim)) for dim in size]
    if all(new % old == 0 for old, new in zip(lengths, wanted, strict=True)):
        return None
    for axis, (old, new) in enumerate(zip(lengths, wanted, strict=True), start=2):
        scale = np.float32(old) / np.float32(new)
        found = np.floor((np.arange(new, dtype=np.float32) + np.float32(0.5)) * scale).astype(np.int64)
        if not np.array_equal(found, np.arange(old)):
            x = b.op("gather", x, b.constant(np.minimum(found, old - 1), "int64", name="nearest"), axis=axis)
    return x
