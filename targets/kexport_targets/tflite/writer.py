"""Turns a :class:`Program` into the bytes of a .tflite file, without ever holding all weights.

The tables go through the flatbuffers builder. The contents of the buffers don't: each Buffer table gets a ``data`` offset
that is filled in afterwards, and the vectors follow the builder's bytes, one at a time. FlatBuffers offsets point forward
by up to 2 GiB, so the result is an ordinary file that every runtime reads. Contents that lie further on are given by
``Buffer.offset`` and ``Buffer.size`` instead (schema.fbs, "Buffer": for models beyond the flatbuffer's 2 GB).
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import flatbuffers
import numpy as np

from kexport.ir import Constant
from kexport_targets.tflite import schema
from kexport_targets.tflite.program import Operator, Program, ProgramSignature, Subgraph, Tensor

#: Of every vector's first byte in the file; kernels load weights with aligned instructions
#: (schema.fbs: "Buffer.data (force_align: 16)"); 64 is a cache line.
ALIGNMENT = 64

#: The flatbuffer proper ends before this; beyond it, contents are addressed by Buffer.offset.
FLATBUFFER_LIMIT = 2**31 - 2**20

#: Stands for an offset that is filled in when the contents have their place; never 0, or it would not be written.
_PENDING = 1


def write(program: Program, path: Path) -> None:
    """Write ``program`` to ``path``."""
    payload = sum(constant.nbytes + 2 * ALIGNMENT for constant in program.buffers if constant is not None)
    outside = payload > FLATBUFFER_LIMIT
    tables, slots = _tables(program, outside)
    with path.open("wb") as file:
        file.write(tables)
        places = _write_contents(program.buffers, file, outside)
        for buffer, slot in slots.items():
            position, size = places[buffer]
            file.seek(slot)
            if outside:
                file.write(struct.pack("<QQ", position, size))
            else:
                file.write(struct.pack("<I", position - 4 - slot))


def _write_contents(
    buffers: Sequence[Constant | None], file: IO[bytes], outside: bool
) -> dict[int, tuple[int, int]]:
    """Append each buffer's contents once; its (position, bytes) by index."""
    places: dict[int, tuple[int, int]] = {}
    written: dict[bytes, tuple[int, int]] = {}
    end = file.tell()
    for index, constant in enumerate(buffers):
        if constant is None:
            continue
        raw = contents(constant)
        digest = hashlib.sha256(raw).digest()
        if digest not in written:
            start = -(-(end + 4) // ALIGNMENT) * ALIGNMENT
            head = b"" if outside else struct.pack("<I", len(raw))
            file.write(b"\0" * (start - len(head) - end) + head)
            file.write(raw)
            end = start + len(raw)
            written[digest] = (start, len(raw))
        places[index] = written[digest]
    return places


def contents(constant: Constant) -> memoryview:
    """The bytes of a constant, little-endian as NumPy's are here. bfloat16, which NumPy holds as float32, is the upper half of
    its bits, rounded to even (a NaN stays one)."""
    array = np.ascontiguousarray(constant.numpy())
    if constant.dtype == "bfloat16":
        bits = array.view(np.uint32)
        rounded = np.where(np.isnan(array), bits | 0x400000, bits + (0x7FFF + (bits >> 16 & 1)))
        array = (rounded >> 16).astype(np.uint16)
    return array.reshape(-1).view(np.uint8).data if array.size else memoryview(b"")


class _Tables:
    """Builds the flatbuffer's tables, last first, as the format asks."""

    def __init__(self) -> None:
        self.builder = flatbuffers.Builder(1 << 16)

    def table(self, slots: int, fields: Sequence[tuple[int, str, Any, Any]]) -> int:
        """A table of (slot, type, value, default) fields; offsets have the type ``UOffsetTRelative``."""
        self.builder.StartObject(slots)
        for slot, kind, value, default in fields:
            getattr(self.builder, f"Prepend{kind}Slot")(slot, value, default)
        return int(self.builder.EndObject())

    def ints(self, values: Sequence[int]) -> int:
        """A vector of int32."""
        return int(self.builder.CreateNumpyVector(np.asarray(values, np.int32)))

    def vector(self, offsets: Sequence[int]) -> int:
        """A vector of tables."""
        self.builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self.builder.PrependUOffsetTRelative(offset)
        return int(self.builder.EndVector())

    def text(self, value: str) -> int:
        """A string."""
        return int(self.builder.CreateString(value))


_OFFSET = "UOffsetTRelative"


def _tables(program: Program, outside: bool) -> tuple[bytes, dict[int, int]]:
    """The flatbuffer without contents, and for each buffer that has some the position of what is to be filled in."""
    t = _Tables()
    codes: dict[tuple[str, int], int] = {}
    subgraphs = [_subgraph(t, part, codes) for part in program.subgraphs]
    buffers = [_buffer(t, constant, outside) for constant in program.buffers]
    model = t.table(10, [
        (0, "Uint32", schema.SCHEMA_VERSION, 0),
        (1, _OFFSET, t.vector([_operator_code(t, *code) for code in codes]), 0),
        (2, _OFFSET, t.vector(subgraphs), 0),
        (3, _OFFSET, t.text("kexport"), 0),
        (4, _OFFSET, t.vector(buffers), 0),
        (7, _OFFSET, t.vector([_signature(t, program, one) for one in program.signatures]), 0),
    ])  # fmt: skip
    t.builder.Finish(model, file_identifier=schema.FILE_IDENTIFIER)
    raw = bytes(t.builder.Output())
    # An object's offset counts from the end of the finished buffer; its vtable tells where its fields lie.
    slots = {
        index: _field_position(raw, len(raw) - offset, 1 if outside else 0)
        for index, (offset, constant) in enumerate(zip(buffers, program.buffers, strict=True))
        if constant is not None
    }
    return raw, slots


def _subgraph(t: _Tables, part: Subgraph, codes: dict[tuple[str, int], int]) -> int:
    operators = [_operator(t, operator, codes) for operator in part.operators]
    tensors = [_tensor(t, tensor) for tensor in part.tensors]
    return t.table(6, [
        (0, _OFFSET, t.vector(tensors), 0),
        (1, _OFFSET, t.ints(part.inputs), 0),
        (2, _OFFSET, t.ints(part.outputs), 0),
        (3, _OFFSET, t.vector(operators), 0),
        (4, _OFFSET, t.text(part.name), 0),
    ])  # fmt: skip


def _field_position(raw: bytes, table: int, slot: int) -> int:
    """Where the field ``slot`` of the table at ``table`` lies (flatbuffers internals: a signed offset back to the vtable,
    whose entries of two bytes follow its own two sizes)."""
    (back,) = struct.unpack_from("<i", raw, table)
    (offset,) = struct.unpack_from("<H", raw, table - back + 4 + 2 * slot)
    return table + int(offset)


def _buffer(t: _Tables, constant: Constant | None, outside: bool) -> int:
    if constant is None:
        return t.table(3, [])
    t.builder.StartObject(3)
    if outside:  # 16 bytes side by side: size after offset
        t.builder.PrependUint64Slot(2, _PENDING, 0)
        t.builder.PrependUint64Slot(1, _PENDING, 0)
    else:
        t.builder.PrependUint32Slot(0, _PENDING, 0)
    return int(t.builder.EndObject())


def _operator_code(t: _Tables, builtin: str, version: int) -> int:
    number = schema.BUILTINS[builtin]
    # schema.fbs, OperatorCode: the deprecated one holds what fits in a byte, 127 stands for a greater number.
    fields = [(0, "Int8", min(number, 127), 0), (2, "Int32", version, 1), (3, "Int32", number, 0)]
    return t.table(4, fields)


def _operator(t: _Tables, operator: Operator, codes: dict[tuple[str, int], int]) -> int:
    code = codes.setdefault((operator.builtin, operator.version), len(codes))
    fields = [
        (0, "Uint32", code, 0),
        (1, _OFFSET, t.ints(operator.inputs), 0),
        (2, _OFFSET, t.ints(operator.outputs), 0),
    ]
    if operator.options is not None:
        number, table = schema.OPTIONS[operator.options]
        fields += [(3, "Uint8", number, 0), (4, _OFFSET, _options(t, table, operator.values), 0)]
    return t.table(14, fields)


def _options(t: _Tables, table: dict[str, schema.Field], values: dict[str, Any]) -> int:
    fields = []
    for name, value in values.items():
        slot, kind, default = table[name]
        fields.append((slot, _OFFSET, t.ints(value), 0) if kind == "ints" else (slot, kind, value, default))
    return t.table(1 + max((slot for slot, _, _ in table.values()), default=-1), fields)


def _tensor(t: _Tables, tensor: Tensor) -> int:
    fields = [
        (0, _OFFSET, t.ints(tensor.shape), 0),
        (1, "Int8", schema.TENSOR_TYPES[tensor.dtype], 0),
        (2, "Uint32", tensor.buffer, 0),
        (3, _OFFSET, t.text(tensor.name), 0),
        (5, "Bool", tensor.variable, False),
        (8, "Bool", True, False),
    ]
    if tensor.scale is not None:
        # QuantizationParameters: the fields 2 and 3 are vectors of scales and zero points.
        scales = t.builder.CreateNumpyVector(np.array([tensor.scale], np.float32))
        zeros = t.builder.CreateNumpyVector(np.array([0], np.int64))
        parameters = t.table(7, [(2, _OFFSET, int(scales), 0), (3, _OFFSET, int(zeros), 0)])
        fields.append((4, _OFFSET, parameters, 0))
    if tensor.signature is not None:
        fields.append((7, _OFFSET, t.ints(tensor.signature), 0))
    return t.table(11, fields)


def _signature(t: _Tables, program: Program, signature: ProgramSignature) -> int:
    def maps(names: Sequence[str], tensors: Sequence[int]) -> int:
        entries = zip(names, tensors, strict=True)
        return t.vector([t.table(2, [(0, _OFFSET, t.text(n), 0), (1, "Uint32", i, 0)]) for n, i in entries])

    subgraph = program.subgraphs[signature.subgraph]
    inputs = maps(signature.input_names, subgraph.inputs)
    outputs = maps(signature.output_names, subgraph.outputs)
    return t.table(5, [
        (0, _OFFSET, inputs, 0),
        (1, _OFFSET, outputs, 0),
        (2, _OFFSET, t.text(signature.key), 0),
        (4, "Uint32", signature.subgraph, 0),
    ])  # fmt: skip
