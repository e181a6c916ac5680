"""What kexport sees of TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kexport_runtimes import timing

if TYPE_CHECKING:
    # Not at run time: `kexport --help` loads this module, and NumPy's import would slow it down.
    from numpy.typing import NDArray


class TensorFlow:
    """Runs SavedModels and frozen graphs on the CPU, on one thread unless it is asked for more.

    TensorFlow lives in a process of its own, which is started once and stays: its import takes seconds, and kexport's process
    has no room for it. Implements ``kexport.contracts.Runtime`` by shape.
    """

    name = "tensorflow"

    def available(self) -> str | None:
        """None when the engine is installed; otherwise why not, with the command that installs it."""
        if find_spec("tensorflow") is None:
            return "TensorFlow is not installed: pip install 'kexport[tensorflow]'."
        return None

    def version(self) -> str:
        """The engine and its version: ``tensorflow 2.21.0``.

        Raises:
            RuntimeError: it is not installed.
        """
        from importlib.metadata import PackageNotFoundError, version

        for package in ("tensorflow", "tensorflow-cpu", "tensorflow_cpu"):
            try:
                return f"{package} {version(package)}"
            except PackageNotFoundError:
                continue
        raise RuntimeError(self.available() or "TensorFlow is installed without its metadata.")

    def run(self, artifact: Path, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Run the signature ``serving_default`` once, on one thread, for the sake of repeatable results.

        Args:
            artifact: a folder with a ``saved_model.pb``; or a GraphDef (.pb), beside which a .names.json says which of its
                tensors are the inputs and outputs.
            inputs: by name, arrays of the model's own types. Dimensions that are open may have any size. bfloat16: of float32,
                which is rounded to it.

        Returns:
            The outputs by name; bfloat16 as float32, which NumPy has.

        Raises:
            ValueError: an input is missing, unknown, or of another type or shape than the model has.
            RuntimeError: the engine does not accept the file or fails to compute it.
        """
        from kexport_runtimes.tensorflow import process

        return process.shared().ask(artifact, inputs)[1]

    def benchmark(
        self, artifact: Path, inputs: Mapping[str, NDArray[Any]], *, runs: int, threads: int
    ) -> dict[str, Any]:
        """Time the computation, without loading, in a process of that many threads.

        Args:
            artifact: as for :meth:`run`.
            inputs: as for :meth:`run`.
            runs: calls that are timed, after a few that are not.
            threads: how many compute.

        Returns:
            Seconds a call: ``{"median": s, "fastest": s, "runs": runs, "threads": threads}``.

        Raises:
            ValueError: as :meth:`run` does, or ``runs`` or ``threads`` is below 1.
            RuntimeError: as :meth:`run` does.
        """
        from kexport_runtimes.tensorflow import process

        timing.check(runs, threads)
        worker = process.Worker(threads)
        try:
            seconds = worker.ask(artifact, inputs, runs=runs, warm_up=timing.WARM_UP)[0]["seconds"]
        finally:
            worker.close()
        return timing.summary(seconds, threads)


RUNTIME = TensorFlow()
