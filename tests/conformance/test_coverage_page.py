"""docs/coverage.md says what the tables hold."""

from __future__ import annotations

import pytest

from conformance import coverage


def test_the_page_is_of_these_tables() -> None:
    assert coverage.PAGE.read_text(encoding="utf-8") == coverage.page(), "Run: make docs-coverage"


@pytest.mark.parametrize("version", coverage.VERSIONS)
def test_each_version_of_keras_is_shown(version: int) -> None:
    shown = [*coverage.conformance(), *coverage.legacy()]
    assert {"Conv2D", "Dense", "LSTM"} <= {item.subject for item in shown if item.version == version}


def test_the_conformance_table_has_600_rows_of_each_writer() -> None:
    for version in coverage.WRITERS.values():
        assert sum(item.version == version for item in coverage.conformance()) >= 600
