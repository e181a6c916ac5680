"""Categories as vectors: what preprocessing layers make of the integers that they computed.

``encode_categorical_inputs`` in keras/src/utils/numerical_utils.py, Keras 3.15, and in
tf_keras/src/layers/preprocessing/preprocessing_utils.py, 2.21.
"""

from __future__ import annotations

from kexport.ir import Value
from kexport.lowering.registry import Context

MODES = ("int", "one_hot", "multi_hot", "count")

#: Names that Keras 2 had for modes.
_OLD_MODES = {"binary": "multi_hot", "tf-idf": "tf_idf"}


def output_mode(ctx: Context, allowed: tuple[str, ...] = MODES) -> str:
    """The argument ``output_mode``.

    Raises:
        LoweringError: it is none of ``allowed``, or the output is sparse.
    """
    given = ctx.layer.config.get("output_mode", "int")
    mode = _OLD_MODES.get(given, given) if isinstance(given, str) else given
    if mode not in allowed:
        raise ctx.error(f"output_mode is one of {', '.join(allowed)}. Received: {given!r}")
    if ctx.layer.config.get("sparse"):
        raise ctx.error(
            "A sparse output has no equivalent", hint="Set sparse=False before the model is saved."
        )
    return str(mode)


def encoded(
    ctx: Context, indices: Value, mode: str, depth: int, dtype: str, weights: Value | None = None
) -> Value:
    """``indices`` in ``mode``: (…) integers as they are, or with a last axis of ``depth``.

    ``one_hot`` has a vector an element, in place of a last axis of 1 where there is one; ``multi_hot`` and ``count`` have one a
    sample, the largest and the sum over axis 1 (over the batch, where there is no other), as Keras does whatever the rank.
    Indices beyond ``depth`` count for nothing. ``weights`` are multiplied by in ``count``.
    """
    b = ctx.b
    indices = indices if indices.dtype in ("int32", "int64") else b.op("cast", indices, dtype="int32")
    if mode == "int":
        return indices if indices.dtype == dtype else b.op("cast", indices, dtype=dtype)
    if mode == "one_hot":
        if indices.rank > 1 and indices.shape[-1] == 1:
            indices = b.op("squeeze", indices, axes=(indices.rank - 1,))
        return b.op("one_hot", indices, depth=depth, dtype=dtype)
    hot = b.op("one_hot", indices, depth=depth, dtype=dtype)
    if weights is not None:
        hot = b.op("mul", hot, b.op("expand_dims", weights, axes=(weights.rank,)))
    axis = 1 if indices.rank > 1 else 0
    return b.op("reduce_max" if mode == "multi_hot" else "reduce_sum", hot, axes=(axis,))


def variable_dtype(ctx: Context) -> str:
    """What the layer's dtype policy keeps variables in, which some layers of Keras 3 encode in: float32 where it is a mixed one."""
    mixed = str(ctx.layer.config.get("dtype")).startswith("mixed_")
    return "float32" if mixed and ctx.provenance.keras_major >= 3 else ctx.compute_dtype
