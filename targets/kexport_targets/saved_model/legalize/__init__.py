"""Legalization: shared passes, then TensorFlow's own rewrites, until only what its kernels for CPUs hold is left."""

from __future__ import annotations

from kexport.ir import Graph
from kexport.ir.ops.loop import bodies
from kexport.passes import (
    common_subexpressions,
    constant_folding,
    crop_early,
    dead_code,
    expand_crossings,
    expand_lookups,
    expand_quantization,
    expand_recurrent,
    fixpoint,
    floats_in_float32,
    fold_scale_shift,
    fuse_pad,
    layout,
    lift_1d,
    run_passes,
    simplify,
)
from kexport_targets.saved_model.legalize import activations, arithmetic, dtypes, windows  # registers
from kexport_targets.saved_model.legalize.registry import tensorflow_rewrites

#: Operators whose padding can take a pad over, and those for which that has to be SAME.
PADDING = ("conv", "max_pool")
PADDING_SAME = ("depthwise_conv",)

_PIPELINE = (
    expand_crossings,
    expand_lookups,
    # Of these, kernels for CPUs are slow, and round at every step.
    floats_in_float32("float16", "bfloat16"),
    expand_quantization,
    expand_recurrent(),
    constant_folding,
    simplify,
    layout("channels_last"),
    lift_1d(),
    fixpoint(
        simplify,
        constant_folding,
        fuse_pad(PADDING),
        fuse_pad(PADDING_SAME, only_same=True),
        fold_scale_shift,
    ),
    crop_early,
    # What the rewrites make may fold and simplify; what that makes may need rewrites.
    tensorflow_rewrites,
    fixpoint(simplify, constant_folding, fold_scale_shift),
    tensorflow_rewrites,
    common_subexpressions,
    dead_code,
)


def legalize(graph: Graph) -> Graph:
    """``graph``, changed so that every node can be emitted.

    Raises:
        kexport.errors.UnsupportedOpError: naming layer, op, target and the way out.
    """
    run_passes(graph, _PIPELINE)
    for node in graph.nodes:
        for body in bodies(node.attrs) if node.op == "scan" else ():
            legalize(body)
    return graph


__all__ = ["activations", "arithmetic", "dtypes", "legalize", "tensorflow_rewrites", "windows"]
