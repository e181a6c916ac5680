"""Where an export's golden vectors come from: a file, the model's own Keras, or nowhere."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from kexport.api.source import Source
from kexport.contracts import Pixels
from kexport.errors import NotVerifiedError, UsageError
from kexport.ir import Array, Graph
from kexport.reference import Golden, golden_inputs, load_golden, samples_from_file
from kexport.reference.inputs import random_pixels

GoldenLike = str | os.PathLike[str] | Golden
SamplesLike = str | os.PathLike[str] | Mapping[str, Any]


class Vectors(Protocol):
    """Golden vectors for one graph. Use it as a context manager."""

    def prepare(self, graph: Graph, images: Mapping[str, Pixels] | None = None) -> None:
        """Settle the inputs, from the graph as it was lowered; ``images`` are those that an artifact makes of images."""

    def golden(self) -> Golden:
        """Inputs and outputs.

        Raises:
            NotVerifiedError: they can't be had.
        """
        ...

    def layers(self) -> Golden | None:
        """The same with what every layer computed; None where that can't be had."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class _Held:
    """Vectors that need nothing to be ended."""

    def prepare(self, graph: Graph, images: Mapping[str, Pixels] | None = None) -> None:
        """Nothing depends on the graph."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to end."""


class Given(_Held):
    """A golden file's."""

    def __init__(self, golden: Golden) -> None:
        self._golden = golden

    def prepare(self, graph: Graph, images: Mapping[str, Pixels] | None = None) -> None:
        """Call the vectors what the model calls them."""
        self._golden = self._golden.renamed(graph.input_names, graph.output_names)

    def golden(self) -> Golden:
        """What the file holds."""
        return self._golden

    def layers(self) -> Golden | None:
        """What the file holds, if layers were recorded."""
        return self._golden if self._golden.layers else None


class Unavailable(_Held):
    """None, because no reference could be started."""

    def __init__(self, error: NotVerifiedError) -> None:
        self._error = error

    def golden(self) -> Golden:
        """Raises what kept the reference from starting."""
        raise self._error

    def layers(self) -> Golden | None:
        """None."""
        return None


class Computed:
    """The model's own Keras's."""

    def __init__(self, reference: Any, samples: SamplesLike | None) -> None:
        self._reference = reference
        self._samples = samples
        self._inputs: dict[str, Array] = {}
        self._output_names: list[str] = []

    def prepare(self, graph: Graph, images: Mapping[str, Pixels] | None = None) -> None:
        """Take the user's samples, or derive inputs from the graph."""
        self._inputs = _inputs(graph, self._samples)
        if self._samples is None:
            self._inputs |= _drawn_images(self._inputs, images or {})
        self._output_names = list(graph.output_names)

    def golden(self) -> Golden:
        """What Keras computes."""
        golden: Golden = self._reference.predict(self._inputs, output_names=self._output_names)
        return golden

    def layers(self) -> Golden | None:
        """What Keras computes in every layer; None where only the outputs could be had."""
        try:
            golden: Golden = self._reference.predict(
                self._inputs, output_names=self._output_names, layers=True
            )
        except NotVerifiedError:
            return None
        return golden if golden.layers else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reference.close()


def _drawn_images(inputs: Mapping[str, Array], images: Mapping[str, Pixels]) -> dict[str, Array]:
    """For the inputs that are images, numbers of pixels that are drawn, of the shapes and dtypes that they have in ``inputs``."""
    found = {}
    for name, pixels in images.items():
        if name in inputs:
            given = inputs[name]
            drawn = random_pixels(name, pixels.images(given).shape)
            found[name] = pixels.numbers(drawn).astype(given.dtype)
    return found


def _inputs(graph: Graph, samples: SamplesLike | None) -> dict[str, Array]:
    if samples is None:
        return golden_inputs(graph)
    if isinstance(samples, Mapping):
        from kexport.reference.samples import check_inputs

        if set(samples) != set(graph.input_names):
            raise UsageError(
                f"The samples hold an array for each input: {', '.join(graph.input_names)}. "
                f"Received: {', '.join(samples)}"
            )
        return check_inputs(samples, graph, what="samples")
    if not isinstance(samples, str | os.PathLike):
        raise UsageError(
            f"Samples are arrays by input name, or the path of an .npz file. Received: {type(samples).__name__}",
            hint=f"For example: samples={{{graph.input_names[0]!r}: array}}.",
        )
    return samples_from_file(Path(samples), graph)


def read_golden(golden: GoldenLike) -> Golden:
    """Golden vectors from a file, or as they are; raises as ``load_golden`` does."""
    if not isinstance(golden, Golden | str | os.PathLike):
        raise UsageError(
            f"Golden vectors are the path of a golden file, or what load_golden returns. Received: {type(golden).__name__}"
        )
    return golden if isinstance(golden, Golden) else load_golden(Path(golden))


def start(source: Source, samples: SamplesLike | None) -> Vectors:
    """Start the model's own Keras, which loads the model while the caller goes on."""
    if source.path is None:
        from kexport.reference.live import LiveReference

        return Computed(LiveReference(source.live), samples)
    assert source.own_keras is not None
    try:
        reference = source.own_keras.reference()
    except NotVerifiedError as error:
        return Unavailable(error)
    return Computed(reference, samples)
