"""What kexport sees of LiteRT."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kexport_runtimes import timing
from kexport_runtimes.litert import engines

if TYPE_CHECKING:
    # Not at run time: `kexport --help` loads this module, and NumPy's import would slow it down.
    from numpy.typing import NDArray


class LiteRT:
    """Runs .tflite files on ``ai-edge-litert``, or on ``tflite-runtime`` where there is only that.

    Implements ``kexport.contracts.Runtime`` by shape.
    """

    name = "litert"

    def available(self) -> str | None:
        """None when an engine is installed; otherwise why not, with the command that installs it."""
        return engines.problem()

    def version(self) -> str:
        """The engine and its version: ``ai-edge-litert 2.3.0``.

        Raises:
            RuntimeError: no engine is installed.
        """
        return engines.version()

    def run(self, artifact: Path, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Run the signature ``serving_default`` once, on one thread, for the sake of repeatable results.

        Args:
            artifact: a .tflite file.
            inputs: by signature name, arrays of the artifact's own types. Dimensions that are dynamic in the
                signature may have any size. Strings: arrays of ``str``, ``bytes`` or objects of these. bfloat16: of that
                or of float32, which is rounded to it.

        Returns:
            The outputs by signature name. Strings come as objects, ``bytes``; bfloat16 as float32, which NumPy has.

        Raises:
            ValueError: an input is missing, unknown, or of another type or shape than the signature has.
            RuntimeError: no engine is installed, or it does not accept the file or fails to compute it.
        """
        from kexport_runtimes.litert.session import Session

        return Session(artifact, inputs, threads=1).run()

    def benchmark(
        self, artifact: Path, inputs: Mapping[str, NDArray[Any]], *, runs: int, threads: int
    ) -> dict[str, Any]:
        """Time the computation alone, without loading, setting inputs and reading outputs.

        Args:
            artifact: a .tflite file.
            inputs: as for :meth:`run`.
            runs: calls that are timed, after a few that are not.
            threads: how many compute.

        Returns:
            Seconds a call: ``{"median": s, "fastest": s, "runs": runs, "threads": threads}``.

        Raises:
            ValueError: as :meth:`run` does, or ``runs`` or ``threads`` is below 1.
            RuntimeError: as :meth:`run` does.
        """
        from kexport_runtimes.litert.session import Session

        timing.check(runs, threads)
        session = Session(artifact, inputs, threads=threads)
        session.time(timing.WARM_UP)
        seconds = session.time(runs)
        return timing.summary(seconds, threads)


RUNTIME = LiteRT()
