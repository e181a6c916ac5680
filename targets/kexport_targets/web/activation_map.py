"""Class activation maps: where in an image the evidence for each class stands.

Where a dense layer classifies what a pool over all places gives, the same layer at each place gives a map for every class (Zhou et al.,
"Learning Deep Features for Discriminative Localization", CVPR 2016, section 2; for the greatest in place of the mean: Oquab et al., "Is
object localization for free?", CVPR 2015). The layers signature computes it, with the weights that are there already.
"""

from __future__ import annotations

from typing import Final

from kexport.ir import Builder, Graph, Node, Value

#: Between the dense layer and the output: functions of its numbers, class by class or of all.
_ACTIVATIONS: Final = ("softmax", "log_softmax", "sigmoid", "reshape")


def activation_map(graph: Graph, output: Value) -> Value | None:
    """Add the map of a legalized graph's output: float32 (samples, height, width, classes). None where the output is not made so."""
    dense = through(output, _ACTIVATIONS)
    if dense is None or dense.op != "dense" or dense.input(1).constant is None:
        return None
    pool = through(dense.input(0), ("reshape",))
    if pool is None or not _is_global(pool):
        return None
    features, kernel = pool.input(0), dense.input(1)
    samples, height, width, channels = (int(str(size)) for size in features.shape)
    classes = kernel.shape[-1]
    if kernel.shape != (channels, classes):
        return None
    builder = Builder.for_graph(graph)
    builder.origin = dense.origin
    places = builder.op("reshape", features, shape=(samples * height * width, channels))
    evidence = builder.op("dense", places, kernel, None)
    made = builder.op("reshape", evidence, shape=(samples, height, width, classes))
    graph.nodes += builder.nodes
    return made


def through(value: Value, ops: tuple[str, ...]) -> Node | None:
    """The nearest node behind ``value`` that is none of ``ops``."""
    node = value.producer
    while node is not None and node.op in ops:
        node = node.input(0).producer
    return node


def _is_global(node: Node) -> bool:
    """Whether a node takes the mean or the greatest over all places of a map with more than one, each channel by itself."""
    if node.op not in ("reduce_mean", "reduce_max", "avg_pool", "max_pool") or node.input(0).rank != 4:
        return False
    places = node.input(0).shape[1:3]
    if places == (1, 1):
        return False
    if node.op.startswith("reduce"):
        return tuple(node.attrs["axes"]) == (1, 2)
    whole = tuple(node.attrs["window"]) == tuple(places)
    return whole and not any(any(sides) for sides in node.attrs["padding"])
