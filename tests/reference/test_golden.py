"""Golden files: the same bytes, whole or not at all, and no trust in what they say."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kexport.errors import KexportError, ModelReadError, UsageError
from kexport.reference import Golden, load_golden, save_golden
from kexport.reference import golden as module

META = {"keras": "3.15.1", "backend": "jax 0.10.2", "library": "keras", "seed": 0}


def sample() -> Golden:
    return Golden(
        inputs={
            "image/raw": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
            "ids": np.array([[1], [2]], np.int64),
        },
        outputs={"übung": np.array([[0.5], [np.nan]], np.float16), "flag": np.array([True, False])},
        layers={"block/dense:1#2": np.zeros((2, 0, 3), np.float32), "text": np.array(["a", "bc"])},
        meta=META,
    )


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "golden.npz"
    save_golden(sample(), path)
    loaded = load_golden(path)
    for group in ("inputs", "outputs", "layers"):
        expected, got = getattr(sample(), group), getattr(loaded, group)
        assert list(got) == list(expected)
        for name, array in expected.items():
            assert got[name].dtype == array.dtype
            np.testing.assert_array_equal(got[name], array)
    assert loaded.meta == {**META, "format": 1}
    assert loaded.samples == 2
    assert loaded.computed_by == "Keras 3.15.1 (jax 0.10.2)"


def test_numpy_reads_the_file_without_pickle(tmp_path: Path) -> None:
    save_golden(sample(), tmp_path / "golden.npz")
    with np.load(tmp_path / "golden.npz", allow_pickle=False) as archive:
        assert archive["inputs/image/raw"].shape == (2, 3, 4)


def test_fortran_order_is_read_back(tmp_path: Path) -> None:
    array = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    np.savez(tmp_path / "g.npz", **{"inputs/x": array, "outputs/y": array, "meta": np.array('{"format": 1}')})
    np.testing.assert_array_equal(load_golden(tmp_path / "g.npz").inputs["x"], array)


def test_the_same_contents_are_the_same_bytes_in_any_process(tmp_path: Path) -> None:
    code = (
        "import numpy as np, sys; from pathlib import Path; from kexport.reference import Golden, save_golden;"
        "save_golden(Golden({'x': np.eye(3)}, {'y': np.ones(3)}, {}, {'b': 1, 'a': 2}), Path(sys.argv[1]))"
    )
    hashes = set()
    for index, seed in enumerate(("1", "2")):
        path = tmp_path / f"{index}.npz"
        environment = {**os.environ, "PYTHONHASHSEED": seed, "TZ": f"UTC{index * 5}"}
        subprocess.run([sys.executable, "-c", code, str(path)], check=True, env=environment)
        os.utime(path, (index * 10**9, index * 10**9))
        hashes.add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert len(hashes) == 1


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "golden.npz"
    path.write_bytes(b"before")
    bad = Golden({"x": np.array([object()])}, {"y": np.zeros(1)})
    with pytest.raises(ValueError, match="allow_pickle"):
        save_golden(bad, path)
    assert path.read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["golden.npz"]


def entries(**changes: Any) -> dict[str, Any]:
    whole = {"meta": np.array('{"format": 1}'), "inputs/x": np.zeros((2, 1)), "outputs/y": np.zeros((2, 1))}
    return {key: value for key, value in {**whole, **changes}.items() if value is not None}


BAD_CONTENTS = {
    "no meta": (entries(meta=None), "no entry 'meta'"),
    "meta not text": (entries(meta=np.zeros(3)), "no entry 'meta'"),
    "meta not JSON": (entries(meta=np.array("{")), "not JSON"),
    "meta too deep": (entries(meta=np.array("[" * 100_000)), "not JSON"),
    "another format": (entries(meta=np.array('{"format": 99}')), "Received: 99"),
    "no inputs": (entries(**{"inputs/x": None}), "inputs/<name>"),
    "no outputs": (entries(**{"outputs/y": None}), "outputs/<name>"),
    "unknown group": (entries(**{"weights/w": np.zeros(2)}), "weights/w"),
    "nameless": (entries(**{"inputs/": np.zeros(2)}), "inputs/"),
    "sample counts": (entries(**{"outputs/y": np.zeros((3, 1))}), "the same samples"),
    "no sample dimension": (entries(**{"outputs/y": np.zeros(())}), "the same samples"),
    "no samples": (
        entries(**{"inputs/x": np.zeros((0, 1)), "outputs/y": np.zeros((0, 1))}),
        "the same samples",
    ),
    "complex": (entries(**{"outputs/y": np.zeros((2, 1), complex)}), "numbers, bools or text"),
    "dates": (entries(**{"outputs/y": np.zeros((2, 1), "M8[s]")}), "numbers, bools or text"),
    "records": (entries(**{"outputs/y": np.zeros((2,), [("a", "f4")])}), "numbers, bools or text"),
}


@pytest.mark.parametrize("case", BAD_CONTENTS)
def test_contents_that_are_no_golden_vectors_are_refused(tmp_path: Path, case: str) -> None:
    contents, expected = BAD_CONTENTS[case]
    path = tmp_path / "bad.npz"
    np.savez(path, **contents)
    with pytest.raises(ModelReadError) as raised:
        load_golden(path)
    assert expected in str(raised.value)
    assert str(path) in str(raised.value)
    assert "kexport record" in str(raised.value.hint)


class Bomb:
    """Unpickling this would write a file."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, ("unpickled",))


def test_pickled_objects_are_never_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("bad.npz", **entries(**{"inputs/x": np.array([Bomb()], dtype=object)}))
    with pytest.raises(ModelReadError, match="never objects"):
        load_golden(tmp_path / "bad.npz")
    assert not (tmp_path / "unpickled").exists()


def test_a_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no file"):
        load_golden(tmp_path / "none.npz")
    with pytest.raises(UsageError, match="no file"):
        load_golden(tmp_path)


@pytest.mark.parametrize(
    "contents", [b"", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n" + bytes(64), b"\x93NUMPY", b"x" * 1000]
)
def test_what_is_no_npz_is_refused(tmp_path: Path, contents: bytes) -> None:
    path = tmp_path / "bad.npz"
    path.write_bytes(contents)
    with pytest.raises(ModelReadError):
        load_golden(path)


def test_damage_anywhere_gives_an_error_of_ours_or_the_same_arrays(tmp_path: Path) -> None:
    whole = tmp_path / "golden.npz"
    save_golden(sample(), whole)
    data = whole.read_bytes()
    path = tmp_path / "damaged.npz"
    random = np.random.RandomState(0)
    for cut in range(0, len(data), 97):
        path.write_bytes(data[:cut])
        with pytest.raises(ModelReadError):
            load_golden(path)
    for position in random.randint(0, len(data), 300):
        path.write_bytes(data[:position] + bytes([data[position] ^ 0xFF]) + data[position + 1 :])
        try:
            load_golden(path)
        except KexportError:
            continue


def entry_of(header: dict[str, Any], data: bytes) -> bytes:
    text = repr(header).encode()
    text += b" " * (63 - (10 + len(text)) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


@pytest.mark.parametrize(
    "header",
    [
        {"descr": "<f4", "fortran_order": False, "shape": (10**15,)},
        {"descr": "<f4", "fortran_order": False, "shape": (-1, 4)},
        {"descr": "<U0", "fortran_order": False, "shape": (10**12,)},
        {"descr": "<f4", "fortran_order": False, "shape": (2**40, 2**40)},
        {"descr": "<f4", "fortran_order": False},
        {"descr": "|V99999999999", "fortran_order": False, "shape": (1,)},
        {"descr": "O", "fortran_order": False, "shape": (1,)},
    ],
)
def test_headers_that_promise_more_than_there_is_are_refused(tmp_path: Path, header: dict[str, Any]) -> None:
    path = tmp_path / "bad.npz"
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.array(json.dumps({"format": 1})))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("meta.npy", buffer.getvalue())
        archive.writestr("inputs/x.npy", entry_of(header, bytes(16)))
    with pytest.raises(ModelReadError):
        load_golden(path)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inputs/x.npy", bytes(2_000_000))
    monkeypatch.setattr(module, "FREE_BYTES", 1_000_000)
    with pytest.raises(ModelReadError, match="unpacks to 2,000,000 bytes"):
        load_golden(path)


def test_entries_are_npy_files_each_once(tmp_path: Path) -> None:
    path = tmp_path / "bad.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../escape.txt", b"")
    with pytest.raises(ModelReadError, match=r"escape\.txt"):
        load_golden(path)
    assert not (tmp_path.parent / "escape.txt").exists()
