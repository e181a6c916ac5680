"""Legalization: shared passes, then ONNX's own rewrites, until only what its operators hold is left."""

from __future__ import annotations

from kexport.ir import Graph, Node, Value
from kexport.ir.ops.loop import bodies
from kexport.passes import (
    Pass,
    Rewriter,
    bias_before_reshape,
    channels_first_ports,
    common_subexpressions,
    constant_folding,
    crop_early,
    dead_code,
    expand_hashes,
    expand_lookups,
    expand_quantization,
    expand_recurrent,
    fixpoint,
    floats_in_float32,
    fold_scale_shift,
    fuse_attention,
    fuse_pad,
    fuse_rms_norm,
    layout,
    run_passes,
    simplify,
)
from kexport.passes.rewrites import activations as spelled_out
from kexport.passes.rewrites.normalization import layer_norm, rms_norm
from kexport_targets.onnx.emit import recurrent
from kexport_targets.onnx.emit.attention import OPSETS as WITH_ATTENTION
from kexport_targets.onnx.legalize import activations, arithmetic, dtypes, moving  # registers
from kexport_targets.onnx.legalize.attention import for_its_kernel
from kexport_targets.onnx.legalize.normalization import is_native
from kexport_targets.onnx.legalize.registry import TABLE

#: Operators whose padding can take a pad over.
PADDING = ("conv", "depthwise_conv", "max_pool")

_NORMALIZATIONS = {"layer_norm": layer_norm, "rms_norm": rms_norm}

onnx_rewrites = TABLE.as_pass()


def _for_opset(opset: int) -> Pass:
    """Functions that only later operator sets have, or have otherwise, in the operators of this one."""

    def rule(node: Node, rewriter: Rewriter) -> list[Value] | None:
        if node.op == "gelu" and node.attrs["approximate"] and opset < 20:
            return [spelled_out.gelu(node, rewriter)]
        if node.op == "hard_swish" and opset < 14:
            return [spelled_out.hard_swish(node, rewriter)]
        if node.op in _NORMALIZATIONS and not is_native(node):
            return [_NORMALIZATIONS[node.op](node, rewriter)]
        if node.op == "attention":
            made = for_its_kernel(node, rewriter, opset)
            return None if made is None else [made]
        return None

    return Pass(f"for_opset({opset})", lambda graph: Rewriter(graph).run(rule))


def _pipeline(opset: int, *ports: Pass) -> tuple[Pass, ...]:
    return (
        expand_hashes,
        expand_lookups,
        floats_in_float32(),
        expand_quantization,
        expand_recurrent(recurrent.is_native),
        constant_folding,
        simplify,
        bias_before_reshape,
        *ports,
        layout("channels_first"),
        fixpoint(simplify, constant_folding, fuse_pad(PADDING), fold_scale_shift),
        crop_early,
        fuse_rms_norm,
        *((fuse_attention,) if opset in WITH_ATTENTION else ()),
        _for_opset(opset),
        onnx_rewrites,
        fixpoint(simplify, constant_folding, fold_scale_shift),
        onnx_rewrites,
        common_subexpressions,
        dead_code,
    )


def legalize(graph: Graph, *, opset: int, nchw_inputs: bool = False, nchw_outputs: bool = False) -> Graph:
    """``graph``, changed so that every node can be emitted; with channels first in inputs and outputs, if so asked.

    Raises:
        kexport.errors.UnsupportedOpError: naming layer, op, target and the way out.
    """
    ports = channels_first_ports(inputs=nchw_inputs, outputs=nchw_outputs)
    run_passes(graph, _pipeline(opset, ports))
    for node in graph.nodes:
        for body in bodies(node.attrs) if node.op == "scan" else ():
            legalize(body, opset=opset)
    return graph


__all__ = [
    "activations",
    "arithmetic",
    "dtypes",
    "legalize",
    "moving",
    "onnx_rewrites",
]
