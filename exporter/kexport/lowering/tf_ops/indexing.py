"""Indexing: ``x[...]``, gathering, scattering, one-hot encodings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kexport.ir import Value, dims
from kexport.lowering.operations.operands import cast, length, reshaped
from kexport.lowering.tf_ops.calls import Call, computes, dtype_name
from kexport.lowering.tf_ops.lengths import known_dims


@computes("getitem")
def getitem(call: Call) -> Value:
    """``x[key]``: integers, slices, None and ``...``; an integer that the model computes is looked up."""
    x = call.tensor(call.first)
    spec = call.arg("slice_spec")
    parts = spec if isinstance(spec, list | tuple) else [spec]
    key, axis, dropped = [], 0, []
    places = _places(parts, x.rank)
    for part, place in zip(parts, places, strict=True):
        made = _part(call, x, part, place)
        if isinstance(made, Value) and made.rank == 0:
            made = call.ctx.b.op("expand_dims", made, axes=(0,))
            dropped.append(axis)
        if not isinstance(made, int) and made is not None:
            axis += 1
        key.append(made)
    result: Value = call.operation("GetItem", x, key)
    return call.ctx.b.op("squeeze", result, axes=tuple(dropped)) if dropped else result


def _places(parts: Any, rank: int) -> list[int]:
    """The dimension that each part of a key is about."""
    indexed = sum(part is not None and not _is_ellipsis(part) for part in parts)
    places, axis = [], 0
    for part in parts:
        places.append(axis)
        axis += rank - indexed if _is_ellipsis(part) else part is not None
    return places


def _is_ellipsis(part: Any) -> bool:
    named = part.get("class_name") if isinstance(part, Mapping) else part
    return isinstance(named, str) and named in ("Ellipsis", "__ellipsis__", "...")


def _part(call: Call, x: Value, part: Any, axis: int) -> Any:
    """A part of a key as keras.ops has it."""
    if part is None:
        return None
    if _is_ellipsis(part):
        return Ellipsis
    if isinstance(part, Mapping) and "start" in part:
        bounds = [_bound(call, x, part.get(name), axis, name) for name in ("start", "stop", "step")]
        return slice(*bounds)
    if isinstance(part, Value):
        known = known_dims(part)
        if known is None or not isinstance(known[0], int):
            return cast(call.ctx, part, "int32")
        return int(known[0])
    return int(call.number(part))


def _bound(call: Call, x: Value, item: Any, axis: int, name: str) -> int | None:
    if item is None:
        return None
    found = known_dims(item)
    if found is not None and isinstance(found[0], int):
        return int(found[0])
    if found is not None and name == "stop" and axis < x.rank:
        if found[0] == x.shape[axis]:
            return None
        less = dims.subtract(found[0], x.shape[axis])
        if isinstance(less, int) and less < 0:
            return less
    raise call.ctx.error(
        f"The bounds of a slice are known when exporting. Received: {item!r} of {x.type}",
        hint="Give open dimensions a length when exporting.",
    )


@computes("gather")
def gather(call: Call) -> Value:
    """Slices along ``axis`` at ``indices``, the first ``batch_dims`` dimensions of both going together."""
    table = call.tensor(call.first)
    indices = call.tensor(call.arg("indices"), "int32")
    batch = int(call.number(call.arg("batch_dims", default=0)))
    axis = call.axis(call.arg("axis", default=batch), table.rank)
    return call.ctx.b.op("gather", table, indices, axis=axis, batch_dims=batch)


@computes("gather_nd")
def gather_nd(call: Call) -> Value:
    """Slices at indices (..., depth) into the first ``depth`` dimensions, after ``batch_dims`` that go together."""
    table, indices, b = call.tensor(call.first), call.tensor(call.arg("indices"), "int32"), call.ctx.b
    batch = int(call.number(call.arg("batch_dims", default=0)))
    depth = length(call.ctx, indices, indices.rank - 1)
    sides = [length(call.ctx, table, axis) for axis in range(batch, batch + depth)]
    strides = np.cumprod([1, *sides[:0:-1]])[::-1].astype("int32")
    scaled = b.op("mul", cast(call.ctx, indices, "int32"), b.constant(strides, "int32", name="strides"))
    places = b.op("reduce_sum", scaled, axes=(indices.rank - 1,))
    rest = table.shape[batch + depth :]
    rows = reshaped(call.ctx, table, (*table.shape[:batch], int(np.prod(sides)), *rest))
    return b.op("gather", rows, places, axis=batch, batch_dims=batch)


@computes("one_hot")
def one_hot(call: Call) -> Value:
    """``on_value`` (1) at each index along a new ``axis``, ``off_value`` (0) elsewhere; float32 unless ``dtype`` says otherwise."""
    x, b = call.tensor(call.first), call.ctx.b
    depth = int(call.number(call.arg("depth")))
    on, off = call.arg("on_value", default=1), call.arg("off_value", default=0)
    dtype = dtype_name(call, call.arg("dtype", default="float32"))
    hot = b.op("one_hot", x, depth=depth, dtype="bool" if (on, off) != (1, 0) else dtype)
    if (on, off) != (1, 0):
        hot = b.op("select", hot, call.tensor(on, dtype), call.tensor(off, dtype))
    axis = call.axis(call.arg("axis", default=-1), hot.rank)
    perm = [*range(x.rank)]
    perm.insert(axis, x.rank)
    return hot if axis == x.rank else b.op("transpose", hot, perm=tuple(perm))


@computes(
    "scatter_nd",
    "tensor_scatter_nd_add",
    "tensor_scatter_nd_max",
    "tensor_scatter_nd_min",
    "tensor_scatter_nd_update",
)
def scatter(call: Call) -> Value:
    """Updates put where indices say, into zeros of ``shape`` or into a tensor."""
    indices, updates = call.arg("indices", default=call.first), call.tensor(call.arg("updates"))
    places = call.tensor(indices, "int32")
    if call.name == "scatter_nd":
        result: Value = call.operation(
            "Scatter", places, updates, module="core", shape=call.integers(call.arg("shape"))
        )
        return result
    kind = call.name.rpartition("_")[2]
    reduction = None if kind == "update" else kind
    made: Value = call.operation("ScatterUpdate", call.x, places, updates, module="core", reduction=reduction)
    return made
