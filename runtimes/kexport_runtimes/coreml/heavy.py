"""ONNX Runtime, for the operations that NumPy is slow at: one small model an operation, kept from run to run.

The kernels in :mod:`.ops` compute the same and are the reference: they run where ONNX Runtime is not installed, and tests
compare the two.

Field numbers of ONNX's messages: onnx/onnx.proto of onnx 1.16.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kexport_runtimes.coreml import values
from kexport_runtimes.coreml.errors import ComputeError
from kexport_runtimes.coreml.registry import Call

Array = NDArray[Any]

#: The opset of the models: it has every operation here in the form that is used.
_OPSET, _IR_VERSION = 13, 8
_FLOAT, _HALF, _INT_ATTRIBUTE, _INTS_ATTRIBUTE = 1, 10, 2, 7
_ERRORS_ONLY = 3

#: Elements from which on a call costs less than what it saves.
_WORTH_A_CALL = 2048


def computed(
    call: Call,
    op_type: str,
    inputs: Mapping[str, Array | None],
    attributes: Mapping[str, int | Sequence[int]],
) -> Array | None:
    """One ONNX operation on float32, or None where NumPy is to compute it.

    Args:
        call: of the operation; says which arguments never change, and keeps the model.
        op_type: ONNX's name of the operation.
        inputs: by the argument's name, in ONNX's order; None for an optional one that is not given, after which there is none.
        attributes: integers and lists of them.

    Raises:
        ComputeError: the arrays don't fit one another.
    """
    given = {name: array for name, array in inputs.items() if array is not None}
    if (
        not call.accelerate
        or not _is_installed()
        or any(array.dtype != np.float32 for array in given.values())
    ):
        return None
    key = (op_type, tuple((name, tuple(np.atleast_1d(value))) for name, value in attributes.items()))
    try:
        return _run(call, key, op_type, given, attributes)
    except Exception as error:  # the engine's exceptions have no class of their own
        raise ComputeError(f"can't be computed: {error}") from error


def _run(
    call: Call,
    key: Any,
    op_type: str,
    given: Mapping[str, Array],
    attributes: Mapping[str, int | Sequence[int]],
) -> Array:
    if key not in call.memo:
        fixed = {name: array for name, array in given.items() if name in call.constants}
        ranks: dict[str, int | None] = {
            name: array.ndim for name, array in given.items() if name not in fixed
        }
        node = _node(op_type, list(given), "result", attributes)
        call.memo[key] = _session(_graph([node], ranks, fixed), call.threads)
    variable = {name: np.ascontiguousarray(a) for name, a in given.items() if name not in call.constants}
    (result,) = call.memo[key].run(None, variable)
    found: Array = result
    return found


def rounded(array: Array) -> Array:
    """As :func:`.values.rounded`, which takes fourteen times as long: float32 to the nearest values that fp16 has."""
    if array.size < _WORTH_A_CALL or array.dtype != np.float32 or not _is_installed():
        return values.rounded(array)
    (result,) = _rounding().run(None, {"x": np.ascontiguousarray(array)})
    found: Array = result
    return found


@cache
def _rounding() -> Any:
    """To float16 and back. Unoptimized: an optimizer would leave the two out."""
    there = _node("Cast", ["x"], "half", {"to": _HALF})
    return _session(
        _graph([there, _node("Cast", ["half"], "result", {"to": _FLOAT})], {"x": None}, {}), 1, plain=True
    )


def _is_installed() -> bool:
    return find_spec("onnxruntime") is not None


def _session(model: bytes, threads: int, *, plain: bool = False) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = _ERRORS_ONLY
    if plain:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _graph(nodes: Sequence[bytes], ranks: Mapping[str, int | None], fixed: Mapping[str, Array]) -> bytes:
    """A model of those nodes, with the constants inside it, that puts out ``result``."""
    graph = b"".join(_bytes(1, node) for node in nodes) + _bytes(2, b"few")
    graph += b"".join(_bytes(5, _tensor(name, array)) for name, array in fixed.items())
    graph += b"".join(_bytes(11, _value(name, rank)) for name, rank in ranks.items())
    graph += _bytes(12, _value("result", None))
    return _number(1, _IR_VERSION) + _bytes(7, graph) + _bytes(8, _bytes(1, b"") + _number(2, _OPSET))


def _node(
    op_type: str, inputs: Sequence[str], output: str, attributes: Mapping[str, int | Sequence[int]]
) -> bytes:
    body = b"".join(_bytes(1, name.encode()) for name in inputs) + _bytes(2, output.encode())
    body += _bytes(4, op_type.encode())
    return body + b"".join(_bytes(5, _attribute(name, value)) for name, value in attributes.items())


def _attribute(name: str, value: int | Sequence[int]) -> bytes:
    if isinstance(value, int):
        return _bytes(1, name.encode()) + _number(3, value) + _number(20, _INT_ATTRIBUTE)
    numbers = b"".join(_number(8, item) for item in value)
    return _bytes(1, name.encode()) + numbers + _number(20, _INTS_ATTRIBUTE)


def _tensor(name: str, array: Array) -> bytes:
    dims = b"".join(_number(1, size) for size in array.shape)
    data = np.ascontiguousarray(array, "<f4").tobytes()
    return dims + _number(2, _FLOAT) + _bytes(8, name.encode()) + _bytes(9, data)


def _value(name: str, rank: int | None) -> bytes:
    """A float32 tensor of open sizes, or of an open rank."""
    of = _number(1, _FLOAT)
    if rank is not None:
        of += _bytes(2, b"".join(_bytes(1, _bytes(2, f"{name}{axis}".encode())) for axis in range(rank)))
    return _bytes(1, name.encode()) + _bytes(2, _bytes(1, of))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    """An unsigned number; a negative one as 64 bits."""
    value &= 0xFFFF_FFFF_FFFF_FFFF
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
