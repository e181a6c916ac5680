"""Functions that give elements another order or shape, and lengths."""

from __future__ import annotations

from typing import Any

import numpy as np

from kexport.ir import Dim, Value, dims
from kexport.lowering.operations.operands import cast, full, length, reshaped, transposed
from kexport.lowering.operations.shape import repeated, whole_shape
from kexport.lowering.tf_ops.calls import Call, computes, dtype_name


@computes("reshape")
def reshape(call: Call) -> Value:
    """``x`` in ``shape``, one of which may be -1."""
    x = call.x
    return reshaped(call.ctx, x, _shape_of(call, x, call.arg("shape")))


def _shape_of(call: Call, x: Value, item: Any) -> tuple[Dim, ...]:
    """The shape, its -1 worked out."""
    sizes = call.lengths(item)
    if all(isinstance(size, int) for size in sizes):
        return whole_shape(call.ctx, x, sizes)
    known = dims.product(tuple(size for size in sizes if size != -1))
    rest = dims.exact_div(dims.product(x.shape), known)
    if rest is None or sizes.count(-1) > 1:
        raise call.ctx.error(
            f"The shape {dims.format_shape(tuple(sizes))} holds the elements of its input. Received: {x.type}"
        )
    return tuple(rest if size == -1 else size for size in sizes)


@computes("shape", "shape_v2")
def shape(call: Call) -> Value:
    """The lengths of the dimensions."""
    x, b = call.x, call.ctx.b
    if dims.is_static(x.shape):
        made = b.constant(np.asarray(x.shape, "int32"), "int32", name="shape")
    else:
        made = b.op("shape", x)
    return cast(call.ctx, made, dtype_name(call, call.arg("out_type", default="int32")))


@computes("size", "rank")
def size(call: Call) -> Value:
    """The number of elements, or dimensions."""
    x, b = call.x, call.ctx.b
    if call.name == "rank":
        return b.constant(x.rank, "int32", name="rank")
    total = dims.product(x.shape)
    made = (
        b.constant(total, "int32", name="size")
        if isinstance(total, int)
        else b.op("reduce_prod", b.op("shape", x), axes=(0,))
    )
    return cast(call.ctx, made, dtype_name(call, call.arg("out_type", default="int32")))


@computes("transpose", "matrix_transpose")
def transpose(call: Call) -> Value:
    """Dimension ``perm[i]`` at i; turned round without ``perm``. ``linalg.matrix_transpose``: the last two swapped."""
    x = call.x
    perm = call.arg("perm")
    if call.name.startswith("linalg."):
        return transposed(call.ctx, x, (*range(x.rank - 2), x.rank - 1, x.rank - 2))
    order = range(x.rank)[::-1] if perm is None else (axis % x.rank for axis in call.integers(perm))
    return transposed(call.ctx, x, tuple(order))


@computes("expand_dims")
def expand_dims(call: Call) -> Value:
    """A new dimension of 1 at ``axis``."""
    x = call.tensor(call.first)
    axis = call.axis(call.arg("axis", "dim"), x.rank + 1)
    return call.ctx.b.op("expand_dims", x, axes=(axis,))


@computes("squeeze")
def squeeze(call: Call) -> Value:
    """Without the dimensions ``axis``, or all that are known to be 1."""
    x, axis = call.x, call.arg("axis", "squeeze_dims")
    given = None if axis is None else call.integers(axis)
    axes = call.axes(given, x.rank) if given else tuple(i for i, dim in enumerate(x.shape) if dim == 1)
    return call.ctx.b.op("squeeze", x, axes=axes) if axes else x


@computes("concat", "stack", "parallel_stack")
def concat(call: Call) -> Value:
    """The tensors one after the other along ``axis``, or along a new one."""
    items = call.first if isinstance(call.first, list | tuple) else [call.first]
    dtype = next((item.dtype for item in items if isinstance(item, Value)), None)
    values = [call.tensor(item, dtype) for item in items]
    new = call.name != "concat"
    axis = call.axis(call.arg("axis", "concat_dim", default=0), values[0].rank + new)
    if new:
        values = [call.ctx.b.op("expand_dims", value, axes=(axis,)) for value in values]
    return values[0] if len(values) == 1 else call.ctx.b.op("concat", *values, axis=axis)


@computes("split", "unstack")
def split(call: Call) -> list[Value]:
    """Equal parts, or parts of the lengths given (one may be -1), along ``axis``; ``unstack``: one an index."""
    x = call.x
    axis = call.axis(call.arg("axis", "split_dim", default=0), x.rank)
    total = length(call.ctx, x, axis)
    if call.name == "unstack":
        parts = call.ctx.b.ops("split", x, axis=axis, sizes=(1,) * total) if total > 1 else [x]
        return [call.ctx.b.op("squeeze", part, axes=(axis,)) for part in parts]
    sizes = call.integers(call.arg("num_or_size_splits", "num_split"))
    if np.ndim(call.array(call.arg("num_or_size_splits", "num_split"))) == 0:
        sizes = [total // sizes[0]] * sizes[0]
    rest = total - sum(size for size in sizes if size != -1)
    sizes = [rest if size == -1 else size for size in sizes]
    return [x] if len(sizes) == 1 else call.ctx.b.ops("split", x, axis=axis, sizes=tuple(sizes))


@computes("tile")
def tile(call: Call) -> Value:
    """Repeated ``multiples`` times along each dimension."""
    x, times = call.x, call.lengths(call.arg("multiples"))
    if all(isinstance(item, int) for item in times):
        return x if set(times) <= {1} else call.ctx.b.op("tile", x, multiples=tuple(times))
    if any(
        dim != 1 and count != 1 and not isinstance(count, int)
        for dim, count in zip(x.shape, times, strict=True)
    ):
        raise call.ctx.error(f"tf.tile repeats dimensions of 1 an open number of times. Received: {x.type}")
    return _broadcast(
        call, x, tuple(dims.multiply(dim, count) for dim, count in zip(x.shape, times, strict=True))
    )


def _broadcast(call: Call, x: Value, shape: tuple[Dim, ...]) -> Value:
    return x if x.shape == shape else call.ctx.b.op("broadcast_to", x, shape=shape)


@computes("broadcast_to")
def broadcast_to(call: Call) -> Value:
    """Broadcast to ``shape``."""
    return _broadcast(call, call.x, tuple(call.lengths(call.arg("shape"))))


@computes("fill", "zeros", "ones")
def fill(call: Call) -> Value:
    """``value``, 0 or 1 in the shape of the first argument."""
    shape = tuple(call.lengths(call.first))
    if call.name == "fill":
        return _broadcast(call, call.tensor(call.arg("value")), shape)
    dtype = dtype_name(call, call.arg("dtype", default="float32"))
    return full(call.ctx, int(call.name == "ones"), dtype, shape)


@computes("repeat")
def repeat(call: Call) -> Value:
    """Each element along ``axis`` (flattened for None) ``repeats`` times."""
    x, axis = call.x, call.arg("axis")
    times = call.integers(call.arg("repeats"))
    if axis is not None and len(times) == 1:
        return repeated(call.ctx, x, call.axis(axis, x.rank), times[0])
    result: Value = call.operation(
        "Repeat", x, repeats=times, axis=None if axis is None else call.number(axis)
    )
    return result


@computes("reverse", "roll")
def reverse(call: Call) -> Value:
    """Turned round along ``axis``; ``roll``: shifted by ``shift`` along it."""
    x = call.x
    if call.name == "reverse":
        return call.ctx.b.op("reverse", x, axes=call.axes(call.arg("axis"), x.rank))
    shift, axis = call.integers(call.arg("shift")), call.integers(call.arg("axis"))
    result: Value = call.operation("Roll", x, shift=shift, axis=axis)
    return result


@computes("pad")
def pad(call: Call) -> Value:
    """``paddings`` (before, after) a dimension: ``constant_values``, or mirrored."""
    x = call.x
    pads = tuple((int(a), int(b)) for a, b in np.reshape(call.array(call.arg("paddings")), (-1, 2)).tolist())
    mode = str(call.arg("mode", default="CONSTANT")).lower()
    value = call.number(call.arg("constant_values", default=0))
    return call.ctx.b.op("pad", x, pads=pads, mode=mode, value=value)


@computes("depth_to_space", "space_to_depth")
def depth_to_space(call: Call) -> Value:
    """A pixel's channels as its block's pixels, and back."""
    name = "DepthToSpace" if call.name.endswith("depth_to_space") else "SpaceToDepth"
    first = "channels_first" if str(call.arg("data_format", default="NHWC")) == "NCHW" else "channels_last"
    block = int(call.number(call.arg("block_size")))
    result: Value = call.operation(name, call.x, module="nn", block_size=block, data_format=first)
    return result


@computes("slice")
def window(call: Call) -> Value:
    """``size`` elements of each dimension from ``begin`` on, -1 for all that follow."""
    x = call.x
    begin, sizes = call.integers(call.arg("begin")), call.lengths(call.arg("size"))
    end = tuple(_end(call, x, axis, a, s) for axis, (a, s) in enumerate(zip(begin, sizes, strict=True)))
    return call.ctx.b.op("slice", x, begin=tuple(begin), end=end, strides=(1,) * x.rank)


def _end(call: Call, x: Value, axis: int, start: int, count: Dim) -> int | None:
    if count == -1 or (count == x.shape[axis] and start == 0):
        return None
    if not isinstance(count, int):
        raise call.ctx.error(f"tf.slice takes lengths that are known. Received: {count} of {x.type}")
    return start + count


@computes("range", "linspace")
def number_line(call: Call) -> Value:
    """Numbers from ``start`` to ``limit`` in steps of ``delta``; ``num`` of them from ``start`` to ``stop``."""
    if call.name != "range":
        num = int(call.number(call.arg("num")))
        stop = call.arg("stop")
        result: Value = call.operation(
            "Linspace", call.first, stop, num=num, axis=call.arg("axis", default=0)
        )
        return result
    limit, delta = call.arg("limit"), call.arg("delta", default=1)
    start, stop = (0, call.first) if limit is None else (call.first, limit)
    bounds = [call.number(item) for item in (start, stop, delta)]
    made = np.arange(*bounds)
    dtype = "float32" if made.dtype.kind == "f" else "int32"
    wanted = call.arg("dtype")
    return call.tensor(made, dtype_name(call, wanted) if wanted else dtype)


@computes("band_part", "diag_part", "diag", "tensor_diag_part", "trace")
def diagonals(call: Call) -> Value:
    """0 outside of a band around the diagonal; the diagonal of the last two dimensions, or its sum; one as a matrix."""
    x, name, b = call.x, call.name.rpartition(".")[2], call.ctx.b
    if name == "diag":
        shifted = [item for item in ("k", "padding_value") if call.number(call.arg(item, default=0))]
        if shifted or any(
            call.number(call.arg(f"num_{side}", default=-1)) != -1 for side in ("rows", "cols")
        ):
            raise call.ctx.error(
                "tf.linalg.diag is lowered to a square matrix with its diagonal in the middle"
            )
        unit = b.constant(np.eye(length(call.ctx, x, x.rank - 1), dtype=bool), "bool", name="diagonal")
        return b.op("select", unit, b.op("expand_dims", x, axes=(x.rank,)), b.scalar(0, x))
    if name == "band_part":
        rows, columns = (length(call.ctx, x, axis) for axis in (x.rank - 2, x.rank - 1))
        below, above = (int(call.number(call.arg(f"num_{end}"))) for end in ("lower", "upper"))
        offset = np.arange(columns) - np.arange(rows)[:, None]
        band = (offset >= (-below if below >= 0 else -rows)) & (offset <= (above if above >= 0 else columns))
        return b.op("select", b.constant(band, "bool", name="band"), x, b.scalar(0, x))
    operation = "Trace" if name == "trace" else "Diagonal"
    result: Value = call.operation(
        operation, x, offset=int(call.number(call.arg("k", default=0))), axis1=-2, axis2=-1
    )
    return cast(call.ctx, result, x.dtype)


@computes("signal.frame")
def frame(call: Call) -> Value:
    """Windows of ``frame_length`` elements along ``axis``, which start every ``frame_step``."""
    x = call.x
    axis = call.axis(call.arg("axis", default=-1), x.rank)
    if call.flag("pad_end"):
        raise call.ctx.error(
            "tf.signal.frame is lowered without pad_end. Received: pad_end=True", hint="Pad before."
        )
    size, step = (int(call.number(call.arg(f"frame_{name}"))) for name in ("length", "step"))
    starts = np.arange(0, length(call.ctx, x, axis) - size + 1, step)
    places = call.ctx.b.constant((starts[:, None] + np.arange(size)).astype("int32"), "int32", name="places")
    return call.ctx.b.op("gather", x, places, axis=axis)
