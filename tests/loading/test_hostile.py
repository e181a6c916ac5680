"""Files that are broken, absurd or malicious end in one clear error, and nothing else happens."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import os
import struct
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kexport.errors import KexportError, ModelReadError, UnsafeModelError, UsageError
from kexport.loading import load
from kexport.loading.files import kind_of

DENSE: dict[str, Any] = {
    "class_name": "Dense",
    "config": {
        "name": "dense",
        "units": 2,
        "activation": "relu",
        "use_bias": True,
        "batch_input_shape": [None, 3],
    },
}
CONFIG: dict[str, Any] = {"class_name": "Sequential", "config": {"name": "m", "layers": [DENSE]}}
FUNCTIONAL: dict[str, Any] = {
    "class_name": "Model",
    "config": {
        "name": "m",
        "layers": [
            {
                "class_name": "InputLayer",
                "name": "x",
                "config": {"name": "x", "batch_input_shape": [None, 3]},
                "inbound_nodes": [],
            },
            {
                "class_name": "Dense",
                "name": "dense",
                "config": {"name": "dense", "units": 2},
                "inbound_nodes": [[["x", 0, 0, {}]]],
            },
        ],
        "input_layers": [["x", 0, 0]],
        "output_layers": [["dense", 0, 0]],
    },
}


def write(path: Path, config: Any = CONFIG, *, text: str | None = None, version: str = "2.3.1") -> Path:
    """A Keras 2 file with one dense layer."""
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = version
        file.attrs["backend"] = "tensorflow"
        file.attrs["model_config"] = json.dumps(config) if text is None else text
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [b"dense"]
        layer = group.create_group("dense")
        layer.attrs["weight_names"] = [b"dense/kernel:0", b"dense/bias:0"]
        layer["dense/kernel:0"] = np.ones((3, 2), "float32")
        layer["dense/bias:0"] = np.zeros(2, "float32")
    return path


def write_keras(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def weights_h5() -> bytes:
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file["layers/dense/vars/0"] = np.ones((3, 2), "float32")
        file["layers/dense/vars/1"] = np.zeros(2, "float32")
    return stream.getvalue()


MEMBERS = {
    "metadata.json": b'{"keras_version": "3.5.0"}',
    "config.json": json.dumps(CONFIG).encode(),
    "model.weights.h5": weights_h5(),
}


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_sound_archives_load_stored_or_deflated(tmp_path: Path, compression: int) -> None:
    model = load(write_keras(tmp_path / "m.keras", MEMBERS, compression))
    assert model.layer("dense").weights["kernel"].numpy().tolist() == [[1, 1]] * 3


@pytest.mark.parametrize("name", ["m.h5", "m.keras", "m.bin"])
def test_the_format_is_told_by_content(tmp_path: Path, name: str) -> None:
    assert load(write(tmp_path / name)).parameters == 8


@pytest.mark.parametrize(
    "content",
    [b"", b"\x80\x04pickle", b"hello", b"\x89HDF\r\n\x1a\n", b"PK\x03\x04", b"{", b"\x1c\0\0\0TFL3"],
)
def test_what_is_no_model_says_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.h5"
    path.write_bytes(content)
    with pytest.raises(ModelReadError) as caught:
        load(path)
    assert "model.h5" in str(caught.value)


def test_missing_files_and_folders_say_so(tmp_path: Path) -> None:
    with pytest.raises(ModelReadError, match="can't be read"):
        load(tmp_path / "none.h5")
    with pytest.raises(ModelReadError, match="folder"):
        load(tmp_path)


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.99])
def test_truncated_files_are_refused(tmp_path: Path, kept: float) -> None:
    for path in (write(tmp_path / "m.h5"), write_keras(tmp_path / "m.keras", MEMBERS)):
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * kept)])
        with pytest.raises(ModelReadError):
            load(path)


def test_hdf5_without_a_model(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["x"] = np.zeros(3)
    with pytest.raises(ModelReadError, match="model_config"):
        load(tmp_path / "data.h5")


def edited(path: Path, edit: Any) -> Path:
    write(path)
    with h5py.File(path, "a") as file:
        edit(file["model_weights/dense/dense"])
    return path


def external_link(group: Any) -> None:
    del group["kernel:0"]
    group["kernel:0"] = h5py.ExternalLink("/etc/passwd", "/x")


def soft_loop(group: Any) -> None:
    del group["kernel:0"]
    group["kernel:0"] = h5py.SoftLink("/model_weights/dense/dense/kernel:0")


def virtual(group: Any) -> None:
    del group["kernel:0"]
    layout = h5py.VirtualLayout((3, 2), "float32")
    layout[:] = h5py.VirtualSource("/elsewhere.h5", "x", (3, 2))
    group.create_virtual_dataset("kernel:0", layout)


def external_storage(group: Any) -> None:
    del group["kernel:0"]
    group.create_dataset("kernel:0", (3, 2), "float32", external=[("/etc/passwd", 0, 24)])


def bomb(group: Any) -> None:
    del group["kernel:0"]
    group.create_dataset("kernel:0", (1 << 24, 1 << 20), "float32", chunks=(1024, 1024), compression="gzip")


@pytest.mark.parametrize("edit", [external_link, soft_loop, virtual, external_storage, bomb])
def test_hdf5_that_reaches_out_is_unsafe(tmp_path: Path, edit: Any) -> None:
    with pytest.raises(UnsafeModelError, match="kernel"):
        load(edited(tmp_path / "m.h5", edit))


@pytest.mark.parametrize("name", ["../evil", "/abs", "a/../../b", "C:/x", "..\\evil"])
def test_zip_names_outside_the_archive_are_unsafe(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnsafeModelError, match="outside"):
        load(write_keras(tmp_path / "m.keras", {**MEMBERS, name: b"x"}))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_stands_twice_is_unsafe(tmp_path: Path) -> None:
    path = write_keras(tmp_path / "m.keras", MEMBERS)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("config.json", b"{}")
    with pytest.raises(UnsafeModelError, match="two members"):
        load(path)


def test_zip_bombs_are_unsafe(tmp_path: Path) -> None:
    path = write_keras(tmp_path / "m.keras", {**MEMBERS, "assets/x": bytes(1 << 20)}, zipfile.ZIP_DEFLATED)
    data = bytearray(path.read_bytes())
    place = data.rindex(b"PK\x01\x02")
    data[place + 24 : place + 28] = struct.pack("<I", 0xF0000000)
    path.write_bytes(data)
    with pytest.raises(UnsafeModelError, match="claims"):
        load(path)


@pytest.mark.parametrize("depth", [500, 100_000])
def test_deep_json_is_unsafe(tmp_path: Path, depth: int) -> None:
    path = tmp_path / "m.keras"
    write_keras(path, {**MEMBERS, "config.json": b'{"a":' * depth + b"1" + b"}" * depth})
    with pytest.raises(UnsafeModelError, match="nested deeper"):
        load(path)


def test_models_nested_too_deep_are_refused(tmp_path: Path) -> None:
    config: dict[str, Any] = CONFIG
    for level in range(60):
        config = {"class_name": "Sequential", "config": {"name": f"m{level}", "layers": [config]}}
    with pytest.raises(ModelReadError, match="nested deeper"):
        load(write(tmp_path / "m.h5", config))


def test_text_that_is_not_utf8(tmp_path: Path) -> None:
    with pytest.raises(ModelReadError, match="UTF-8"):
        load(write_keras(tmp_path / "m.keras", {**MEMBERS, "config.json": b'{"\xff": 1}'}))


def test_weights_that_do_not_fit_are_named(tmp_path: Path) -> None:
    config = copy.deepcopy(CONFIG)
    config["config"]["layers"][0]["config"]["units"] = 5
    with pytest.raises(
        ModelReadError,
        match=r"'dense' don't fit: its kernel must have the shape \(\?, 5\). Received: \(3, 2\)",
    ):
        load(write(tmp_path / "m.h5", config))
    config["config"]["layers"][0]["config"].update(units=2, use_bias=False)
    with pytest.raises(ModelReadError, match=r"expected 1 \(dense/kernel\). Received: 2"):
        load(write(tmp_path / "m.h5", config))


def test_a_sequential_model_without_a_shape_asks_for_one(tmp_path: Path) -> None:
    config = copy.deepcopy(CONFIG)
    del config["config"]["layers"][0]["config"]["batch_input_shape"]
    path = write(tmp_path / "m.h5", config)
    with pytest.raises(ModelReadError, match="no input shape"):
        load(path)
    assert load(path, input_shape=(3,)).layers[0].config["batch_shape"] == [None, 3]


def test_subclassed_models_are_explained(tmp_path: Path) -> None:
    with pytest.raises(ModelReadError, match="neither Sequential nor Functional"):
        load(write(tmp_path / "m.h5", {"class_name": "MyModel", "config": {"units": 3}}))


def test_arguments_that_can_not_be(tmp_path: Path) -> None:
    path = write(tmp_path / "m.h5")
    with pytest.raises(UsageError):
        load(path, weights=path)
    with pytest.raises(UsageError):
        load(path, trained_on="excel")
    with pytest.raises(UsageError):
        load(3)


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats()
    | st.text(max_size=4)
    | st.sampled_from(["dense", "x", "Dense", "Merge"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["class_name", "config", "name", "layers", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += places(inner, (*path, key))
    return found


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mutated_configs_end_in_a_kexport_error_or_load(tmp_path: Path, data: st.DataObject) -> None:
    base = copy.deepcopy(data.draw(st.sampled_from([CONFIG, FUNCTIONAL, *_KERAS3])))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.sampled_from(places(base)))
        owner = base
        for key in place[:-1]:
            owner = owner[key]
        owner[place[-1]] = data.draw(JUNK)
    version = data.draw(st.sampled_from(["1.2.2", "2.3.1", "2.15.0", "3.5.0", ""]))
    path = write(tmp_path / "m.h5", base, version=version)
    with contextlib.suppress(KexportError):
        load(path, trained_on=data.draw(st.sampled_from([None, "theano", "mxnet"])))


_KERAS3: list[dict[str, Any]] = [
    {
        "module": "keras.src.models.functional",
        "class_name": "Functional",
        "config": {
            "name": "m",
            "layers": [
                {
                    "module": "keras.layers",
                    "class_name": "InputLayer",
                    "name": "x",
                    "config": {"batch_shape": [None, 3]},
                    "inbound_nodes": [],
                },
                {
                    "module": "keras.layers",
                    "class_name": "Bidirectional",
                    "name": "dense",
                    "config": {
                        "name": "dense",
                        "layer": {"class_name": "LSTM", "config": {"units": 2, "name": "l"}},
                        "dtype": {"class_name": "DTypePolicy", "config": {"name": "float32"}},
                    },
                    "inbound_nodes": [
                        {
                            "args": [
                                {"class_name": "__keras_tensor__", "config": {"keras_history": ["x", 0, 0]}}
                            ],
                            "kwargs": {"mask": None},
                        }
                    ],
                },
            ],
            "input_layers": ["x", 0, 0],
            "output_layers": {"y": ["dense", 0, 0]},
        },
    }
]


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cuts=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=4)), min_size=1, max_size=6),
    keras=st.booleans(),
)
def test_damaged_bytes_end_in_a_kexport_error_or_load(
    tmp_path: Path, cuts: list[tuple[float, bytes]], keras: bool
) -> None:
    path = write_keras(tmp_path / "m.keras", MEMBERS) if keras else write(tmp_path / "m.h5")
    data = bytearray(path.read_bytes())
    for where, junk in cuts:
        at = int(where * (len(data) - len(junk)))
        data[at : at + len(junk)] = junk
    path.write_bytes(data)
    try:
        for layer in load(path).walk():
            for weight in layer.weights.values():
                weight.numpy()
    except KexportError:
        pass


@pytest.mark.parametrize("offset", [512, 2048])
def test_an_archive_whose_weights_stand_where_hdf5_files_may_begin(tmp_path: Path, offset: int) -> None:
    path = tmp_path / "m.keras"
    path.write_bytes(b"PK\x03\x04".ljust(offset, b"\0") + b"\x89HDF\r\n\x1a\n" + bytes(64))
    assert kind_of(path) == "zip"


def test_weights_whose_sum_is_another_are_damaged(tmp_path: Path) -> None:
    path = write_keras(tmp_path / "m.keras", MEMBERS)
    data = bytearray(path.read_bytes())
    where = data.index(np.ones((3, 2), "float32").tobytes())
    data[where + 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelReadError, match="damaged: its CRC-32"):
        load(path)


def test_pickled_weights_are_not_read(tmp_path: Path) -> None:
    members = {"config.json": json.dumps(CONFIG).encode(), "model.weights.npz": b"PK"}
    with pytest.raises(ModelReadError, match="Python pickles") as caught:
        load(write_keras(tmp_path / "model.keras", members))
    assert "save it again" in str(caught.value.hint)


def test_compressed_weights_are_looked_at_before_they_are_unpacked(tmp_path: Path) -> None:
    members = {**MEMBERS, "model.weights.h5": b"\0" * 4096}
    with pytest.raises(ModelReadError, match="is not HDF5 data"):
        load(write_keras(tmp_path / "m.keras", members, zipfile.ZIP_DEFLATED))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "m.keras")
    with pytest.raises(ModelReadError, match="regular file"):
        load(tmp_path / "m.keras")
