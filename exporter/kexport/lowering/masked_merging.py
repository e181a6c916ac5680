"""What Multiply, Maximum and Minimum compute of inputs with masks: since Keras 3.4, a masked step does not count.

Formulas: ``Multiply._merge_function`` (keras/src/layers/merging/multiply.py) and ``Merge._apply_merge_op_and_or_mask``
(keras/src/layers/merging/base_merge.py), Keras 3.15.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from kexport.ir import Value
from kexport.lowering.registry import Context

_READERS = frozenset(["Multiply", "Maximum", "Minimum"])


def masks_read(ctx: Context, inputs: Sequence[Value], values: Sequence[Value]) -> list[Value | None]:
    """The mask of each input that the layer reads, (batch, time, 1), or None: it has none, or was given another rank.

    Args:
        inputs: as the layer is called on them.
        values: the same in one dtype and rank, which is what is merged.
    """
    if ctx.layer.class_name not in _READERS or ctx.masks is None or not ctx.provenance.is_keras3_since(4):
        return [None] * len(inputs)
    found = [
        ctx.masks.of(given) if value.rank == given.rank else None
        for given, value in zip(inputs, values, strict=True)
    ]
    return [None if mask is None else ctx.b.op("expand_dims", mask, axes=(mask.rank,)) for mask in found]


def masked_product(ctx: Context, values: Sequence[Value], masks: Sequence[Value | None]) -> Value:
    """The product in which a masked step is 1; where all inputs have masks, 0 on the steps that all of them mask."""
    b = ctx.b
    factors = [
        value if mask is None else b.op("select", mask, value, b.scalar(1, value))
        for value, mask in zip(values, masks, strict=True)
    ]
    result = reduce(lambda left, right: b.op("mul", left, right), factors)
    known = [mask for mask in masks if mask is not None]
    if len(known) < len(values):
        return result
    counts = reduce(lambda left, right: b.op("logical_or", left, right), known)
    return b.op("select", counts, result, b.scalar(0, result))


def masked_extreme(ctx: Context, op: str, values: Sequence[Value], masks: Sequence[Value | None]) -> Value:
    """The maximum or minimum from the left; on a step that one side masks, it is the other side's.

    The mask of what is merged so far is gone after an input without one.
    """
    b, result, counted = ctx.b, values[0], masks[0]
    for value, mask in zip(values[1:], masks[1:], strict=True):
        other = value if mask is None else b.op("select", mask, value, result)
        if counted is not None:
            result = b.op("select", counted, result, other)
        both = mask is not None and counted is not None
        counted = b.op("logical_or", counted, mask) if both else None
        result = b.op(op, result, other)
    return result
