"""One artifact, loaded."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from kexport_runtimes.arguments import Input, checked

_DTYPES = {
    **{f"tensor({name})": name for name in ("uint8", "int8", "uint16", "int16", "int32", "int64", "bool")},
    **{f"tensor({name})": name for name in ("uint32", "uint64", "float16")},
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(bfloat16)": "bfloat16",
    "tensor(string)": "string",
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
        self._wanted = {name: _wanted(item) for name, item in self._inputs.items()}
        self._outputs = [item.name for item in self._session.get_outputs()]

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The outputs by name."""
        given = checked(self._artifact.name, self._wanted, inputs)
        if "bfloat16" in {
            _DTYPES.get(item.type) for item in (*self._inputs.values(), *self._session.get_outputs())
        }:
            return self._run_bfloat16(given)
        with self._blaming("can't be computed"):
            results = self._session.run(self._outputs, _fed(given))
        return dict(zip(self._outputs, map(_plain, results), strict=True))

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
        given, now = _fed(checked(self._artifact.name, self._wanted, inputs)), time.perf_counter
        seconds = []
        with self._blaming("can't be computed"):
            for _ in range(runs):
                start = now()
                self._session.run(self._outputs, given)
                seconds.append(now() - start)
        return seconds

    @contextmanager
    def _blaming(self, what: str) -> Iterator[None]:
        """Name the file in what the engine raises, classes of its own among them."""
        try:
            yield
        except Exception as error:
            raise RuntimeError(f"{self._artifact} {what}: {str(error).strip()}") from error


def _wanted(item: Any) -> Input:
    """What the engine says of an input; names of open lengths are text, or None."""
    shape = tuple(size if isinstance(size, int) else None for size in item.shape)
    return Input(_DTYPES.get(item.type, item.type), shape)


def _fed(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """As the engine takes them: text as objects of str."""
    return {name: _texts(array) if array.dtype.kind in "SUO" else array for name, array in arrays.items()}


def _texts(array: NDArray[Any]) -> NDArray[Any]:
    items = [item.decode() if isinstance(item, bytes) else str(item) for item in array.reshape(-1).tolist()]
    found = np.empty(len(items), object)
    found[:] = items
    return found.reshape(array.shape)


def _plain(result: Any) -> NDArray[Any]:
    """Text as NumPy's own str."""
    found = np.asarray(result)
    return found.astype(np.str_) if found.dtype == object else found


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
