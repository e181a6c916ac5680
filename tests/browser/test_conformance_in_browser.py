"""The conformance table in a real browser, on WebAssembly, in float32: a model of every layer, and, slowly, every row."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.rows import Row, check_row, rows

pytestmark = pytest.mark.usefixtures("browser")

ALL = [row for row in rows() if row.suffix == row.case.formats[0]]


@pytest.mark.slow
@pytest.mark.parametrize("row", [pytest.param(row, id=row.id) for row in ALL])
def test_row(row: Row, tmp_path: Path) -> None:
    check_row(row, "web", tmp_path)
