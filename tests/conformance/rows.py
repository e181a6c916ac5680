"""The rows of the conformance table, and what is asked of each on a target's own runtime."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from conformance.cases import FAMILIES
from conformance.cases.case import Case
from conformance.conformance_models import model_folder
from kexport import plugins
from kexport.contracts import Artifact, Port
from kexport.errors import UnsupportedOpError
from kexport.ir import Graph
from kexport.ir.texts import as_bytes
from kexport.loading import load
from kexport.lowering import lower
from kexport.verification.bounds import reference_tolerance
from support.comparing import FLOAT32, assert_close
from support.op_by_dtype import held
from support.targets import REFUSED, border_dtype, exact_options

#: Targets whose artifacts have no open lengths.
KNOWN_SHAPES = {"web"}


class Row(NamedTuple):
    """A model of the table as one Keras (``keras3``, ``keras2``) saved it in one format."""

    family: str
    case: Case
    writer: str
    suffix: str

    @property
    def id(self) -> str:
        return f"{self.case.id}-{self.writer}{self.suffix}"


def rows() -> Iterator[Row]:
    """Every model of the table, in every file that it is saved in."""
    for family, cases in FAMILIES.items():
        for case in cases:
            for writer in case.only:
                for suffix in case.formats:
                    yield Row(family, case, writer, suffix)


def check_row(row: Row, target: str, tmp_path: Path, **chosen: Any) -> None:
    """Export a row, with options that are ``chosen``, and hold its outputs, on the target's runtime, against what its Keras computed; see that
    it is refused where it is to be."""
    if row.case.id in REFUSED.get(target, {}):
        with pytest.raises((UnsupportedOpError, OverflowError)):
            _check_row(row, target, tmp_path, chosen)
    else:
        _check_row(row, target, tmp_path, chosen)


def _check_row(row: Row, target: str, tmp_path: Path, chosen: Mapping[str, Any]) -> None:
    exported = export_row(row, target, tmp_path, **chosen)
    outputs = plugins.runtime(plugins.target(target).runtime).run(exported.artifact.main, exported.inputs)
    assert set(outputs) == set(exported.outputs)
    ports = {port.name: port for port in exported.artifact.signature.outputs}
    for name, reference in exported.outputs.items():
        if reference.dtype.kind == "S":
            assert ports[name].type.dtype == "string"
            np.testing.assert_array_equal(as_bytes(outputs[name]), as_bytes(reference))
            continue
        dtype = "bfloat16" if reference.dtype.str == "|V2" else reference.dtype.name
        assert ports[name].type.dtype == border_dtype(target, dtype, chosen)
        wanted = held(widened(reference), ports[name])
        assert_close(outputs[name], wanted, exported.tolerance)


class Exported(NamedTuple):
    """A row's artifact (``main`` is where it lies), the inputs as it takes them, what Keras computed, and how far a right result may be
    off, relative to the outputs' range."""

    artifact: Artifact
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    tolerance: float


def export_row(row: Row, target: str, folder: Path, *, batch: int | None = None, **chosen: Any) -> Exported:
    """Write a row's model as an artifact, in float32 unless ``chosen`` options say otherwise, into a folder; for as many samples at a time as
    were recorded, or for ``batch``."""
    recorded = np.load(model_folder(row.writer, row.family) / f"{row.case.id}.npz")
    samples = batch or len(recorded[recorded.files[0]])
    spec = load(model_folder(row.writer, row.family) / f"{row.case.id}{row.suffix}")
    format_ = plugins.target(target)
    options = exact_options(target) | chosen
    given = {name: widened(recorded[f"in/{index}"]) for index, name in enumerate(spec.input_names)}
    graph = lower(spec, batch=samples)
    if target in KNOWN_SHAPES:
        graph = lower(spec, batch=samples, dimensions=lengths(graph, given))
    tolerance = max(FLOAT32, reference_tolerance(graph))
    artifact = format_.emit(format_.legalize(graph, options), folder, options)
    inputs = {
        port.name: _as_taken(recorded[f"in/{index}"], port)
        for index, port in enumerate(artifact.signature.inputs)
    }
    outputs = {name: recorded[f"out/{index}"] for index, name in enumerate(spec.output_names)}
    return Exported(replace(artifact, main=folder / artifact.main), inputs, outputs, tolerance)


def _as_taken(array: Any, port: Port) -> Any:
    return array if array.dtype.kind == "U" else held(widened(array), port)


def lengths(graph: Graph, inputs: Mapping[str, Any]) -> dict[str, int]:
    """What the unknown dimensions of a graph's inputs are in these arrays, by name."""
    return {
        str(dim): size
        for name, value in zip(graph.input_names, graph.inputs, strict=True)
        for dim, size in zip(value.shape, inputs[name].shape, strict=True)
        if not isinstance(dim, int)
    }


def widened(array: Any) -> Any:
    """bfloat16, which an .npz holds as two bytes of no meaning, as float32, of which it is the upper half."""
    if array.dtype.str != "|V2":
        return array
    return (array.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
