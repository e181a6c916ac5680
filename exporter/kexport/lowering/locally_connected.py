"""Locally connected layers of Keras 1 and 2: convolutions with a kernel of its own at every position.

Sources: keras/layers/local.py of Keras 1.2.2 and 2.3.1, tf_keras/src/layers/locally_connected of tf_keras 2.21.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from kexport.ir import Array, Constant, Value
from kexport.lowering.activations import apply_activation
from kexport.lowering.geometry import as_float, channels_of, data_format, per_dimension, spatial_of
from kexport.lowering.registry import Context, lowers


@dataclass(frozen=True)
class _Windows:
    """Where the windows lie: the padded input, flattened, has an element for each (position, element of the window)."""

    lengths: tuple[int, ...]
    window: tuple[int, ...]
    strides: tuple[int, ...]
    outputs: tuple[int, ...]
    pads: tuple[tuple[int, int], ...]

    @property
    def positions(self) -> int:
        return math.prod(self.outputs)

    @property
    def size(self) -> int:
        return math.prod(self.window)

    def corners(self) -> Array:
        """Where each window's elements lie in the padded input: (positions, size, rank)."""
        starts = np.array(list(product(*map(range, self.outputs)))) * np.array(self.strides)
        offsets = np.array(list(product(*map(range, self.window))))
        corners: Array = starts[:, None] + offsets[None]
        return corners

    def indices(self) -> Array:
        """The same as indices into the flattened padded input: (positions * size,) int32."""
        padded = [length + sum(pair) for length, pair in zip(self.lengths, self.pads, strict=True)]
        corners = np.moveaxis(self.corners(), -1, 0)
        made: Array = np.ravel_multi_index(tuple(corners), tuple(padded)).astype(np.int32)
        return made.ravel()

    def inside(self) -> tuple[Array, tuple[Array, ...]]:
        """Which elements are none of the padding (positions, size), and where all lie in the input, clipped to it."""
        at = self.corners() - np.array([before for before, _ in self.pads])
        limits = np.array(self.lengths)
        within = ((at >= 0) & (at < limits)).all(axis=-1)
        return within, tuple(np.moveaxis(np.clip(at, 0, limits - 1), -1, 0))


def _windows(ctx: Context, x: Value, rank: int) -> _Windows:
    lengths = [x.shape[axis] for axis in spatial_of(ctx, x, rank)]
    if not all(isinstance(length, int) for length in lengths):
        raise ctx.error(f"It takes known lengths, as it has a kernel for each position. Received: {x.type}")
    known = tuple(int(str(length)) for length in lengths)
    window, strides = per_dimension(ctx, "kernel_size", rank), per_dimension(ctx, "strides", rank)
    match ctx.arg("padding"):
        case "valid":
            outputs = tuple((n - w) // s + 1 for n, w, s in zip(known, window, strides, strict=True))
            pads = [(0, 0)] * rank
        case "same":
            # Not TensorFlow's: half the window before, whatever the stride (``conv_connected_inputs``, tf_keras/src/utils).
            outputs = tuple(-(-n // s) for n, s in zip(known, strides, strict=True))
            entries = zip(known, window, strides, outputs, strict=True)
            pads = [(w // 2, max((out - 1) * s - w // 2 + w - n, 0)) for n, w, s, out in entries]
        case other:
            raise ctx.error(f"padding is 'valid' or 'same'. Received: {other!r}")
    if min(outputs) < 1:
        raise ctx.error(f"The input is too small for the window {window}: {x.type}")
    return _Windows(known, window, strides, outputs, tuple(pads))


def _shared(ctx: Context, at: _Windows, channels: int, filters: int, first: bool) -> Callable[[Array], Array]:
    """``implementation=1`` keeps (positions, size * channels, filters), the channels first in the rows where they are in the input."""
    if not first:
        return lambda kernel: kernel
    split = (at.positions, channels, at.size, filters)
    return lambda kernel: kernel.reshape(split).transpose(0, 2, 1, 3)


def _dense(ctx: Context, at: _Windows, channels: int, filters: int, first: bool) -> Callable[[Array], Array]:
    """``implementation=2`` keeps a weight for every pair of an input and an output, (*lengths, channels, *outputs, filters) or
    (channels, *lengths, filters, *outputs), and masks those outside the windows."""
    rank = len(at.lengths)

    def read(kernel: Array) -> Array:
        if first:
            order = (*range(1, rank + 1), 0, *range(rank + 2, 2 * rank + 2), rank + 1)
            kernel = kernel.transpose(order)
        within, places = at.inside()
        flat = kernel.reshape(*at.lengths, channels, at.positions, filters)
        rows = flat.reshape(-1, channels, at.positions, filters)
        own = rows[np.ravel_multi_index(places, at.lengths), :, np.arange(at.positions)[:, None]]
        return np.where(within[:, :, None, None], own, np.float32(0))

    return read


def _sparse(ctx: Context, at: _Windows, channels: int, filters: int, first: bool) -> Callable[[Array], Array]:
    """``implementation=3`` keeps the weights of those pairs only, in one row, sorted by the index of the output, then of the input."""

    def read(kernel: Array) -> Array:
        within, places = at.inside()
        shape = (at.positions, at.size, channels, filters)
        place = np.ravel_multi_index(places, at.lengths)[:, :, None, None]
        position = np.arange(at.positions)[:, None, None, None]
        channel, out = np.arange(channels)[:, None], np.arange(filters)
        spread = math.prod(at.lengths)
        inputs = channel * spread + place if first else place * channels + channel
        outputs = out * at.positions + position if first else position * filters + out
        inputs, outputs = np.broadcast_to(inputs, shape), np.broadcast_to(outputs, shape)
        chosen = np.flatnonzero(np.broadcast_to(within[:, :, None, None], shape))
        order = np.lexsort((inputs.ravel()[chosen], outputs.ravel()[chosen]))
        made = np.zeros(math.prod(shape), kernel.dtype)
        made[chosen[order]] = kernel
        return made.reshape(shape)

    return read


_LAYOUTS = {1: _shared, 2: _dense, 3: _sparse}


def _stored_shape(
    at: _Windows, implementation: int, channels: int, filters: int, first: bool
) -> Sequence[int]:
    if implementation == 1:
        return (at.positions, at.size * channels, filters)
    if implementation == 2:
        return (
            (channels, *at.lengths, filters, *at.outputs)
            if first
            else (*at.lengths, channels, *at.outputs, filters)
        )
    return (int(at.inside()[0].sum()) * channels * filters,)


def _kernel(ctx: Context, at: _Windows, channels: int, first: bool) -> Constant:
    """The kernels as (positions, size * channels, filters), whichever way the file keeps them."""
    implementation, filters = ctx.layer.config.get("implementation", 1), ctx.arg("filters")
    if implementation not in _LAYOUTS:
        raise ctx.error(f"implementation is 1, 2 or 3. Received: {implementation!r}")
    kernel = ctx.weight("kernel")
    expected = _stored_shape(at, implementation, channels, filters, first)
    if kernel.shape != tuple(expected):
        raise ctx.error(
            f"With implementation={implementation} its kernel has the shape {expected}. Received: {kernel.shape}"
        )
    shape = (at.positions, at.size * channels, filters)
    read = _LAYOUTS[implementation](ctx, at, channels, filters, first)
    return kernel.map(lambda array: np.ascontiguousarray(read(array).reshape(shape)), shape=shape)


@lowers("LocallyConnected1D", "LocallyConnected2D")
def lower_locally_connected(ctx: Context, x: Value) -> Value:
    """Each window of x (batch, *lengths, channels) times the kernel of its position: one ``gather`` of all windows, then a product
    a position."""
    b, rank = ctx.b, int(ctx.layer.class_name[-2])
    x, first = as_float(ctx, x), data_format(ctx) == "channels_first"
    at, channels = _windows(ctx, x, rank), channels_of(ctx, x)
    kernel = _kernel(ctx, at, channels, first)
    if first:
        x = b.op("transpose", x, perm=(0, *range(2, rank + 2), 1))
    if any(map(sum, at.pads)):
        x = b.op("pad", x, pads=((0, 0), *at.pads, (0, 0)))
    padded = math.prod(int(str(length)) for length in x.shape[1:-1])
    flat = b.op("reshape", x, shape=(x.shape[0], padded, channels))
    windows = b.op("gather", flat, b.constant(at.indices(), name="windows"), axis=1)
    rows = b.op("reshape", windows, shape=(x.shape[0], at.positions, at.size * channels))
    by_position = b.op("transpose", rows, perm=(1, 0, 2))
    products = b.op("matmul", by_position, b.constant(kernel, name="kernel"))
    perm = (1, 2, 0) if first else (1, 0, 2)
    turned = b.op("transpose", products, perm=perm)
    filters = kernel.shape[-1]
    shape = (filters, *at.outputs) if first else (*at.outputs, filters)
    result = b.op("reshape", turned, shape=(x.shape[0], *shape))
    if ctx.arg("use_bias"):
        # Keras keeps (*outputs, filters), and reads the same numbers as (filters, *outputs) where the channels are first
        # (``bias_add`` in tf_keras/src/backend.py).
        bias = ctx.weight("bias").map(lambda array: array.reshape(shape), shape=shape)
        result = b.op("add", result, b.constant(bias, name="bias"))
    return apply_activation(ctx, result)
