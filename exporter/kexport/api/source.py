"""The model that a call is about: read, and described."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kexport.api.code import CustomObjects, OwnKeras, code_of
from kexport.api.manifest import file_sha256, model_sha256
from kexport.api.results import ModelInfo
from kexport.errors import CodeModelError, UsageError
from kexport.ir import Graph, Value
from kexport.loading import load, shards_of
from kexport.loading.live import provenance_of
from kexport.loading.spec import LayerSpec, ModelSpec, Provenance
from kexport.loading.traced import read_around
from kexport.reference.custom_code import Code

if TYPE_CHECKING:
    from kexport.lowering.tracing import Tracer

#: A path, or an object of one of Keras's model classes.
Model = Any
Batch = int | Literal["dynamic"]
InputShape = Sequence[int | None] | Mapping[str, Sequence[int | None]]


@dataclass(frozen=True)
class Source:
    """A model that was read. ``path`` is None for a live model, ``live`` for a file; ``settings`` are what the caller
    said about it beyond the file, as plain data. To be closed, since its code may run in a process."""

    spec: ModelSpec
    path: Path | None
    live: Any
    weights: Path | None
    settings: Mapping[str, Any]
    #: The model's own Keras, for a file.
    own_keras: OwnKeras | None = None
    #: Calls code of the user's own; None where there is none to call.
    tracer: Tracer | None = None

    def close(self) -> None:
        """End the process that ran the model's own Keras."""
        if self.own_keras is not None:
            self.own_keras.close()

    @property
    def stem(self) -> str:
        """What files made from the model are named after."""
        return self.spec.name or "model" if self.path is None else self.path.name.partition(".")[0] or "model"

    def lower(self, batch: Batch, dimensions: Mapping[str, int] | None) -> Graph:
        """The model's graph, a new one each time."""
        from kexport.lowering import lower

        return lower(
            self.spec,
            batch=None if batch == "dynamic" else batch,
            dimensions=dimensions,
            tracer=self.tracer,
        )

    def lowered_so_far(
        self, batch: Batch, dimensions: Mapping[str, int] | None
    ) -> tuple[list[Value], dict[str, Value]]:
        """The inputs of a model that can't be lowered, and the outputs of the layer calls before the one that stops it."""
        from kexport.lowering.driver import lowered_so_far

        return lowered_so_far(
            self.spec,
            batch=None if batch == "dynamic" else batch,
            dimensions=dimensions,
            tracer=self.tracer,
        )

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
            sha256=model_sha256(self.path) if self.path else "",
            keras_version=who.keras_version,
            backend=who.backend,
            library=who.library,
            format=who.format,
            layers=sum(1 for _ in self.spec.walk()),
            parameters=self.spec.parameters,
            weights_file=self.weights.name if self.weights else "",
            weights_sha256=model_sha256(self.weights, shards_of(self.weights)) if self.weights else "",
            notes=self.spec.notes,
        )


def open_model(
    model: Model,
    *,
    weights: str | os.PathLike[str] | None = None,
    trained_on: str | None = None,
    input_shape: InputShape | None = None,
    custom_objects: CustomObjects | None = None,
    custom_object: str | Sequence[str] = (),
    trust_lambda: bool = False,
) -> Source:
    """Read a model file, or a live model.

    Raises:
        ModelReadError: it can't be read.
        UsageError: an argument does not fit the model.
        LoweringError: it is code, and that can't be run.
    """
    path = Path(model) if isinstance(model, str | os.PathLike) else None
    weights_path = None if weights is None else Path(weights)
    settings = {"trained_on": trained_on, "input_shape": _plain_shapes(input_shape)}
    code = code_of(custom_objects, custom_object, trust_lambda=trust_lambda)
    if path is not None and isinstance(custom_objects, Mapping):
        from kexport.tracing.here import load_here

        model, path = load_here(path, custom_objects), None
    if path is None:
        return _opened_live(model, input_shape, settings)
    own: OwnKeras | None = None
    try:
        spec = _read(path, weights_path, trained_on, input_shape)
    except CodeModelError as error:
        if not code:
            raise
        who = error.provenance or Provenance("3", "", "keras")
        own = OwnKeras(path, who, weights_path, code, _batched(input_shape))
        spec = read_around(own.ready()["around"], who, source=path, label=str(path))
    own = own or OwnKeras(path, spec.provenance, weights_path, code, None)
    tracer = _worker_tracer(own, spec.provenance, str(path)) if code else None
    if code:
        settings = {**settings, **_code_settings(code)}
    return Source(spec, path, None, weights_path, settings, own, tracer)


def _read(
    model: Any, weights: Path | None, trained_on: str | None, input_shape: InputShape | None
) -> ModelSpec:
    alone = None if isinstance(input_shape, Mapping) else input_shape
    spec = load(model, weights=weights, input_shape=alone, trained_on=trained_on)
    if trained_on is not None:
        spec = _trained_on(spec, trained_on)
    return spec if input_shape is None else with_input_shapes(spec, input_shape)


def _opened_live(model: Any, input_shape: InputShape | None, settings: Mapping[str, Any]) -> Source:
    """A model in this process, whose code is there to be called."""
    from kexport.tracing.here import around, live_tracer

    try:
        spec = _read(model, None, settings["trained_on"], input_shape)
    except CodeModelError:
        model, description = around(model, _batched(input_shape))
        provenance = provenance_of(model)
        spec = read_around(description, provenance, source=None, label=f"The live model {model.name!r}")
    label = f"The live model {spec.name!r}"
    return Source(spec, None, model, None, settings, tracer=live_tracer(model, spec.provenance, label))


def _worker_tracer(own: OwnKeras, provenance: Provenance, label: str) -> Tracer:
    from kexport.tracing import WorkerTracer

    return WorkerTracer(own.trace, provenance, label)


def _batched(shapes: InputShape | None) -> dict[str, list[int | None]] | None:
    """Shapes with an open batch, by input name; the name of the one input is left out."""
    if shapes is None:
        return None
    named = dict(shapes) if isinstance(shapes, Mapping) else {"": shapes}
    return {name: [None, *shape] for name, shape in named.items()}


def _code_settings(code: Code) -> dict[str, Any]:
    """What was run beside the file, for the manifest."""
    return {
        "custom_objects": None
        if code.custom_objects is None
        else {"file": code.custom_objects.name, "sha256": file_sha256(code.custom_objects)},
        "custom_object": list(code.expressions),
        "trust_lambda": code.trust_lambda,
    }


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
