"""What kexport sees of ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kexport_runtimes import timing

if TYPE_CHECKING:
    # Not at run time: `kexport --help` loads this module, and NumPy's import would slow it down.
    from numpy.typing import NDArray


class ONNXRuntime:
    """Runs .onnx files on the CPU, on one thread unless it is asked for more.

    Implements ``kexport.contracts.Runtime`` by shape.
    """

    name = "onnxruntime"

    def available(self) -> str | None:
        """None when the engine is installed; otherwise why not, with the command that installs it."""
        if find_spec("onnxruntime") is None:
            return "ONNX Runtime is not installed: pip install 'kexport[onnx]'."
        return None

    def version(self) -> str:
        """The engine and its version: ``onnxruntime 1.32.0``.

        Raises:
            RuntimeError: it is not installed.
        """
        from importlib.metadata import PackageNotFoundError, version

        try:
            return f"onnxruntime {version('onnxruntime')}"
        except PackageNotFoundError as error:
            raise RuntimeError(self.available()) from error

    def run(self, artifact: Path, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Run the model once, on one thread, for the sake of repeatable results.

        Args:
            artifact: an .onnx file.
            inputs: by name, arrays of the model's own types. Dimensions that are open may have any size. bfloat16: of float32,
                which is rounded to it.

        Returns:
            The outputs by name; bfloat16 as float32, which NumPy has.

        Raises:
            ValueError: an input is missing, unknown, or of another type or shape than the model has.
            RuntimeError: the engine does not accept the file or fails to compute it.
        """
        from kexport_runtimes.onnxruntime.session import Session

        return Session(artifact, threads=1).run(inputs)

    def benchmark(
        self, artifact: Path, inputs: Mapping[str, NDArray[Any]], *, runs: int, threads: int
    ) -> dict[str, Any]:
        """Time the computation, without loading.

        Args:
            artifact: an .onnx file.
            inputs: as for :meth:`run`.
            runs: calls that are timed, after a few that are not.
            threads: how many compute.

        Returns:
            Seconds a call: ``{"median": s, "fastest": s, "runs": runs, "threads": threads}``.

        Raises:
            ValueError: as :meth:`run` does, or ``runs`` or ``threads`` is below 1.
            RuntimeError: as :meth:`run` does.
        """
        from kexport_runtimes.onnxruntime.session import Session

        timing.check(runs, threads)
        session = Session(artifact, threads=threads)
        session.time(inputs, timing.WARM_UP)
        seconds = session.time(inputs, runs)
        return timing.summary(seconds, threads)


RUNTIME = ONNXRuntime()
