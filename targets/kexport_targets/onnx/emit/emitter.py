"""What an emission rule works with, and the rules' registry."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kexport.errors import UnsupportedOpError
from kexport.ir import Array, Constant, Graph, Node, Value, dtypes
from kexport_targets.emission import EmissionRules


@dataclass
class Operator:
    """A node of the file: ``inputs`` and ``outputs`` are names, an empty one an input that is left out."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]
    origin: str


@dataclass
class Body:
    """A graph of the file: the main one, or what a Scan runs."""

    name: str
    operators: list[Operator] = field(default_factory=list)
    initializers: dict[str, Constant] = field(default_factory=dict)
    inputs: list[tuple[str, Value]] = field(default_factory=list)
    outputs: list[tuple[str, Value]] = field(default_factory=list)


class Emitter:
    """Builds one graph of a file. Rules add operators with :meth:`op`.

    Args:
        graph: the graph to emit.
        opset: the version of the operator set.
        prefix: before every name, so that a loop's body shadows no name of the graph around it.
    """

    def __init__(self, graph: Graph, *, opset: int, prefix: str = "") -> None:
        self.graph = graph
        self.opset = opset
        self.body = Body(graph.name)
        self._prefix = prefix
        self._names: dict[Value, str] = {}
        self._taken: set[str] = set()
        self._made: dict[Hashable, str] = {}
        #: The layer whose operators are being added.
        self.origin = ""
        self._bodies = 0

    def nested(self, graph: Graph) -> Emitter:
        """An emitter of a loop's body."""
        self._bodies += 1
        return Emitter(graph, opset=self.opset, prefix=f"{self._prefix}body{self._bodies}/")

    def claim(self, value: Value, name: str) -> None:
        """Call a value by a name that the user knows, before any other name is given."""
        self._names[value] = name
        self._taken.add(name)

    def emit(self, node: Node) -> None:
        """Add the operators of ``node``.

        Raises:
            UnsupportedOpError: there is no rule for its op.
        """
        rule = _RULES.get(node.op)
        if rule is None:
            raise UnsupportedOpError(
                f"Layer {node.origin!r}: the op {node.op!r} has no ONNX operator. Received: opset {self.opset}.",
                hint="Leave it out of the model, or export to TF Lite.",
            )
        self.origin = node.origin
        rule(self, node)

    def op(
        self,
        op: str,
        inputs: Sequence[Value | str | None],
        outputs: Sequence[Value | str] | None = None,
        *,
        hint: str = "",
        **attributes: Any,
    ) -> str:
        """Add an operator; return the name of its first output, a new one where none is given."""
        ins = [self.name(item) for item in inputs]
        while ins and not ins[-1]:
            ins.pop()
        outs = [self._fresh(hint or op.lower())] if outputs is None else [self.name(item) for item in outputs]
        self.body.operators.append(Operator(op, tuple(ins), tuple(outs), attributes, self.origin))
        return outs[0]

    def several(
        self, op: str, inputs: Sequence[Value | str | None], count: int, **attributes: Any
    ) -> list[str]:
        """Add an operator of several outputs; return their new names."""
        names = [self._fresh(op.lower()) for _ in range(count)]
        self.op(op, inputs, names, **attributes)
        return names

    def require(self, opset: int, what: str) -> None:
        """Raise unless the operator set is at least ``opset``.

        Raises:
            UnsupportedOpError: it is older.
        """
        if self.opset < opset:
            raise UnsupportedOpError(
                f"Layer {self.origin!r}: {what} stands in ONNX's operator sets from {opset} on. Received: opset {self.opset}.",
                hint=f"Export with --opset {opset} or later.",
            )

    def name(self, item: Value | str | None) -> str:
        """The name of a value, given when first asked for; a constant's initializer is added then."""
        if item is None or isinstance(item, str):
            return item or ""
        if item not in self._names:
            self._names[item] = self._fresh(item.name)
            if item.constant is not None:
                self.body.initializers[self._names[item]] = item.constant
        return self._names[item]

    def weight(self, value: Value, change: Callable[[Array], Array], shape: Sequence[int]) -> str:
        """The initializer of a constant in the layout that an operator wants."""
        assert value.constant is not None
        return self.constant(value.constant.map(change, shape=tuple(shape)), value.name)

    def constant(self, contents: Constant | Array, name: str) -> str:
        """An initializer with these contents."""
        found = contents if isinstance(contents, Constant) else Constant.of(contents)
        fresh = self._fresh(name)
        self.body.initializers[fresh] = found
        return fresh

    def ints(self, numbers: Sequence[int]) -> str:
        """An int64 vector, added once for the same numbers."""
        row = tuple(int(number) for number in numbers)
        return self.once(("ints", row), lambda: self.constant(np.asarray(row, np.int64), "ints"))

    def scalar(self, number: float | bool, dtype: str) -> str:
        """A rank-0 constant, added once."""
        kind = dtypes.numpy_dtype(dtype)
        return self.once(
            ("scalar", repr(number), dtype), lambda: self.constant(np.asarray(number).astype(kind), "scalar")
        )

    def once(self, key: Hashable, make: Callable[[], str]) -> str:
        """What ``make`` adds, made the first time it is asked for under ``key``."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def _fresh(self, base: str) -> str:
        name, count = f"{self._prefix}{base}", 0
        while name in self._taken:
            count += 1
            name = f"{self._prefix}{base}_{count}"
        self._taken.add(name)
        return name


_RULES: EmissionRules[Emitter] = EmissionRules()
emits = _RULES.emits
emittable_ops = _RULES.ops
