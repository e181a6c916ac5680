from __future__ import annotations
from kexport.passes import *
from kexport.ir import Graph
def legalize(graph, options):
    run_passes(graph, [
        constant_folding, simplify, layout("channels_last"), lift_1d(),
        fixpoint(simplify, constant_folding, fuse_pad(["conv","depthwise_conv","max_pool"], only_same=True), fold_scale_shift),
        fuse_activation(["conv","depthwise_conv","dense","add","sub","mul","div","max_pool","avg_pool"]), common_subexpressions, dead_code])
    return graph
