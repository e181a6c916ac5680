"""Passes: changes to a graph that keep what it computes.

One pass a file; targets choose, parametrise and order them.
"""

from kexport.passes.constant_folding import constant_folding
from kexport.passes.dead_code import dead_code
from kexport.passes.fuse_activation import fuse_activation
from kexport.passes.infrastructure import Pass, Property, as_pass, fixpoint, run_pass, run_passes
from kexport.passes.layout import layout
from kexport.passes.lift_1d import lift_1d
from kexport.passes.rewriting import Rewriter, Rule

__all__ = [
    "Pass",
    "Property",
    "Rewriter",
    "Rule",
    "as_pass",
    "constant_folding",
    "dead_code",
    "fixpoint",
    "fuse_activation",
    "layout",
    "lift_1d",
    "run_pass",
    "run_passes",
]
