"""Layers that spread the values of an image over their range, at inference too: AutoContrast and CLAHE.

keras/src/layers/preprocessing/image_preprocessing/{auto_contrast,clahe}.py, Keras 3.15.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kexport.ir import Array, Dim, Value, dims, dtypes
from kexport.lowering.arguments import number, numbers
from kexport.lowering.geometry import data_format
from kexport.lowering.registry import Context, lowers

_BYTES = (0.0, 255.0)

#: Bytes have so many values; counted as that many times that many.
_LEVELS, _HALF = 256, 16


def _cast(ctx: Context, x: Value, dtype: str) -> Value:
    return x if x.dtype == dtype else ctx.b.op("cast", x, dtype=dtype)


def _value_range(ctx: Context) -> tuple[float, float]:
    low, high = numbers(ctx, "value_range").reshape(-1).tolist()
    if not low < high:
        raise ctx.error(f"value_range is a lower and a higher number. Received: {ctx.arg('value_range')!r}")
    return low, high


def _ranged(
    ctx: Context, x: Value, source: tuple[float, float], to: tuple[float, float], dtype: str
) -> Value:
    """``(x - low) / width`` of ``source``, times the width of ``to`` plus its low; ``x`` itself, whatever its dtype, where they are
    one (``_transform_value_range`` in base_image_preprocessing_layer.py)."""
    if source == to:
        return x
    b, x = ctx.b, _cast(ctx, x, dtype)
    part = b.op("div", b.op("sub", x, b.scalar(source[0], x)), b.scalar(source[1] - source[0], x))
    wide = b.op("mul", part, b.scalar(to[1] - to[0], x))
    return b.op("add", wide, b.scalar(to[0], wide)) if to[0] else wide


@lowers("AutoContrast")
def lower_auto_contrast(ctx: Context, x: Value) -> Value:
    """Values stretched so that the least becomes the lower end of ``value_range`` and the largest the higher one, as they are where all
    are equal; over the second and third axis, whatever the data format, of images in a batch or of one."""
    b, dtype, ends = ctx.b, ctx.compute_dtype, _value_range(ctx)
    if x.rank not in (3, 4):
        raise ctx.error(f"It takes images, in a batch or one. Received: {x.type}")
    axes = (1, 2) if x.rank == 4 else (0, 1)
    wide = _cast(ctx, _ranged(ctx, x, ends, _BYTES, dtype), dtype)
    low, high = (b.op(op, wide, axes=axes, keepdims=True) for op in ("reduce_min", "reduce_max"))
    flat = b.op("equal", high, low)
    spread = b.op("select", flat, b.scalar(1.0, wide), b.op("sub", high, low))
    scale = b.op("div", b.scalar(255.0, wide), spread)
    offset = b.op("mul", b.op("neg", low), scale)
    stretched = b.op("clip", b.op("add", b.op("mul", wide, scale), offset), min=0.0, max=255.0)
    return b.op("select", flat, _cast(ctx, x, dtype), _ranged(ctx, stretched, _BYTES, ends, dtype))


@dataclass(frozen=True)
class _Tiles:
    """How an image of a known size is cut: ``rows`` by ``columns`` tiles of ``height`` by ``width`` elements."""

    rows: int
    columns: int
    height: int
    width: int

    @property
    def elements(self) -> int:
        return self.height * self.width


def _tiles(ctx: Context, height: Dim, width: Dim) -> _Tiles:
    grid = ctx.arg("tile_grid_size")
    if (
        not isinstance(grid, list | tuple)
        or len(grid) != 2
        or not all(isinstance(n, int) and n > 0 for n in grid)
    ):
        raise ctx.error(f"tile_grid_size is two positive integers. Received: {grid!r}")
    if not isinstance(height, int) or not isinstance(width, int):
        raise ctx.error(
            "It needs a known height and width, to cut images into tiles",
            hint="Give these dimensions a length when exporting.",
        )
    rows, columns = grid
    return _Tiles(rows, columns, -(-height // rows), -(-width // columns))


@lowers("ContrastLimitedAdaptiveHistogramEqualization")
def lower_clahe(ctx: Context, x: Value) -> Value:
    """Each tile has a histogram, clipped and summed up to a curve; a value becomes what the curves of the four tiles around it say,
    blended by how near they are."""
    if x.rank not in (3, 4):
        raise ctx.error(f"It takes images, in a batch or one. Received: {x.type}")
    b, original, ends = ctx.b, x.dtype, _value_range(ctx)
    images = b.op("expand_dims", x, axes=(0,)) if x.rank == 3 else x
    first = data_format(ctx) == "channels_first"
    images = b.op("transpose", images, perm=(0, 2, 3, 1)) if first else images
    images = _ranged(ctx, images, ends, _BYTES, "float32")
    result = _cast(ctx, _ranged(ctx, _equalized(ctx, images), _BYTES, ends, "float32"), original)
    result = b.op("transpose", result, perm=(0, 3, 1, 2)) if first else result
    return b.op("squeeze", result, axes=(0,)) if x.rank == 3 else result


def _equalized(ctx: Context, x: Value) -> Value:
    """Images (batch, height, width, channels) of 0 to 255, in float32."""
    b, (_, height, width, channels) = ctx.b, x.shape
    tiles = _tiles(ctx, height, width)
    if not isinstance(channels, int):
        raise ctx.error(f"The number of channels must be known. Received: {x.type}")
    rows, columns = tiles.rows * tiles.height, tiles.columns * tiles.width
    whole = b.op("clip", x, min=0.0, max=255.0) if dtypes.is_float(x.dtype) else x
    levels = _cast(ctx, whole, "int32")
    levels = levels if dtypes.is_float(x.dtype) else b.op("clip", levels, min=0.0, max=255.0)
    if (rows, columns) != (height, width):
        pads = ((0, 0), (0, rows - int(str(height))), (0, columns - int(str(width))), (0, 0))
        levels = b.op("pad", levels, pads=pads, mode="symmetric")
    curves = _curves(ctx, _histograms(ctx, levels, tiles), tiles)
    blended = _blended(ctx, levels, curves, tiles)
    return b.op("slice", blended, begin=(0,) * 4, end=(None, height, width, None), strides=(1,) * 4)


def _histograms(ctx: Context, levels: Value, tiles: _Tiles) -> Value:
    """(batch, rows, columns, channels, 256): how often each level is in each tile.

    A level is 16 times a half plus another; of each half a matrix says which it is, and their product counts the pairs. It holds
    32 numbers an element where counting at once would hold 256.
    """
    b, (batch, _, _, channels) = ctx.b, levels.shape
    cut = (batch, tiles.rows, tiles.height, tiles.columns, tiles.width, channels)
    apart = b.op("transpose", b.op("reshape", levels, shape=cut), perm=(0, 1, 3, 5, 2, 4))
    count = dims.product((batch, tiles.rows, tiles.columns, channels))
    flat = b.op("reshape", apart, shape=(count, tiles.elements))
    half = b.constant(_HALF, "int32")
    upper, lower = (
        b.op("one_hot", b.op(op, flat, half), depth=_HALF, dtype="float32") for op in ("floor_div", "mod")
    )
    pairs = b.op("matmul", upper, lower, transpose_a=True)
    return b.op("reshape", pairs, shape=(batch, tiles.rows, tiles.columns, channels, _LEVELS))


def _curves(ctx: Context, histograms: Value, tiles: _Tiles) -> Value:
    """What each level becomes in each tile; what the histogram has beyond ``clip_limit`` is spread over all levels first."""
    b, limit = ctx.b, number(ctx, "clip_limit", 4.0)
    axis = histograms.rank - 1
    if limit > 0:
        clipped = b.op("clip", histograms, min=0.0, max=limit * tiles.elements / _LEVELS)
        excess = b.op("reduce_sum", b.op("sub", histograms, clipped), axes=(axis,), keepdims=True)
        histograms = b.op("add", clipped, b.op("div", excess, b.scalar(256.0, excess)))
    summed = b.op("cumsum", histograms, axis=axis)
    least = b.op("reduce_min", summed, axes=(axis,), keepdims=True)
    above = b.op("mul", b.op("sub", summed, least), b.scalar(255.0, summed))
    rest = b.op("sub", b.scalar(float(tiles.elements), least), least)
    rest = b.op("select", b.op("equal", rest, b.scalar(0.0, rest)), b.scalar(1.0, rest), rest)
    return b.op("clip", b.op("div", above, rest), min=0.0, max=255.0)


def _neighbours(length: int, count: int) -> tuple[Array, Array, Array]:
    """For each of ``length * count`` positions, the tiles before and after it (of those with one repeated at either end), and how far
    it is from the first to the second; in float32, as Keras works it out."""
    place = (np.arange(length * count, dtype=np.float32) - np.float32(length / 2)) / np.float32(length)
    place = place + np.float32(1)
    before = np.floor(place)
    ends = (np.clip(before + step, 0, count + 1).astype(np.int32) for step in (0, 1))
    return (*ends, place - before)


def _blended(ctx: Context, levels: Value, curves: Value, tiles: _Tiles) -> Value:
    """Each level by the curves of the four tiles around it."""
    b, (batch, _, _, channels) = ctx.b, levels.shape
    depth = int(str(channels)) * _LEVELS
    # A tile more at either end, the same as the one beside it.
    indices = (
        b.constant(np.clip(np.arange(-1, n + 1), 0, n - 1), "int32", name="tiles")
        for n in (tiles.rows, tiles.columns)
    )
    for axis, index in enumerate(indices, 1):
        curves = b.op("gather", curves, index, axis=axis)
    across = tiles.columns + 2
    table = b.op("reshape", curves, shape=(batch, (tiles.rows + 2) * across * depth))
    channel = b.constant(np.arange(int(str(channels))) * _LEVELS, "int32", name="channel")
    base = b.op("add", levels, channel)
    *rows, down = _neighbours(tiles.height, tiles.rows)
    *columns, right = _neighbours(tiles.width, tiles.columns)
    size = dims.product(levels.shape[1:])

    def at(row: Array, column: Array) -> Value:
        place = b.op("add", base, b.constant(row[:, None, None] * (across * depth), "int32", name="row"))
        place = b.op("add", place, b.constant(column[:, None] * depth, "int32", name="column"))
        flat = b.op("reshape", place, shape=(batch, size))
        return b.op("reshape", b.op("gather", table, flat, axis=1, batch_dims=1), shape=levels.shape)

    def blend(first: Value, second: Value, share: Array) -> Value:
        one = b.op("mul", first, b.constant(np.float32(1) - share, "float32", name="share"))
        return b.op("add", one, b.op("mul", second, b.constant(share, "float32", name="share")))

    top, bottom = (blend(at(row, columns[0]), at(row, columns[1]), right[:, None]) for row in rows)
    return blend(top, bottom, down[:, None, None])
