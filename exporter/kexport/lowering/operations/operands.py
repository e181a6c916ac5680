"""The arguments of operations: tensors, arrays, numbers and axes, given by position or by name.

What ``keras.Operation`` takes when it is made (``axis``) is in the layer's config; what it is called on is in the call.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kexport.ir import Array, Dim, Value, dims, dtypes
from kexport.loading.spec import Length
from kexport.lowering import filled
from kexport.lowering.arguments import normalized_axes
from kexport.lowering.operations.promotion import dtype_of, result_type
from kexport.lowering.registry import Context


def arguments(ctx: Context, *names: str) -> list[Any]:
    """What the call gives for each of ``names``, in their order; None for those left out.

    Raises:
        LoweringError: the call has other arguments too.
    """
    if len(ctx.args) > len(names) or not set(ctx.kwargs) <= set(names):
        raise ctx.error(
            f"It is called with {', '.join(names)}. Received: {len(ctx.args)} by position and {sorted(ctx.kwargs)}"
        )
    given = dict(zip(names, ctx.args, strict=False)) | dict(ctx.kwargs)
    return [given.get(name) for name in names]


def only(ctx: Context, name: str = "x") -> Value:
    """The one argument of an operation that takes one, as a value."""
    return tensor(ctx, arguments(ctx, name)[0])


def flag(ctx: Context, name: str) -> bool:
    """An option that is False where the file does not say."""
    return bool(option(ctx, name))


def option(ctx: Context, name: str, default: Any = None) -> Any:
    """What the operation was made with; ``default`` where the file does not say."""
    return ctx.layer.config.get(name, default)


def array_of(ctx: Context, item: Any) -> Array:
    """A number, a list of numbers or an array as an array, in the dtype that Keras makes a tensor of.

    Raises:
        LoweringError: it is neither, or a tensor that the model computes.
    """
    if isinstance(item, Value) and item.constant is not None:
        return item.constant.numpy()
    if not isinstance(item, Value | Mapping | str) and item is not None:
        try:
            array = np.asarray(item)
        except ValueError:
            array = np.asarray(None)
        if array.dtype.kind in "biuf":
            if isinstance(item, np.ndarray | np.generic):
                return array
            return array.astype({"b": "bool", "f": "float32"}.get(array.dtype.kind, "int32"))
    raise ctx.error(f"An argument is a number or an array of them. Received: {item!r}")


def tensor(ctx: Context, item: Any, dtype: str | None = None) -> Value:
    """``item``, a tensor, an array, a number or an open length, as a value; in ``dtype`` where that is given.

    Raises:
        LoweringError: it is none of them.
    """
    if isinstance(item, dims.Symbolic):
        return filled.length(ctx.b, Length(item, dtype or "int32"))
    if not isinstance(item, Value):
        array = array_of(ctx, item)
        wanted = dtype or array.dtype.name
        name = "scalar" if array.ndim == 0 else "array"
        if array.dtype.kind in "iu" and dtypes.is_integer(wanted):
            return ctx.b.constant(np.asarray(item, dtypes.numpy_dtype(wanted)), wanted, name=name)
        return ctx.b.constant(np.asarray(item).astype(dtypes.numpy_dtype(wanted)), wanted, name=name)
    return cast(ctx, item, dtype or item.dtype)


def scalar_of(ctx: Context, item: Any) -> float:
    """A number that is known when exporting.

    Raises:
        LoweringError: it is a tensor that the model computes, or several numbers.
    """
    array = array_of(ctx, item)
    if array.size != 1:
        raise ctx.error(f"An argument is a number. Received: {item!r}")
    number: float = array.reshape(()).item()
    return number


def cast(ctx: Context, x: Value, dtype: str) -> Value:
    """``x`` in ``dtype``."""
    return x if x.dtype == dtype else ctx.b.op("cast", x, dtype=dtype)


def promoted(ctx: Context, *items: Any, also: tuple[str, ...] = ()) -> list[Value]:
    """``items`` as values in the one dtype that Keras promotes them to, ``also`` (``"float"``, say) taken into account."""
    dtype = result_type(*(dtype_of(ctx, item) for item in items), *also)
    return [tensor(ctx, item, dtype) for item in items]


def promoted_tensors(ctx: Context, *items: Any, also: tuple[str, ...] = ()) -> list[Value]:
    """The same where Keras makes tensors of numbers first (``convert_to_tensor``): they count as int32 and float32, and yield to
    nothing."""
    return promoted(ctx, *(tensor(ctx, item) for item in items), also=also)


def as_float(ctx: Context, item: Any) -> Value:
    """``item`` in the float dtype that Keras computes functions such as ``sin`` in: its own, else float32."""
    return promoted(ctx, item, also=("float",))[0]


def reduced_axes(ctx: Context, axis: Any, rank: int) -> tuple[int, ...]:
    """The axes that ``axis`` names, counted from the front; all of them for None."""
    return tuple(range(rank)) if axis is None else normalized_axes(ctx, axis, rank)


def length(ctx: Context, x: Value, axis: int) -> int:
    """Dimension ``axis`` of ``x``.

    Raises:
        LoweringError: it is symbolic.
    """
    dim = x.shape[axis]
    if not isinstance(dim, int):
        raise ctx.error(
            f"Dimension {axis} of its input has a known length. Received: {x.type}",
            hint="Give this dimension a length when exporting.",
        )
    return dim


def reshaped(ctx: Context, x: Value, shape: tuple[Dim, ...]) -> Value:
    """``x`` in ``shape``, of as many elements."""
    return x if x.shape == shape else ctx.b.op("reshape", x, shape=shape)


def flattened(ctx: Context, x: Value) -> Value:
    """``x`` as one dimension."""
    return reshaped(ctx, x, (dims.product(x.shape),))


def transposed(ctx: Context, x: Value, perm: tuple[int, ...]) -> Value:
    """``x`` with dimension ``perm[i]`` at i."""
    return x if perm == tuple(range(x.rank)) else ctx.b.op("transpose", x, perm=perm)


def sliced(ctx: Context, x: Value, axis: int, begin: int, end: int | None, step: int = 1) -> Value:
    """``x[begin:end:step]`` in dimension ``axis``, all of the others."""
    begins, steps = [0] * x.rank, [1] * x.rank
    ends: list[int | None] = [None] * x.rank
    begins[axis], ends[axis], steps[axis] = begin, end, step
    return ctx.b.op("slice", x, begin=tuple(begins), end=tuple(ends), strides=tuple(steps))


def full(ctx: Context, number: Any, dtype: str, shape: tuple[Dim, ...]) -> Value:
    """A tensor of one number throughout."""
    one = tensor(ctx, number, dtype)
    return one if shape == () else ctx.b.op("broadcast_to", one, shape=shape)
