"""Writes a graph with its initializers as an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from onnx import helper

from kexport.ir import Constant, Value
from kexport.ir.texts import encoded
from kexport_targets.onnx import schema
from kexport_targets.onnx.emit import Body
from kexport_targets.onnx.metadata import Metadata
from kexport_targets.wire import Later, Message

#: A protobuf message holds less than 2 GiB; where the weights come near that, they stand in a file beside.
MOST_INSIDE: Final = 1_800_000_000

#: Constants of fewer elements stay float32: what they would save is less than the operator costs.
_FLOAT16_LEAST: Final = 64

_ALIGNMENT: Final = 4096


#: Fields of onnx/onnx.proto (v1.16): ``ModelProto.graph``, ``GraphProto.initializer``, ``TensorProto.raw_data``.
_GRAPH: Final = 7
_INITIALIZER: Final = 5
_RAW_DATA: Final = 9


class Writer:
    """One file. ``float16`` stores float32 weights in half precision, and widens them where they are read.

    The weights of the main graph are read and written one after the other; what is around them is the package's messages.
    """

    def __init__(self, path: Path, *, opset: int, float16: bool, metadata: Metadata) -> None:
        self._path, self._opset, self._float16, self._metadata = path, opset, float16, metadata
        self._beside = path.with_name(f"{path.name}.data")
        self._external: list[tuple[int, Constant]] = []
        self._end = 0
        self._inside = True
        #: By domain.
        self._opsets = {"": opset}

    def write(self, body: Body) -> list[Path]:
        """Write the file, and the file of the weights where there is one; returns their names."""
        self._inside = _weight(body) <= MOST_INSIDE
        nodes: list[onnx.NodeProto] = []
        tensors = [
            _streamed(*self._initializer(nodes, name, constant))
            for name, constant in body.initializers.items()
        ]
        graph = Message().fields(_encoded(self._graph(body, nodes, [])))
        for tensor in tensors:
            graph.message(_INITIALIZER, tensor)
        written = [self._path]
        if self._external:
            self._write_beside()
            written.append(self._beside)
        with self._path.open("wb") as file:
            Message().fields(_encoded(self._model())).message(_GRAPH, graph).write(file)
        return [path.relative_to(self._path.parent) for path in written]

    def _model(self) -> onnx.ModelProto:
        """The model around its graph."""
        said = self._metadata
        model = onnx.ModelProto(
            ir_version=schema.IR_VERSIONS[self._opset],
            opset_import=[helper.make_opsetid(domain, opset) for domain, opset in self._opsets.items()],
            producer_name=said.producer_name,
            producer_version=said.producer_version,
            domain=said.domain,
            model_version=said.model_version,
            doc_string=said.doc_string,
        )
        helper.set_model_props(model, said.properties)
        return model

    def _loop(self, body: Body) -> onnx.GraphProto:
        """What a Scan runs, its weights in it."""
        nodes: list[onnx.NodeProto] = []
        tensors = []
        for name, constant in body.initializers.items():
            header, stored = self._initializer(nodes, name, constant)
            if stored is not None:
                header.raw_data = _bytes(stored)
            tensors.append(header)
        return self._graph(body, nodes, tensors)

    def _graph(
        self, body: Body, nodes: list[onnx.NodeProto], tensors: list[onnx.TensorProto]
    ) -> onnx.GraphProto:
        """The graph of ``nodes`` and then the body's operators."""
        names: dict[str, int] = {}
        for operator in body.operators:
            attributes = {
                key: self._loop(item) if isinstance(item, Body) else item
                for key, item in operator.attributes.items()
            }
            base = f"{operator.origin}/{operator.op}" if operator.origin else operator.op
            names[base] = names.get(base, -1) + 1
            name = f"{base}_{names[base]}" if names[base] else base
            nodes.append(
                helper.make_node(
                    operator.op,
                    operator.inputs,
                    operator.outputs,
                    name=name,
                    domain=self._domain(operator.op),
                    **attributes,
                )
            )
        return helper.make_graph(
            nodes,
            body.name,
            [_port(name, value) for name, value in body.inputs],
            [_port(name, value) for name, value in body.outputs],
            initializer=tensors,
        )

    def _domain(self, operator: str) -> str:
        """The domain of an operator, whose set the model imports from now on."""
        if operator not in schema.ML_OPERATORS:
            return ""
        self._opsets[schema.ML_DOMAIN] = schema.ML_OPSET
        return schema.ML_DOMAIN

    def _initializer(
        self, nodes: list[onnx.NodeProto], name: str, constant: Constant
    ) -> tuple[onnx.TensorProto, Constant | None]:
        """A tensor, and its contents where they stand in it; a Cast is added to ``nodes`` where it is stored in another dtype."""
        narrow = constant.narrow is not None and constant.dtype == "float32"
        half = self._float16 and constant.dtype == "float32" and constant.size > _FLOAT16_LEAST
        if not narrow and not half:
            return self._tensor(name, constant)
        dtype = "int8" if narrow else "float16"
        stored = constant.map(lambda array: array.astype(dtype), dtype=dtype)
        nodes.append(
            helper.make_node(
                "Cast", [f"{name}/{dtype}"], [name], name=f"{name}/widened", to=schema.TENSOR_TYPES["float32"]
            )
        )
        return self._tensor(f"{name}/{dtype}", stored)

    def _tensor(self, name: str, constant: Constant) -> tuple[onnx.TensorProto, Constant | None]:
        tensor = onnx.TensorProto(
            name=name, data_type=schema.TENSOR_TYPES[constant.dtype], dims=constant.shape
        )
        if constant.dtype == "string":
            tensor.string_data.extend(encoded(item) for item in constant.numpy().reshape(-1).tolist())
            return tensor, None
        if self._inside or constant.nbytes < _ALIGNMENT:
            return tensor, constant
        # Each on a page boundary, as runtimes map them.
        offset = self._end + -self._end % _ALIGNMENT
        self._end = offset + constant.nbytes
        self._external.append((offset, constant))
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (("location", self._beside.name), ("offset", offset), ("length", constant.nbytes)):
            tensor.external_data.add(key=key, value=str(value))
        return tensor, None

    def _write_beside(self) -> None:
        """The large tensors one after the other, each read when its turn comes."""
        with self._beside.open("wb") as file:
            for offset, constant in self._external:
                file.write(bytes(offset - file.tell()))
                file.write(_bytes(constant))


def _weight(body: Body) -> int:
    """Bytes of all initializers, those of loops' bodies included."""
    inner = (
        item for operator in body.operators for item in operator.attributes.values() if isinstance(item, Body)
    )
    return sum(constant.nbytes for constant in body.initializers.values()) + sum(map(_weight, inner))


def _streamed(header: onnx.TensorProto, constant: Constant | None) -> Message:
    """A tensor whose contents are read when it is written."""
    message = Message().fields(_encoded(header))
    if constant is None:
        return message
    return message.later(_RAW_DATA, Later(constant.nbytes, lambda: _bytes(constant)))


def _encoded(message: Any) -> bytes:
    encoded: bytes = message.SerializeToString(deterministic=True)
    return encoded


def _bytes(constant: Constant) -> bytes:
    array = np.ascontiguousarray(constant.numpy())
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


def _port(name: str, value: Value) -> onnx.ValueInfoProto:
    shape: list[Any] = [dim if isinstance(dim, int) else str(dim) for dim in value.shape]
    return helper.make_tensor_value_info(name, schema.TENSOR_TYPES[value.dtype], shape)
