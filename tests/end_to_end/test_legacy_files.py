"""Files that real versions of Keras 1, 2 and 3 wrote, exported and compared with what those versions computed.

The archives and the scripts that made them are in ``tests/fixtures/legacy``.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from kexport import plugins
from kexport.errors import ModelReadError
from kexport.loading import ModelSpec, load
from kexport.lowering import lower
from support.comparing import assert_close
from support.op_by_dtype import held
from support.targets import TARGETS

ARCHIVES = sorted((Path(__file__).parents[1] / "fixtures" / "legacy").glob("*.zip"))

#: The forms in which a model may be in an archive: its own file and, where they stand apart, its weights.
FORMS = {
    "{}.h5": None,
    "{}.keras": None,
    "{}-folder": None,
    "{}.json": "{}.weights.h5",
    "{}.json ": "{}-sharded.weights.json",
}


def cases():
    """Each model of each archive in each form, as (archive, row, model, weights)."""
    for archive in ARCHIVES:
        names = zipfile.ZipFile(archive).namelist()
        have = {name.partition("/")[0] for name in names}
        for row in (name.removesuffix(".npz") for name in names if name.endswith(".npz")):
            for model, weights in FORMS.items():
                pair = model.strip().format(row), weights and weights.format(row)
                if have >= {name for name in pair if name}:
                    yield pytest.param(archive, row, *pair, id=f"{archive.stem}-{pair[1] or pair[0]}")


def unpacked(archive: Path, row: str, folder: Path) -> None:
    with zipfile.ZipFile(archive) as file:
        for name in file.namelist():
            if name.startswith((f"{row}.", f"{row}-folder/", f"{row}-sharded")):
                file.extract(name, folder)


def outputs(
    spec: ModelSpec, recorded: np.lib.npyio.NpzFile, folder: Path, name: str
) -> dict[str, np.ndarray]:
    """What the exported model computes on the recorded inputs."""
    target = plugins.target(name)
    options = {option.name: option.default for option in target.options}
    graph = lower(spec, batch=len(recorded["in/0"]))
    artifact = target.emit(target.legalize(graph, options), folder, options)
    ports = artifact.signature.inputs
    inputs = {port.name: held(recorded[f"in/{index}"], port) for index, port in enumerate(ports)}
    return plugins.runtime(target.runtime).run(folder / artifact.main, inputs)


@pytest.mark.parametrize(("archive", "row", "model", "weights"), list(cases()))
def test_a_model_computes_what_its_own_keras_did(
    archive: Path, row: str, model: str, weights: str | None, tmp_path: Path
) -> None:
    unpacked(archive, row, tmp_path)
    recorded = np.load(tmp_path / f"{row}.npz")
    # A Keras 1 file does not name its backend; for one that does, saying the same changes nothing.
    options = {
        "weights": tmp_path / weights if weights else None,
        "trained_on": archive.stem.rpartition("-")[2],
    }
    if archive.stem == "keras-3.2.1-jax" and row == "dense":
        with pytest.raises(ModelReadError, match=r"Keras 3\.2 saved later calls as the first"):
            load(tmp_path / model, **options)
        return
    spec = load(tmp_path / model, **options)
    assert len(spec.output_names) == sum(name.startswith("out/") for name in recorded.files)
    for target in TARGETS:
        (tmp_path / target).mkdir()
        computed = outputs(spec, recorded, tmp_path / target, target)
        for index, name in enumerate(spec.output_names):
            assert_close(computed[name], recorded[f"out/{index}"])


def test_every_archive_and_form_is_there() -> None:
    ids = [case.id for case in cases()]
    assert len(ARCHIVES) == 22
    for ending in (".h5", ".keras", "-folder", ".weights.h5", "-sharded.weights.json"):
        assert any(id_.endswith(ending) for id_ in ids), ending
