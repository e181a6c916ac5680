"""Legalization: shared passes, then TF Lite's own rewrites, until only what its builtins hold is left.

A family of rewrites a file; importing this package registers them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kexport.ir import Graph
from kexport.ir.ops.loop import bodies
from kexport.passes import (
    Pass,
    as_pass,
    common_subexpressions,
    constant_folding,
    crop_early,
    dead_code,
    expand_hashes,
    expand_lookups,
    expand_quantization,
    fixpoint,
    floats_in_float32,
    fold_scale_shift,
    fuse_activation,
    fuse_pad,
    layout,
    lift_1d,
    run_passes,
    simplify,
)
from kexport_targets.tflite.legalize import (  # registers
    activations,
    arithmetic,
    convolution,
    depthwise,
    dtypes,
    matrices,
    normalization,
    pooling,
    ranks,
)
from kexport_targets.tflite.legalize.depthwise import scale_and_shift_at_once
from kexport_targets.tflite.legalize.recurrent import recurrent, unroll
from kexport_targets.tflite.legalize.registry import legalizes, tflite_rewrites
from kexport_targets.without_text import refuse_text

#: The builtins that carry a fused activation in every runtime (TRANSPOSE_CONV does only from version 4 on).
FUSING = ("conv", "depthwise_conv", "dense", "add", "sub", "mul", "div", "max_pool", "avg_pool")

#: The builtins whose SAME padding can take a pad over. An average pool's padding doesn't count, a pad's zeros do.
PADDING = ("conv", "depthwise_conv", "max_pool")


def _pipeline(*, fused: bool, always: bool = False) -> tuple[Pass, ...]:
    """All passes but those of loops' bodies; for what is ``fused`` see :func:`recurrent`."""
    return (
        expand_hashes,
        expand_lookups,
        floats_in_float32(),
        expand_quantization,
        recurrent(fused=fused, always=always),
        unroll(),
        constant_folding,
        simplify,
        layout("channels_last"),
        lift_1d(),
        fixpoint(simplify, constant_folding, fuse_pad(PADDING, only_same=True), fold_scale_shift),
        crop_early,
        # What the rewrites make may fold and simplify; what that makes may need rewrites.
        tflite_rewrites,
        fixpoint(simplify, constant_folding, fold_scale_shift),
        tflite_rewrites,
        scale_and_shift_at_once,
        fuse_activation(FUSING),
        common_subexpressions,
        dead_code,
    )


@as_pass("legalize_bodies")
def legalize_bodies(graph: Graph) -> bool:
    """Legalize the bodies of loops.

    Given::

        a = scan(x, h; body=(y = silu(x_t)))

    Result::

        a = scan(x, h; body=(y = mul(x_t, sigmoid(x_t))))
    """
    changed = False
    for node in graph.nodes:
        for body in bodies(node.attrs) if node.op == "scan" else ():
            # A body may run any number of times, and a kernel that keeps states of its own would be one of them all.
            run_passes(body, (*_pipeline(fused=False), legalize_bodies))
            changed = True
    return changed


def legalize(graph: Graph, options: Mapping[str, Any], *, states: bool = True) -> Graph:
    """``graph``, changed so that every node can be emitted.

    Args:
        graph: as it was lowered.
        options: the target's.
        states: whether the runtime has kernels that keep states, which the builtin LSTM is (LiteRT.js has none).

    Raises:
        kexport.errors.UnsupportedOpError: naming layer, op, target and the way out.
    """
    refuse_text(graph, "TF Lite")
    main = _pipeline(fused=states, always=bool(options.get("fused_lstm")))
    run_passes(graph, (*main, legalize_bodies))
    return graph


__all__ = [
    "activations",
    "arithmetic",
    "convolution",
    "depthwise",
    "dtypes",
    "legalize",
    "legalizes",
    "matrices",
    "normalization",
    "pooling",
    "ranks",
    "tflite_rewrites",
]
