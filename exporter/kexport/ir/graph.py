"""The graph: values, nodes, constants, and the structural check that runs after every pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from kexport.ir import dims, dtypes
from kexport.ir.dims import Shape

Array: TypeAlias = NDArray[Any]
Attrs: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class TensorType:
    """Element type and shape."""

    dtype: str
    shape: Shape

    def __str__(self) -> str:
        return f"{self.dtype}{dims.format_shape(self.shape)}"


class Constant:
    """The contents of a constant value, read when asked for.

    A constant made from an array holds it; a lazy one holds a function that reads it (from an HDF5 dataset,
    a memory map, or another constant) and keeps nothing, so that a model of 1 GB is never held twice.

    ``narrow`` names a smaller dtype, ``int8`` or ``int4``, that holds every element exactly (the weights of quantized layers),
    so that an artifact can store them in it; it is None where nobody knows of one.
    """

    __slots__ = ("_array", "_read", "dtype", "narrow", "shape")

    def __init__(
        self, dtype: str, shape: tuple[int, ...], *, array: Array | None, read: Callable[[], Array] | None
    ) -> None:
        self.dtype = dtype
        self.shape = shape
        self.narrow: str | None = None
        self._array = array
        self._read = read

    @classmethod
    def of(cls, array: Any, dtype: str | None = None) -> Constant:
        """A constant that holds ``array`` (converted to ``dtype`` when given)."""
        made: Array = np.asarray(array, dtype=None if dtype is None else dtypes.numpy_dtype(dtype))
        return cls(dtype or made.dtype.name, made.shape, array=made, read=None)

    @classmethod
    def lazy(cls, dtype: str, shape: Sequence[int], read: Callable[[], Array]) -> Constant:
        """A constant of that type whose contents ``read()`` returns each time they are needed."""
        return cls(dtype, tuple(shape), array=None, read=read)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the contents."""
        return self.size * dtypes.itemsize(self.dtype)

    @property
    def is_lazy(self) -> bool:
        """Whether :meth:`numpy` reads the contents from elsewhere each time."""
        return self._array is None

    def numpy(self) -> Array:
        """The contents, in this constant's shape and dtype."""
        if self._array is not None:
            return self._array
        assert self._read is not None
        array = np.asarray(self._read(), dtype=dtypes.numpy_dtype(self.dtype))
        if array.shape != self.shape:
            raise ValueError(f"A constant of shape {self.shape} was read as {array.shape}.")
        return array

    def map(
        self,
        function: Callable[[Array], Array],
        *,
        shape: Sequence[int] | None = None,
        dtype: str | None = None,
        same_elements: bool = False,
    ) -> Constant:
        """The constant ``function(contents)``; lazy when this one is.

        ``shape`` and ``dtype`` are the result's, where they differ from this constant's. ``same_elements``: the function moves or
        casts elements, so that what is ``narrow`` stays so.
        """
        new_dtype = dtype or self.dtype
        if self._array is not None:
            made = Constant.of(function(self._array), new_dtype)
        else:
            made = Constant.lazy(
                new_dtype, self.shape if shape is None else shape, lambda: function(self.numpy())
            )
        made.narrow = self.narrow if same_elements else None
        return made

    def known_as(self, narrow: str | None) -> Constant:
        """The same constant, known to fit the dtype ``narrow``."""
        made = Constant(self.dtype, self.shape, array=self._array, read=self._read)
        made.narrow = narrow
        return made


class Value:
    """A tensor in a graph: an input, a node's output, or a constant (``constant`` is then set)."""

    __slots__ = ("constant", "dtype", "name", "producer", "shape")

    def __init__(self, name: str, dtype: str, shape: Shape, constant: Constant | None = None) -> None:
        self.name = name
        self.dtype = dtype
        self.shape = shape
        self.constant = constant
        self.producer: Node | None = None

    @property
    def type(self) -> TensorType:
        """Element type and shape."""
        return TensorType(self.dtype, self.shape)

    @property
    def rank(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    def __repr__(self) -> str:
        return f"%{self.name}: {self.type}" + (" const" if self.constant is not None else "")


@dataclass(eq=False)
class Node:
    """One operation. ``op`` names an entry of :mod:`kexport.ir.ops`; absent optional inputs are None.

    ``origin`` is the path of the Keras layer this node computes (``encoder/block1/conv``), kept through every
    pass and into every artifact.
    """

    op: str
    inputs: list[Value | None]
    outputs: list[Value]
    attrs: dict[str, Any] = field(default_factory=dict)
    origin: str = ""

    def __post_init__(self) -> None:
        for value in self.outputs:
            value.producer = self

    @property
    def output(self) -> Value:
        """The only output of a node that has one."""
        (value,) = self.outputs
        return value

    def input(self, index: int) -> Value:
        """The input at ``index``, which must be present."""
        value = self.inputs[index]
        if value is None:
            raise ValueError(f"{self.op} of {self.origin or 'the model'} has no input {index}.")
        return value

    def __repr__(self) -> str:
        outs = ", ".join(map(repr, self.outputs))
        ins = ", ".join("none" if v is None else f"%{v.name}" for v in self.inputs)
        attrs = ", ".join(f"{k}={v!r}" for k, v in self.attrs.items())
        return f"{outs} = {self.op}({ins}; {attrs}) @{self.origin}"


@dataclass(eq=False)
class Graph:
    """A model as operations on tensors, in topological order.

    ``inputs`` and ``outputs`` are in the model's order; ``input_names`` and ``output_names`` are the Keras
    names the user knows, in that order, and end up in the artifact's signature.
    ``layer_outputs`` maps a layer call (``path`` or ``path:1`` for its second call; several output tensors
    ``path#1``) to the value it computed, and is what a drift is localized with.
    ``input_axes`` and ``output_axes`` are of those, by name, whose axes are not in the model's order: which of the model's axes
    each of the value's is. ``provenance`` is what artifacts may keep of where the graph comes from: texts by their names.
    ``lengths`` are those that symbols may have, where that was said: from one to another, or some.
    """

    name: str
    inputs: list[Value]
    outputs: list[Value]
    nodes: list[Node]
    input_names: list[str]
    output_names: list[str]
    layer_outputs: dict[str, Value] = field(default_factory=dict)
    input_axes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    output_axes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    provenance: dict[str, str] = field(default_factory=dict)
    lengths: dict[str, range | tuple[int, ...]] = field(default_factory=dict)

    def users(self) -> dict[Value, list[Node]]:
        """For each value, the nodes that read it, in order (a node that reads it twice stands once)."""
        table: dict[Value, list[Node]] = {}
        for node in self.nodes:
            for value in dict.fromkeys(v for v in node.inputs if v is not None):
                table.setdefault(value, []).append(node)
        return table

    def constants(self) -> Iterator[Value]:
        """Every constant that a node reads or that is an output, once, in order of first use."""
        seen: set[Value] = set()
        for value in _chain_values(self):
            if value.constant is not None and value not in seen:
                seen.add(value)
                yield value

    def symbols(self) -> list[str]:
        """The names of the symbols in the inputs' shapes, in order of appearance."""
        names: dict[str, None] = {}
        for value in self.inputs:
            for dim in value.shape:
                names.update(dict.fromkeys(sorted(dims.symbols((dim,)))))
        return list(names)

    def found_lengths(self) -> dict[str, Value]:
        """The symbols that stand in no input's shape, and the value whose last dimension is the symbol: a node finds it out when it
        runs (the most words of a text)."""
        found: dict[str, Value] = {}
        for node in self.nodes:
            if isinstance(length := node.attrs.get("length"), dims.Symbolic):
                found[str(length)] = node.output
        return found

    def replace_values(self, replacements: Mapping[Value, Value]) -> None:
        """Make every reader of a key (nodes, outputs, layer outputs) read what the key finally maps to.

        Chains (a → b, b → c) are followed. Nodes that computed a key stay until dead code is removed.
        """

        def final(value: Value) -> Value:
            while value in replacements:
                value = replacements[value]
            return value

        if not replacements:
            return
        for node in self.nodes:
            node.inputs = [None if v is None else final(v) for v in node.inputs]
        self.outputs = [final(v) for v in self.outputs]
        self.layer_outputs = {path: final(v) for path, v in self.layer_outputs.items()}

    def sort(self) -> None:
        """Put the nodes into topological order, stable where the order is free.

        Raises:
            ValueError: the nodes form a cycle.
        """
        unvisited, visiting, done = 0, 1, 2
        state = dict.fromkeys(self.nodes, unvisited)
        ordered: list[Node] = []
        for root in self.nodes:
            stack = [root]
            while stack:
                node = stack[-1]
                if state[node] == done:
                    stack.pop()
                    continue
                producers = [v.producer for v in node.inputs if v is not None and v.producer is not None]
                waiting = [p for p in producers if state.get(p, done) != done]
                if not waiting:
                    state[node] = done
                    ordered.append(stack.pop())
                    continue
                if state[node] == visiting:
                    raise ValueError(f"The graph has a cycle through {node!r}.")
                state[node] = visiting
                stack.extend(reversed(waiting))
        self.nodes = ordered

    def copy(self) -> Graph:
        """A graph with values and nodes of its own, the bodies of its loops included; the constants' contents are shared."""
        made: dict[Value, Value] = {}

        def copied(value: Value) -> Value:
            if value not in made:
                made[value] = Value(value.name, value.dtype, value.shape, value.constant)
            return made[value]

        inputs = [copied(value) for value in self.inputs]
        nodes = [
            Node(
                node.op,
                [None if value is None else copied(value) for value in node.inputs],
                [copied(value) for value in node.outputs],
                {key: item.copy() if isinstance(item, Graph) else item for key, item in node.attrs.items()},
                node.origin,
            )
            for node in self.nodes
        ]
        return Graph(
            self.name,
            inputs,
            [copied(value) for value in self.outputs],
            nodes,
            list(self.input_names),
            list(self.output_names),
            {key: copied(value) for key, value in self.layer_outputs.items()},
            dict(self.input_axes),
            dict(self.output_axes),
            dict(self.provenance),
            dict(self.lengths),
        )

    def check(self) -> None:
        """Raise :class:`GraphError` unless the graph is well formed.

        Checked: every op is known, each value has one producer and is computed before it is read, names are
        unique, every output is reachable, and the recorded types are those that the ops' rules give.
        """
        from kexport.ir.ops import infer_types

        known = set(self.inputs)
        names: dict[str, Value] = {}
        for value in _chain_values(self):
            if names.setdefault(value.name, value) is not value:
                raise GraphError(f"Two values are called {value.name!r}.")
        for node in self.nodes:
            for read in node.inputs:
                if read is not None and read.constant is None and read not in known:
                    raise GraphError(f"{read!r} is read by {node!r} before it is computed.")
            inferred = infer_types(node.op, node.inputs, node.attrs)
            if inferred != [value.type for value in node.outputs]:
                raise GraphError(f"The outputs of {node!r} should be {', '.join(map(str, inferred))}.")
            for value in node.outputs:
                if value in known or value.producer is not node:
                    raise GraphError(f"{value!r} has two producers.")
                known.add(value)
        for value in self.outputs:
            if value not in known and value.constant is None:
                raise GraphError(f"The output {value!r} is not computed.")
        if len(self.inputs) != len(self.input_names) or len(self.outputs) != len(self.output_names):
            raise GraphError("Inputs and outputs have one name each.")

    def __str__(self) -> str:
        head = f"graph {self.name}({', '.join(map(repr, self.inputs))})"
        tail = f"return {', '.join('%' + v.name for v in self.outputs)}"
        return "\n".join([head, *(f"  {node!r}" for node in self.nodes), f"  {tail}"])


class GraphError(Exception):
    """A graph is not well formed: a bug in a lowering rule or a pass, never a user's mistake."""


def _chain_values(graph: Graph) -> Iterable[Value]:
    yield from graph.inputs
    for node in graph.nodes:
        yield from (value for value in node.inputs if value is not None)
        yield from node.outputs
    yield from graph.outputs
