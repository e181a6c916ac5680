"""What Keras's quantized layers share: their quantizers, the levels of their weights, and products with groups of rows.

Formulas: keras/src/quantizers/quantizers.py, Keras 3.15. Weights stay constants of whole numbers, so that an artifact can store them
in 8 or 4 bits; what they are scaled by comes after the product, where Keras itself has it for int8, and where it is equal to rounding
for the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kexport.ir import Array, Constant, Value, dims, dtypes
from kexport.lowering.registry import Context

_ABS_MAX = "AbsMaxQuantizer"


@dataclass(frozen=True)
class Quantizer:
    """Keras's ``AbsMaxQuantizer``: levels from ``low`` to ``high``; ``axis`` as it was made with, None for the layer's own."""

    low: int = -127
    high: int = 127
    epsilon: float = 1e-7
    axis: int | None = None

    def apply(self, ctx: Context, x: Value, axes: tuple[int, ...]) -> tuple[Value, Value]:
        """The levels of x, whole numbers in its dtype, and their scale, with 1 for each of ``axes``."""
        attrs = {"low": self.low, "high": self.high, "epsilon": self.epsilon}
        levels, scale = ctx.b.ops("absmax_quantize", x, axes=axes, **attrs)
        return levels, scale


def input_quantizer(ctx: Context, default: Quantizer | None) -> Quantizer | None:
    """What the layer quantizes its inputs with: as its ``quantization_config`` says, else ``default``; None for nothing.

    Raises:
        LoweringError: it is a quantizer of the user's own.
    """
    config = ctx.layer.config.get("quantization_config")
    if not isinstance(config, Mapping):
        return default
    inner = config.get("config")
    saved = inner.get("activation_quantizer") if isinstance(inner, Mapping) else None
    if saved is None:
        return None
    if not isinstance(saved, Mapping) or saved.get("class_name") != _ABS_MAX:
        raise ctx.error(
            f"Its inputs are quantized by {_ABS_MAX} or not at all. Received: {saved!r}",
            hint="Quantize the model with Keras's own quantizers.",
        )
    return _abs_max(ctx, saved.get("config") or {})


def _abs_max(ctx: Context, config: Mapping[str, Any]) -> Quantizer:
    low, high = config.get("value_range", (-127, 127))
    dtype, axis = str(config.get("output_dtype", "int8")), config.get("axis")
    if not dtypes.is_integer(dtype) or low < np.iinfo(dtype).min or high > np.iinfo(dtype).max:
        raise ctx.error(f"The levels of its inputs fit their dtype. Received: {low} to {high} in {dtype}")
    axes = [axis] if isinstance(axis, int) else list(axis or [])
    if len(axes) > 1:
        raise ctx.error(f"Its inputs are quantized along one axis. Received: {axis!r}")
    return Quantizer(int(low), int(high), float(config.get("epsilon", 1e-7)), axes[0] if axes else None)


def unpacked(packed: Array, length: int, axis: int, *, signed: bool = True) -> Array:
    """Numbers of 4 bits, two in a byte along ``axis`` (the low half first), as int8 (uint8 if not ``signed``); the first ``length``."""
    moved = np.moveaxis(packed.view(np.uint8) if packed.dtype == np.int8 else packed, axis, 0)
    halves = np.stack([moved & 15, moved >> 4], axis=1).reshape(-1, *moved.shape[1:])[:length]
    numbers = ((halves ^ 8).astype(np.int8) - 8).astype(np.int8) if signed else halves.astype(np.uint8)
    return np.ascontiguousarray(np.moveaxis(numbers, 0, axis))


def whole(ctx: Context, levels: Constant, name: str) -> Value:
    """A constant of whole numbers as a value in the compute dtype that an artifact may store as narrow as they are."""
    wanted = dtypes.numpy_dtype(ctx.compute_dtype)
    made = levels.map(lambda array: array.astype(wanted), dtype=ctx.compute_dtype)
    return ctx.b.constant(made.known_as(levels.narrow or "int8"), name=name)


@dataclass(frozen=True)
class Grouped:
    """A matrix as ``(levels - zero[group]) * scale[group]``.

    Attributes:
        levels: whole numbers (rows, columns).
        scale: (groups, columns), or (columns,) for one group.
        zero: the same shape; None for 0.
        group: the group of each row, (rows,); None where there is one group.
        inverse: whether ``scale`` divides.
    """

    levels: Constant
    scale: Constant
    zero: Constant | None = None
    group: Constant | None = None
    inverse: bool = False

    @property
    def rows(self) -> int:
        return self.levels.shape[0]

    @property
    def columns(self) -> int:
        return self.levels.shape[1]

    def groups(self) -> int:
        """How many groups of rows there are."""
        return self.scale.shape[0] if len(self.scale.shape) == 2 else 1

    def block(self) -> int | None:
        """Rows a group, where row i is in group ``i // block``; None where the groups are otherwise."""
        groups = self.groups()
        if groups == 1 or self.group is None:
            return self.rows
        block = -(-self.rows // groups)
        found = self.group.numpy().astype(np.int64)
        for size in (block, int(np.count_nonzero(found == 0))):
            if size and np.array_equal(found, np.arange(self.rows) // size):
                return size
        return None

    def shifted(self) -> Constant:
        """``levels - zero``, whole numbers."""
        if self.zero is None:
            return self.levels
        zero, levels, rows = self.zero, self.levels, self._row_groups

        def read() -> Array:
            each = np.reshape(zero.numpy(), (-1, self.columns)).astype(np.int16)[rows()]
            return levels.numpy().astype(np.int16) - each

        return Constant.lazy("int16", levels.shape, read)

    def _row_groups(self) -> Array:
        if self.groups() == 1 or self.group is None:
            return np.zeros(self.rows, np.int64)
        return self.group.numpy().astype(np.int64)

    def read(self) -> Array:
        """The matrix in float32."""
        scale = np.reshape(self.scale.numpy().astype(np.float32), (-1, self.columns))[self._row_groups()]
        numbers = self.shifted().numpy().astype(np.float32)
        return numbers / scale if self.inverse else numbers * scale


def fits_int8(constant: Constant) -> bool:
    """Whether every element is within int8."""
    array = constant.numpy()
    return bool(array.min(initial=0) >= -128 and array.max(initial=0) <= 127)


def grouped_product(ctx: Context, x: Value, matrix: Grouped) -> Value:
    """``x (…, rows)`` times the matrix, (…, columns): a product of each group, scaled, and their sum."""
    levels, block = matrix.shifted(), matrix.block()
    if block is None or not fits_int8(levels):
        read = Constant.lazy("float32", levels.shape, matrix.read)
        return ctx.b.op("dense", x, _in_compute(ctx, read, "kernel"))
    if matrix.groups() == 1:
        product = ctx.b.op("dense", x, whole(ctx, levels, "kernel"))
        flat = matrix.scale.map(lambda array: np.reshape(array, -1), shape=(matrix.columns,))
        return _scaled(ctx, product, flat, matrix)
    return _sum_of_groups(ctx, x, matrix, levels, block)


def _in_compute(ctx: Context, constant: Constant, name: str) -> Value:
    wanted = dtypes.numpy_dtype(ctx.compute_dtype)
    made = constant.map(lambda array: array.astype(wanted), dtype=ctx.compute_dtype)
    return ctx.b.constant(made, name=name)


def _scaled(ctx: Context, product: Value, scale: Constant, matrix: Grouped) -> Value:
    return ctx.b.op("div" if matrix.inverse else "mul", product, _in_compute(ctx, scale, "kernel_scale"))


def _sum_of_groups(ctx: Context, x: Value, matrix: Grouped, levels: Constant, block: int) -> Value:
    """The product of x as (groups, samples, block) with (groups, block, columns), scaled and summed over the groups."""
    b, groups, columns = ctx.b, matrix.groups(), matrix.columns
    missing = groups * block - matrix.rows
    if missing:
        x = b.op("pad", x, pads=(*[(0, 0)] * (x.rank - 1), (0, missing)))

    def stacked(array: Array) -> Array:
        return np.reshape(np.pad(array, ((0, missing), (0, 0))), (groups, block, columns))

    kernel = whole(ctx, levels.map(stacked, shape=(groups, block, columns)).known_as(levels.narrow), "kernel")
    lead = x.shape[:-1]
    parts = b.op("reshape", x, shape=(dims.product(lead), groups, block))
    products = b.op("matmul", b.op("transpose", parts, perm=(1, 0, 2)), kernel)
    scale = matrix.scale.map(
        lambda array: np.reshape(array, (groups, 1, columns)), shape=(groups, 1, columns)
    )
    summed = b.op("reduce_sum", _scaled(ctx, products, scale, matrix), axes=(0,))
    return b.op("reshape", summed, shape=(*lead, columns))


def bfloat16_rounded(array: Array) -> Array:
    """float32 numbers rounded to bfloat16, halves to even."""
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    rounded: Array = (bits + (0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)
    return rounded
