"""Merge layers."""

from __future__ import annotations

from functools import reduce

import numpy as np

from kexport.ir import Value, dims, dtypes
from kexport.ir.dims import Shape
from kexport.lowering.arguments import normalized_axis
from kexport.lowering.masked_merging import masked_extreme, masked_product, masks_read
from kexport.lowering.normalization import l2_normalize
from kexport.lowering.operations.promotion import result_type
from kexport.lowering.registry import Context, lowers

_ELEMENTWISE = {
    "Add": "add",
    "Subtract": "sub",
    "Multiply": "mul",
    "Maximum": "maximum",
    "Minimum": "minimum",
    "Average": "add",
}


def _one_rank(ctx: Context, inputs: tuple[Value, ...]) -> list[Value]:
    """The inputs with dimensions of 1 put in after the batch until all have one rank, as Keras does
    (keras/src/layers/merging/base_merge.py, ``call``, 3.15)."""
    rank = max(value.rank for value in inputs)
    return [
        value
        if value.rank == rank
        else ctx.b.op("expand_dims", value, axes=tuple(range(1, 1 + rank - value.rank)))
        for value in inputs
    ]


def _one_dtype(ctx: Context, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """The inputs in the dtype that Keras promotes theirs to (floats come here in the compute dtype)."""
    found = {value.dtype for value in inputs}
    if len(found) == 1:
        return inputs
    common = result_type(*sorted(found))
    return tuple(
        value if value.dtype == common else ctx.b.op("cast", value, dtype=common) for value in inputs
    )


@lowers(*_ELEMENTWISE)
def lower_elementwise(ctx: Context, *inputs: Value) -> Value:
    """Element by element from the left, broadcasting; ``Average`` divides the sum. Some read masks (masked_merging.py)."""
    if ctx.layer.class_name == "Subtract" and len(inputs) != 2:
        raise ctx.error(f"It takes two inputs. Received: {len(inputs)}")
    values = _one_rank(ctx, _one_dtype(ctx, inputs))
    if len(values) > 1 and values[0].dtype == "bool":
        raise ctx.error("Its inputs are numbers. Received: bool")
    op = _ELEMENTWISE[ctx.layer.class_name]
    masks = masks_read(ctx, inputs, values)
    if any(mask is not None for mask in masks):
        return masked_product(ctx, values, masks) if op == "mul" else masked_extreme(ctx, op, values, masks)
    result = reduce(lambda left, right: ctx.b.op(op, left, right), values)
    if ctx.layer.class_name != "Average" or len(inputs) == 1:
        return result
    if not dtypes.is_float(result.dtype):
        result = ctx.b.op("cast", result, dtype=ctx.compute_dtype)
    return ctx.b.op("mul", result, ctx.b.scalar(1 / len(inputs), result))


@lowers("Concatenate")
def lower_concatenate(ctx: Context, *inputs: Value) -> Value:
    """One after the other along ``axis``."""
    values = _one_dtype(ctx, inputs)
    axis = normalized_axis(ctx, ctx.layer.config.get("axis", -1), values[0].rank)
    return values[0] if len(values) == 1 else ctx.b.op("concat", *values, axis=axis)


@lowers("Dot")
def lower_dot(ctx: Context, *inputs: Value) -> Value:
    """The sum of products along an axis of each, sample by sample: (batch, *rest of a, *rest of b), (batch, 1) where none is left.

    With ``normalize`` both are of unit length along their axis first.
    """
    if len(inputs) != 2:
        raise ctx.error(f"It takes two inputs. Received: {len(inputs)}")
    a, b = _one_dtype(ctx, inputs)
    if a.rank < 2 or b.rank < 2:
        raise ctx.error(f"It takes inputs of rank 2 or more. Received: {a.type} and {b.type}")
    axes = dot_axes(ctx, a, b)
    if ctx.layer.config.get("normalize"):
        floor = _normalization_floor(ctx)
        a, b = l2_normalize(ctx, a, axes[:1], floor), l2_normalize(ctx, b, axes[1:], floor)
    return dot(ctx, a, b, axes)


def _normalization_floor(ctx: Context) -> float:
    """What the sum of squares is at least before its root is divided by: ``l2_normalize`` of the backend that trained the model (keras/
    backend, 2.0.0 to 2.3.1). MXNet, and Keras before 2.0.5 on Theano, make NaN of zeros; CNTK divides nothing by less than 1e-30."""
    version = ctx.provenance.version
    match ctx.provenance.backend:
        case "mxnet":
            return 0.0
        case "cntk":
            return float(np.finfo(np.float32).tiny)
        case "theano":
            return 0.0 if version < (2, 0, 5) else 1e-12 if version < (2, 0, 7) else 1e-7
    return 1e-24 if ctx.provenance.keras_major >= 3 else 1e-12


def dot(ctx: Context, a: Value, b: Value, axes: tuple[int, int]) -> Value:
    """The sum of products along an axis of each: (batch, *rest of a, *rest of b), (batch, 1) where none is left."""
    axis_a, axis_b = axes
    rest_a, rest_b = _without(a.shape, axis_a), _without(b.shape, axis_b)
    product = ctx.b.op(
        "matmul", _as_matrix(ctx, a, axis_a, last=True), _as_matrix(ctx, b, axis_b, last=False)
    )
    shape = (a.shape[0], *rest_a, *rest_b) if rest_a or rest_b else (a.shape[0], 1)
    return product if product.shape == shape else ctx.b.op("reshape", product, shape=shape)


def dot_axes(ctx: Context, a: Value, b: Value) -> tuple[int, int]:
    """The argument ``axes``, an axis of each input, counted from the front."""
    saved = ctx.arg("axes")
    pair = saved if isinstance(saved, list | tuple) else [saved, saved]
    if len(pair) != 2:
        raise ctx.error(f"axes is an axis, or one for each input. Received: {saved!r}")
    found = normalized_axis(ctx, pair[0], a.rank), normalized_axis(ctx, pair[1], b.rank)
    if 0 in found:
        raise ctx.error(f"axes are not the batch. Received: {saved!r}")
    return found


def _without(shape: Shape, axis: int) -> Shape:
    """The dimensions but the batch and ``axis``."""
    return tuple(dim for index, dim in enumerate(shape) if index not in (0, axis))


def _as_matrix(ctx: Context, x: Value, axis: int, *, last: bool) -> Value:
    """(batch, rest, axis) or (batch, axis, rest), the rest of the dimensions as one."""
    others = [index for index in range(1, x.rank) if index != axis]
    perm = (0, *others, axis) if last else (0, axis, *others)
    if perm != tuple(range(x.rank)):
        x = ctx.b.op("transpose", x, perm=perm)
    kept = x.shape[-1] if last else x.shape[1]
    rest = dims.product(x.shape[1:-1] if last else x.shape[2:])
    shape = (x.shape[0], rest, kept) if last else (x.shape[0], kept, rest)
    return x if x.shape == shape else ctx.b.op("reshape", x, shape=shape)
