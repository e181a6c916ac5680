"""Legalization: shared passes, then Core ML's own rewrites, until only what the operations of ML programs hold is left."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from kexport.ir import Graph, Node, Value
from kexport.ir.ops.loop import bodies
from kexport.passes import (
    Pass,
    Rewriter,
    common_subexpressions,
    constant_folding,
    crop_early,
    dead_code,
    expand_hashes_in_int32,
    expand_lookups,
    expand_quantization,
    expand_recurrent,
    fixpoint,
    floats_in_float32,
    fold_scale_shift,
    fuse_pad,
    layout,
    run_passes,
    simplify,
    unroll_scans,
)
from kexport_targets.coreml.emit import recurrent
from kexport_targets.coreml.legalize import (  # registers
    activations,
    arithmetic,
    dtypes,
    moving,
    ranks,
    windows,
)
from kexport_targets.coreml.legalize.boundary import boundary
from kexport_targets.coreml.legalize.half import floats_in_half
from kexport_targets.coreml.legalize.images import image_input, position
from kexport_targets.coreml.legalize.integers import integers_in_int32
from kexport_targets.coreml.legalize.registry import TABLE
from kexport_targets.coreml.legalize.tables import tables_of_floats
from kexport_targets.without_text import refuse_text

#: Operations whose padding can take a pad over.
PADDING = ("conv", "depthwise_conv", "max_pool", "avg_pool")

#: Loops of so few steps are written out: the Neural Engine runs no loops.
UNROLLED = 16
UNROLLED_BYTES = 4_000_000

coreml_rewrites = TABLE.as_pass()


def _for_version(version: int) -> Pass:
    """Operations that only later systems have, in those of this one."""

    def rule(node: Node, rewriter: Rewriter) -> list[Value] | None:
        if node.op != "gather" or version >= 16:
            return None
        made = moving.batched_gather_before_ios16(node, rewriter)
        return None if made is None else [made]

    return Pass(f"for_version({version})", lambda graph: Rewriter(graph).run(rule))


def _pipeline(version: int) -> tuple[Pass, ...]:
    return (
        expand_hashes_in_int32,
        expand_lookups,
        floats_in_float32(),
        tables_of_floats,
        expand_quantization,
        expand_recurrent(recurrent.is_native),
        unroll_scans(steps=UNROLLED, bytes_of_constants=UNROLLED_BYTES),
        integers_in_int32,
        constant_folding,
        simplify,
        layout("channels_first"),
        fixpoint(simplify, constant_folding, fuse_pad(PADDING), fold_scale_shift),
        crop_early,
        _for_version(version),
        coreml_rewrites,
        fixpoint(simplify, constant_folding, fold_scale_shift),
        coreml_rewrites,
        common_subexpressions,
        dead_code,
    )


def legalize(
    graph: Graph, *, version: int, half: Collection[str] | None = None, first: Sequence[Pass] = ()
) -> Graph:
    """``graph``, changed so that every node can be emitted.

    Args:
        version: the deployment target's number.
        half: the layers that compute in float32 where all else computes in half precision; None for float32 throughout.
        first: passes that come before all others.

    Raises:
        kexport.errors.UnsupportedOpError: naming layer, op, target and the way out.
    """
    refuse_text(graph, "Core ML")
    run_passes(graph, (*first, boundary(version), dead_code))
    _legalize(graph, version)
    if half is not None:
        run_passes(graph, (floats_in_half(half), common_subexpressions, dead_code))
    return graph


def _legalize(graph: Graph, version: int) -> None:
    run_passes(graph, _pipeline(version))
    for node in graph.nodes:
        for body in bodies(node.attrs) if node.op == "scan" else ():
            _legalize(body, version)


__all__ = [
    "activations",
    "arithmetic",
    "coreml_rewrites",
    "dtypes",
    "image_input",
    "legalize",
    "moving",
    "position",
    "ranks",
    "windows",
]
