"""Core ML itself, through coremltools: on macOS alone.

It was written from the documentation of coremltools 9.0 (``MLModel.predict``); where this project's tests run there is no
macOS, so it has not been run.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

import coremltools
import numpy as np

from kexport_runtimes.coreml.description import ArrayFeature, ImageFeature
from kexport_runtimes.coreml.errors import ComputeError, PackageError
from kexport_runtimes.coreml.features import CALLER_DTYPES, checked_inputs, image_tensor
from kexport_runtimes.coreml.package import open_package


def version() -> str:
    """The system and the library that reaches Core ML: ``Core ML of macOS 15.1 (coremltools 9.0)``."""
    return f"Core ML of macOS {platform.mac_ver()[0]} (coremltools {version_of('coremltools')})"


class NativeSession:
    """A package, compiled by Core ML; computed on the CPU alone, for the sake of repeatable results.

    Args:
        artifact: a .mlpackage folder.
        function: which of its functions; the default one where none is given.

    Raises:
        PackageError: it is no package of an ML program, has no such function, or Core ML does not accept it.
    """

    def __init__(self, artifact: Path, *, function: str | None = None) -> None:
        package = open_package(artifact)
        name = function or package.description.default_function or "main"
        if name not in package.program.functions or name not in package.description.interfaces:
            raise PackageError(
                f"{artifact} has the functions {', '.join(package.program.functions)}. Received: {name!r}"
            )
        self._file = artifact.name
        self._function = package.program.functions[name]
        self._interface = package.description.interfaces[name]
        self.metadata = package.description.metadata
        try:
            self._model = coremltools.models.MLModel(
                str(artifact), compute_units=coremltools.ComputeUnit.CPU_ONLY, function_name=function
            )
        except Exception as error:
            raise PackageError(f"Core ML can't load {artifact}: {error}") from error

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The outputs by name, as :meth:`.session.Session.run` has them; states are fresh.

        Raises:
            ValueError: an input is missing, unknown, or of another type or shape than the model has.
            ComputeError: Core ML fails to compute it.
        """
        checked_inputs(self._file, self._function, self._interface, inputs)
        given = {name: self._given(name, value) for name, value in inputs.items()}
        state = self._model.make_state() if self._interface.states else None
        try:
            found = self._model.predict(given, state=state)
        except Exception as error:
            raise ComputeError(f"Core ML can't compute {self._file}: {error}") from error
        return {name: self._output(name, found[name]) for name in self._interface.outputs}

    def time(self, inputs: Mapping[str, Any], runs: int) -> list[float]:
        """Compute ``runs`` times; the seconds that each took."""
        now = time.perf_counter
        seconds = []
        for _ in range(runs):
            start = now()
            self.run(inputs)
            seconds.append(now() - start)
        return seconds

    def _given(self, name: str, value: Any) -> Any:
        """An input in the form that coremltools takes: images as PIL images, in the order red, green, blue."""
        feature = self._interface.inputs[name]
        if not isinstance(feature, ImageFeature):
            return np.asarray(value)
        from PIL import Image

        planes = image_tensor(self._file, feature, value)[0]
        if feature.color == "BGR":
            planes = planes[::-1]
        if feature.color == "GRAYSCALE_FLOAT16":
            return Image.fromarray(planes[0], mode="F")
        pixels = planes.transpose(1, 2, 0).astype(np.uint8)
        return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)

    def _output(self, name: str, value: Any) -> Any:
        feature = self._interface.outputs[name]
        if isinstance(feature, ArrayFeature):
            return np.asarray(value).astype(CALLER_DTYPES.get(feature.dtype.name, feature.dtype.name))
        return np.asarray(value) if isinstance(feature, ImageFeature) else value
