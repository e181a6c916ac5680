"""Constants of a program as run-time values."""

from __future__ import annotations

from typing import Any

from kexport_runtimes.coreml.errors import PackageError
from kexport_runtimes.coreml.program import Blob, Constant, TensorType
from kexport_runtimes.coreml.weights import WeightFiles


class ConstantReader:
    """Reads constants, from the program or from the weight files beside it."""

    def __init__(self, weights: WeightFiles) -> None:
        self._weights = weights

    def read(self, constant: Constant) -> Any:
        """An array, ``str``, or for lists and tuples a list.

        Raises:
            PackageError: the weight file does not hold it.
        """
        content = constant.content
        if isinstance(content, Blob):
            if not isinstance(constant.type, TensorType):
                raise PackageError("Weight files hold tensors. Received: a constant of another type")
            return self._weights.read(content, constant.type)
        if isinstance(content, tuple):
            return [self.read(item) for item in content]
        return content
