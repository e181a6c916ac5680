"""Scales and shifts along one axis: ``x * scale + shift``, as nodes and as vectors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from kexport.ir import Builder, Constant, Node, Value, dtypes

Vector: TypeAlias = NDArray[np.float64]

#: (x - mean) * factor is taken apart into x * factor - mean * factor only while no |mean * factor| is above this:
#: the products are rounded before they cancel, so that is what the rounding error of a normalised value grows by.
_LARGEST_SHIFT = 32.0


@dataclass(frozen=True)
class Affine:
    """``x * scale + shift``, both float64: scalars, or vectors along ``axis``, which is None for two scalars."""

    axis: int | None
    scale: Vector
    shift: Vector

    def then(self, later: Affine) -> Affine | None:
        """Both as one; None where they are along different axes or the rounding error would grow."""
        if self.axis is not None and later.axis is not None and self.axis != later.axis:
            return None
        carried = self.shift * later.scale
        if np.any(np.abs(carried) > _LARGEST_SHIFT) and np.any(later.scale != 1):
            return None
        axis = later.axis if self.axis is None else self.axis
        return Affine(axis, self.scale * later.scale, carried + later.shift)

    def along(self, axis: int | None) -> Affine:
        """The same vectors along another axis."""
        return replace(self, axis=None if self.axis is None else axis)

    @property
    def scales(self) -> bool:
        """Whether any factor is not 1."""
        return bool(np.any(self.scale != 1))

    @property
    def shifts(self) -> bool:
        """Whether any summand is not 0."""
        return bool(np.any(self.shift != 0))

    def over(self, size: int) -> tuple[Vector, Vector]:
        """Scale and shift as vectors of that length."""
        return np.broadcast_to(self.scale, (size,)), np.broadcast_to(self.shift, (size,))


class Constants:
    """Vector constants that a pass makes, and their float64 contents, so that folding twice rounds once."""

    def __init__(self) -> None:
        self._exact: dict[Value, Vector] = {}
        self._made: dict[tuple[str, tuple[int, ...], bytes], Value] = {}

    def read(self, value: Value) -> Vector:
        """The contents in float64."""
        if value not in self._exact:
            assert value.constant is not None
            return np.asarray(value.constant.numpy(), np.float64)
        return self._exact[value]

    def make(self, builder: Builder, exact: Vector, dtype: str, name: str) -> Value:
        """A constant of that dtype, rounded from ``exact``; one for all with the same contents (a layer called
        twice)."""
        exact = np.asarray(exact, np.float64)
        key = (dtype, exact.shape, exact.tobytes())
        value = self._made.get(key)
        if value is None:
            rounded = exact.astype(dtypes.numpy_dtype(dtype))
            value = self._made[key] = builder.constant(Constant.of(rounded, dtype), name=name)
            self._exact[value] = exact
        return value

    def affine(self, node: Node) -> tuple[Value, Affine] | None:
        """What ``node`` scales or shifts by a constant, and how; None for other nodes."""
        if node.op not in ("mul", "add", "sub", "div") or node.attrs["activation"] != "none":
            return None
        left, right = node.input(0), node.input(1)
        if not dtypes.is_float(left.dtype) or (left.constant is None) == (right.constant is None):
            return None
        x, constant = (left, right) if right.constant is not None else (right, left)
        axis = _vector_axis(x, constant)
        if node.output.shape != x.shape or axis is False:
            return None
        vector = np.reshape(self.read(constant), -1)
        if axis is None:
            vector = np.reshape(vector, ())
        parts = _parts(node.op, vector, constant is right)
        return None if parts is None else (x, Affine(axis, *parts))

    def emit(self, builder: Builder, x: Value, affine: Affine) -> Value:
        """``x`` scaled and shifted: a mul, an add, both or neither."""
        for op, vector, needed in (
            ("mul", affine.scale, affine.scales),
            ("add", affine.shift, affine.shifts),
        ):
            if needed:
                shape = (
                    () if vector.ndim == 0 or affine.axis is None else (-1, *[1] * (x.rank - 1 - affine.axis))
                )
                operand = self.make(
                    builder, np.reshape(vector, shape), x.dtype, "scale" if op == "mul" else "shift"
                )
                x = builder.op(op, x, operand)
        return x


def _vector_axis(x: Value, constant: Value) -> int | bool | None:
    """The axis of ``x`` that the constant varies along; None for a scalar, False for a constant that is neither."""
    lead = x.rank - constant.rank
    axes = [lead + axis for axis, dim in enumerate(constant.shape) if dim != 1]
    if lead < 0 or len(axes) > 1:
        return False
    return axes[0] if axes else None


def _parts(op: str, vector: Vector, constant_last: bool) -> tuple[Vector, Vector] | None:
    one, zero = np.ones_like(vector), np.zeros_like(vector)
    if op == "mul":
        return vector, zero
    if op == "add":
        return one, vector
    if op == "sub":
        return (one, -vector) if constant_last else (-one, vector)
    if not constant_last or not np.all(vector):
        return None
    return 1 / vector, zero
