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


def explicit_pads(padding: Padding, spatial: Sequence[int], window: Sequence[int], strides: Sequence[int], dilations: Sequence[int]) -> list[tuple[int, int]]:
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
        window_output(x.shape[axis], window[i], attrs["strides"][i], attrs["dilations"][i], pads_of(attrs["padding"], i))
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
        raise OpError(f"The kernel is (*window, in / groups, out). Received: {x!r}, {kernel!r}, groups={attrs['groups']}")
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


def from_channels_last(x: Array, data_format: str) -> Array:
    """A channels-last result in the wanted format."""
    return np.ascontiguousarray(np.moveaxis(x, -1, 1)) if data_format == "channels_first" else x


def windows(x: Array, window: Sequence[int], strides: Sequence[int], dilations: Sequence[int]) -> Array:
    """The windows of a padded channels-last ``x``: (batch, *positions, channels, *window)."""
    rank = len(window)
    reach = [d * (w - 1) + 1 for d, w in zip(dilations, window, strict=True)]
    view = np.lib.stride_tricks.sliding_window_view(x, reach, axis=tuple(range(1, rank + 1)))
    step = tuple(slice(None, None, s) for s in strides)
    inner = tuple(slice(None, None, d) for d in dilations)
    return view[(slice(None), *step, slice(None), *inner)]


def pad_spatial(x: Array, pads: Sequence[tuple[int, int]], value: float = 0.0) -> Array:
    """A channels-last ``x`` padded in its spatial dimensions."""
    return np.pad(x, [(0, 0), *pads, (0, 0)], constant_values=value)


@op("conv", infer=_conv_type, attrs={**_CONV_ATTRS, "groups": 1}, fusable=True)
def conv(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """``(x, kernel, bias?)``: cross-correlation; kernel (*window, in / groups, out), bias (out,)."""
    x, kernel, bias = to_channels_last(inputs[0], attrs["data_format"]), inputs[1], optional(inputs, 2)
    window = kernel.shape[:-2]
    pads = explicit_pads(attrs["padding"], x.shape[1:-1], window, attrs["strides"], attrs["dilations"])
    patches = windows(pad_spatial(x, pads), window, attrs["strides"], attrs["dilations"])
    rank, groups = len(window), attrs["groups"]
    axes = (range(rank + 1, 2 * rank + 2), (rank, *range(rank)))
    parts = [
        np.tensordot(part, weights, axes=axes)
        for part, weights in zip(
            np.split(patches, groups, axis=rank + 1), np.split(kernel, groups, axis=-1), strict=True
        )
    ]
    result = np.concatenate(parts, axis=-1)
    return [from_channels_last(result if bias is None else result + bias, attrs["data_format"]).astype(x.dtype, copy=False)]


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
    x, kernel, bias = to_channels_last(inputs[0], attrs["data_format"]), inputs[1], optional(inputs, 2)
    window = kernel.shape[:-2]
    pads = explicit_pads(attrs["padding"], x.shape[1:-1], window, attrs["strides"], attrs["dilations"])
    patches = windows(pad_spatial(x, pads), window, attrs["strides"], attrs["dilations"])
    letters = "xyz"[: len(window)]
    result = np.einsum(f"...c{letters},{letters}cm->...cm", patches, kernel)
    result = result.reshape(*result.shape[:-2], -1)
    return [from_channels_last(result if bias is None else result + bias, attrs["data_format"]).astype(x.dtype, copy=False)]


def _transposed_type(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    x, kernel = required(inputs, 0), required(inputs, 1)
    check_window(x, attrs, kernel.rank - 2)
    if x.shape[channel_axis(x.rank, attrs["data_format"])] != kernel.shape[-1]:
        raise OpError(f"The kernel is (*window, out, in). Received: {x!r}, {kernel!r}")
    _check_bias(optional(inputs, 2), kernel.shape[-2])
    spatial = []
    for index, axis in enumerate(spatial_axes(x.rank, attrs["data_format"])):
        full = transposed_full(x.shape[axis], int(str(kernel.shape[index])), attrs["strides"][index], attrs["dilations"][index])
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
    x, kernel, bias = to_channels_last(inputs[0], attrs["data_format"]), inputs[1], optional(inputs, 2)
    window, spatial = kernel.shape[:-2], x.shape[1:-1]
    strides, dilations = attrs["strides"], attrs["dilations"]
    full = [int(str(transposed_full(*entry))) for entry in zip(spatial, window, strides, dilations, strict=True)]
    result = np.zeros((x.shape[0], *full, kernel.shape[-2]), np.result_type(x, kernel))
    for offset in itertools.product(*map(range, window)):
        starts = [o * d for o, d in zip(offset, dilations, strict=True)]
        where = tuple(slice(b, b + (n - 1) * s + 1, s) for b, n, s in zip(starts, spatial, strides, strict=True))
        result[(slice(None), *where)] += x @ kernel[offset].T
    crops = [(max(-b, 0), max(-a, 0)) for b, a in attrs["crops"]]
    result = pad_spatial(result, crops)
    cut = tuple(slice(max(b, 0), result.shape[i + 1] - max(a, 0)) for i, (b, a) in enumerate(attrs["crops"]))
    result = result[(slice(None), *cut)]
    return [from_channels_last(result if bias is None else result + bias, attrs["data_format"]).astype(x.dtype, copy=False)]


