"""What kexport sees of Core ML."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kexport_runtimes import timing

if TYPE_CHECKING:
    # Not at run time: `kexport --help` loads this module, and NumPy's import would slow it down.
    from numpy.typing import NDArray

#: The interpreter has no release of its own: this changes with what it computes.
_INTERPRETER = "1"


class CoreML:
    """Runs .mlpackage folders: on macOS by Core ML itself, elsewhere by an interpreter of ML programs in NumPy.

    Implements ``kexport.contracts.Runtime`` by shape.

    Args:
        name: of the runtime.
        native: whether Core ML itself runs where it can.
    """

    def __init__(self, name: str, *, native: bool) -> None:
        self.name = name
        self._native = native

    @property
    def is_native(self) -> bool:
        """Whether Core ML itself runs the packages here."""
        return self._native and sys.platform == "darwin" and find_spec("coremltools") is not None

    def available(self) -> str | None:
        """None: the interpreter needs nothing but NumPy."""
        return None

    def version(self) -> str:
        """What runs the packages: ``Core ML of macOS 15.1 (coremltools 9.0)``, or ``kexport's Core ML interpreter 1``."""
        if self.is_native:
            from kexport_runtimes.coreml import native

            return native.version()
        return f"kexport's Core ML interpreter {_INTERPRETER}"

    def run(
        self,
        artifact: Path,
        inputs: Mapping[str, NDArray[Any]],
        *,
        function: str | None = None,
        rounds: bool = True,
    ) -> dict[str, Any]:
        """Run a function once, with fresh states.

        Args:
            artifact: a .mlpackage folder.
            inputs: by name, arrays of the model's own types. Flexible dimensions may have any size the model allows. Images:
                numbers of 0 to 255, (h, w, 3) or (1, h, w, 3) in the order red, green, blue; gray ones (h, w).
            function: which of its functions; the default one where none is given.
            rounds: in the interpreter, whether results that the program declares in half precision are rounded to it. Without,
                only constants have been.

        Returns:
            The outputs by name, in the types that the model declares. Images as uint8 (h, w, 3) or (h, w); of a classifier
            the label, and a dictionary of probabilities.

        Raises:
            ValueError: an input is missing, unknown, or of another type or shape than the model has.
            RuntimeError: the package can't be read, or not be computed.
        """
        from kexport_runtimes.coreml.names import Names

        session = self._session(artifact, function=function, rounds=rounds)
        names = Names(session.metadata)
        return names.to_caller(session.run(names.to_program(inputs)))

    def benchmark(
        self, artifact: Path, inputs: Mapping[str, NDArray[Any]], *, runs: int, threads: int
    ) -> dict[str, Any]:
        """Time the computation, without loading.

        Args:
            artifact: as for :meth:`run`.
            inputs: as for :meth:`run`.
            runs: calls that are timed, after a few that are not.
            threads: how many compute. Core ML itself decides for itself.

        Returns:
            Seconds a call: ``{"median": s, "fastest": s, "runs": runs, "threads": threads}``.

        Raises:
            ValueError: as :meth:`run` does, or ``runs`` or ``threads`` is below 1.
            RuntimeError: as :meth:`run` does.
        """
        timing.check(runs, threads)
        from kexport_runtimes.coreml.names import Names

        session = self._session(artifact, function=None, rounds=True, threads=threads)
        given = Names(session.metadata).to_program(inputs)
        session.time(given, timing.WARM_UP)
        seconds = session.time(given, runs)
        return timing.summary(seconds, threads)

    def own_tests_available(self) -> str | None:
        """None where the tests of a Swift package can run; otherwise why not, with what changes it."""
        from kexport_runtimes.coreml import swift_package

        return swift_package.missing()

    def own_tests(self, package: Path) -> dict[str, tuple[float | None, str]]:
        """Run the tests of the Swift package around a model, where :meth:`own_tests_available` says nothing.

        Returns:
            By compute units: the largest error relative to an output's range, None where it is infinite, and what is wrong.

        Raises:
            RuntimeError: they can't be built, or end without a report.
        """
        from kexport_runtimes.coreml import swift_package

        return swift_package.run_tests(package)

    def _session(self, artifact: Path, *, function: str | None, rounds: bool, threads: int = 1) -> Any:
        if self.is_native:
            from kexport_runtimes.coreml.native import NativeSession

            return NativeSession(artifact, function=function)
        from kexport_runtimes.coreml.interpreter import Options
        from kexport_runtimes.coreml.session import Session

        return Session(artifact, function=function, options=Options(rounds=rounds, threads=threads))


#: Core ML itself where it is, the interpreter elsewhere.
RUNTIME = CoreML("coreml", native=True)

#: The interpreter, on macOS too: beside Core ML it shows which of two that differ is wrong.
INTERPRETER = CoreML("coreml-interpreter", native=False)
