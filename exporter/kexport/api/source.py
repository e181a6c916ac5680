"""The model that a call is about: read, and described."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from kexport.api.manifest import file_sha256
from kexport.api.results import ModelInfo
from kexport.errors import UsageError
from kexport.ir import Graph
from kexport.loading import load
from kexport.loading.spec import LayerSpec, ModelSpec

#: A path, or an object of one of Keras's model classes.
Model = Any
Batch = int | Literal["dynamic"]
InputShape = Sequence[int | None] | Mapping[str, Sequence[int | None]]


@dataclass(frozen=True)
class Source:
    """A model that was read. ``path`` is None for a live model, ``live`` for a file; ``settings`` are what the caller
    said about it beyond the file, as plain data."""

    spec: ModelSpec
    path: Path | None
    live: Any
    weights: Path | None
    settings: Mapping[str, Any]

    @property
    def stem(self) -> str:
        """What files made from the model are named after."""
        return self.spec.name or "model" if self.path is None else self.path.name.partition(".")[0] or "model"

    def lower(self, batch: Batch, dimensions: Mapping[str, int] | None) -> Graph:
        """The model's graph, a new one each time."""
        from kexport.lowering import lower

        return lower(self.spec, batch=None if batch == "dynamic" else batch, dimensions=dimensions)

    def classes(self) -> dict[str, str]:
        """Keras class names by layer path."""
        return {layer.path: layer.class_name for layer in self.spec.walk()}

    def info(self) -> ModelInfo:
        """The description that the manifest holds; reads the file once more, for its hash."""
        who = self.spec.provenance
        return ModelInfo(
            name=self.spec.name,
            class_name=self.spec.class_name,
            file=self.path.name if self.path else "",
            sha256=file_sha256(self.path) if self.path else "",
            keras_version=who.keras_version,
            backend=who.backend,
            library=who.library,
            format=who.format,
            layers=sum(1 for _ in self.spec.walk()),
            parameters=self.spec.parameters,
            weights_file=self.weights.name if self.weights else "",
            weights_sha256=file_sha256(self.weights) if self.weights else "",
        )


def open_model(
    model: Model,
    *,
    weights: str | os.PathLike[str] | None = None,
    trained_on: str | None = None,
    input_shape: InputShape | None = None,
) -> Source:
    """Read a model file, or a live model.

    Raises:
        ModelReadError: it can't be read.
        UsageError: an argument does not fit the model.
    """
    path = Path(model) if isinstance(model, str | os.PathLike) else None
    weights_path = None if weights is None else Path(weights)
    alone = None if isinstance(input_shape, Mapping) else input_shape
    spec = load(
        model if path is None else path, weights=weights_path, input_shape=alone, trained_on=trained_on
    )
    if trained_on is not None:
        spec = _trained_on(spec, trained_on)
    if input_shape is not None:
        spec = with_input_shapes(spec, input_shape)
    settings = {"trained_on": trained_on, "input_shape": _plain_shapes(input_shape)}
    return Source(spec, path, None if path else model, weights_path, settings)


def _plain_shapes(shapes: InputShape | None) -> Any:
    if isinstance(shapes, Mapping):
        return {name: list(shape) for name, shape in shapes.items()}
    return None if shapes is None else list(shapes)


def _trained_on(spec: ModelSpec, backend: str) -> ModelSpec:
    said = spec.provenance.backend
    if said not in ("", backend):
        raise UsageError(
            f"The file says that the model was trained on {said}. Received: trained_on={backend!r}"
        )
    return replace(spec, provenance=replace(spec.provenance, backend=backend))


def check_batch(batch: object) -> None:
    """Raise UsageError unless ``batch`` is ``"dynamic"`` or a positive integer."""
    if batch != "dynamic" and (not isinstance(batch, int) or isinstance(batch, bool) or batch < 1):
        raise UsageError(f"The batch is a positive integer or 'dynamic'. Received: {batch!r}")


def with_input_shapes(spec: ModelSpec, shapes: InputShape) -> ModelSpec:
    """``spec`` with unknown dimensions of its inputs made known; ``shapes`` are without the batch, by input name or,
    for a model of one input, alone.

    Raises:
        UsageError: a shape has another rank, or contradicts a dimension that the model fixes.
    """
    named = dict(shapes) if isinstance(shapes, Mapping) else {spec.input_names[0]: shapes}
    if not isinstance(shapes, Mapping) and len(spec.inputs) > 1:
        raise UsageError(
            "A model of several inputs needs the name of the one that a shape is for.",
            hint=f"Its inputs: {', '.join(spec.input_names)}. Write NAME=N,N,….",
        )
    layer_of = dict(zip(spec.input_names, (tensor.layer for tensor in spec.inputs), strict=True))
    unknown = [name for name in named if name not in layer_of]
    if unknown:
        raise UsageError(
            f"The model has no input {unknown[0]!r}.", hint=f"Its inputs: {', '.join(layer_of)}."
        )
    by_layer = {layer_of[name]: (name, tuple(shape)) for name, shape in named.items()}
    layers = tuple(
        _shaped(layer, *by_layer[layer.name]) if layer.name in by_layer else layer for layer in spec.layers
    )
    return replace(spec, layers=layers)


def _shaped(layer: LayerSpec, name: str, shape: tuple[int | None, ...]) -> LayerSpec:
    batch, *known = layer.config["batch_shape"]
    fits = len(known) == len(shape) and all(
        wanted is None or (wanted > 0 and fixed in (None, wanted))
        for fixed, wanted in zip(known, shape, strict=False)
    )
    if not fits:
        shown = ", ".join("?" if dim is None else str(dim) for dim in known)
        raise UsageError(f"Input {name!r} has the shape ({shown}) without the batch. Received: {shape}")
    dims = [fixed if wanted is None else wanted for fixed, wanted in zip(known, shape, strict=True)]
    return replace(layer, config={**layer.config, "batch_shape": (batch, *dims)})
