"""Attention."""

from __future__ import annotations

from typing import Final

from kexport.ir import Node
from kexport_targets.onnx.emit.emitter import Emitter, emits

#: The operator sets whose Attention has a kernel in ONNX Runtime 1.32; it came with 23, and from 25 on there is none.
OPSETS: Final = (23, 24)


@emits("attention")
def attention(e: Emitter, node: Node) -> None:
    """Attention, on heads side by side; legalization leaves it in the operator sets above."""
    e.op(
        "Attention",
        node.inputs,
        node.outputs,
        q_num_heads=node.attrs["heads"],
        kv_num_heads=node.attrs["shared_heads"],
        scale=float(node.attrs["scale"]),
        is_causal=int(node.attrs["causal"]),
    )
