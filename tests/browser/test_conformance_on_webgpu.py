"""The conformance table on WebGPU, in software: a bundle's page takes it where it computes the golden sample right; where it does not,
or where an op has no kernel there, the page takes the CPU and says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from browser.on_webgpu import COMPUTED, SEEN, kind_of
from conformance.rows import Exported, Row, export_row, rows, widened
from kexport.contracts import Companions
from kexport.reference import Golden
from kexport.verification import golden_sample
from kexport_runtimes.browser import RUNTIME
from kexport_targets.web import TARGET
from support.op_by_dtype import held
from support.targets import REFUSED

#: Each case once, but for those that bundles refuse.
ROWS = [
    row
    for row in rows()
    if row.suffix == row.case.formats[0]
    and row.writer == row.case.only[0]
    and row.case.id not in REFUSED["web"]
]


def finished(row: Row, folder: Path) -> Path:
    """A row's bundle, with its golden sample: its page."""
    exported = export_row(row, "web", folder)
    sample = golden_sample(exported.artifact, _golden(exported), exported.tolerance, {})
    relative = exported.artifact.main.relative_to(folder)
    TARGET.finish(exported.artifact, folder, Companions({"name": row.case.id}, {}, sample))
    return folder / relative


def _golden(exported: Exported) -> Golden:
    ports = {port.name: port for port in exported.artifact.signature.outputs}
    outputs = {name: held(widened(array), ports[name]) for name, array in exported.outputs.items()}
    return Golden(dict(exported.inputs), outputs, meta={"keras": "as recorded"})


@pytest.mark.slow
@pytest.mark.usefixtures("browser")
@pytest.mark.parametrize("row", [pytest.param(row, id=row.id) for row in ROWS])
def test_row(row: Row, tmp_path: Path) -> None:
    choice = RUNTIME.choice(finished(row, tmp_path))
    assert choice["check"] == "right"
    attempts = {attempt["accelerator"]: attempt["problem"] for attempt in choice["attempts"]}
    assert attempts[choice["accelerator"]] == ""
    kind = kind_of(attempts["webgpu"])
    assert (choice["accelerator"] == "webgpu") == (kind == COMPUTED)
    assert kind == SEEN[row.case.id], attempts["webgpu"]


def test_every_case_was_seen() -> None:
    assert SEEN.keys() == {row.case.id for row in ROWS}
