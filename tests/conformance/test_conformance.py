"""Every row of the conformance table, as each Keras saved it, on every target's own runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conformance.cases import FAMILIES
from conformance.cases.case import Case
from conformance.conformance_models import model_folder
from kexport import plugins
from kexport.loading import load
from kexport.lowering import lower
from kexport.verification.bounds import reference_tolerance
from support.comparing import FLOAT32, assert_close
from support.targets import TARGETS


def widened(array: Any) -> Any:
    """bfloat16, which an .npz holds as two bytes of no meaning, as float32, of which it is the upper half."""
    if array.dtype.str != "|V2":
        return array
    return (array.view(np.uint16).astype(np.uint32) << 16).view(np.float32)


ROWS = [
    pytest.param(
        family,
        case,
        writer,
        suffix,
        target,
        id=f"{case.id}-{writer}{suffix}-{target}",
        # A file's format is the loaders' business: one target less that runs the same graph twice.
        marks=[pytest.mark.slow] if target == "saved_model" and suffix != case.formats[0] else [],
    )
    for family, cases in FAMILIES.items()
    for case in cases
    for writer in case.only
    for suffix in case.formats
    for target in TARGETS
]


@pytest.mark.parametrize(("family", "case", "writer", "suffix", "target"), ROWS)
def test_row(family: str, case: Case, writer: str, suffix: str, target: str, tmp_path: Path) -> None:
    folder = model_folder(writer, family)
    recorded = np.load(folder / f"{case.id}.npz")
    samples = len(recorded[recorded.files[0]])
    spec = load(folder / f"{case.id}{suffix}")
    format_ = plugins.target(target)
    options = {option.name: option.default for option in format_.options}
    graph = lower(spec, batch=samples)
    tolerance = max(FLOAT32, reference_tolerance(graph))
    artifact = format_.emit(format_.legalize(graph, options), tmp_path, options)
    runtime = plugins.runtime(format_.runtime)
    outputs = runtime.run(
        tmp_path / artifact.main,
        {name: widened(recorded[f"in/{index}"]) for index, name in enumerate(spec.input_names)},
    )
    assert set(outputs) == set(spec.output_names)
    kinds = {port.name: port.type.dtype for port in artifact.signature.outputs}
    for index, name in enumerate(spec.output_names):
        reference = recorded[f"out/{index}"]
        assert kinds[name] == ("bfloat16" if reference.dtype.str == "|V2" else reference.dtype.name)
        assert_close(outputs[name], widened(reference), tolerance)


def test_ids_are_unique() -> None:
    ids = [case.id for cases in FAMILIES.values() for case in cases]
    assert len(set(ids)) == len(ids)
