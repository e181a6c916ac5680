"""Windows of images as columns, and columns added up to images; images are channels first, as PyTorch's ``unfold`` has them."""

from __future__ import annotations

import numpy as np

from kexport.ir import Array, Value, dims
from kexport.lowering.operations.operands import length, only, option, reshaped, tensor, transposed
from kexport.lowering.registry import Context, lowers


def _both(ctx: Context, name: str, default: int | None = None) -> tuple[int, int]:
    given = option(ctx, name, default)
    first, second = (given, given) if isinstance(given, int) else given
    return int(first), int(second)


def _moving(channels: int, window: tuple[int, int]) -> Array:
    """(height, width, channels, channels * height * width): each column takes one place of one channel."""
    count = channels * window[0] * window[1]
    return np.eye(count).reshape(channels, *window, count).transpose(1, 2, 0, 3)


@lowers("ops.Unfold")
def lower_unfold(ctx: Context, *inputs: Value) -> Value:
    """(n, c, h, w) to (n, c * kh * kw, windows), as a convolution that moves the elements."""
    x, b = only(ctx), ctx.b
    window, margins = _both(ctx, "kernel_size"), _both(ctx, "padding", 0)
    if x.rank != 4:
        raise ctx.error(f"It takes (batch, channels, height, width). Received: {x.type}")
    kernel = _moving(length(ctx, x, 1), window)
    last = transposed(ctx, x, (0, 2, 3, 1))
    result = b.op(
        "conv",
        last,
        tensor(ctx, kernel, x.dtype),
        None,
        strides=_both(ctx, "stride", 1),
        padding=tuple((margin, margin) for margin in margins),
        dilations=_both(ctx, "dilation", 1),
    )
    shape = (result.shape[0], result.shape[3], dims.multiply(result.shape[1], result.shape[2]))
    return reshaped(ctx, transposed(ctx, result, (0, 3, 1, 2)), shape)


@lowers("ops.Fold")
def lower_fold(ctx: Context, *inputs: Value) -> Value:
    """(n, c * kh * kw, windows) to (n, c, h, w) of ``output_size``, what comes to one place added up: a transposed convolution."""
    x, b = only(ctx), ctx.b
    window, size, margins = _both(ctx, "kernel_size"), _both(ctx, "output_size"), _both(ctx, "padding", 0)
    strides, dilations = _both(ctx, "stride", 1), _both(ctx, "dilation", 1)
    spans = [d * (k - 1) + 1 for k, d in zip(window, dilations, strict=True)]
    counts = [
        (o + 2 * p - span) // s + 1 for o, p, span, s in zip(size, margins, spans, strides, strict=True)
    ]
    channels = length(ctx, x, 1) // (window[0] * window[1])
    grid = transposed(ctx, reshaped(ctx, x, (*x.shape[:2], counts[0], counts[1])), (0, 2, 3, 1))
    whole = [(n - 1) * s + span for n, s, span in zip(counts, strides, spans, strict=True)]
    after = [w - p - o for w, p, o in zip(whole, margins, size, strict=True)]
    result = b.op(
        "conv_transpose",
        grid,
        tensor(ctx, _moving(channels, window), x.dtype),
        None,
        strides=strides,
        crops=tuple((p, max(rest, 0)) for p, rest in zip(margins, after, strict=True)),
        dilations=dilations,
    )
    missing = [max(-rest, 0) for rest in after]
    if any(missing):
        result = b.op("pad", result, pads=((0, 0), (0, missing[0]), (0, missing[1]), (0, 0)), value=0)
    return transposed(ctx, result, (0, 3, 1, 2))
