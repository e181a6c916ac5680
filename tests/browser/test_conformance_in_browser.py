"""The conformance table in a real browser, on WebAssembly, in float32: a model of each kind, and, slowly, every one."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.rows import Row, check_row, rows

#: What every change must pass.
SAMPLE = frozenset(
    [
        *(
            "Transformer-encoder-prenorm",
            "UNet-upsampled",
            "MultiHeadAttention-masked-rows",
            "STFTSpectrogram-default",
        ),
        *("Conv2D-wide-same", "Conv3D-groups", "Conv2DTranspose-valid-stride2", "SeparableConv2D-dilated"),
        *(
            "LSTM-unroll",
            "GRU-long-masked",
            "SimpleRNN-initial-state",
            "Bidirectional-GRU-concat",
            "TimeDistributed-Conv2D",
        ),
        *("IntegerLookup-default", "Dense-int8", "AveragePooling3D-default", "Resizing-bicubic-down"),
        *("policy-sequence-bfloat16", "Add-uint8-int32", "cast-from-int32"),
    ]
)


def marks(row: Row) -> list[pytest.MarkDecorator]:
    return [] if row.case.id in SAMPLE and row.writer == "keras3" else [pytest.mark.slow]


# A file's format is the loaders' business.
ROWS = [row for row in rows() if row.suffix == row.case.formats[0]]


@pytest.mark.usefixtures("browser")
@pytest.mark.parametrize("row", [pytest.param(row, id=row.id, marks=marks(row)) for row in ROWS])
def test_row(row: Row, tmp_path: Path) -> None:
    check_row(row, "web", tmp_path)


def test_the_sample_is_of_the_table() -> None:
    assert {row.case.id for row in ROWS if not marks(row)} == SAMPLE
