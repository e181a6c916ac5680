"""Convolutions, pools and normalizations; what a layer computes too, its rule does."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from kexport.ir import Value
from kexport.lowering.operations.operands import tensor
from kexport.lowering.tf_ops.calls import Call, computes


def _data_format(call: Call) -> str:
    """``NHWC`` and its like in Keras's words."""
    return (
        "channels_first" if str(call.arg("data_format", default="NHWC")).startswith("NC") else "channels_last"
    )


def _spatial(call: Call, item: Any, rank: int, data_format: str) -> list[int]:
    """A number, ``rank`` of them, or one a dimension with those of batch and channels."""
    numbers = call.integers(item)
    if len(numbers) == rank + 2:
        return numbers[2:] if data_format == "channels_first" else numbers[1:-1]
    return numbers * rank if len(numbers) == 1 else numbers


def _padded(call: Call, x: Value) -> tuple[Value, str]:
    """Explicit pads as a ``pad``."""
    padding = call.arg("padding", default="VALID")
    if isinstance(padding, str):
        return x, padding.lower()
    pads = tuple((int(a), int(b)) for a, b in np.reshape(call.array(padding), (-1, 2)).tolist())
    return (call.ctx.b.op("pad", x, pads=pads, value=0.0) if any(map(any, pads)) else x), "valid"


_CONVOLUTIONS: Final = {"conv1d": 1, "conv2d": 2, "conv3d": 3, "convolution": 0}


@computes(*_CONVOLUTIONS, "depthwise_conv2d", "depthwise_conv2d_native")
def convolution(call: Call) -> Value:
    """A convolution with a kernel that is known, without bias."""
    x, form = call.x, _data_format(call)
    rank = x.rank - 2
    name = "DepthwiseConv" if "depthwise" in call.name else "Conv"
    kernel = call.weights(call.arg("filters", "filter"), x.dtype)
    x, padding = _padded(call, x)
    result: Value = call.operation(
        name,
        x,
        kernel,
        module="nn",
        strides=_spatial(call, call.arg("strides", "stride", default=1), rank, form),
        padding=padding,
        data_format=form,
        dilation_rate=_spatial(call, call.arg("dilations", "rate", "dilation_rate", default=1), rank, form),
    )
    return result


@computes(*(f"{kind}_pool{rank}" for kind in ("avg", "max") for rank in ("", "1d", "2d", "3d")))
def pool(call: Call) -> Value:
    """A pool over windows of ``ksize``."""
    x, form = call.x, _data_format(call)
    rank = x.rank - 2
    result: Value = call.operation(
        "MaxPool" if "max_pool" in call.name else "AveragePool",
        x,
        module="nn",
        pool_size=_spatial(call, call.arg("ksize"), rank, form),
        strides=_spatial(call, call.arg("strides", default=1), rank, form),
        padding=str(call.arg("padding", default="VALID")).lower(),
        data_format=form,
    )
    return result


@computes("bias_add")
def bias_add(call: Call) -> Value:
    """A number a channel added."""
    x, b = call.x, call.ctx.b
    bias = call.tensor(call.arg("bias"), x.dtype)
    if _data_format(call) == "channels_first" and x.rank > 2:
        bias = b.op("expand_dims", bias, axes=tuple(range(1, x.rank - 1)))
    return b.op("add", x, bias)


@computes("batch_normalization")
def batch_normalization(call: Call) -> Value:
    """``(x - mean) / sqrt(variance + epsilon) * scale + offset``, all broadcasting."""
    x, b = call.x, call.ctx.b
    mean, variance = (call.tensor(call.arg(name), x.dtype) for name in ("mean", "variance"))
    epsilon = tensor(call.ctx, call.number(call.arg("variance_epsilon")), x.dtype)
    factor = b.op("rsqrt", b.op("add", variance, epsilon))
    scale, offset = call.arg("scale"), call.arg("offset")
    factor = factor if scale is None else b.op("mul", factor, call.tensor(scale, x.dtype))
    result = b.op("mul", b.op("sub", x, mean), factor)
    return result if offset is None else b.op("add", result, call.tensor(offset, x.dtype))
