"""Layer normalization where the operator set has none, or other axes than the last ones."""

from __future__ import annotations

from kexport.ir import Builder, Node, Value


def is_native(node: Node) -> bool:
    """Whether the axes are the last ones, of known lengths."""
    x, axes = node.input(0), tuple(node.attrs["axes"])
    last = tuple(range(x.rank - len(axes), x.rank))
    return axes == last and all(isinstance(x.shape[axis], int) for axis in axes)


def spelled_out(node: Node, b: Builder) -> Value:
    """``(x - mean) / sqrt(variance + epsilon) * scale + offset``."""
    x, axes = node.input(0), tuple(node.attrs["axes"])
    centred = b.op("sub", x, b.op("reduce_mean", x, axes=axes, keepdims=True))
    variance = b.op("reduce_mean", b.op("mul", centred, centred), axes=axes, keepdims=True)
    deviation = b.op("sqrt", b.op("add", variance, b.scalar(node.attrs["epsilon"], x)))
    result = b.op("div", centred, deviation)
    between = tuple(axis for axis in range(axes[0], x.rank) if axis not in axes)
    for op, value in zip(("mul", "add"), node.inputs[1:], strict=False):
        if value is not None:
            spread = tuple(axis - axes[0] for axis in between)
            result = b.op(op, result, b.op("expand_dims", value, axes=spread) if spread else value)
    return result
