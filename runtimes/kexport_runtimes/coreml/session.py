"""One function of one package, loaded."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kexport_runtimes.coreml.errors import PackageError
from kexport_runtimes.coreml.features import caller_outputs, checked_inputs, fresh_states
from kexport_runtimes.coreml.interpreter import Interpreter, Options
from kexport_runtimes.coreml.package import open_package
from kexport_runtimes.coreml.values import State


class Session:
    """A package that can be run any number of times.

    Args:
        artifact: a .mlpackage folder.
        function: which of its functions; the default one where none is given.
        options: how to compute.

    Raises:
        PackageError: it is no package of an ML program, or has no such function.
    """

    def __init__(
        self, artifact: Path, *, function: str | None = None, options: Options | None = None
    ) -> None:
        self._file = artifact.name
        package = open_package(artifact)
        description, functions = package.description, package.program.functions
        name = function or description.default_function or "main"
        if name not in functions or name not in description.interfaces:
            raise PackageError(f"{artifact} has the functions {', '.join(functions)}. Received: {name!r}")
        self.interface = description.interfaces[name]
        self.metadata = description.metadata
        self._function = functions[name]
        try:
            self._interpreter = Interpreter(self._function, package.weights, options or Options())
        except PackageError as error:
            raise type(error)(f"{artifact} can't be read: {error}") from error

    def make_state(self) -> dict[str, State]:
        """States for a row of predictions, all zeros. Predictions that share them see one another's."""
        return fresh_states(self._function)

    def run(self, inputs: Mapping[str, Any], state: Mapping[str, State] | None = None) -> dict[str, Any]:
        """The outputs by name.

        Args:
            inputs: by name; what :func:`.features.checked_inputs` takes.
            state: of :meth:`make_state`; a fresh one where none is given.

        Raises:
            ValueError: an input is missing, unknown, or of another type or shape than the model has.
            ComputeError: an operation can't be computed, or its result is not what it declares.
        """
        values = checked_inputs(self._file, self._function, self.interface, inputs)
        values |= state if state is not None else self.make_state()
        return caller_outputs(self.interface, self._interpreter.run(values))

    def time(self, inputs: Mapping[str, Any], runs: int) -> list[float]:
        """Compute ``runs`` times; the seconds that each took."""
        now = time.perf_counter
        seconds = []
        for _ in range(runs):
            start = now()
            self.run(inputs)
            seconds.append(now() - start)
        return seconds
