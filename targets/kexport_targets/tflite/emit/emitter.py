"""What an emission rule works with, and the rules' registry."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from kexport.errors import UnsupportedOpError
from kexport.ir import Constant, Graph, Node, TensorType, Value
from kexport_targets.emission import EmissionRules
from kexport_targets.tflite import schema
from kexport_targets.tflite.program import Operator, Program, Subgraph, Tensor


class Emitter:
    """Builds one subgraph of a program (a new one, where none is given). Rules add operators with :meth:`op`."""

    def __init__(
        self, graph: Graph, *, float16: bool = False, program: Program | None = None, name: str = "main"
    ) -> None:
        self.graph = graph
        self.program = program or Program(graph.name)
        self.subgraph = Subgraph(name)
        self.program.subgraphs.append(self.subgraph)
        self._tensors: dict[Value, int] = {}
        self._made: dict[Hashable, int] = {}
        self._readers: set[Value] | None = None
        self._float16 = float16
        self._origin = ""

    def nested(self, graph: Graph, name: str) -> Emitter:
        """An emitter of another subgraph of the program, for a loop's body."""
        return Emitter(graph, float16=self._float16, program=self.program, name=name)

    @property
    def index(self) -> int:
        """The subgraph's position in the program."""
        return self.program.subgraphs.index(self.subgraph)

    def reads(self, value: Value) -> bool:
        """Whether a node of the graph reads ``value``, or it is an output."""
        if self._readers is None:
            self._readers = {v for node in self.graph.nodes for v in node.inputs if v is not None}
            self._readers.update(self.graph.outputs)
        return value in self._readers

    def emit(self, node: Node) -> None:
        """Add the operators of ``node``.

        Raises:
            UnsupportedOpError: there is no rule for its op.
        """
        rule = _RULES.get(node.op)
        if rule is None:
            raise UnsupportedOpError(
                f"Layer {node.origin!r}: the op {node.op!r} has no TFLite builtin.",
                hint=f"TFLite holds: {', '.join(emittable_ops())}.",
            )
        self._origin = node.origin
        rule(self, node)

    def op(
        self,
        builtin: str,
        inputs: Sequence[Value | int | None],
        outputs: Sequence[Value | int],
        options: str | None = None,
        *,
        version: int = 1,
        **values: Any,
    ) -> None:
        """Add an operator; inputs are values, tensor indices or None where one is absent."""
        ins = tuple(-1 if v is None else v if isinstance(v, int) else self.tensor(v) for v in inputs)
        outs = tuple(v if isinstance(v, int) else self.tensor(v) for v in outputs)
        self.subgraph.operators.append(Operator(builtin, version, ins, outs, options, values))

    def tensor(self, value: Value) -> int:
        """The index of the value's tensor, added when first asked for."""
        index = self._tensors.get(value)
        if index is None:
            index = (
                self._constant_tensor(value)
                if value.constant is not None
                else self._add(value.name, value.type)
            )
            self._tensors[value] = index
        return index

    def weight(self, value: Value, change: Callable[[Any], Any], shape: Sequence[int]) -> int:
        """The tensor of a constant in the layout that a kernel wants: ``change(contents)``, of ``shape``, moves elements."""
        assert value.constant is not None
        return self.constant(value.constant.map(change, shape=shape, same_elements=True), value.name)

    def constant(self, constant: Constant, name: str) -> int:
        """A tensor with these contents."""
        if constant.narrow is not None and constant.dtype == "float32" and constant.size > _FLOAT16_LEAST:
            return self._narrow_tensor(constant, constant.narrow, name)
        if self._float16 and constant.dtype == "float32" and constant.size > _FLOAT16_LEAST:
            return self._half_tensor(constant, name)
        return self._raw_constant(constant, name)

    def ints(self, numbers: Sequence[int], name: str = "shape") -> int:
        """An int32 vector, added once for the same numbers."""
        row = tuple(int(number) for number in numbers)
        text = "x".join(str(number).replace("-", "m") for number in row)
        constant = Constant.of(np.asarray(row, np.int32))
        return self.once(("ints", row), lambda: self._raw_constant(constant, f"{name}/{text}"))

    def once(self, key: Hashable, make: Callable[[], int]) -> int:
        """The tensor that ``make`` adds, made the first time it is asked for under ``key``."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def scratch(self, name: str, tensor_type: TensorType) -> int:
        """A tensor for an intermediate result of a rule that emits several operators."""
        return self._add(f"{self._origin}/{name}", tensor_type)

    def _constant_tensor(self, value: Value) -> int:
        assert value.constant is not None
        return self.constant(value.constant, value.name)

    def _raw_constant(self, constant: Constant, name: str) -> int:
        self.program.buffers.append(constant)
        row = Tensor(name, constant.dtype, constant.shape, buffer=len(self.program.buffers) - 1)
        self.subgraph.tensors.append(row)
        return len(self.subgraph.tensors) - 1

    def _half_tensor(self, constant: Constant, name: str) -> int:
        """The contents in half precision, and an operator that widens them: as runtimes expect float16 weights."""
        half = self._raw_constant(constant.map(_to_half(name), dtype="float16"), f"{name}/float16")
        self.subgraph.tensors.append(Tensor(name, "float32", constant.shape))
        wide = len(self.subgraph.tensors) - 1
        self.op("DEQUANTIZE", [half], [wide], "DequantizeOptions", version=3)
        return wide

    def _narrow_tensor(self, constant: Constant, dtype: str, name: str) -> int:
        """Whole numbers in 8 or 4 bits, and an operator that widens them; kernels do that once, since they are constant."""
        if dtype == "int4":
            stored = constant.map(_in_halves, shape=(-(-constant.size // 2),), dtype="uint8")
        else:
            stored = constant.map(lambda array: array.astype(np.int8), dtype="int8")
        self.program.buffers.append(stored)
        buffer = len(self.program.buffers) - 1
        row = Tensor(f"{name}/{dtype}", dtype, constant.shape, buffer=buffer, scale=1.0)
        self.subgraph.tensors.append(row)
        narrow = len(self.subgraph.tensors) - 1
        self.subgraph.tensors.append(Tensor(name, "float32", constant.shape))
        wide = len(self.subgraph.tensors) - 1
        self.op("DEQUANTIZE", [narrow], [wide], "DequantizeOptions", version=6 if dtype == "int4" else 2)
        return wide

    def _add(self, name: str, tensor_type: TensorType) -> int:
        dtype, dims = tensor_type.dtype, tensor_type.shape
        shape = tuple(dim if isinstance(dim, int) else 1 for dim in dims)
        known = all(isinstance(dim, int) for dim in dims)
        signature = None if known else tuple(dim if isinstance(dim, int) else -1 for dim in dims)
        if dtype not in schema.TENSOR_TYPES:
            raise UnsupportedOpError(f"Layer {self._origin!r}: TFLite has no tensors of {dtype}.")
        self.subgraph.tensors.append(Tensor(name, dtype, shape, signature))
        return len(self.subgraph.tensors) - 1


#: Constants of fewer elements stay float32: what they would save is less than the operator costs.
_FLOAT16_LEAST = 64


def _to_half(name: str) -> Callable[[Any], Any]:
    def change(array: Any) -> Any:
        if np.abs(array).max(initial=0) > np.finfo(np.float16).max:
            raise UnsupportedOpError(
                f"The weight {name!r} holds {np.abs(array).max():.3g}, more than float16 can (65504).",
                hint="Export without float16.",
            )
        return array.astype(np.float16)

    return change


def _in_halves(array: Any) -> Any:
    """Numbers of 4 bits, two in a byte, the first in the low half (tensor_utils.h, ``UnpackPackedIntToInt8``)."""
    flat = np.append(array.reshape(-1), np.zeros(array.size % 2, array.dtype)).astype(np.int8).view(np.uint8)
    return flat[::2] & 15 | flat[1::2] << 4


_RULES: EmissionRules[Emitter] = EmissionRules()
emits = _RULES.emits
emittable_ops = _RULES.ops
