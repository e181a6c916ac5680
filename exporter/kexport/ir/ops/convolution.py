"""Convolutions over one, two or three spatial dimensions.

Layouts: x is (batch, *spatial, channels) or, ``data_format="channels_first"``, (batch, channels, *spatial).
Kernels are always Keras's: convolution (*window, in / groups, out), depthwise (*window, in, multiplier),
transposed (*window, out, in). ``padding`` is ``"same"`` in TensorFlow's sense (the output has
ceil(input / stride) elements, the odd pad after), or one (before, after) pair a spatial dimension;
``valid`` is zero pairs.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from kexport.ir import dims
from kexport.ir.dims import Dim, Shape
from kexport.ir.graph import Array, Attrs, TensorType, Value
from kexport.ir.ops._registry import REQUIRED, Inputs, OpError, op, optional, required

Padding: TypeAlias = str | Sequence[tuple[int, int]]


def channel_axis(rank: int, data_format: str) -> int:
    """The axis of the channels in a tensor of that rank."""
    return 1 if data_format == "channels_first" else rank - 1


def spatial_axes(rank: int, data_format: str) -> range:
    """The axes between batch and channels, or after the channels."""
    return range(2, rank) if data_format == "channels_first" else range(1, rank - 1)


def image_shape(batch: Dim, spatial: Sequence[Dim], channels: Dim, data_format: str) -> Shape:
    """Batch, spatial dimensions and channels in the order of the data format."""
    if data_format == "channels_first":
        return (batch, channels, *spatial)
    return (batch, *spatial, channels)


def window_output(length: Dim, window: int, stride: int, dilation: int, pads: tuple[int, int] | None) -> Dim:
    """The number of windows along a dimension; ``pads`` None is TensorFlow's ``same``.

    ``floor((length + before + after - dilation * (window - 1) - 1) / stride) + 1``
    """
    if pads is None:
        return dims.ceil_div(length, stride)
    reach = dilation * (window - 1) + 1
    return dims.add(dims.floor_div(dims.add(length, pads[0] + pads[1] - reach), stride), 1)


def same_pads(length: int, window: int, stride: int, dilation: int) -> tuple[int, int]:
    """TensorFlow's ``same`` as (before, after): as little as makes ceil(length / stride) windows, the odd one after."""
    reach = dilation * (window - 1) + 1
    total = max((-(-length // stride) - 1) * stride + reach - length, 0)
    return total // 2, total - total // 2


def pads_of(padding: Padding, index: int) -> tuple[int, int] | None:
    """The pads of spatial dimension ``index``; None for ``same``."""
    return None if padding == "same" else tuple(padding[index])  # type: ignore[return-value]


def explicit_pads(
    padding: Padding,
    spatial: Sequence[int],
    window: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> list[tuple[int, int]]:
    """One (before, after) pair a spatial dimension, ``same`` worked out for these lengths."""
    if isinstance(padding, str):
        return [same_pads(*entry) for entry in zip(spatial, window, strides, dilations, strict=True)]
    return [(before, after) for before, after in padding]


def check_window(x: Value, attrs: Attrs, spatial_rank: int) -> None:
    """Raise unless the per-dimension attributes have an entry for each spatial dimension of ``x``."""
    if x.rank != spatial_rank + 2:
        raise OpError(f"x has rank {spatial_rank + 2} for a window of {spatial_rank}. Received: {x!r}")
    for name in ("strides", "dilations", "padding"):
        given = attrs.get(name)
        if given is None or given == "same":
            continue
        if isinstance(given, str) or len(given) != spatial_rank:
            raise OpError(f"{name} has {spatial_rank} entries. Received: {given!r}")


def _windowed(x: Value, window: Sequence[int], attrs: Attrs) -> list[Dim]:
    axes = spatial_axes(x.rank, attrs["data_format"])
    return [
        window_output(
            x.shape[axis], window[i], attrs["strides"][i], attrs["dilations"][i], pads_of(attrs["padding"], i)
        )
        for i, axis in enumerate(axes)
    ]


def _check_bias(bias: Value | None, channels: Dim) -> None:
    if bias is not None and bias.shape != (channels,):
        raise OpError(f"The bias has shape ({channels},). Received: {bias!r}")


def _conv_type(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    x, kernel = required(inputs, 0), required(inputs, 1)
    check_window(x, attrs, kernel.rank - 2)
    window = [int(str(d)) for d in kernel.shape[:-2]]
    channels = x.shape[channel_axis(x.rank, attrs["data_format"])]
    if dims.multiply(kernel.shape[-2], attrs["groups"]) != channels:
        raise OpError(
            f"The kernel is (*window, in / groups, out). Received: {x!r}, {kernel!r}, groups={attrs['groups']}"
        )
    _check_bias(optional(inputs, 2), kernel.shape[-1])
    shape = image_shape(x.shape[0], _windowed(x, window, attrs), kernel.shape[-1], attrs["data_format"])
    return [TensorType(x.dtype, shape)]


_CONV_ATTRS = {
    "strides": REQUIRED,
    "padding": REQUIRED,
    "dilations": REQUIRED,
    "data_format": "channels_last",
}


def to_channels_last(x: Array, data_format: str) -> Array:
    """``x`` with the channels as its last axis."""
    return np.moveaxis(x, 1, -1) if data_format == "channels_first" else x


def aligned(x: Array) -> Array:
    """``x`` where its elements are aligned, else a copy: kernels mapped from a file at an odd offset keep NumPy from using
    BLAS, and a product then takes some hundred times as long."""
    return np.require(x, requirements="A")


def from_channels_last(x: Array, data_format: str) -> Array:
    """A channels-last result in the wanted format."""
    return np.ascontiguousarray(np.moveaxis(x, -1, 1)) if data_format == "channels_first" else x


def taken(length: int, offset: int, stride: int, count: int) -> slice:
    """The elements that one offset within the windows reads: ``count`` of them, ``stride`` apart, from ``offset``."""
    stop = offset + (count - 1) * stride + 1
    if count and stop > length:
        raise OpError(f"A window reaches {stop} of {length} elements.")
    return slice(offset, stop if count else offset, stride)


def pad_spatial(x: Array, pads: Sequence[tuple[int, int]], value: float = 0.0) -> Array:
    """A channels-last ``x`` padded in its spatial dimensions."""
    return np.pad(x, [(0, 0), *pads, (0, 0)], constant_values=value)


def _offsets(
    x: Array, window: Sequence[int], attrs: Attrs
) -> tuple[Array, list[int], list[tuple[tuple[int, ...], tuple[slice, ...]]]]:
    """A channels-last ``x`` padded, the spatial shape of the result, and what each offset in the window reads of it.

    A convolution is computed as the sum over the window's offsets, each one matrix product on a strided view: the
    windows themselves would take ``prod(window)`` times the input's memory.
    """
    strides, dilations = attrs["strides"], attrs["dilations"]
    padded = pad_spatial(x, explicit_pads(attrs["padding"], x.shape[1:-1], window, strides, dilations))
    lengths = padded.shape[1:-1]
    counts = [
        max((n - d * (w - 1) - 1) // s + 1, 0)
        for n, w, s, d in zip(lengths, window, strides, dilations, strict=True)
    ]
    reads = [
        (
            offset,
            tuple(
                taken(n, o * d, s, c)
                for n, o, d, s, c in zip(lengths, offset, dilations, strides, counts, strict=True)
            ),
        )
        for offset in itertools.product(*map(range, window))
    ]
    return padded, counts, reads


def _accumulator(x: Array, kernel: Array) -> np.dtype[Any]:
    """The dtype to sum in: float32 at least, int64 for integers, as accumulators of kernels are."""
    joint = np.result_type(x, kernel)
    return np.result_type(joint, np.float32 if joint.kind == "f" else np.int64)


def _finish(result: Array, bias: Array | None, x: Array, attrs: Attrs) -> list[Array]:
    biased = result if bias is None else result + bias
    return [from_channels_last(biased, attrs["data_format"]).astype(x.dtype, copy=False)]


@op("conv", infer=_conv_type, attrs={**_CONV_ATTRS, "groups": 1}, fusable=True)
def conv(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """``(x, kernel, bias?)``: cross-correlation; kernel (*window, in / groups, out), bias (out,). Output channels
    ``[g * out / groups, (g + 1) * out / groups)`` read input channels ``[g * in / groups, (g + 1) * in / groups)``."""
    x, kernel, bias = (
        to_channels_last(inputs[0], attrs["data_format"]),
        aligned(inputs[1]),
        optional(inputs, 2),
    )
    groups, inner, outer = attrs["groups"], kernel.shape[-2], kernel.shape[-1] // attrs["groups"]
    if groups > 1 and inner == 1:
        return depthwise_conv([inputs[0], kernel.reshape(*kernel.shape[:-2], groups, outer), bias], attrs)
    sums = _accumulator(x, kernel)
    padded, counts, reads = _offsets(x.astype(sums, copy=False), kernel.shape[:-2], attrs)
    result = np.zeros((x.shape[0], *counts, kernel.shape[-1]), sums)
    for offset, where in reads:
        weights = kernel[offset].astype(sums, copy=False)
        for g in range(groups):
            read = padded[(slice(None), *where, slice(g * inner, (g + 1) * inner))]
            written = slice(g * outer, (g + 1) * outer)
            result[..., written] += np.tensordot(read, weights[:, written], 1)
    return _finish(result, bias, x, attrs)


def _depthwise_type(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    x, kernel = required(inputs, 0), required(inputs, 1)
    check_window(x, attrs, kernel.rank - 2)
    channels = x.shape[channel_axis(x.rank, attrs["data_format"])]
    if kernel.shape[-2] != channels:
        raise OpError(f"The kernel is (*window, in, multiplier). Received: {x!r}, {kernel!r}")
    out = dims.multiply(kernel.shape[-2], kernel.shape[-1])
    _check_bias(optional(inputs, 2), out)
    window = [int(str(d)) for d in kernel.shape[:-2]]
    shape = image_shape(x.shape[0], _windowed(x, window, attrs), out, attrs["data_format"])
    return [TensorType(x.dtype, shape)]


@op("depthwise_conv", infer=_depthwise_type, attrs=_CONV_ATTRS, fusable=True)
def depthwise_conv(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """``(x, kernel, bias?)``: each channel by its own kernels (*window, in, multiplier); output channel
    ``in * multiplier + m``; bias (in * multiplier,)."""
    x, kernel, bias = (
        to_channels_last(inputs[0], attrs["data_format"]),
        aligned(inputs[1]),
        optional(inputs, 2),
    )
    sums = _accumulator(x, kernel)
    padded, counts, reads = _offsets(x.astype(sums, copy=False), kernel.shape[:-2], attrs)
    result = np.zeros((x.shape[0], *counts, *kernel.shape[-2:]), sums)
    for offset, where in reads:
        result += padded[(slice(None), *where)][..., None] * kernel[offset].astype(sums, copy=False)
    return _finish(result.reshape(*result.shape[:-2], -1), bias, x, attrs)


def _transposed_type(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    x, kernel = required(inputs, 0), required(inputs, 1)
    check_window(x, attrs, kernel.rank - 2)
    if x.shape[channel_axis(x.rank, attrs["data_format"])] != kernel.shape[-1]:
        raise OpError(f"The kernel is (*window, out, in). Received: {x!r}, {kernel!r}")
    _check_bias(optional(inputs, 2), kernel.shape[-2])
    spatial = []
    for index, axis in enumerate(spatial_axes(x.rank, attrs["data_format"])):
        full = transposed_full(
            x.shape[axis], int(str(kernel.shape[index])), attrs["strides"][index], attrs["dilations"][index]
        )
        before, after = attrs["crops"][index]
        spatial.append(dims.subtract(full, before + after))
    shape = image_shape(x.shape[0], spatial, kernel.shape[-2], attrs["data_format"])
    return [TensorType(x.dtype, shape)]


def transposed_full(length: Dim, window: int, stride: int, dilation: int) -> Dim:
    """The uncropped length of a transposed convolution: ``(length - 1) * stride + dilation * (window - 1) + 1``."""
    return dims.add(dims.multiply(stride, dims.subtract(length, 1)), dilation * (window - 1) + 1)


@op(
    "conv_transpose",
    infer=_transposed_type,
    attrs={"strides": REQUIRED, "crops": REQUIRED, "dilations": REQUIRED, "data_format": "channels_last"},
    fusable=True,
)
def conv_transpose(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """``(x, kernel, bias?)``: the gradient of a convolution with kernel (*window, out, in); bias (out,).

    Each input element adds its kernel, scaled, at ``position * stride`` of an output of
    ``(length - 1) * stride + dilation * (window - 1) + 1``, from which ``crops`` (before, after) are taken off; a
    negative crop adds zeros (Keras's output_padding). The bias is added last, to those zeros too.
    """
    x, kernel, bias = (
        to_channels_last(inputs[0], attrs["data_format"]),
        aligned(inputs[1]),
        optional(inputs, 2),
    )
    window, spatial = kernel.shape[:-2], x.shape[1:-1]
    strides, dilations = attrs["strides"], attrs["dilations"]
    full = [
        int(str(transposed_full(*entry))) for entry in zip(spatial, window, strides, dilations, strict=True)
    ]
    sums = _accumulator(x, kernel)
    spread = x.astype(sums, copy=False)
    result = np.zeros((x.shape[0], *full, kernel.shape[-2]), sums)
    for offset in itertools.product(*map(range, window)):
        entries = zip(full, offset, dilations, strides, spatial, strict=True)
        where = tuple(taken(length, o * d, s, n) for length, o, d, s, n in entries)
        result[(slice(None), *where)] += np.tensordot(spread, kernel[offset].astype(sums, copy=False).T, 1)
    result = pad_spatial(result, [(max(-before, 0), max(-after, 0)) for before, after in attrs["crops"]])
    lengths = result.shape[1:-1]
    cut = tuple(slice(max(b, 0), n - max(a, 0)) for n, (b, a) in zip(lengths, attrs["crops"], strict=True))
    return _finish(result[(slice(None), *cut)], bias, x, attrs)
