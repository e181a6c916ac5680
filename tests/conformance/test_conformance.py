"""Every row of the conformance table, as each Keras saved it, on every target's own runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from conformance.cases import FAMILIES
from conformance.cases.case import Case
from conformance.conformance_models import model_folder
from kexport import plugins
from kexport.loading import load
from kexport.lowering import lower
from support.comparing import assert_close

ROWS = [
    pytest.param(family, case, writer, suffix, target, id=f"{case.id}-{writer}{suffix}-{target}")
    for family, cases in FAMILIES.items()
    for case in cases
    for writer in case.only
    for suffix in case.formats
    for target in plugins.target_names()
]


@pytest.mark.parametrize(("family", "case", "writer", "suffix", "target"), ROWS)
def test_row(family: str, case: Case, writer: str, suffix: str, target: str, tmp_path: Path) -> None:
    folder = model_folder(writer, family)
    recorded = np.load(folder / f"{case.id}.npz")
    samples = len(recorded[recorded.files[0]])
    spec = load(folder / f"{case.id}{suffix}")
    format_ = plugins.target(target)
    options = {option.name: option.default for option in format_.options}
    artifact = format_.emit(format_.legalize(lower(spec, batch=samples), options), tmp_path, options)
    runtime = plugins.runtime(format_.runtime)
    outputs = runtime.run(
        tmp_path / artifact.main,
        {name: recorded[f"in/{index}"] for index, name in enumerate(spec.input_names)},
    )
    assert set(outputs) == set(spec.output_names)
    for index, name in enumerate(spec.output_names):
        assert_close(outputs[name], recorded[f"out/{index}"])


def test_ids_are_unique() -> None:
    ids = [case.id for cases in FAMILIES.values() for case in cases]
    assert len(set(ids)) == len(ids)
