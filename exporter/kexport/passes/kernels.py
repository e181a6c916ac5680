"""Ops with kernels (convolutions, dense) that can take up a scale and shift after or before them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kexport.ir import Array, Builder, Constant, Node, Value
from kexport.ir.ops.convolution import channel_axis
from kexport.passes.affine import Affine, Constants, Vector

KERNEL_OPS = ("conv", "depthwise_conv", "conv_transpose", "dense")

#: Rows of a matrix that are held in double precision at a time.
_BLOCK = 4096


@dataclass(frozen=True)
class _Scaled:
    """A kernel as its source times factors, each of which broadcasts to it."""

    source: Constant
    factors: tuple[Vector, ...]

    def times(self, factor: Vector) -> _Scaled:
        same = [i for i, old in enumerate(self.factors) if old.shape == factor.shape]
        if not same:
            return _Scaled(self.source, (*self.factors, factor))
        joined = list(self.factors)
        joined[same[0]] = joined[same[0]] * factor
        return _Scaled(self.source, tuple(joined))

    def read(self) -> Array:
        result = self.source.numpy()
        for factor in self.factors:
            # The ufunc works in float64 buffer by buffer, so that no double-precision kernel is ever held.
            out = np.empty_like(result)
            np.multiply(result, factor, out=out, dtype=np.float64, casting="unsafe")
            result = out
        return result


class KernelFolder:
    """Makes nodes with kernels that take a scale and shift up. Kernels are scaled when they are read."""

    def __init__(self, constants: Constants) -> None:
        self.constants = constants
        self._scaled: dict[Value, _Scaled] = {}
        self._made: dict[tuple[Constant, object], Value] = {}  # a kernel that is shared stays shared

    def folds(self, node: Node) -> bool:
        """Whether ``node`` has a constant kernel and bias; a kernel that is stored narrow would not be once it is scaled."""
        if node.op not in KERNEL_OPS:
            return False
        kernel = node.input(1).constant
        if kernel is not None and kernel.narrow is not None:
            return False
        return all(value is None or value.constant is not None for value in node.inputs[1:])

    def after(self, builder: Builder, node: Node, affine: Affine) -> Value | None:
        """``node`` with what follows it; None where that is along another axis than its channels."""
        x, kernel, channels = node.input(0), node.input(1), _out_channels(node)
        if affine.axis not in (None, _axis(node, node.output.rank)) or node.attrs["activation"] != "none":
            return None
        scale, shift = affine.over(channels)
        bias: Vector | None = scale * self._bias(node) + shift
        if not _has_bias(node) and not affine.shifts:
            bias = None
        if affine.scales:
            kernel = self._times(builder, kernel, _out_factor(node, scale))
        return self._build(builder, node, x, kernel, bias)

    def takes(self, node: Node, affine: Affine) -> bool:
        """Whether :meth:`before` can be done: along the input's channels, and a shift only without padding."""
        x = node.input(0)
        axis = _axis(node, x.rank)
        along = affine.axis in (None, axis) and isinstance(x.shape[axis], int)
        return along and (takes_shift(node) or not affine.shifts)

    def before(self, builder: Builder, node: Node, x: Value, affine: Affine) -> Value:
        """``node`` on ``x`` with what was between them; see :meth:`takes`."""
        scale, shift = affine.over(int(str(x.shape[_axis(node, x.rank)])))
        bias = self._bias(node) if affine.shifts or _has_bias(node) else None
        if bias is not None and affine.shifts:
            bias = bias + self._response(node, shift)
        kernel = node.input(1)
        if affine.scales:
            kernel = self._times(builder, kernel, _in_factor(node, scale))
        return self._build(builder, node, x, kernel, bias)

    def _build(self, builder: Builder, node: Node, x: Value, kernel: Value, bias: Vector | None) -> Value:
        made = None if bias is None else self.constants.make(builder, bias, x.dtype, "bias")
        return builder.op(node.op, x, kernel, made, **node.attrs)

    def _bias(self, node: Node) -> Vector:
        if not _has_bias(node):
            return np.zeros(_out_channels(node))
        return self.constants.read(node.input(2))

    def _times(self, builder: Builder, kernel: Value, factor: Vector) -> Value:
        assert kernel.constant is not None
        scaled = self._scaled.get(kernel, _Scaled(kernel.constant, ())).times(factor)
        key = (scaled.source, tuple((factor.shape, factor.tobytes()) for factor in scaled.factors))
        value = self._made.get(key)
        if value is None:
            lazy = Constant.lazy(kernel.dtype, kernel.constant.shape, scaled.read)
            value = self._made[key] = builder.constant(lazy, name="kernel")
            self._scaled[value] = scaled
        return value

    def _response(self, node: Node, shift: Vector) -> Vector:
        """What ``node`` without its bias makes of an input that is ``shift`` everywhere."""
        constant = node.input(1).constant
        assert constant is not None
        kernel = constant.numpy()
        if node.op == "dense":
            blocks = range(0, len(kernel), _BLOCK)
            rows = [shift[i : i + _BLOCK] @ kernel[i : i + _BLOCK].astype(np.float64) for i in blocks]
            return np.asarray(np.sum(rows, axis=0))
        summed = np.sum(kernel, axis=tuple(range(kernel.ndim - 2)), dtype=np.float64)
        if node.op == "depthwise_conv":
            return np.reshape(summed * shift[:, None], -1)
        return np.asarray(np.sum(summed * _grouped(node, shift), axis=0))


def _axis(node: Node, rank: int) -> int:
    return rank - 1 if node.op == "dense" else channel_axis(rank, node.attrs["data_format"])


def _has_bias(node: Node) -> bool:
    return len(node.inputs) > 2 and node.inputs[2] is not None


def _out_channels(node: Node) -> int:
    size = node.output.shape[_axis(node, node.output.rank)]
    assert isinstance(size, int)
    return size


def _out_factor(node: Node, scale: Vector) -> Vector:
    if node.op == "conv_transpose":
        return scale[:, None]
    if node.op == "depthwise_conv":
        return np.reshape(scale, tuple(int(str(dim)) for dim in node.input(1).shape[-2:]))
    return scale


def _in_factor(node: Node, scale: Vector) -> Vector:
    if node.op == "conv_transpose":
        return scale
    if node.op in ("depthwise_conv", "dense"):
        return scale[:, None]
    return _grouped(node, scale)


def _grouped(node: Node, vector: Vector) -> Vector:
    """A vector over a convolution's input channels as (in / groups, out), or (in, 1) without groups."""
    groups = node.attrs["groups"]
    if groups == 1:
        return vector[:, None]
    return np.repeat(np.reshape(vector, (groups, -1)).T, _out_channels(node) // groups, axis=1)


def takes_shift(node: Node) -> bool:
    """Whether each output element reads its whole window from the input: no padding, no borders."""
    if node.op == "dense":
        return True
    if node.op == "conv_transpose":
        return False
    padding = node.attrs["padding"]
    if padding == "same":
        return all(dim == 1 for dim in node.input(1).shape[:-2])
    return not any(any(pair) for pair in padding)
