"""What REST and gRPC share: a model on a server that can be asked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, ClassVar, Final, TypeAlias

from numpy.typing import NDArray

from kexport_runtimes.tf_serving.address import Address
from kexport_runtimes.tf_serving.load import Load, measured

Arrays: TypeAlias = dict[str, NDArray[Any]]

#: Asks once; what it returns reads the answer's arrays, so that the time of reading is not the server's.
Answered: TypeAlias = Callable[[], Arrays]
Ask: TypeAlias = Callable[[], Answered]

#: ``DataType`` (tensorflow/core/framework/types.proto) → dtypes' names.
DTYPES: Final = {
    "DT_FLOAT": "float32",
    "DT_DOUBLE": "float64",
    "DT_INT32": "int32",
    "DT_UINT8": "uint8",
    "DT_INT16": "int16",
    "DT_INT8": "int8",
    "DT_STRING": "string",
    "DT_INT64": "int64",
    "DT_BOOL": "bool",
    "DT_BFLOAT16": "bfloat16",
    "DT_UINT16": "uint16",
    "DT_HALF": "float16",
    "DT_UINT32": "uint32",
    "DT_UINT64": "uint64",
}


@dataclass(frozen=True)
class State:
    """A version: ``state`` is START, LOADING, AVAILABLE, UNLOADING or END; ``problem`` what went wrong with it."""

    version: int
    state: str
    problem: str = ""


@dataclass(frozen=True)
class Ports:
    """A signature: dtype and shape by name; -1 is an unknown length, None a shape of unknown rank."""

    inputs: Mapping[str, tuple[str, tuple[int, ...] | None]]
    outputs: Mapping[str, tuple[str, tuple[int, ...] | None]]


class ServedModel(ABC):
    """A model on a server. What the server does wrong is a :class:`kexport_runtimes.tf_serving.errors.ServerError`.

    Args:
        address: the server's.
        model: the name that it serves the model under.
        version: which one is asked; None for the newest that is available.
        timeout: seconds for each request.
    """

    #: The ways in which inputs can be sent.
    forms: ClassVar[tuple[str, ...]]

    def __init__(self, address: Address, model: str, version: int | None, timeout: float) -> None:
        self.address = address
        self.model = model
        self.version = version
        self.timeout = timeout

    @abstractmethod
    def states(self) -> list[State]:
        """The model's versions, or the one that is asked."""

    @abstractmethod
    def signatures(self) -> dict[str, Ports]:
        """The model's signatures."""

    @abstractmethod
    def asker(
        self, inputs: Mapping[str, NDArray[Any]], signature: str, ports: Ports, form: str
    ) -> AbstractContextManager[Ask]:
        """A function that asks for these inputs again and again, on a connection of its own.

        Raises:
            ValueError: the protocol has no way to say them.
        """

    @abstractmethod
    def close(self) -> None:
        """Hang up."""

    def ports(self, inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> Ports:
        """A signature's ports, of dtypes and shapes by name."""
        return Ports(inputs, outputs)

    def predict(self, inputs: Mapping[str, NDArray[Any]], signature: str, ports: Ports, form: str) -> Arrays:
        """The outputs by name.

        Args:
            inputs: by name, of the dtypes in ``ports``; bfloat16 as float32, text as str or bytes.
            signature: its name.
            ports: what the outputs are to be, too.
            form: one of :attr:`forms`.
        """
        with self.asker(inputs, signature, ports, form) as ask:
            return ask()()

    def load(
        self,
        inputs: Mapping[str, NDArray[Any]],
        signature: str,
        ports: Ports,
        form: str,
        *,
        concurrency: int,
        seconds: float,
        accept: Callable[[Arrays], bool],
    ) -> Load:
        """Ask as often as the server answers, ``concurrency`` at a time, for so many seconds.

        Args:
            accept: whether an answer is right; one that is not counts as an error.

        Raises:
            ValueError: the protocol has no way to say the inputs.
        """
        with self.asker(inputs, signature, ports, form):
            pass  # what is wrong with the request is said here, not in every caller
        return measured(
            lambda: self.asker(inputs, signature, ports, form),
            concurrency=concurrency,
            seconds=seconds,
            accept=accept,
        )
