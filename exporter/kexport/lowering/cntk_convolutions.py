"""What convolutions compute on CNTK where that is neither what they say nor a matter of padding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kexport.ir import Value
from kexport.lowering.backend_padding import Kind
from kexport.lowering.geometry import channels_of, data_format, per_dimension, spatial_of
from kexport.lowering.padding_semantics import same_pairs
from kexport.lowering.registry import Context

#: Keras passes its arguments on as they are from here.
_REPAIRED = (2, 2, 3)


def strides_and_dilations(ctx: Context, kind: Kind, rank: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The layer's strides and dilations as Keras hands them to its backend.

    CNTK takes the rate of a dilated depthwise convolution for strides; before Keras 2.2.3 that of a Conv2D, too, no notice of that of
    a Conv1D or Conv3D, and a Conv3D's strides in another order (``conv1d`` to ``conv3d`` and ``depthwise_conv2d`` in
    keras/backend/cntk_backend.py, 2.2.2 and 2.3.1).

    Raises:
        LoweringError: CNTK can't compute the layer.
    """
    strides = per_dimension(ctx, "strides", rank)
    dilations = per_dimension(ctx, "dilation_rate", rank, default=1)
    if ctx.provenance.backend != "cntk":
        return strides, dilations
    ones, dilated = (1,) * rank, any(rate != 1 for rate in dilations)
    old = (2,) <= ctx.provenance.version < _REPAIRED
    if kind == "separable_conv" and dilated:
        raise ctx.error(
            "Keras's CNTK backend leaves the groups out of a dilated SeparableConv, and CNTK then computes none. "
            f"Received: a model trained on CNTK with dilation_rate={dilations}"
        )
    if dilated and (kind == "depthwise_conv" or (old and rank == 2)):
        return dilations, ones
    if old and rank == 3:
        return (*strides[1:], strides[0]), ones
    return (strides, ones) if old else (strides, dilations)


def reads_first_channel(
    ctx: Context, x: Value, kind: Kind, window: Sequence[int], strides: Sequence[int]
) -> bool:
    """Whether every kernel of a depthwise convolution is applied to the first channel.

    Where an even window pads less before than after, CNTK falls back on an engine that knows no groups (``IsSupported`` in
    Source/Math/CuDnnConvolutionEngine.cu, CNTK 2.7, and its like for the CPU, where it was measured).
    """
    if ctx.provenance.backend != "cntk" or ctx.arg("padding") != "same":
        return False
    pairs = same_pairs(ctx, x, kind, window, strides, (1,) * len(window)) or []
    lengths = [x.shape[axis] for axis in spatial_of(ctx, x, len(window))]
    return any(
        size % 2 == 0 and before < after and (not isinstance(length, int) or stride < length)
        for size, stride, length, (before, after) in zip(window, strides, lengths, pairs, strict=True)
    )


def first_channel(ctx: Context, x: Value, kernel: str) -> tuple[Value, Value]:
    """The first channel of x, and a depthwise kernel (*window, channels, multiplier) as one that makes all outputs of it:
    (*window, 1, channels * multiplier)."""
    weight = ctx.weight(kernel)
    shape = (*weight.shape[:-2], 1, weight.shape[-2] * weight.shape[-1])
    made = weight.map(lambda array: np.ascontiguousarray(array).reshape(shape), shape=shape)
    if channels_of(ctx, x) == 1:
        return x, ctx.b.constant(made, name=kernel)
    axis = 1 if data_format(ctx) == "channels_first" else x.rank - 1
    end = tuple(1 if index == axis else None for index in range(x.rank))
    first = ctx.b.op("slice", x, begin=(0,) * x.rank, end=end, strides=(1,) * x.rank)
    return first, ctx.b.constant(made, name=kernel)
