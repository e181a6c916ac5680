"""A process that runs artifacts in TensorFlow, one after the other, until its standard input ends.

``python worker.py THREADS``: requests come in on standard input and answers go out on standard output, as :mod:`frames` has them.
Artifacts are run in a session, as TensorFlow Serving and the C API do it.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

# The folder of the package, in place of this one.
sys.path[0] = str(Path(__file__).resolve().parents[2])

import tensorflow as tf

from kexport_runtimes.tensorflow import frames

Arrays = dict[str, NDArray[Any]]


class Port:
    """An input: its tensor, its dtype, its shape (None where a length is open)."""

    def __init__(self, session: Any, tensor: str) -> None:
        found = session.graph.get_tensor_by_name(tensor)
        self.tensor = tensor
        self.dtype = found.dtype
        self.shape: list[int | None] = found.shape.as_list()


class Model:
    """A loaded artifact: a folder with a SavedModel, or a GraphDef with its names beside it."""

    def __init__(self, artifact: Path, threads: int) -> None:
        config = tf.compat.v1.ConfigProto(
            intra_op_parallelism_threads=threads, inter_op_parallelism_threads=1
        )
        self._name = artifact.name
        self._session = tf.compat.v1.Session(graph=tf.Graph(), config=config)
        with self._session.graph.as_default():
            names = self._saved_model(artifact) if artifact.is_dir() else self._graph(artifact)
        self._inputs = {name: Port(self._session, tensor) for name, tensor in names["inputs"].items()}
        self._outputs = names["outputs"]

    def _saved_model(self, folder: Path) -> dict[str, dict[str, str]]:
        meta = tf.compat.v1.saved_model.load(self._session, ["serve"], str(folder))
        signature = meta.signature_def["serving_default"]
        return {
            "inputs": {name: info.name for name, info in signature.inputs.items()},
            "outputs": {name: info.name for name, info in signature.outputs.items()},
        }

    def _graph(self, file: Path) -> dict[str, dict[str, str]]:
        definition = tf.compat.v1.GraphDef()
        definition.ParseFromString(file.read_bytes())
        tf.import_graph_def(definition, name="")
        names: dict[str, dict[str, str]] = json.loads(file.with_suffix(".names.json").read_text("utf-8"))
        return names

    def run(self, given: Mapping[str, NDArray[Any]]) -> Arrays:
        """The outputs by name."""
        found = self._session.run(self._outputs, self._fed(given))
        return {name: _plain(array) for name, array in found.items()}

    def time(self, given: Mapping[str, NDArray[Any]], warm_up: int, runs: int) -> list[float]:
        """Compute ``runs`` times after ``warm_up``; the seconds that each took."""
        feeds = self._fed(given)
        call = self._session.make_callable([*self._outputs.values()], [*feeds])
        arrays, seconds = [*feeds.values()], []
        for _ in range(warm_up + runs):
            start = time.perf_counter()
            call(*arrays)
            seconds.append(time.perf_counter() - start)
        return seconds[warm_up:]

    def close(self) -> None:
        """Let go of the model."""
        self._session.close()

    def _fed(self, given: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
        missing = [name for name in self._inputs if name not in given]
        unknown = [name for name in given if name not in self._inputs]
        if missing or unknown:
            raise ValueError(f"{self._name} takes inputs {_names(self._inputs)}. Received: {_names(given)}")
        return {port.tensor: self._fitting(name, port, given[name]) for name, port in self._inputs.items()}

    def _fitting(self, name: str, port: Port, array: NDArray[Any]) -> NDArray[Any]:
        wanted = port.dtype.name
        if not _is_of(wanted, array):
            raise ValueError(f"Input {name!r} of {self._name} is {wanted}. Received: {array.dtype}")
        fits = len(port.shape) == array.ndim and all(
            size is None or size == received for size, received in zip(port.shape, array.shape, strict=True)
        )
        if not fits:
            shown = ", ".join("?" if size is None else str(size) for size in port.shape)
            received = ", ".join(map(str, array.shape))
            raise ValueError(f"Input {name!r} of {self._name} has shape ({shown}). Received: ({received})")
        return array.astype(port.dtype.as_numpy_dtype, copy=False)


def _is_of(wanted: str, array: NDArray[Any]) -> bool:
    if wanted == "string":
        return array.dtype.kind in "SU"
    return array.dtype.name == wanted or (wanted == "bfloat16" and array.dtype == np.float32)


def _plain(array: Any) -> NDArray[Any]:
    """An array of a dtype that NumPy has; bfloat16 as float32, text as bytes."""
    found = np.asarray(array)
    if found.dtype == object:
        return found.astype(np.bytes_)
    return found.astype(np.float32) if found.dtype.name == "bfloat16" else found


def _names(names: Mapping[str, Any]) -> str:
    return ", ".join(map(repr, names)) or "none"


def answer(message: Mapping[str, Any], arrays: Arrays, threads: int) -> tuple[dict[str, Any], Arrays]:
    """What a request comes to; what is wrong with it says the key ``value_error``, what TensorFlow says ``error``."""
    artifact = Path(message["artifact"])
    what = "can't be loaded"
    try:
        model = Model(artifact, threads)
        try:
            what = "can't be computed"
            if "runs" in message:
                return {"seconds": model.time(arrays, message["warm_up"], message["runs"])}, {}
            return {}, model.run(arrays)
        except ValueError as error:
            return {"value_error": str(error)}, {}
        finally:
            model.close()
    except Exception as error:  # noqa: BLE001  (classes of the engine's own among them)
        return {"error": f"{artifact} {what}: {str(error).strip()}"}, {}


def main(requests: BinaryIO, answers: BinaryIO, threads: int) -> None:
    """Answer requests until there are no more."""
    while (frame := frames.receive(requests)) is not None:
        request, given = frame
        message, arrays = answer(request, given, threads)
        frames.send(answers, message, arrays)


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout.buffer, int(sys.argv[1]))
