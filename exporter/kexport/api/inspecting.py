"""``inspect``: what a model is, and what it can be exported to."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from kexport import plugins
from kexport.api.code import CustomObjects
from kexport.api.lengths import Lengths, fixed
from kexport.api.manifest import plain_shape
from kexport.api.options import complete
from kexport.api.results import InspectResult, LayerRow, PortInfo, TargetReport
from kexport.api.source import Batch, InputShape, Model, Source, check_batch, open_model
from kexport.contracts import Target
from kexport.errors import KexportError, MissingDependencyError
from kexport.ir import Graph, Value
from kexport.lowering.registry import known_layers
from kexport.verification.localize import layer_path


def inspect(
    model: Model,
    *,
    batch: Batch = "dynamic",
    dimensions: Mapping[str, Lengths] | None = None,
    input_shape: InputShape | None = None,
    weights: str | os.PathLike[str] | None = None,
    trained_on: str | None = None,
    custom_objects: CustomObjects | None = None,
    custom_object: str | Sequence[str] = (),
    trust_lambda: bool = False,
    try_targets: bool = True,
) -> InspectResult:
    """Describe a model: its layers with shapes and parameters, who wrote it, and which targets take it.

    Args:
        try_targets: find out by legalizing and emitting the model for each target, which takes as long as its export;
            otherwise ``targets`` is empty.

    The other arguments are those of :func:`kexport.export`.

    Raises:
        ModelReadError: the model can't be read.
        UsageError: an argument does not fit the model.
    """
    check_batch(batch)
    source = open_model(
        model,
        weights=weights,
        trained_on=trained_on,
        input_shape=input_shape,
        custom_objects=custom_objects,
        custom_object=custom_object,
        trust_lambda=trust_lambda,
    )
    with closing(source):
        return _inspected(source, batch, fixed(dimensions), try_targets=try_targets)


def _inspected(
    source: Source, batch: Batch, dimensions: Mapping[str, int] | None, *, try_targets: bool
) -> InspectResult:
    graph, problems = _lowered(source, batch, dimensions)
    if graph is None:
        inputs, outputs = source.lowered_so_far(batch, dimensions)
    else:
        inputs, outputs = list(graph.inputs), graph.layer_outputs
    reports = []
    if try_targets:
        for name in plugins.target_names():
            # Legalizing changes a graph, so each target is given one of its own; targets are asked at the batch
            # that an export has by default where none is named.
            fixed: Batch = 1 if batch == "dynamic" else batch
            reports.append(
                TargetReport(name, False, problems)
                if graph is None
                else _report(name, source, fixed, dimensions)
            )
    return InspectResult(
        model=source.info(),
        inputs=_ports(source.spec.input_names, inputs) if inputs else (),
        outputs=_ports(graph.output_names, graph.outputs) if graph else (),
        layers=_rows(source, inputs, outputs, whole=graph is not None),
        targets=tuple(reports),
    )


def _lowered(
    source: Source, batch: Batch, dimensions: Mapping[str, int] | None
) -> tuple[Graph | None, tuple[str, ...]]:
    """The graph, or what stops the lowering: every unknown layer, and the first other problem."""
    from kexport.lowering import lower  # noqa: F401  (registers the rules that known_layers lists)

    try:
        return source.lower(batch, dimensions), ()
    except KexportError as error:
        unknown = _unknown_layers(source)
        return None, tuple(unknown) or (error.message,)


def _unknown_layers(source: Source) -> list[str]:
    known = _known()
    return [
        f"Layer {layer.path!r} is a {layer.class_name!r}, for which no lowering is known."
        for layer in source.spec.walk()
        if layer.class_name not in known and layer.model is None
    ]


def _known() -> frozenset[str]:
    return frozenset(known_layers()) | {"InputLayer", "Sequential", "Functional", "Model"}


def _report(name: str, source: Source, batch: Batch, dimensions: Mapping[str, int] | None) -> TargetReport:
    try:
        target = plugins.target(name)
        _try(target, source.lower(batch, dimensions))
    except MissingDependencyError as error:
        return TargetReport(name, False, (f"{error.message} {error.hint or ''}".strip(),))
    except KexportError as error:
        return TargetReport(name, False, (error.message,))
    return TargetReport(name, True)


def _try(target: Target, graph: Graph) -> None:
    options = complete([target], {})[target.name]
    with tempfile.TemporaryDirectory(prefix="kexport-inspect-") as folder:
        target.emit(target.legalize(graph, options), Path(folder), options)


def _ports(names: Sequence[str], values: Sequence[Value]) -> tuple[PortInfo, ...]:
    pairs = zip(names, values, strict=True)
    return tuple(PortInfo(name, value.dtype, tuple(plain_shape(value.shape))) for name, value in pairs)


def _rows(
    source: Source, inputs: Sequence[Value], outputs: Mapping[str, Value], *, whole: bool
) -> tuple[LayerRow, ...]:
    """A row a layer; ``inputs`` and ``outputs`` are as far as they are known, ``whole`` says that the model was lowered."""
    known = _known()
    shapes: dict[str, list[tuple[int | str, ...]]] = {}
    for tensor, value in zip(source.spec.inputs, inputs, strict=False):
        shapes[tensor.layer] = [tuple(plain_shape(value.shape))]
    for key, value in outputs.items():
        shapes.setdefault(layer_path(key), []).append(tuple(plain_shape(value.shape)))
    return tuple(
        LayerRow(
            path=layer.path,
            class_name=layer.class_name,
            output_shapes=tuple(shapes.get(layer.path, ())),
            parameters=layer.parameters,
            known=whole or layer.class_name in known or layer.model is not None,
        )
        for layer in source.spec.walk()
    )
