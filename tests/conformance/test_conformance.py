"""Every row of the conformance table, as each Keras saved it, on every target's own runtime."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.cases import FAMILIES
from conformance.rows import Row, check_row, rows
from support.targets import TARGETS


def marks(row: Row, target: str) -> list[pytest.MarkDecorator]:
    """A file's format is the loaders' business: two targets less that run the same graph twice."""
    return (
        [pytest.mark.slow]
        if target in ("saved_model", "coreml") and row.suffix != row.case.formats[0]
        else []
    )


ROWS = [
    pytest.param(row, target, id=f"{row.id}-{target}", marks=marks(row, target))
    for row in rows()
    for target in TARGETS
]


@pytest.mark.parametrize(("row", "target"), ROWS)
def test_row(row: Row, target: str, tmp_path: Path) -> None:
    check_row(row, target, tmp_path)


def test_ids_are_unique() -> None:
    ids = [case.id for cases in FAMILIES.values() for case in cases]
    assert len(set(ids)) == len(ids)
