"""What the core, the targets and the runtimes promise one another.

Targets and runtimes are found by the entry points ``kexport.targets`` and ``kexport.runtimes``, so that a package of
anybody's can add one. A runtime implements :class:`Runtime` by shape alone: it need not import kexport.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    # Not at run time: a target's name and options are read by `kexport --help`, which NumPy's import would slow down.
    from kexport.ir import Array, Graph, TensorType, Value


@dataclass(frozen=True)
class Pixels:
    """An artifact's input that is an image, of whole numbers from 0 to 255, of which it makes the model's numbers itself:
    ``scale * pixel + bias``.

    ``bias`` is one for all channels, or one each, in the model's order. ``axis`` is the channels', in the model (1 or 3 of four).
    ``reverse``: the model's channels are blue, green and red, those of images red, green and blue.
    """

    scale: float
    bias: tuple[float, ...]
    axis: int = 3
    reverse: bool = False

    def numbers(self, images: Array) -> Array:
        """The model's numbers of images (samples, height, width, channels): float32."""
        array = images[..., ::-1] if self.reverse else images
        made: Array = (array.astype("float64") * self.scale + list(self.bias)).astype("float32")
        return made.transpose(0, 3, 1, 2) if self.axis == 1 else made

    def images(self, numbers: Array) -> Array:
        """The images whose numbers are nearest: uint8 (samples, height, width, channels)."""
        last = numbers.transpose(0, 2, 3, 1) if self.axis == 1 else numbers
        exact = (last.astype("float64") - list(self.bias)) / self.scale
        made: Array = exact.round().clip(0, 255).astype("uint8")
        return made[..., ::-1] if self.reverse else made


@dataclass(frozen=True)
class Port:
    """A named input or output of an artifact: the name Keras knows and the type in the artifact.

    ``artifact_name`` is the name inside the file, where the format made another one necessary. ``axes`` says, where the artifact has
    the axes in another order than the model, which of the model's axes each of its own is: ``(0, 3, 1, 2)`` for images with channels
    first of a model with channels last; ``pixels``, how an image is made of the model's numbers. Golden vectors are the model's:
    :meth:`to_artifact` and :meth:`to_model` stand between.
    """

    name: str
    type: TensorType
    artifact_name: str = ""
    axes: tuple[int, ...] = ()
    pixels: Pixels | None = None

    def to_artifact(self, array: Array) -> Array:
        """An array with the model's axes as the artifact has them."""
        if self.pixels is not None:
            return self.pixels.images(array)
        return array.transpose(self.axes) if self.axes else array

    def to_model(self, array: Array) -> Array:
        """An array with the artifact's axes as the model has them."""
        return (
            array.transpose([self.axes.index(axis) for axis in range(len(self.axes))]) if self.axes else array
        )


@dataclass(frozen=True)
class Signature:
    """Inputs and outputs, in the model's order."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    name: str = "serving_default"

    @classmethod
    def of(cls, graph: Graph) -> Signature:
        """The inputs and outputs of an artifact that has them as ``graph`` has."""
        return cls(
            _ports(graph.input_names, graph.inputs, graph.input_axes),
            _ports(graph.output_names, graph.outputs, graph.output_axes),
        )


def _ports(
    names: Sequence[str], values: Sequence[Value], axes: Mapping[str, tuple[int, ...]]
) -> tuple[Port, ...]:
    return tuple(
        Port(name, value.type, axes=axes.get(name, ())) for name, value in zip(names, values, strict=True)
    )


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
    """An option of a target: ``--float16`` is ``TargetOption("float16", bool, False, "...")``.

    ``words`` are texts that it takes in place of a value of its type (``--opset latest``).
    """

    name: str
    type: type
    default: Any
    help: str
    words: tuple[str, ...] = ()


class Target(Protocol):
    """A format. ``options`` given to the methods are complete: every one of ``Target.options`` is there.

    A target may have a method more, ``proposals(graph, inputs, options)``: for an artifact whose outputs were not the reference's, options
    in place of ``options``, one after the other, with which it may be. ``inputs`` are the golden ones, (samples, …) by name. Another one is
    ``images(graph, options)``: by name, the inputs of a lowered graph that the artifact makes of images. One whose artifacts bring tests of
    their own has ``wrote_own_tests(folder, details)``: whether these are, to the byte, what this version of the target writes.
    """

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
class Sample:
    """Golden inputs and the reference's outputs, by Keras name, (samples, …); and what a result is held to: ``tolerance`` of the error
    relative to an output's range (the length of the shortest interval that holds 0 and all its finite elements), and the bound of an
    output's function, where it has one."""

    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array]
    computed_by: str
    tolerance: float
    ranges: Mapping[str, float]
    bounds: Mapping[str, float]


@dataclass(frozen=True)
class Companions:
    """What an export knows beside the graph: the model's ``name``, versions and file (as in the manifest), the Keras classes of its
    layers by path, and a golden sample, None where there is no reference. ``examples`` are the golden samples behind it, as many at a time."""

    model: Mapping[str, Any]
    classes: Mapping[str, str]
    sample: Sample | None
    examples: Sequence[Sample] = ()


class FinishingTarget(Target, Protocol):
    """A target whose artifacts carry golden samples, or names that only the model knows."""

    def finish(self, artifact: Artifact, folder: Path, about: Companions) -> Artifact:
        """Complete what :meth:`Target.emit` wrote into ``folder``; called once, before the artifact is run, whether or not there is a
        reference. Paths of the returned artifact are relative to ``folder``."""
        ...


@dataclass(frozen=True)
class Latency:
    """Seconds a call, single-threaded unless ``threads`` says otherwise."""

    median: float
    fastest: float
    runs: int
    threads: int = 1


class Runtime(Protocol):
    """An engine that runs artifacts. It takes a file and arrays, and knows neither Keras nor graphs.

    One whose artifacts may bring tests of their own (``details["own_tests"]``, a folder relative to the artifact's) has two methods more:
    ``own_tests_available()``, as :meth:`available`, and ``own_tests(folder)``, which runs them, and returns by what they ran on the largest
    error relative to an output's range (None: infinite) and what is wrong; a RuntimeError says why they gave no result.
    """

    name: str

    def available(self) -> str | None:
        """None when it can run here; otherwise why not, with the command that installs it."""
        ...

    def version(self) -> str:
        """The engine and its version: ``ai-edge-litert 2.3.0``."""
        ...

    def run(self, artifact: Path, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs by their signature names, for inputs by theirs.

        Raises:
            ChildProcessError: the engine is there, and does not come up.
            RuntimeError, ValueError: it does not run the artifact, or not with these inputs.
        """
        ...

    def benchmark(
        self, artifact: Path, inputs: Mapping[str, Array], *, runs: int, threads: int
    ) -> Mapping[str, Any]:
        """Seconds a call: ``{"median": s, "fastest": s, "runs": n, "threads": n}``."""
        ...


class ServedModel(Protocol):
    """A model on a server. What the server does wrong is raised as a RuntimeError, whose ``kind`` says it in a word (``timeout``).

    ``ports`` are a signature's: two mappings, ``inputs`` and ``outputs``, of names to dtype and shape (-1 is an unknown length; None a
    shape of unknown rank).
    """

    forms: Sequence[str]

    def states(self) -> Sequence[Any]:
        """The versions that are there: ``version``, ``state`` (``AVAILABLE``), ``problem``."""
        ...

    def signatures(self) -> Mapping[str, Any]:
        """The ports of every signature, by name."""
        ...

    def ports(self, inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> Any:
        """The ports of a signature."""
        ...

    def predict(
        self, inputs: Mapping[str, Array], signature: str, ports: Any, form: str
    ) -> Mapping[str, Array]:
        """The outputs by name, for inputs sent in one of :attr:`forms`. A ValueError: they can't be sent so."""
        ...

    def load(
        self,
        inputs: Mapping[str, Array],
        signature: str,
        ports: Any,
        form: str,
        *,
        concurrency: int,
        seconds: float,
        accept: Callable[[Mapping[str, Array]], bool],
    ) -> Any:
        """Ask as often as the server answers: ``requests``, ``errors`` by kind, ``seconds``, ``throughput`` (right answers a second),
        ``p50``, ``p90``, ``p99``, ``fastest``, ``slowest`` (seconds; None where nothing was right)."""
        ...

    def close(self) -> None:
        """Hang up."""
        ...


class ServingClient(Protocol):
    """Connects to servers of a kind."""

    name: str

    def missing(self, address: str) -> str | None:
        """None when it can be spoken to from here; otherwise why not, with the command that changes it. A ValueError: no address."""
        ...

    def connect(
        self,
        address: str,
        model: str,
        *,
        version: int | None,
        timeout: float,
        headers: Mapping[str, str],
        ca_file: str | None,
    ) -> ServedModel:
        """A model on a server; ``timeout`` is of a request, in seconds. A ValueError: an argument can't be what it is."""
        ...
