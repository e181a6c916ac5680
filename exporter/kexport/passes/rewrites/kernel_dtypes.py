"""Ops in dtypes that a target's kernels lack."""

from __future__ import annotations

from collections.abc import Collection

from kexport.ir import Builder, Node, Value, dtypes
from kexport.passes.rewriting import Rewriter


def between_casts(
    node: Node, rewriter: Rewriter, dtype: str, wider: str, own: Collection[int] = ()
) -> list[Value]:
    """The op in the dtype ``wider`` in place of ``dtype``, between casts.

    Args:
        own: inputs that go by a dtype of their own (the condition of a select), and stay as they are.
    """
    b = rewriter.builder
    inputs = [
        value if value is None or index in own or value.dtype != dtype else cast(b, value, wider)
        for index, value in enumerate(node.inputs)
    ]
    outputs = b.ops(node.op, *inputs, **node.attrs)
    return [
        made if made.dtype == old.dtype else b.op("cast", made, dtype=old.dtype)
        for made, old in zip(outputs, node.outputs, strict=True)
    ]


def cast(b: Builder, value: Value, dtype: str) -> Value:
    """``value`` in another dtype; a constant at once."""
    if value.constant is None:
        return b.op("cast", value, dtype=dtype)
    made = value.constant.map(lambda array: array.astype(dtypes.numpy_dtype(dtype)), dtype=dtype)
    return b.constant(made, name="cast")
