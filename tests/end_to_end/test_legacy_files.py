"""Files that real versions of Keras 1 and 2 wrote, exported and compared with what those versions computed.

The archives and the scripts that made them are in ``tests/fixtures/legacy``.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from kexport import plugins
from kexport.loading import load
from kexport.lowering import lower
from support.comparing import assert_close

ARCHIVES = sorted((Path(__file__).parents[1] / "fixtures" / "legacy").glob("*.zip"))


def rows(archive: Path) -> list[str]:
    return [
        name.removesuffix(".npz") for name in zipfile.ZipFile(archive).namelist() if name.endswith(".npz")
    ]


def unpacked(archive: Path, row: str, folder: Path) -> tuple[Path, Path | None]:
    """The row's model and, where it stands apart, its weights; Keras 1.0.6 saved no whole models yet."""
    with zipfile.ZipFile(archive) as file:
        for name in file.namelist():
            if name.startswith(f"{row}."):
                file.extract(name, folder)
    json = folder / f"{row}.json"
    return (json, folder / f"{row}.weights.h5") if json.exists() else (folder / f"{row}.h5", None)


@pytest.mark.parametrize(
    ("archive", "row"),
    [pytest.param(archive, row, id=f"{archive.stem}-{row}") for archive in ARCHIVES for row in rows(archive)],
)
def test_a_model_computes_what_its_own_keras_did(archive: Path, row: str, tmp_path: Path) -> None:
    path, weights = unpacked(archive, row, tmp_path)
    recorded = np.load(tmp_path / f"{row}.npz")
    # A Keras 1 file does not name its backend; for one that does, saying the same changes nothing.
    spec = load(path, weights=weights, trained_on=archive.stem.rpartition("-")[2])
    target = plugins.target("tflite")
    options = {option.name: option.default for option in target.options}
    graph = lower(spec, batch=len(recorded["in/0"]))
    artifact = target.emit(target.legalize(graph, options), tmp_path, options)
    inputs = {name: recorded[f"in/{index}"] for index, name in enumerate(spec.input_names)}
    outputs = plugins.runtime(target.runtime).run(tmp_path / artifact.main, inputs)
    assert len(spec.output_names) == sum(name.startswith("out/") for name in recorded.files)
    for index, name in enumerate(spec.output_names):
        assert_close(outputs[name], recorded[f"out/{index}"])


def test_every_archive_is_there() -> None:
    assert len(ARCHIVES) >= 13
