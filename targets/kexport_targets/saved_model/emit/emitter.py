"""What an emission rule works with, and the rules' registry."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from kexport.errors import UnsupportedOpError
from kexport.ir import Array, Constant, Graph, Node, Value, dtypes
from kexport_targets.emission import EmissionRules
from kexport_targets.saved_model import schema


class DType(str):
    """The value of an attribute that is a dtype."""

    __slots__ = ()


class Dims(tuple[int, ...]):
    """The value of an attribute that is a shape; -1 is an unknown length."""

    __slots__ = ()


class Texts(tuple[bytes, ...]):
    """The value of an attribute that is a vector of strings."""

    __slots__ = ()


@dataclass
class Operation:
    """A node of the GraphDef. ``inputs`` are ``node`` or ``node:output``.

    Attributes are bool, int, float, bytes, lists of int or of :class:`DType`, :class:`DType`, :class:`Dims`,
    :class:`Texts`, or the contents of a constant.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    attributes: dict[str, Any]


@dataclass(frozen=True)
class Variable:
    """A tensor that is not in the graph. Operations: ``name`` is its handle, ``read`` reads it, ``assigned`` gives it its contents.

    ``contents`` are those of the checkpoint; None where ``assigned`` computes them when the model is loaded.
    """

    name: str
    read: str
    assigned: str
    dtype: str
    shape: tuple[int, ...]
    contents: Constant | None


class Program:
    """A GraphDef under construction, and the tensors that are the model's inputs and outputs, in its order.

    ``main`` is the operation that is to be run once the variables are restored; None where there is nothing to do. ``started`` are
    operations that it runs, beside those that give variables their contents.

    Args:
        tables: whether somebody runs ``main``, so that hash tables can be filled.
    """

    def __init__(self, *, tables: bool = False) -> None:
        self.has_tables = tables
        self.started: list[str] = []
        #: What a hash table holds → its handle.
        self.tables: dict[Hashable, str] = {}
        self.variables: list[Variable] = []
        self.main: str | None = None
        self.operations: list[Operation] = []
        self.inputs: list[str] = []
        self.outputs: list[str] = []
        #: Tensor → dtype.
        self.dtypes: dict[str, str] = {}
        self._taken: set[str] = set()

    def fresh(self, text: str) -> str:
        """A name for a node that is not taken: ``text``, in the characters that TensorFlow allows."""
        base = plain_name(text)
        name, count = base, 0
        # import_graph_def tells names apart without regard to case.
        while name.lower() in self._taken:
            count += 1
            name = f"{base}_{count}"
        self._taken.add(name.lower())
        return name

    def add(self, operation: Operation, dtype: str) -> str:
        """Add an operation whose first output has that dtype; return its name."""
        self.operations.append(operation)
        self.dtypes[operation.name] = dtype
        return operation.name

    def constant(self, contents: Constant, text: str) -> str:
        """Add a tensor with these contents."""
        attributes = {"dtype": DType(contents.dtype), "value": contents}
        return self.add(Operation(self.fresh(text), "Const", (), attributes), contents.dtype)


#: Adds a tensor with these contents to a program, under a name like the text; its name.
Store: TypeAlias = Callable[[Program, Constant, str], str]


def plain_name(text: str) -> str:
    """``text`` in the characters of node names, which begin with a letter, a digit or a dot (tensorflow/core/framework/node_def_util.cc,
    ``IsValidNodeName``)."""
    name = re.sub(r"[^A-Za-z0-9_./-]", "_", text)
    return name if re.match(r"[A-Za-z0-9.]", name) else f"x{name}"


class Emitter:
    """Adds the operations of a graph to a program. Rules do it with :meth:`op`.

    Args:
        graph: the graph to emit, or the body of a loop.
        store: keeps the contents of a constant; a loop's body asks that of the outermost graph.
        around: the emitter of the graph that the body is in.
        frame: the loop's name.
        program: what to add to; a new one by default.
        scope: what all names begin with.
    """

    def __init__(
        self,
        graph: Graph,
        *,
        store: Store = Program.constant,
        around: Emitter | None = None,
        frame: str = "",
        program: Program | None = None,
        scope: str = "",
    ) -> None:
        self.graph = graph
        self._store = store
        self.scope: str = scope if around is None else around.scope
        self.around = around
        self.root: Emitter = self if around is None else around.root
        self.program: Program = (program or Program()) if around is None else around.program
        self._frame = frame
        self._names: dict[Value, str] = {}
        self._made: dict[Hashable, str] = {}
        self._origin = "" if around is None else around.origin

    def again(self, scope: str) -> Emitter:
        """An emitter of the same graph into the same program, under names in ``scope``. Inputs and weights are shared."""
        other = Emitter(self.graph, store=self._store, program=self.program, scope=scope)
        shared = {value for value in self._names if value.constant is not None} | set(self.graph.inputs)
        other._names = {value: name for value, name in self._names.items() if value in shared}
        return other

    @property
    def origin(self) -> str:
        """The layer that operations are of now."""
        return self._origin

    def emit(self, node: Node) -> None:
        """Add the operations of ``node``.

        Raises:
            UnsupportedOpError: there is no rule for its op.
        """
        rule = _RULES.get(node.op)
        if rule is None:
            raise UnsupportedOpError(
                f"Layer {node.origin!r}: the op {node.op!r} has no TensorFlow kernel.",
                hint="Leave it out of the model, or export to TF Lite.",
            )
        self._origin = node.origin
        rule(self, node)

    def op(
        self,
        op: str,
        inputs: Sequence[Value | str],
        output: Value | None = None,
        *,
        dtype: str | None = None,
        name: str | None = None,
        **attributes: Any,
    ) -> str:
        """Add an operation; return the name of its first output.

        Args:
            op: the operator.
            inputs: values, or names of tensors.
            output: the value that it computes.
            dtype: the output's, where that is not the first input's.
            name: a name for it that is new.
            attributes: those that have no default, and are no dtypes of inputs.
        """
        ins = tuple(self.name(item) for item in inputs)
        made = name or self.fresh(op)
        known = self.program.dtypes
        types = {
            key: DType(known[ins[index]]) for key, index in schema.TYPE_ATTRIBUTES.get(op, {"T": 0}).items()
        }
        result = output.dtype if output else dtype or known[ins[0]]
        self.program.add(Operation(made, op, ins, {**types, **attributes}), result)
        if output is not None:
            self._names[output] = made
        return made

    def several(
        self, op: str, inputs: Sequence[Value | str], outputs: Sequence[Value], **attributes: Any
    ) -> None:
        """Add an operation of several outputs."""
        made = self.op(op, inputs, dtype=outputs[0].dtype, **attributes)
        for index, value in enumerate(outputs):
            self.bind(value, f"{made}:{index}" if index else made)

    def placeholder(self, value: Value, name: str) -> str:
        """Add an input of the model."""
        shape = Dims(dim if isinstance(dim, int) else -1 for dim in value.shape)
        attributes = {"dtype": DType(value.dtype), "shape": shape}
        self._names[value] = name
        return self.program.add(Operation(name, "Placeholder", (), attributes), value.dtype)

    def bind(self, value: Value, name: str) -> None:
        """Let a value be a tensor that is there."""
        self._names[value] = name
        self.program.dtypes[name] = value.dtype

    def name(self, item: Value | str) -> str:
        """The tensor of a value; a constant's is added when first asked for."""
        if isinstance(item, str):
            return item
        if item not in self._names:
            if item.constant is None:
                raise AssertionError(f"{item!r} is read before it is computed.")
            if self.around is None:
                self._names[item] = self._store(self.program, item.constant, item.name)
            else:
                self._names[item] = self.entered(self.root.name(item))
        return self._names[item]

    def entered(self, name: str) -> str:
        """A tensor of the outermost graph as it is inside this loop: the same in every step."""
        if self.around is None:
            return name
        return self.enter(self.around.entered(name))

    def enter(self, outer: str) -> str:
        """A tensor of the graph around the loop as it is inside: the same in every step."""
        return self.once(
            ("entered", outer),
            lambda: self.op("Enter", [outer], frame_name=self._frame.encode(), is_constant=True),
        )

    def ints(self, numbers: Sequence[int]) -> str:
        """An int32 vector, added once for the same numbers."""
        return self._small(np.asarray([*numbers], np.int32).reshape(len(numbers)), "ints")

    def floats(self, array: Array) -> str:
        """A small float32 tensor, added once for the same numbers."""
        return self._small(array.astype(np.float32), "floats")

    def weight(self, array: Array, name: str, dtype: str | None = None) -> str:
        """A tensor of these contents, in the graph."""
        made = self.program.constant(Constant.of(array, dtype), "/".join(filter(None, (self._origin, name))))
        return self.entered(made)

    def text(self, item: bytes) -> str:
        """A text, added once."""
        contents = Constant.of(np.asarray(item, object), "string")
        made = self.root.once(("text", item), lambda: self.program.constant(contents, "text"))
        return self.entered(made)

    def scalar(self, number: float | bool, dtype: str = "int32") -> str:
        """A rank-0 constant, added once."""
        return self._small(np.asarray(number).astype(dtypes.numpy_dtype(dtype)), "scalar", dtype)

    def _small(self, array: Array, name: str, dtype: str | None = None) -> str:
        key = ("small", array.dtype.name, dtype, array.shape, array.tobytes())
        made = self.root.once(key, lambda: self.program.constant(Constant.of(array, dtype), name))
        return self.entered(made)

    def once(self, key: Hashable, make: Callable[[], str]) -> str:
        """What ``make`` adds, made the first time it is asked for under ``key``."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def fresh(self, last: str) -> str:
        """A new name for a node of the layer."""
        return self.program.fresh("/".join(filter(None, (self.scope, self._origin, last))))


_RULES: EmissionRules[Emitter] = EmissionRules()
emits = _RULES.emits
emittable_ops = _RULES.ops
