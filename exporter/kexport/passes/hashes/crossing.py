"""Hashes of several integers together, as ``tf.sparse.cross_hashed`` computes them.

tensorflow/core/kernels/sparse_cross_op.cc (HashCrosser) and tsl/platform/fingerprint.h (FingerprintCat64), TensorFlow 2.21.
"""

from __future__ import annotations

from collections.abc import Sequence

from kexport.ir import Builder, Value
from kexport.ir.ops.fingerprints import CROSS_KEY, CROSS_MULTIPLIER
from kexport.passes.hashes.limbs import (
    factor_table,
    from_int32,
    from_integers,
    int32,
    limbs_of,
    shift_mixed,
    times,
    xor,
)


def crossed(b: Builder, columns: Sequence[Value]) -> Value:
    """The hash of N rows of integers (N,) of int64, or int32: limbs (N, 4)."""
    multiplier = int32(b, factor_table(CROSS_MULTIPLIER), "multiplier")
    state = int32(b, limbs_of(CROSS_KEY), "key")
    for column in columns:
        limbs = from_int32(b, column) if column.dtype == "int32" else from_integers(b, column)
        own = times(b, shift_mixed(b, times(b, limbs, multiplier)), multiplier)
        mixed = xor(b, xor(b, own, int32(b, limbs_of(CROSS_MULTIPLIER))), _like(b, state, own))
        state = times(b, shift_mixed(b, times(b, mixed, multiplier)), multiplier)
        state = shift_mixed(b, state)
    return state


def _like(b: Builder, state: Value, other: Value) -> Value:
    return b.op("broadcast_to", state, shape=other.shape) if state.constant is not None else state
