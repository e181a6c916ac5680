"""The padding of convolutions and pools: Keras's argument as (before, after) pairs, by the backend that trained the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from kexport.ir import Value
from kexport.ir.ops.convolution import same_pads
from kexport.lowering.backend_padding import Along, Kind, Pair, same_rule
from kexport.lowering.geometry import per_dimension, spatial_of
from kexport.lowering.registry import Context

Padding: TypeAlias = str | tuple[tuple[int, int], ...]


def padded_input(
    ctx: Context,
    x: Value,
    kind: Kind,
    *,
    window: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    padding: str | None = None,
) -> tuple[Value, Padding]:
    """What a convolution or pool op is given: ``x``, without the elements before the first window of a backend that leaves some out
    there, and the attribute ``padding``, ``"same"`` in TensorFlow's sense or a (before, after) pair a spatial dimension.

    Args:
        x: (batch, *spatial, channels) or (batch, channels, *spatial).
        kind: the layer, since a backend may pad its pools otherwise than its convolutions.
        window: elements, one entry a spatial dimension, as the next two.
        strides: between windows.
        dilations: between elements of a window.
        padding: Keras's argument, the layer's own where none is given: ``valid``, ``same``, ``causal`` (all of it before: output t
            sees inputs up to t) or, in Keras 1 on Theano, ``full`` (wherever window and input meet).

    Raises:
        LoweringError: the argument is unknown, or what the backend pads can't be told.
    """
    given = ctx.arg("padding") if padding is None else padding
    reaches = [d * (w - 1) + 1 for w, d in zip(window, dilations, strict=True)]
    if given == "valid":
        return x, tuple((0, 0) for _ in reaches)
    if given == "causal":
        # By the layer's own rate, which a backend may take no notice of otherwise.
        rates = per_dimension(ctx, "dilation_rate", len(window), default=1)
        return x, tuple((rate * (size - 1), 0) for rate, size in zip(rates, window, strict=True))
    if given == "full":
        return x, tuple((reach - 1, reach - 1) for reach in reaches)
    if given != "same":
        raise ctx.error(f"padding is 'valid', 'same', 'causal' or 'full'. Received: {given!r}")
    pairs = same_pairs(ctx, x, kind, window, strides, dilations)
    if pairs is None or pairs == _tensorflows(ctx, x, window, strides, dilations):
        return x, "same"
    return _without(ctx, x, pairs), tuple((max(before, 0), max(after, 0)) for before, after in pairs)


def same_pairs(
    ctx: Context,
    x: Value,
    kind: Kind,
    window: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> list[Pair] | None:
    """What the model's backend pads for ``same``, (before, after) a spatial dimension, negative where it leaves input out; None where
    that is as TensorFlow does.

    Raises:
        LoweringError: it can't be told.
    """
    backend, rank = ctx.provenance.backend, len(window)
    rule = same_rule(kind, ctx.provenance, rank)
    if rule is None:
        return None
    if backend == "cntk" and any(dilation != 1 for dilation in dilations):
        raise ctx.error(
            "CNTK has no dilated convolution on the CPU, and what it makes of padding 'same' on a GPU could not be measured. "
            f"Received: a model trained on CNTK with dilation_rate={tuple(dilations)} and padding='same'"
        )
    if backend == "theano" and kind.endswith("pool") and rank == 3 and 1 in window:
        raise ctx.error(
            "Keras pads a window of 1 by -1 elements there (pool3d in keras/backend/theano_backend.py), which Theano refuses. "
            f"Received: a model trained on Theano with pool_size={tuple(window)} and padding='same'"
        )
    pairs = []
    for index, axis in enumerate(spatial_of(ctx, x, rank)):
        length, stride = x.shape[axis], strides[index]
        if not isinstance(length, int) and stride != 1 and backend != "theano":
            raise ctx.error(
                f"How much {backend} pads for 'same' and strides of {tuple(strides)} depends on the length. Received: {x.type}",
                hint="Give the dimension a length with --dim.",
            )
        spare = (length - 1) % stride if isinstance(length, int) else 0
        pairs.append(rule(Along(window[index], stride, dilations[index], spare, index, rank)))
    return pairs


def _tensorflows(
    ctx: Context, x: Value, window: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> list[Pair] | None:
    """What TensorFlow pads for ``same``; None where an open length decides."""
    lengths = [x.shape[axis] for axis in spatial_of(ctx, x, len(window))]
    if any(not isinstance(n, int) and stride != 1 for n, stride in zip(lengths, strides, strict=True)):
        return None
    known = [n if isinstance(n, int) else 1 for n in lengths]
    return [same_pads(*entry) for entry in zip(known, window, strides, dilations, strict=True)]


def _without(ctx: Context, x: Value, pairs: Sequence[tuple[int, int]]) -> Value:
    """``x`` without what negative pads take off its beginning; at its end no window begins, whether or not that is cut off."""
    if all(before >= 0 for before, _ in pairs):
        return x
    begin = [0] * x.rank
    for axis, (before, _) in zip(spatial_of(ctx, x, len(pairs)), pairs, strict=True):
        begin[axis] = max(-before, 0)
    return ctx.b.op("slice", x, begin=tuple(begin), end=(None,) * x.rank, strides=(1,) * x.rank)
