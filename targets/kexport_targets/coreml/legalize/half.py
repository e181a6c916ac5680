"""Half precision: what computes in float32 computes in float16, but for what can't."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import numpy as np

from kexport.ir import Array, Builder, Graph, Node, Value
from kexport.ir.ops.recurrent import LAYOUTS
from kexport.passes import Pass
from kexport.passes.rewrites.kernel_dtypes import cast

#: The least number of float16 that has all its digits.
_LEAST: Final = float(np.finfo(np.float16).tiny)
_MOST: Final = float(np.finfo(np.float16).max)

#: Constants of more numbers are weights, and what these are is left to the verification.
_MASK: Final = 1 << 18


def floats_in_half(keep: Collection[str] = ()) -> Pass:
    """Compute in float16; inputs and outputs stay float32.

    Args:
        keep: the layers (origins) that compute in float32 all the same.

    So do recurrent layers, whose states take up the errors of all steps; what has a number that float16 is too short for (an epsilon
    of 1e-7, a mask of -1e9); and what indices are worked out by.

    Given::

        a = dense(x, kernel)  # x, kernel, a: float32
        return a

    Result::

        b = cast(x, float16)
        a = dense(b, kernel')      # kernel', a: float16
        return cast(a, float32)
    """
    return Pass("floats_in_half", lambda graph: _Converter(graph, frozenset(keep)).run())


def is_short(value: Value) -> bool:
    """Whether a constant is one number that is none in float16, or not too many of which one is too large (a mask's -1e9)."""
    if value.constant is None or value.constant.dtype != "float32" or value.constant.size > _MASK:
        return False
    sizes = np.abs(value.constant.numpy())
    too_large = bool(((sizes > _MOST) & np.isfinite(sizes)).any())
    return too_large or (sizes.size == 1 and 0 < float(sizes.max()) < _LEAST)


def _rounded(array: Array) -> Array:
    """In float16. What is beyond it becomes infinite, and the verification then finds it."""
    with np.errstate(over="ignore"):
        return array.astype(np.float16)


class _Converter:
    """One graph on its way; bodies of loops have converters of their own."""

    def __init__(self, graph: Graph, keep: frozenset[str]) -> None:
        self._graph, self._keep = graph, keep
        self._builder = Builder.for_graph(graph)
        self._half: dict[Value, Value] = {}
        self._full: dict[Value, Value] = {}
        self._indices = _index_nodes(graph)
        self._guarded = _guarded_nodes(graph)

    def run(self) -> bool:
        """Convert a whole model."""
        outputs = [value.dtype for value in self._graph.outputs]
        nodes = self._nodes()
        self._graph.nodes = nodes
        self._finish(outputs)
        return True

    def body(self) -> None:
        """Convert a loop's body, whose inputs and outputs are float16 then."""
        for value in self._graph.inputs:
            if value.dtype == "float32":
                value.dtype = "float16"
                self._half[value] = value
        outputs = ["float16" if v.dtype == "float32" else v.dtype for v in self._graph.outputs]
        self._graph.nodes = self._nodes()
        self._finish(outputs)

    def _finish(self, dtypes: list[str]) -> None:
        after: list[Value] = []
        for value, dtype in zip(self._graph.outputs, dtypes, strict=True):
            self._builder.origin = value.producer.origin if value.producer else ""
            if dtype in ("float16", "float32") and value in (*self._half, *self._full):
                after.append(self._as(value, dtype))
            else:
                after.append(value if value.dtype == dtype else cast(self._builder, value, dtype))
        self._graph.nodes += self._builder.nodes
        self._graph.outputs = after

    def _nodes(self) -> list[Node]:
        made: list[Node] = []
        for node in self._graph.nodes:
            self._builder.origin = node.origin
            narrow = self._is_narrow(node)
            dtype = "float16" if narrow else "float32"
            node.inputs = [
                value
                if value is None or value.dtype not in ("float16", "float32")
                else self._as(value, dtype)
                for value in node.inputs
            ]
            made += self._builder.nodes
            self._builder.nodes = []
            made.append(node)
            if narrow:
                self._narrow(node)
            for value in node.outputs:
                if value.dtype in ("float16", "float32"):
                    (self._half if value.dtype == "float16" else self._full)[value] = value
        return made

    def _is_narrow(self, node: Node) -> bool:
        floats = [
            value for value in node.inputs if value is not None and value.dtype in ("float16", "float32")
        ]
        results = [value for value in node.outputs if value.dtype == "float32"]
        if node.op == "cast" and not floats:
            # Of a whole number, in the dtype that it is asked for: it costs nothing, and is not yet rounded.
            return bool(results) and self._fits(node)
        if not floats and not results:
            return False
        if not results:
            return all(value in self._half or value.constant is not None for value in floats)
        return self._fits(node)

    def _fits(self, node: Node) -> bool:
        return not (
            node.origin in self._keep
            or node in self._indices
            or node.op in LAYOUTS
            or node in self._guarded
            or (node.op == "layer_norm" and float(node.attrs["epsilon"]) < _LEAST)
        )

    def _narrow(self, node: Node) -> None:
        for value in node.outputs:
            if value.dtype == "float32":
                value.dtype = "float16"
        if node.attrs.get("dtype") == "float32":
            node.attrs = {**node.attrs, "dtype": "float16"}
        if node.op == "scan":
            _Converter(node.attrs["body"], self._keep).body()

    def _as(self, value: Value, dtype: str) -> Value:
        """A float in one of the two dtypes, cast the first time that it is asked for."""
        known = self._half if dtype == "float16" else self._full
        if value.dtype == dtype:
            known.setdefault(value, value)
        if value not in known:
            known[value] = self._cast(value, dtype)
        return known[value]

    def _cast(self, value: Value, dtype: str) -> Value:
        if value.constant is None or dtype != "float16":
            return cast(self._builder, value, dtype)
        made = value.constant.map(_rounded, dtype="float16", same_elements=True)
        return self._builder.constant(made, name="half")


#: What a tiny number keeps from dividing by 0, or from its logarithm, and what a large one takes out of a softmax; and what may stand
#: in between.
_GUARDED: Final = ("div", "rsqrt", "log", "pow", "softmax", "exp")
_BETWEEN: Final = (
    *["add", "sub", "mul", "sqrt", "maximum", "minimum", "clip", "select", "reduce_max"],
    *["expand_dims", "squeeze", "reshape", "transpose", "broadcast_to", "tile"],
)


def _guarded_nodes(graph: Graph) -> set[Node]:
    """The nodes that have a number which is none in float16, and those after them up to what it is for."""
    found: set[Node] = set()
    tiny: set[Value] = set()
    for node in graph.nodes:
        own = any(value is not None and is_short(value) for value in node.inputs)
        reached = any(value in tiny for value in node.inputs if value is not None)
        if own or (reached and node.op in (*_GUARDED, *_BETWEEN)):
            found.add(node)
            if node.op not in _GUARDED:
                tiny.update(node.outputs)
    return found


def _index_nodes(graph: Graph) -> set[Node]:
    """The nodes that work out integers from integers by way of floats: positions in an image, which float16 has 2048 of."""
    of_floats: set[Value] = {value for value in graph.inputs if value.dtype == "float32"}
    for node in graph.nodes:
        if any(value in of_floats for value in node.inputs if value is not None):
            of_floats.update(value for value in node.outputs if value.dtype in ("float16", "float32"))
    found: set[Node] = set()
    stack: list[Node | None] = [
        node.input(0).producer for node in graph.nodes if node.op == "cast" and node.attrs["dtype"] == "int32"
    ]
    while stack:
        before = stack.pop()
        if before is None or before in found or before.outputs[0].dtype != "float32":
            continue
        if any(value in of_floats for value in before.outputs):
            continue
        found.add(before)
        stack += [value.producer for value in before.inputs if value is not None]
    return found
