"""Convolutions: plain, transposed, depthwise and separable, over one to three spatial dimensions."""

from __future__ import annotations

from collections.abc import Sequence

from kexport.ir import Value
from kexport.lowering.activations import apply_activation
from kexport.lowering.backend_padding import Kind, transposed_before
from kexport.lowering.cntk_convolutions import first_channel, reads_first_channel, strides_and_dilations
from kexport.lowering.geometry import as_float, channels_of, data_format, per_dimension, spatial_of
from kexport.lowering.padding_semantics import padded_input
from kexport.lowering.registry import Context, lowers

_CLASSES = ("Conv{}D", "Conv{}DTranspose", "DepthwiseConv{}D", "SeparableConv{}D")
_RANKS = {name.format(rank): rank for name in _CLASSES for rank in (1, 2, 3)}


def _bias(ctx: Context) -> Value | None:
    return ctx.weight_value("bias") if ctx.arg("use_bias") else None


def _prepare(ctx: Context, x: Value) -> tuple[Value, int]:
    """The input in the compute dtype, and the number of spatial dimensions."""
    rank = _RANKS[ctx.layer.class_name]
    spatial_of(ctx, x, rank)
    return as_float(ctx, x), rank


class _Windows:
    """A layer's windows, and how they lie in its input, as the backend computes it.

    Attributes:
        read: the input, without what no window sees.
        attrs: of the op.
    """

    def __init__(self, ctx: Context, x: Value, kind: Kind, rank: int) -> None:
        self.size = per_dimension(ctx, "kernel_size", rank)
        self.strides, self.dilations = strides_and_dilations(ctx, kind, rank)
        self.read, padding = padded_input(
            ctx, x, kind, window=self.size, strides=self.strides, dilations=self.dilations
        )
        self.attrs = {
            "strides": self.strides,
            "padding": padding,
            "dilations": self.dilations,
            "data_format": data_format(ctx),
        }


def _check_kernel(ctx: Context, name: str, rank: int, x: Value, axis: int, groups: int = 1) -> None:
    """The kernel has the window that the arguments say, and in ``axis`` the channels of ``x``."""
    shape, window = ctx.stored_weight(name).shape, per_dimension(ctx, "kernel_size", rank)
    if shape[:-2] != window:
        raise ctx.error(f"The weight {name!r} has the kernel_size {window}. Received: {shape}")
    if channels_of(ctx, x) != shape[axis] * groups:
        raise ctx.error(
            f"The weight {name!r} of {shape} with groups={groups} does not fit the input {x.type}"
        )


def _check_filters(ctx: Context, found: int) -> None:
    """The kernel has as many filters as the argument says."""
    if ctx.layer.config.get("filters", found) != found:
        raise ctx.error(f"Its kernel has filters={ctx.arg('filters')!r}. Received: {found}")


def _check_not_empty(ctx: Context, x: Value, result: Value) -> None:
    """A window larger than a known length computes nothing; Keras refuses it too."""
    if any(isinstance(dim, int) and dim < 1 for dim in result.shape):
        raise ctx.error(f"The input is too small for the window: {x.type} would become {result.type}")


@lowers("Conv1D", "Conv2D", "Conv3D")
def conv(ctx: Context, *inputs: Value) -> Value:
    """One ``conv``; ``groups`` divide the channels of input and output alike."""
    x, rank = _prepare(ctx, inputs[0])
    _check_filters(ctx, ctx.stored_weight("kernel").shape[-1])
    groups = int(ctx.layer.config.get("groups", 1))
    _check_kernel(ctx, "kernel", rank, x, -2, groups)
    windows = _Windows(ctx, x, "conv", rank)
    result = ctx.b.op(
        "conv", windows.read, ctx.weight_value("kernel"), _bias(ctx), **windows.attrs, groups=groups
    )
    _check_not_empty(ctx, x, result)
    return apply_activation(ctx, result)


def length_beyond(padding: str, reach: int, stride: int, output_padding: int | None) -> int:
    """How many elements Keras's output of a transposed convolution has beyond ``(length - 1) * stride``.

    Where ``output_padding`` is None, ``max(reach, stride)`` (valid) or ``stride`` (same); else ``output_padding`` and
    ``reach`` (valid) or ``reach % 2`` (same); ``reach`` is the dilated window (``_get_output_shape_given_tf_padding``
    in keras/src/backend/common/backend_utils.py, v3.15).
    """
    if padding == "valid":
        return max(reach, stride) if output_padding is None else reach + output_padding
    return stride if output_padding is None else reach % 2 + output_padding


def transposed_crops(padding: str, reach: int, beyond: int, backend: str = "") -> tuple[int, int]:
    """What Keras takes off a full transposed convolution, (before, after); negative: zeros that it adds.

    The layer is the gradient of a convolution from the output's length to the input's: ``same`` crops before what the backend pads
    there, and after what is left. See :func:`length_beyond` for the arguments.
    """
    before = transposed_before(backend, reach, beyond) if padding == "same" else 0
    return before, reach - beyond - before


def _crops(ctx: Context, x: Value, window: Sequence[int], reaches: list[int]) -> list[tuple[int, int]]:
    """:func:`transposed_crops` for each dimension. On Theano, Keras drops of the output of an even window with ``same`` what a plain
    convolution would not have: all but ``ceil(length / stride)`` (``_postprocess_conv2d_output`` in its Theano backend)."""
    padding, backend, rank = ctx.arg("padding"), ctx.provenance.backend, len(reaches)
    strides = per_dimension(ctx, "strides", rank)
    beyond, crops = _beyond(ctx, x, reaches, strides), []
    for index, axis in enumerate(spatial_of(ctx, x, rank)):
        reach, length, stride = reaches[index], x.shape[axis], strides[index]
        before, after = transposed_crops(padding, reach, beyond[index], backend)
        if backend == "theano" and padding == "same" and window[index] % 2 == 0:
            if not isinstance(length, int):
                raise ctx.error(f"On Theano, an even window needs known lengths. Received: {x.type}")
            kept = -(-length // stride)
            after = max(after, (length - 1) * stride + reach - before - kept)
        crops.append((before, after))
    return crops


def _beyond(ctx: Context, x: Value, reaches: list[int], strides: tuple[int, ...]) -> list[int]:
    """:func:`length_beyond` for each dimension; Keras 1 wrote the whole ``output_shape`` instead."""
    rank = len(reaches)
    given = ctx.layer.config.get("output_shape")
    axes = spatial_of(ctx, x, rank)
    if given is None:
        padding = ctx.layer.config.get("output_padding")
        extra = (None,) * rank if padding is None else per_dimension(ctx, "output_padding", rank)
        entries = zip(reaches, strides, extra, strict=True)
        return [length_beyond(ctx.arg("padding"), *entry) for entry in entries]
    lengths = [x.shape[axis] for axis in axes]
    if len(given) != x.rank or not all(isinstance(given[axis], int) for axis in axes):
        raise ctx.error(f"output_shape has the length of every dimension. Received: {given!r}")
    if not all(isinstance(length, int) for length in lengths):
        raise ctx.error(f"A layer with an output_shape needs known lengths. Received: {x.type}")
    return [given[axis] - (int(str(x.shape[axis])) - 1) * s for axis, s in zip(axes, strides, strict=True)]


@lowers("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
def conv_transpose(ctx: Context, *inputs: Value) -> Value:
    """One ``conv_transpose``; Keras's length is reached by cropping, or extending, the full one."""
    x, rank = _prepare(ctx, inputs[0])
    _check_filters(ctx, ctx.stored_weight("kernel").shape[-2])
    _check_kernel(ctx, "kernel", rank, x, -1)
    if ctx.arg("padding") not in ("valid", "same"):
        raise ctx.error(f"padding is 'valid' or 'same'. Received: {ctx.arg('padding')!r}")
    window, strides = per_dimension(ctx, "kernel_size", rank), per_dimension(ctx, "strides", rank)
    dilations = per_dimension(ctx, "dilation_rate", rank, default=1)
    reaches = [d * (w - 1) + 1 for w, d in zip(window, dilations, strict=True)]
    result = ctx.b.op(
        "conv_transpose",
        x,
        ctx.weight_value("kernel"),
        _bias(ctx),
        strides=strides,
        crops=tuple(_crops(ctx, x, window, reaches)),
        dilations=dilations,
        data_format=data_format(ctx),
    )
    _check_not_empty(ctx, x, result)
    return apply_activation(ctx, result)


def _depthwise(ctx: Context, x: Value, rank: int, kernel: str, kind: Kind, *, bias: bool) -> Value:
    _check_kernel(ctx, kernel, rank, x, -2)
    windows, added = _Windows(ctx, x, kind, rank), _bias(ctx) if bias else None
    if reads_first_channel(ctx, x, kind, windows.size, windows.strides):
        first, spread = first_channel(ctx, windows.read, kernel)
        result = ctx.b.op("conv", first, spread, added, **windows.attrs)
    else:
        result = ctx.b.op("depthwise_conv", windows.read, ctx.weight_value(kernel), added, **windows.attrs)
    _check_not_empty(ctx, x, result)
    return result


@lowers("DepthwiseConv1D", "DepthwiseConv2D")
def depthwise_conv(ctx: Context, *inputs: Value) -> Value:
    """One ``depthwise_conv``; its weight is ``kernel`` in Keras 3, ``depthwise_kernel`` in Keras 2."""
    name = "kernel" if ctx.has_weight("kernel") else "depthwise_kernel"
    x, rank = _prepare(ctx, inputs[0])
    return apply_activation(ctx, _depthwise(ctx, x, rank, name, "depthwise_conv", bias=True))


@lowers("SeparableConv1D", "SeparableConv2D")
def separable_conv(ctx: Context, *inputs: Value) -> Value:
    """A ``depthwise_conv`` without bias, then a ``conv`` with a window of one element."""
    x, rank = _prepare(ctx, inputs[0])
    _check_filters(ctx, ctx.stored_weight("pointwise_kernel").shape[-1])
    spread = _depthwise(ctx, x, rank, "depthwise_kernel", "separable_conv", bias=False)
    ones = (1,) * rank
    result = ctx.b.op(
        "conv",
        spread,
        ctx.weight_value("pointwise_kernel"),
        _bias(ctx),
        strides=ones,
        padding=((0, 0),) * rank,
        dilations=ones,
        data_format=data_format(ctx),
    )
    return apply_activation(ctx, result)
