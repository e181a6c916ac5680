"""One artifact, loaded and given its inputs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kexport_runtimes.arguments import BFLOAT16, STRING, Input, checked
from kexport_runtimes.litert.engines import interpreter_class
from kexport_runtimes.litert.quiet import without_info

SIGNATURE = "serving_default"


class Session:
    """An artifact with tensors allocated for the inputs, which are set; it can be invoked any number of times.

    The engine's ``SignatureRunner`` is asked for names alone: it takes inputs as keyword arguments, among which none
    may be called ``self``, and it sets, computes and reads in one call, which a benchmark must tell apart.

    Args:
        artifact: a .tflite file; the engine maps it into memory rather than reading it.
        inputs: arrays by signature name.
        threads: how many compute.

    Raises:
        ValueError: the inputs are not those of the signature.
        RuntimeError: the engine does not accept the file, or these inputs together.
    """

    def __init__(self, artifact: Path, inputs: Mapping[str, NDArray[Any]], *, threads: int) -> None:
        interpreter = interpreter_class()
        self._artifact = artifact
        with self._blaming("can't be loaded"), without_info():
            self._interpreter = interpreter(model_path=str(artifact), num_threads=threads)
            wanted, self._outputs = self._signature()
        given = checked(artifact.name, {name: _input(details) for name, details in wanted.items()}, inputs)
        arrays = {name: _stored(wanted[name], array) for name, array in given.items()}
        with self._blaming("can't be prepared for these inputs"), without_info():
            for name, array in arrays.items():
                if tuple(wanted[name]["shape"]) != array.shape:
                    self._interpreter.resize_tensor_input(wanted[name]["index"], array.shape)
            self._interpreter.allocate_tensors()
            for name, array in arrays.items():
                self._interpreter.set_tensor(wanted[name]["index"], array)

    def run(self) -> dict[str, NDArray[Any]]:
        """Compute once; copies of the outputs by signature name."""
        with self._blaming("can't be computed"):
            self._interpreter.invoke()
            return {name: self._read(index) for name, index in self._outputs.items()}

    def _read(self, index: int) -> NDArray[Any]:
        array: NDArray[Any] = self._interpreter.get_tensor(index)
        return array.astype(np.float32) if array.dtype.name == BFLOAT16 else array

    def time(self, runs: int) -> list[float]:
        """Compute ``runs`` times; the seconds that each took, without setting inputs and reading outputs."""
        invoke, now = self._interpreter.invoke, time.perf_counter
        seconds = []
        with self._blaming("can't be computed"):
            for _ in range(runs):
                start = now()
                invoke()
                seconds.append(now() - start)
        return seconds

    def _signature(self) -> tuple[dict[str, Any], dict[str, int]]:
        """The details of the inputs and the tensors of the outputs, by name."""
        present = self._interpreter.get_signature_list()
        if SIGNATURE not in present:
            raise RuntimeError(f"there is no signature {SIGNATURE!r} among {sorted(present)}")
        runner = self._interpreter.get_signature_runner(SIGNATURE)
        inputs = runner.get_input_details()
        # What this class calls on the interpreter works on the first subgraph alone.
        first = {details["index"]: details["name"] for details in self._interpreter.get_input_details()}
        if any(first.get(details["index"]) != details["name"] for details in inputs.values()):
            raise RuntimeError(f"signature {SIGNATURE!r} is not that of the first subgraph")
        return inputs, {name: details["index"] for name, details in runner.get_output_details().items()}

    @contextmanager
    def _blaming(self, what: str) -> Iterator[None]:
        """Name the file in what the engine raises: ValueError or RuntimeError, by no rule."""
        try:
            yield
        except (RuntimeError, ValueError) as error:
            raise RuntimeError(f"{self._artifact} {what}: {str(error).strip()}") from error


def _input(details: Mapping[str, Any]) -> Input:
    """What the engine says of an input: strings are ``bytes_`` there, and -1 is a dynamic dimension.

    It would take any shape itself: it resizes a fixed dimension as it does a dynamic one, and computes what it can.
    """
    dtype, sizes = np.dtype(details["dtype"]), [int(size) for size in details["shape_signature"]]
    return Input(
        STRING if dtype.kind == "S" else dtype.name, tuple(None if size == -1 else size for size in sizes)
    )


def _stored(details: Mapping[str, Any], array: NDArray[Any]) -> NDArray[Any]:
    """The array as the engine stores it: float32 that stands for bfloat16 is rounded to it."""
    dtype = np.dtype(details["dtype"])
    return array.astype(dtype) if dtype.name == BFLOAT16 else array
