"""What the core, the targets and the runtimes promise one another.

Targets and runtimes are found by the entry points ``kexport.targets`` and ``kexport.runtimes``, so that a package of
anybody's can add one. A runtime implements :class:`Runtime` by shape alone: it need not import kexport.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    # Not at run time: a target's name and options are read by `kexport --help`, which NumPy's import would slow down.
    from kexport.ir import Array, Graph, TensorType


@dataclass(frozen=True)
class Port:
    """A named input or output of an artifact: the name Keras knows and the type in the artifact.

    ``artifact_name`` is the name inside the file, where the format made another one necessary.
    """

    name: str
    type: TensorType
    artifact_name: str = ""


@dataclass(frozen=True)
class Signature:
    """Inputs and outputs, in the model's order."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    name: str = "serving_default"


@dataclass(frozen=True)
class Artifact:
    """What ``emit`` wrote: ``main`` is the file or folder that a runtime takes; ``files`` are all of them, relative to
    the folder it was given; ``details`` go into the manifest (op counts, format versions)."""

    main: Path
    files: tuple[Path, ...]
    signature: Signature
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TargetOption:
    """An option of a target: ``--float16`` is ``TargetOption("float16", bool, False, "...")``."""

    name: str
    type: type
    default: Any
    help: str


class Target(Protocol):
    """A format. ``options`` given to the methods are complete: every one of ``Target.options`` is there."""

    name: str
    description: str
    runtime: str
    options: Sequence[TargetOption]

    def legalize(self, graph: Graph, options: Mapping[str, Any]) -> Graph:
        """The graph in ops and layouts of the format alone; ``graph`` may be changed.

        Raises:
            kexport.errors.UnsupportedOpError: naming layer, op, target and the way out.
        """
        ...

    def emit(self, graph: Graph, folder: Path, options: Mapping[str, Any]) -> Artifact:
        """Write a legalized graph into ``folder``, which exists and is empty. The same graph and options give the
        same bytes."""
        ...

    def tolerance(self, options: Mapping[str, Any]) -> float:
        """The largest error of an output element, relative to the output's range, that is rounding
        (1e-5 for float32 arithmetic; more for reduced-precision options)."""
        ...


@dataclass(frozen=True)
class Latency:
    """Seconds a call, single-threaded unless ``threads`` says otherwise."""

    median: float
    fastest: float
    runs: int
    threads: int = 1


class Runtime(Protocol):
    """An engine that runs artifacts. It takes a file and arrays, and knows neither Keras nor graphs."""

    name: str

    def available(self) -> str | None:
        """None when it can run here; otherwise why not, with the command that installs it."""
        ...

    def version(self) -> str:
        """The engine and its version: ``ai-edge-litert 2.3.0``."""
        ...

    def run(self, artifact: Path, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs by their signature names, for inputs by theirs."""
        ...

    def benchmark(
        self, artifact: Path, inputs: Mapping[str, Array], *, runs: int, threads: int
    ) -> Mapping[str, Any]:
        """Seconds a call: ``{"median": s, "fastest": s, "runs": n, "threads": n}``."""
        ...
