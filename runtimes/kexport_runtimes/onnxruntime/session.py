"""One artifact, loaded."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

_DTYPES = {
    **{f"tensor({name})": name for name in ("uint8", "int8", "uint16", "int16", "int32", "int64", "bool")},
    **{f"tensor({name})": name for name in ("uint32", "uint64", "float16")},
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(bfloat16)": "bfloat16",
}

#: Errors are raised; the engine need not print them as well.
_FATAL_ONLY = 4


class Session:
    """An artifact that can be run any number of times.

    Raises:
        RuntimeError: the engine does not accept the file.
    """

    def __init__(self, artifact: Path, *, threads: int) -> None:
        self._artifact = artifact
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = _FATAL_ONLY
        with self._blaming("can't be loaded"):
            self._session = onnxruntime.InferenceSession(
                str(artifact), options, providers=["CPUExecutionProvider"]
            )
        self._inputs = {item.name: item for item in self._session.get_inputs()}
        self._outputs = [item.name for item in self._session.get_outputs()]

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The outputs by name."""
        given = self._checked(inputs)
        if "bfloat16" in {
            _DTYPES.get(item.type) for item in (*self._inputs.values(), *self._session.get_outputs())
        }:
            return self._run_bfloat16(given)
        with self._blaming("can't be computed"):
            results = self._session.run(self._outputs, given)
        return dict(zip(self._outputs, map(np.asarray, results), strict=True))

    def _run_bfloat16(self, given: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """With tensors of a dtype that NumPy has not, as the 16 bits that they are."""
        binding = self._session.io_binding()
        with self._blaming("can't be computed"):
            for name, array in given.items():
                if _DTYPES[self._inputs[name].type] == "bfloat16":
                    bits = onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(_rounded(array), 16)
                    binding.bind_ortvalue_input(name, bits)
                else:
                    binding.bind_cpu_input(name, array)
            for name in self._outputs:
                binding.bind_output(name)
            self._session.run_with_iobinding(binding)
            found = {}
            for name, value in zip(self._outputs, binding.get_outputs(), strict=True):
                found[name] = _widened(value) if value.data_type() == "tensor(bfloat16)" else value.numpy()
            return found

    def time(self, inputs: Mapping[str, NDArray[Any]], runs: int) -> list[float]:
        """Compute ``runs`` times; the seconds that each took."""
        given, now = self._checked(inputs), time.perf_counter
        seconds = []
        with self._blaming("can't be computed"):
            for _ in range(runs):
                start = now()
                self._session.run(self._outputs, given)
                seconds.append(now() - start)
        return seconds

    def _checked(self, given: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        file = self._artifact.name
        missing = [name for name in self._inputs if name not in given]
        if missing:
            raise ValueError(
                f"{file} takes inputs {_names(self._inputs)}; {_names(missing)} is missing. Received: {_names(given)}"
            )
        unknown = [name for name in given if name not in self._inputs]
        if unknown:
            raise ValueError(f"{file} has no input {_names(unknown)}. It takes: {_names(self._inputs)}")
        return {name: self._fitting(name, item, given[name]) for name, item in self._inputs.items()}

    def _fitting(self, name: str, item: Any, given: NDArray[Any]) -> NDArray[Any]:
        array = np.asarray(given)
        dtype = _DTYPES.get(item.type, item.type)
        if array.dtype.name != dtype and not (dtype == "bfloat16" and array.dtype == np.float32):
            raise ValueError(f"Input {name!r} of {self._artifact.name} is {dtype}. Received: {array.dtype}")
        shape = item.shape
        fits = len(shape) == array.ndim and all(
            not isinstance(size, int) or size == received
            for size, received in zip(shape, array.shape, strict=True)
        )
        if not fits:
            raise ValueError(
                f"Input {name!r} of {self._artifact.name} has shape {_format(shape)}. Received: {_format(array.shape)}"
            )
        return array

    @contextmanager
    def _blaming(self, what: str) -> Iterator[None]:
        """Name the file in what the engine raises, classes of its own among them."""
        try:
            yield
        except Exception as error:
            raise RuntimeError(f"{self._artifact} {what}: {str(error).strip()}") from error


def _rounded(array: NDArray[Any]) -> NDArray[Any]:
    """float32 as the bits of the nearest bfloat16, halves to even."""
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def _widened(value: Any) -> NDArray[Any]:
    """The bits of bfloat16 as float32."""
    import ctypes

    count = int(np.prod(value.shape(), dtype=np.int64))
    bits = np.ctypeslib.as_array(ctypes.cast(value.data_ptr(), ctypes.POINTER(ctypes.c_uint16)), (count,))
    wide: NDArray[Any] = (bits.astype(np.uint32) << 16).view(np.float32)
    return wide.reshape(value.shape())


def _format(shape: Iterable[Any]) -> str:
    """``(?, 4)``: what is open is a question mark."""
    return f"({', '.join(str(size) if isinstance(size, int) else '?' for size in shape)})"


def _names(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names)) or "none"
