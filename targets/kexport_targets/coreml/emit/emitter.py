"""What an emission rule works with, and the rules' registry."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from kexport.errors import UnsupportedOpError
from kexport.ir import Array, Constant, Graph, Node, Shape, Value, dtypes
from kexport_targets.coreml.names import Names
from kexport_targets.coreml.program import Block, Operation, Tensor
from kexport_targets.coreml.schema import MOST_DIMENSIONS
from kexport_targets.emission import EmissionRules

#: The parameters of an operation by name: a :class:`Value` or :class:`Tensor`, several, or what a constant is made of (bool, text,
#: integers, which are int32, or sequences of them); None is one that is left out.
Given: TypeAlias = Mapping[str, Any]


class Emitter:
    """Adds the operations of a graph to a block. Rules do it with :meth:`op`.

    Args:
        graph: the graph to emit, or the body of a loop.
        version: the deployment target's number, 15 for iOS15.
        around: the emitter of the graph that the body is in.
        reserved: names that no tensor of the graph gets.
    """

    def __init__(
        self, graph: Graph, *, version: int, around: Emitter | None = None, reserved: Sequence[str] = ()
    ) -> None:
        self.graph = graph
        self.version = version
        self.block = Block()
        self.root: Emitter = self if around is None else around.root
        self.names: Names = Names(reserved) if around is None else around.names
        self.origin: str = "" if around is None else around.origin
        self._around = around
        self._tensors: dict[Value, Tensor] = {}
        self._made: dict[Hashable, Tensor] = {}
        self._read = {value for node in graph.nodes for value in node.inputs} | set(graph.outputs)

    def nested(self, graph: Graph) -> Emitter:
        """An emitter of a loop's body."""
        return Emitter(graph, version=self.version, around=self)

    def claim(self, value: Value, name: str) -> Tensor:
        """Call a value by a name that the user knows, before any other name is given."""
        self._tensors[value] = tensor = self.named(name, value)
        return tensor

    def named(self, name: str, value: Value) -> Tensor:
        """A tensor of a value's type, with a name that the user knows."""
        self._check_rank(value.shape)
        return Tensor(self.names.fresh(name), value.dtype, value.shape)

    def emit(self, node: Node) -> None:
        """Add the operations of ``node``.

        Raises:
            UnsupportedOpError: there is no rule for its op.
        """
        self.origin = node.origin
        rule = _RULES.get(node.op)
        if rule is None:
            raise UnsupportedOpError(
                f"Layer {node.origin!r}: the op {node.op!r} has no Core ML operation.",
                hint="Leave it out of the model, or export to TF Lite.",
            )
        rule(self, node)

    def op(
        self,
        op: str,
        given: Given,
        output: Value | Tensor | None = None,
        *,
        dtype: str = "",
        shape: Shape = (),
    ) -> Tensor:
        """Add an operation of one output.

        Args:
            op: its name in the operator set.
            given: its parameters.
            output: what it computes; without one, its ``dtype`` and ``shape`` say what it is.
        """
        tensor = self.new(op, dtype, shape) if output is None else self.tensor(output)
        self._add(op, [tensor], given)
        return tensor

    def ops(self, op: str, given: Given, outputs: Sequence[Value | Tensor]) -> None:
        """Add an operation of several outputs."""
        self._add(op, [self.tensor(output) for output in outputs], given)

    def _add(self, op: str, outputs: Sequence[Tensor], given: Given) -> None:
        self.block.operations.append(self.operation(op, outputs, given))

    def operation(
        self,
        op: str,
        outputs: Sequence[Tensor],
        given: Given,
        blocks: Sequence[Block] = (),
    ) -> Operation:
        """An operation that is not yet in its place."""
        inputs = {key: self._parameter(key, item) for key, item in given.items() if item is not None}
        return Operation(op, outputs[0].name, inputs, tuple(outputs), self.origin, blocks=tuple(blocks))

    def loop(
        self, outputs: Sequence[Tensor], variables: Sequence[Tensor], condition: Block, body: Block
    ) -> None:
        """Add a ``while_loop``."""
        given = {"loop_vars": list(variables)}
        self.block.operations.append(self.operation("while_loop", outputs, given, [condition, body]))

    def classify(self, x: Tensor, labels: Sequence[str], names: tuple[str, str]) -> list[str]:
        """Add a ``classify`` of probabilities; its outputs' names."""
        made = (Tensor(names[0], "string", ()), Tensor(names[1], "probabilities", ()))
        operation = self.operation("classify", made, {"probabilities": self.cast(x, "float32")})
        operation.contents = tuple(labels)
        self.block.operations.append(operation)
        return list(names)

    def outer(self, value: Value) -> Tensor:
        """The tensor of a value of the graph around the loop."""
        assert self._around is not None
        return self._around.tensor(value)

    def new(self, hint: str, dtype: str, shape: Shape) -> Tensor:
        """A tensor that an operation will compute, or that a block gets."""
        return self._fresh(f"{self.origin}/{hint}" if self.origin else hint, dtype, shape)

    def is_read(self, value: Value) -> bool:
        """Whether anything reads a value."""
        return value in self._read

    def bind(self, value: Value, tensor: Tensor) -> None:
        """Let a value be a tensor that is there."""
        self._tensors[value] = tensor

    def tensor(self, item: Value | Tensor) -> Tensor:
        """The tensor of a value, named when first asked for; a constant's operation is added then."""
        if isinstance(item, Tensor):
            return item
        found = self._tensors.get(item)
        if found is None:
            if item.constant is not None:
                found = self.root.constant_of(item, self.origin)
            elif self._around is not None and item.producer is None:
                raise AssertionError(f"{item!r} is not of the loop's body.")
            else:
                found = self._fresh(item.name, item.dtype, item.shape)
            self._tensors[item] = found
        return found

    def constant_of(self, value: Value, origin: str) -> Tensor:
        """The tensor of a constant value, in the outermost block, where all see it."""
        if value not in self._tensors:
            assert value.constant is not None
            self._tensors[value] = self._constant(value.constant, value.name, origin)
        return self._tensors[value]

    def weight(self, value: Value, change: Callable[[Array], Array], shape: Sequence[int]) -> Tensor:
        """A constant in the layout that an operation wants: ``change(contents)``, of ``shape``, moves elements."""
        assert value.constant is not None
        moved = value.constant.map(change, shape=tuple(shape), same_elements=True)
        return self.root._constant(moved, value.name, self.origin)  # noqa: SLF001

    def constant(self, array: Array, hint: str, dtype: str = "") -> Tensor:
        """A small constant, added once for the same contents."""
        made = Constant.of(array, dtype or None)
        key = (made.dtype, made.shape, made.numpy().tobytes())
        return self.root.once(key, lambda: self.root._constant(made, hint, ""))  # noqa: SLF001

    def number(self, number: float | bool, dtype: str) -> Tensor:
        """A constant of rank 0."""
        return self.constant(np.asarray(number).astype(dtypes.numpy_dtype(dtype)), "number", dtype)

    def once(self, key: Hashable, make: Callable[[], Tensor]) -> Tensor:
        """What ``make`` adds, made the first time it is asked for under ``key``."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def cast(self, x: Value | Tensor, dtype: str, output: Value | None = None) -> Tensor:
        """``x`` in another dtype."""
        tensor = self.tensor(x)
        if tensor.dtype == dtype and output is None:
            return tensor
        return self.op("cast", {"x": tensor, "dtype": CASTS[dtype]}, output, dtype=dtype, shape=tensor.shape)

    def _parameter(self, key: str, item: Any) -> tuple[str, ...]:
        if isinstance(item, (Value, Tensor)):
            return (self.tensor(item).name,)
        if isinstance(item, str):
            return (self.root.once(("text", item), lambda: self.root._text(item)).name,)  # noqa: SLF001
        if isinstance(item, (bool, int)):
            return (self.number(item, "bool" if isinstance(item, bool) else "int32").name,)
        values = list(item)
        if values and all(isinstance(value, (Value, Tensor)) for value in values):
            return tuple(self.tensor(value).name for value in values)
        flags = bool(values) and all(isinstance(value, bool) for value in values)
        return (self.constant(np.asarray(values, np.bool_ if flags else np.int32), key).name,)

    def _text(self, text: str) -> Tensor:
        tensor = Tensor(self.names.fresh("text"), "string", ())
        self.block.operations.append(Operation("const", tensor.name, {}, (tensor,), contents=text))
        return tensor

    def _constant(self, contents: Constant, hint: str, origin: str) -> Tensor:
        tensor = self._fresh(hint, contents.dtype, contents.shape)
        self.block.operations.append(Operation("const", tensor.name, {}, (tensor,), origin, contents))
        return tensor

    def _fresh(self, hint: str, dtype: str, shape: Shape) -> Tensor:
        self._check_rank(shape)
        return Tensor(self.names.fresh(hint), dtype, tuple(shape))

    def _check_rank(self, shape: Shape) -> None:
        if len(shape) > MOST_DIMENSIONS:
            raise UnsupportedOpError(
                f"Layer {self.origin!r}: a tensor of Core ML has at most {MOST_DIMENSIONS} dimensions. Received: {len(shape)}.",
                hint="Merge dimensions with a Reshape in this layer's place, or export to TF Lite.",
            )


#: What ``cast`` calls a dtype.
CASTS = {"float32": "fp32", "float16": "fp16", "int32": "int32", "bool": "bool"}

_RULES: EmissionRules[Emitter] = EmissionRules()
emits = _RULES.emits
emittable_ops = _RULES.ops
