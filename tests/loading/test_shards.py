"""Weights in several files: what the map may name, and what is said where it can't be read."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from kexport.api.manifest import file_sha256, model_sha256
from kexport.errors import ModelReadError, UnsafeModelError, UsageError
from kexport.loading import load, shards_of

ARCHIVE = Path(__file__).parents[1] / "fixtures" / "legacy" / "keras-3.10.0-jax.zip"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(tmp_path)
    return tmp_path


def test_shards_hold_what_one_file_does(folder: Path) -> None:
    map_ = folder / "sequence-sharded.weights.json"
    assert len(shards_of(map_)) > 1
    one = load(folder / "sequence.json", weights=folder / "sequence.weights.h5")
    many = load(folder / "sequence.json", weights=map_)
    for left, right in zip(one.walk(), many.walk(), strict=True):
        assert list(left.weights) == list(right.weights)
        for name, weight in left.weights.items():
            np.testing.assert_array_equal(weight.numpy(), right.weights[name].numpy())


def test_a_shard_that_is_missing_is_named(folder: Path) -> None:
    shard = shards_of(folder / "sequence-sharded.weights.json")[-1]
    shard.unlink()
    with pytest.raises(ModelReadError, match=f"{shard.name} is missing"):
        load(folder / "sequence.json", weights=folder / "sequence-sharded.weights.json")


@pytest.mark.parametrize("name", ["../other.weights.h5", "/etc/passwd", "a\\b", "", 3, ".."])
def test_a_shard_is_a_file_beside_the_map(folder: Path, name: object) -> None:
    map_ = folder / "bad.weights.json"
    map_.write_text(json.dumps({"weight_map": {"/layers/dense/vars": name}}))
    with pytest.raises(UnsafeModelError, match="a file beside the map"):
        load(folder / "line.json", weights=map_)


def test_a_map_is_no_model_and_a_model_no_map(folder: Path) -> None:
    with pytest.raises(UsageError, match="holds no model"):
        load(folder / "line-sharded.weights.json")
    with pytest.raises(ModelReadError, match="no map of sharded weights"):
        load(folder / "line.json", weights=folder / "dense.json")


def test_hashes_cover_every_file(folder: Path) -> None:
    map_ = folder / "sequence-sharded.weights.json"
    before = model_sha256(map_, shards_of(map_)), model_sha256(folder / "line-folder")
    assert model_sha256(folder / "line.keras") == file_sha256(folder / "line.keras")
    for file in (shards_of(map_)[-1], folder / "line-folder" / "model.weights.h5"):
        with file.open("ab") as stream:
            stream.write(b"\0")
    after = model_sha256(map_, shards_of(map_)), model_sha256(folder / "line-folder")
    assert before[0] != after[0]
    assert before[1] != after[1]


def test_a_folder_without_weights_is_refused(folder: Path) -> None:
    (folder / "line-folder" / "model.weights.h5").unlink()
    with pytest.raises(ModelReadError, match=r"The folder has no 'model\.weights\.h5'"):
        load(folder / "line-folder")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("saved/saved_model.pb", "tf_keras.models.load_model"),
        ("ckpt/checkpoint", "load_weights"),
        ("ckpt/model.index", "load_weights"),
    ],
)
def test_folders_of_tensorflow_say_what_to_do(tmp_path: Path, name: str, hint: str) -> None:
    file = tmp_path / name
    file.parent.mkdir()
    file.write_bytes(b"\1\2\3")
    with pytest.raises(ModelReadError) as caught:
        load(file.parent)
    assert hint in str(caught.value.hint)


def test_parts_of_a_checkpoint_say_what_to_do(tmp_path: Path) -> None:
    for name in ("model.ckpt.index", "model.ckpt.data-00000-of-00001", "graph.pb", "weights.npz"):
        (tmp_path / name).write_bytes(b"\1\2\3")
    for name, hint in (
        ("model.ckpt", "load_weights"),
        ("model.ckpt.index", "load_weights"),
        ("model.ckpt.data-00000-of-00001", "load_weights"),
        ("graph.pb", "TensorFlow graph"),
    ):
        with pytest.raises(ModelReadError) as caught:
            load(tmp_path / name)
        assert hint in str(caught.value.hint)
    shutil.rmtree(tmp_path)
