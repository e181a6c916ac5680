"""Convolutions: paddings, groups and dilations that a format's operator lacks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from kexport.ir import Array, Builder, Node, Value
from kexport.passes.rewriting import Rewriter


def pad_spatial(b: Builder, x: Value, pads: Sequence[tuple[int, int]], value: float = 0.0) -> Value:
    """A channels-last ``x`` with ``pads`` elements of ``value`` around its spatial dimensions."""
    return b.op("pad", x, pads=((0, 0), *pads, (0, 0)), value=value)


def with_activation(b: Builder, node: Node, value: Value) -> Value:
    """``value`` through the activation that ``node`` carries."""
    activation = node.attrs["activation"]
    if activation == "relu_n1_to_1":
        return b.op("clip", value, min=-1.0, max=1.0)
    return value if activation == "none" else b.op(activation, value)


def pads_before(node: Node) -> tuple[tuple[int, int], ...] | None:
    """The explicit padding of a window op that has some; None where it has none, or pads ``same``."""
    padding = node.attrs["padding"]
    return None if padding == "same" or not any(any(pair) for pair in padding) else tuple(padding)


def explicit_padding(node: Node, rewriter: Rewriter) -> Value | None:
    """Padding that is neither ``same`` nor none is a ``pad`` before a convolution without."""
    pads = pads_before(node)
    if pads is None:
        return None
    x = pad_spatial(rewriter.builder, node.input(0), pads)
    attrs = {**node.attrs, "padding": ((0, 0),) * len(pads)}
    return rewriter.builder.op(node.op, x, *node.inputs[1:], **attrs)


def depthwise_as_groups(node: Node, rewriter: Rewriter) -> Value:
    """A depthwise convolution is one of groups of one channel."""
    b, kernel = rewriter.builder, node.input(1)
    *window, channels, multiplier = (known(dim) for dim in kernel.shape)
    flat = reshaped(b, kernel, (*window, 1, channels * multiplier))
    return b.op("conv", node.input(0), flat, *node.inputs[2:], **node.attrs, groups=channels)


def one_conv_a_group(node: Node, rewriter: Rewriter) -> Value | None:
    """A grouped convolution is one a group, side by side."""
    x, kernel, groups = node.input(0), node.input(1), node.attrs["groups"]
    if groups == 1:
        return None
    b, attrs = rewriter.builder, {**node.attrs, "groups": 1}
    inner, outer = known(kernel.shape[-2]), known(kernel.shape[-1]) // groups
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    parts = b.ops("split", x, axis=x.rank - 1, sizes=(inner,) * groups)
    results = [
        b.op(
            "conv",
            part,
            _columns(b, kernel, group, outer),
            None if bias is None else _columns(b, bias, group, outer),
            **attrs,
        )
        for group, part in enumerate(parts)
    ]
    return b.op("concat", *results, axis=x.rank - 1)


def spread_kernel(node: Node, rewriter: Rewriter) -> Value | None:
    """The kernel of a dilated convolution, of either direction, with its zeros in it."""
    dilations = tuple(node.attrs["dilations"])
    if all(dilation == 1 for dilation in dilations):
        return None
    kernel, b = node.input(1), rewriter.builder
    window, rest = [known(dim) for dim in kernel.shape[: len(dilations)]], kernel.shape[len(dilations) :]
    shape = (*(d * (w - 1) + 1 for w, d in zip(window, dilations, strict=True)), *(known(n) for n in rest))

    def spread(array: Array) -> Array:
        result = np.zeros(shape, array.dtype)
        result[tuple(slice(None, None, d) for d in dilations)] = array
        return result

    made = _changed(b, kernel, shape, spread)
    if made is None:
        made = _spread_when_run(b, kernel, dilations)
    return b.op(
        node.op, node.input(0), made, *node.inputs[2:], **{**node.attrs, "dilations": (1,) * len(dilations)}
    )


def _spread_when_run(b: Builder, kernel: Value, dilations: Sequence[int]) -> Value:
    """A computed kernel with zeros after each element, but the last."""
    for axis, dilation in enumerate(dilations):
        if dilation == 1:
            continue
        length = known(kernel.shape[axis])
        column = b.op("expand_dims", kernel, axes=(axis + 1,))
        pads = [(0, dilation - 1) if index == axis + 1 else (0, 0) for index in range(column.rank)]
        shape = (*kernel.shape[:axis], length * dilation, *kernel.shape[axis + 1 :])
        flat = b.op("reshape", b.op("pad", column, pads=tuple(pads)), shape=shape)
        end = [1 - dilation if index == axis else None for index in range(flat.rank)]
        kernel = b.op("slice", flat, begin=(0,) * flat.rank, end=tuple(end), strides=(1,) * flat.rank)
    return kernel


def extended_kernel(node: Node, rewriter: Rewriter) -> Value | None:
    """A transposed convolution's negative crop adds zeros (and the bias on them): so does a kernel with zeros at that end."""
    crops = [(int(before), int(after)) for before, after in node.attrs["crops"]]
    if all(before >= 0 and after >= 0 for before, after in crops):
        return None
    b, kernel = rewriter.builder, node.input(1)
    added = [*((max(-before, 0), max(-after, 0)) for before, after in crops), (0, 0), (0, 0)]
    shape = tuple(known(dim) + sum(pair) for dim, pair in zip(kernel.shape, added, strict=True))
    kept = tuple((max(before, 0), max(after, 0)) for before, after in crops)
    made = _changed(b, kernel, shape, lambda array: np.pad(array, added))
    if made is None:
        made = b.op("pad", kernel, pads=tuple(added))
    return b.op(node.op, node.input(0), made, *node.inputs[2:], **{**node.attrs, "crops": kept})


def crops_after(node: Node, rewriter: Rewriter) -> Value | None:
    """A transposed convolution's crops are a ``slice`` after one without."""
    crops = node.attrs["crops"]
    if not any(any(pair) for pair in crops):
        return None
    attrs = {**node.attrs, "crops": ((0, 0),) * len(crops)}
    full = rewriter.builder.op("conv_transpose", *node.inputs, **attrs)
    begin = (0, *(before for before, _ in crops), 0)
    end = (None, *(-after if after else None for _, after in crops), None)
    return rewriter.builder.op("slice", full, begin=begin, end=end, strides=(1,) * full.rank)


def _changed(
    b: Builder, kernel: Value, shape: Sequence[int], change: Callable[[Array], Array]
) -> Value | None:
    """A constant kernel, changed; None where it is computed."""
    if kernel.constant is None:
        return None
    return b.constant(kernel.constant.map(change, shape=shape), name="kernel")


def reshaped(b: Builder, value: Value, shape: Sequence[int]) -> Value:
    """A constant with other dimensions, or a value reshaped."""
    if value.constant is None:
        return b.op("reshape", value, shape=tuple(shape))
    made = value.constant.map(lambda array: np.reshape(array, shape), shape=shape, same_elements=True)
    return b.constant(made, name="kernel")


def _columns(b: Builder, value: Value, group: int, width: int) -> Value:
    """The ``group``-th ``width`` elements along the last axis."""
    start, stop = group * width, (group + 1) * width
    if value.constant is not None:
        shape = (*value.constant.shape[:-1], width)

        def cut(array: Array) -> Array:
            return np.ascontiguousarray(array[..., start:stop])

        return b.constant(value.constant.map(cut, shape=shape), name="group")
    begin, end = (*(0,) * (value.rank - 1), start), (*(None,) * (value.rank - 1), stop)
    return b.op("slice", value, begin=begin, end=end, strides=(1,) * value.rank)


def known(dim: object) -> int:
    """A dimension that is an integer, as those of kernels are."""
    assert isinstance(dim, int)
    return dim
