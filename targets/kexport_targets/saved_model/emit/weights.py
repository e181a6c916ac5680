"""Where weights are kept: in the graph, in a checkpoint beside it, or as narrow as they are until the model is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from kexport.ir import Array, Constant
from kexport_targets.saved_model.emit.emitter import Dims, DType, Operation, Program, Texts, Variable

#: Of fewer bytes, a tensor is better off in the graph.
_LEAST: Final = 1024


@dataclass(frozen=True)
class Saver:
    """Operations: ``file`` is given the checkpoint's path, ``save`` writes one there, ``restore`` reads it."""

    file: str
    save: str
    restore: str


class Weights:
    """Puts constants where they belong; an instance is a :data:`kexport_targets.saved_model.emit.Store`.

    Weights of quantized layers stay 8 or 4 bits wide in the file. They are widened once, when the model is loaded: TensorFlow folds
    no cast that makes a large constant larger, and would widen them at every call.

    Args:
        checkpoint: keep weights in variables that are restored from a checkpoint.
    """

    def __init__(self, *, checkpoint: bool) -> None:
        self._checkpoint = checkpoint

    def __call__(self, program: Program, contents: Constant, text: str) -> str:
        """The tensor that holds ``contents``."""
        if contents.dtype == "string" or contents.nbytes < _LEAST:
            return program.constant(contents, text)
        if contents.narrow is not None and contents.dtype == "float32":
            return self._widened(program, contents, text)
        return self._stored(program, contents, text)

    def close(self, program: Program) -> Saver | None:
        """Add what fills the variables; None where none is restored from a checkpoint."""
        computed = [item.assigned for item in program.variables if item.contents is None]
        if computed or program.started:
            program.main = program.fresh("init")
            inputs = tuple(f"^{name}" for name in (*computed, *program.started))
            program.operations.append(Operation(program.main, "NoOp", inputs, {}))
        restored = [item for item in program.variables if item.contents is not None]
        return _saver(program, restored) if restored else None

    def _stored(self, program: Program, contents: Constant, text: str) -> str:
        if not self._checkpoint:
            return program.constant(contents, text)
        return _variable(program, contents.dtype, contents.shape, text, contents)

    def _widened(self, program: Program, contents: Constant, text: str) -> str:
        if contents.narrow == "int4":
            packed = contents.map(_nibbles, shape=((contents.size + 1) // 2,), dtype="uint8")
            wide = _unpacked(program, self._stored(program, packed, f"{text}/packed"), contents)
        else:
            narrow = contents.map(lambda array: array.astype(np.int8), dtype="int8")
            wide = _add(program, "Cast", self._stored(program, narrow, f"{text}/narrow"), SrcT="int8")
        return _variable(program, contents.dtype, contents.shape, text, None, wide)


def _nibbles(array: Array) -> Array:
    """Whole numbers from -8 to 7, 8 added to each, two a byte, the first in the lower half."""
    flat = (array.reshape(-1) + 8).astype(np.uint8)
    if len(flat) % 2:
        flat = np.append(flat, np.uint8(0))
    return flat[0::2] | flat[1::2] << 4


def _unpacked(program: Program, packed: str, contents: Constant) -> str:
    """What :func:`_nibbles` was given, as float32."""
    fifteen, four = (program.constant(Constant.of(np.uint8(number)), "bits") for number in (15, 4))
    low = _add(program, "BitwiseAnd", packed, fifteen, T="uint8")
    high = _add(program, "RightShift", packed, four, T="uint8")
    pairs = _add(program, "Pack", low, high, T="uint8", N=2, axis=1)
    floats = _add(program, "Cast", pairs, SrcT="uint8")
    numbers = _add(program, "Sub", floats, program.constant(Constant.of(np.float32(8)), "eight"), T="float32")
    flat = _add(program, "Reshape", numbers, _ints(program, -1), T="float32", Tshape="int32")
    whole = [_ints(program, number) for number in (0, contents.size)]
    flat = _add(program, "Slice", flat, *whole, T="float32", Index="int32")
    return _add(program, "Reshape", flat, _ints(program, *contents.shape), T="float32", Tshape="int32")


def _variable(
    program: Program,
    dtype: str,
    shape: tuple[int, ...],
    text: str,
    contents: Constant | None,
    computed: str = "",
) -> str:
    """A variable of these contents, or (None) of those that ``computed`` holds; the tensor that reads it."""
    name = program.fresh(text)
    attributes = {"dtype": DType(dtype), "shape": Dims(shape), "shared_name": name.encode()}
    program.add(Operation(name, "VarHandleOp", (), attributes), "resource")
    read = program.fresh(f"{name}/read")
    program.add(Operation(read, "ReadVariableOp", (name,), {"dtype": DType(dtype)}), dtype)
    assigned = program.fresh(f"{name}/assign")
    program.variables.append(Variable(name, read, assigned, dtype, shape, contents))
    if contents is None:
        _assign(program, program.variables[-1], computed)
    return read


def _assign(program: Program, variable: Variable, value: str) -> None:
    attributes = {"dtype": DType(variable.dtype)}
    program.operations.append(
        Operation(variable.assigned, "AssignVariableOp", (variable.name, value), attributes)
    )


def _saver(program: Program, variables: list[Variable]) -> Saver:
    file = program.fresh("save/file")
    program.add(Operation(file, "Placeholder", (), {"dtype": DType("string"), "shape": Dims()}), "string")
    names = _texts(program, [item.name.encode() for item in variables])
    slices = _texts(program, [b""] * len(variables))
    attributes = {"dtypes": [DType(item.dtype) for item in variables]}
    found = program.fresh("save/RestoreV2")
    program.operations.append(Operation(found, "RestoreV2", (file, names, slices), attributes))
    for index, item in enumerate(variables):
        _assign(program, item, f"{found}:{index}" if index else found)
    restore = program.fresh("save/restore")
    program.operations.append(
        Operation(restore, "NoOp", tuple(f"^{item.assigned}" for item in variables), {})
    )
    written = program.fresh("save/SaveV2")
    inputs = (file, names, slices, *(item.read for item in variables))
    program.operations.append(Operation(written, "SaveV2", inputs, attributes))
    save = program.fresh("save/saved")
    attributes_of_save = {"T": DType("string")}
    program.operations.append(Operation(save, "Identity", (file, f"^{written}"), attributes_of_save))
    return Saver(file, save, restore)


def _texts(program: Program, items: list[bytes]) -> str:
    attributes = {"dtype": DType("string"), "value": Texts(items)}
    return program.add(Operation(program.fresh("save/texts"), "Const", (), attributes), "string")


def _ints(program: Program, *numbers: int) -> str:
    return program.constant(Constant.of(np.asarray(numbers, np.int32)), "ints")


def _add(program: Program, op: str, *inputs: str, **attributes: Any) -> str:
    """An operation on what is computed when the model is loaded; attributes that are texts are dtypes."""
    made = {key: DType(value) if isinstance(value, str) else value for key, value in attributes.items()}
    if op == "Cast":
        made["DstT"] = DType("float32")
    dtype = str(made.get("T", "float32"))
    return program.add(Operation(program.fresh(f"init/{op}"), op, inputs, made), dtype)
