"""Passes: changes to a graph that keep what it computes.

One pass a file; targets choose, parametrise and order them.
"""

from kexport.passes.bias_before_reshape import bias_before_reshape
from kexport.passes.channels_first_ports import channels_first_ports
from kexport.passes.common_subexpressions import common_subexpressions
from kexport.passes.constant_folding import constant_folding
from kexport.passes.crop_early import crop_early
from kexport.passes.dead_code import dead_code
from kexport.passes.expand_lookups import expand_lookups
from kexport.passes.expand_quantization import expand_quantization
from kexport.passes.expand_recurrent import expand_recurrent
from kexport.passes.floats_in_float32 import floats_in_float32
from kexport.passes.fold_scale_shift import fold_scale_shift
from kexport.passes.fuse_activation import fuse_activation
from kexport.passes.fuse_attention import fuse_attention
from kexport.passes.fuse_pad import fuse_pad
from kexport.passes.fuse_rms_norm import fuse_rms_norm
from kexport.passes.hashes import expand_crossings, expand_hashes, expand_hashes_in_int32
from kexport.passes.infrastructure import Pass, Property, as_pass, fixpoint, run_pass, run_passes
from kexport.passes.layout import layout
from kexport.passes.lift_1d import lift_1d
from kexport.passes.rewrite_table import Legalization, RewriteTable
from kexport.passes.rewriting import Rewriter, Rule
from kexport.passes.simplify import simplify
from kexport.passes.unroll_scans import unroll_scans

__all__ = [
    "Legalization",
    "Pass",
    "Property",
    "RewriteTable",
    "Rewriter",
    "Rule",
    "as_pass",
    "bias_before_reshape",
    "channels_first_ports",
    "common_subexpressions",
    "constant_folding",
    "crop_early",
    "dead_code",
    "expand_crossings",
    "expand_hashes",
    "expand_hashes_in_int32",
    "expand_lookups",
    "expand_quantization",
    "expand_recurrent",
    "fixpoint",
    "floats_in_float32",
    "fold_scale_shift",
    "fuse_activation",
    "fuse_attention",
    "fuse_pad",
    "fuse_rms_norm",
    "layout",
    "lift_1d",
    "run_pass",
    "run_passes",
    "simplify",
    "unroll_scans",
]
