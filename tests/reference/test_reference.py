"""The model's own Keras in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from kexport.errors import NotVerifiedError, UnsafeModelError, UsageError
from kexport.loading.spec import Provenance
from kexport.reference import Reference, worker
from kexport.reference import candidates as candidates_module
from kexport.reference.candidates import candidates
from kexport.reference.process import Patience
from support.making import made

MAKE = Path(__file__).resolve().parent / "make_models.py"
IMAGE = np.random.RandomState(0).standard_normal((5, 8, 8, 3)).astype(np.float32)
KERAS2 = Provenance("2.15.0", "tensorflow", "h5")


@pytest.fixture(scope="module")
def models() -> Path:
    return made(
        "reference",
        scripts=[MAKE],
        packages=["keras", "tf_keras", "tensorflow"],
        commands=[[str(MAKE), "keras"], [str(MAKE), "tf_keras"]],
    )


def keras3(backend: str) -> Provenance:
    return Provenance("3.15.0", backend, "keras")


# --- real ones --------------------------------------------------------------------------------------------------------

LAYERS = {
    "inner": (6, 6, 4),
    "inner/conv": (6, 6, 4),
    "inner/relu": (6, 6, 4),
    "flat": (144,),
    "before": (7,),
    "shared": (5,),
    "between": (7,),
    "shared:1": (5,),
    "sum": (5,),
}


@pytest.mark.parametrize(
    ("file", "provenance", "computed_by"),
    [
        ("tf_keras-nested.h5", KERAS2, "tf_keras 2"),
        ("keras-nested.keras", keras3("tensorflow"), "Keras 3"),
        pytest.param("keras-nested.keras", keras3("jax"), "Keras 3", marks=pytest.mark.slow),
        pytest.param("keras-nested.h5", keras3("torch"), "Keras 3", marks=pytest.mark.slow),
        pytest.param("tf_keras-nested.keras", KERAS2, "tf_keras 2", marks=pytest.mark.slow),
    ],
)
def test_every_layer_of_a_nested_model_is_recorded(
    models: Path, file: str, provenance: Provenance, computed_by: str
) -> None:
    with Reference.start(models / file, provenance) as reference:
        golden = reference.predict({"image": IMAGE}, output_names=["sum"], layers=True)
        again = reference.predict({"image": IMAGE[:2]}, output_names=["sum"])
    assert golden.computed_by.startswith(computed_by)
    assert provenance.backend in golden.computed_by
    assert reference.reasons == []
    assert {key: array.shape[1:] for key, array in golden.layers.items()} == LAYERS
    np.testing.assert_array_equal(golden.layers["sum"], golden.outputs["sum"])
    np.testing.assert_allclose(
        golden.layers["shared"] + golden.layers["shared:1"], golden.outputs["sum"], rtol=1e-5
    )
    np.testing.assert_array_equal(golden.layers["inner"], golden.layers["inner/relu"])
    np.testing.assert_allclose(again.outputs["sum"], golden.outputs["sum"][:2], rtol=1e-5, atol=1e-6)


def test_several_inputs_and_outputs(models: Path) -> None:
    ids = np.arange(4 * 9, dtype=np.int32).reshape(4, 9) % 11
    inputs = {"ids": ids, "numbers": np.ones((4, 3), np.float32)}
    names = ["head", "classes", "head_1"]
    with Reference.start(models / "keras-several.keras", keras3("tensorflow")) as reference:
        golden = reference.predict(inputs, output_names=names, layers=True)
        renamed = reference.predict({"a": ids, "b": inputs["numbers"]}, output_names=["c", "d", "e"])
        with pytest.raises(NotVerifiedError, match=r"reads 3 outputs \(head, classes, head_1\), not 2"):
            reference.predict(inputs, output_names=names[:2])
    assert [golden.outputs[name].shape for name in names] == [(4, 2), (4, 9), (4, 2)]
    assert golden.layers["head:1"].tobytes() == golden.outputs["head_1"].tobytes()
    np.testing.assert_allclose(golden.outputs["classes"].sum(axis=1), 1, rtol=1e-6)
    for ours, theirs in zip(names, ["c", "d", "e"], strict=True):
        np.testing.assert_array_equal(golden.outputs[ours], renamed.outputs[theirs])


def test_a_fixed_batch_is_filled_up(models: Path) -> None:
    x = np.random.RandomState(1).standard_normal((5, 4)).astype(np.float32)
    with Reference.start(models / "tf_keras-fixed.h5", KERAS2) as reference:
        golden = reference.predict({"x": x}, output_names=["y"])
        turned = reference.predict({"x": x[::-1].copy()}, output_names=["y"])
    assert golden.outputs["y"].shape == (5, 2)
    np.testing.assert_allclose(golden.outputs["y"], turned.outputs["y"][::-1], rtol=1e-6)


def test_channels_first_is_computed_on_a_cpu(models: Path) -> None:
    x = np.random.RandomState(1).standard_normal((2, 3, 8, 8)).astype(np.float32)
    with Reference.start(models / "keras-channels_first.keras", keras3("tensorflow")) as reference:
        golden = reference.predict({"x": x}, output_names=["y"])
    assert reference.reasons[0].startswith("Keras 3 on tensorflow: ")
    assert "NHWC" in reference.reasons[0]
    assert golden.outputs["y"].shape == (2, 2, 1, 1)
    # oneDNN's kernels where the platform has them, else the next backend.
    assert "tensorflow" in golden.computed_by or reference.reasons[1].startswith(
        "Keras 3 on tensorflow with oneDNN"
    )


ANSWERS = """
    import numpy as np
    print(json.dumps({"ready": True}), flush=True)
    request = json.loads(sys.stdin.readline())
    if os.environ["KERAS_BACKEND"] == "tensorflow" and os.environ["TF_ENABLE_ONEDNN_OPTS"] == "0":
        print(json.dumps({"error": "no such kernel", "kind": "predict"}), flush=True)
    elif os.environ["KERAS_BACKEND"] == "tensorflow":
        print(json.dumps({"error": "nor with oneDNN", "kind": "predict"}), flush=True)
    else:
        meta = {"format": 1, "keras": "3.0", "library": "keras", "backend": os.environ["KERAS_BACKEND"]}
        np.savez(request["out"], **{"meta": json.dumps(meta), "inputs/x": [1.0], "outputs/y": [2.0]})
        print(json.dumps({"done": True}), flush=True)
"""


def test_the_next_backend_is_asked_where_one_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with fake(monkeypatch, tmp_path, ANSWERS, backend="tensorflow") as reference:
        golden = reference.predict({"x": np.ones(1)}, output_names=["y"])
    assert reference.reasons == [
        "Keras 3 on tensorflow: no such kernel",
        "Keras 3 on tensorflow with oneDNN: nor with oneDNN",
    ]
    assert golden.computed_by == "Keras 3.0 (jax)"


def test_a_json_model_takes_its_weights_from_a_file(models: Path) -> None:
    weights = models / "keras-nested.weights.h5"
    with Reference.start(models / "keras-nested.json", keras3("tensorflow"), weights=weights) as reference:
        golden = reference.predict({"image": IMAGE}, output_names=["sum"])
    assert np.ptp(golden.outputs["sum"]) > 0


@pytest.mark.slow
def test_a_live_model_is_its_own_reference(models: Path) -> None:
    code = f"""
        import keras, numpy as np
        from kexport.reference import Reference
        model = keras.models.load_model({str(models / "keras-nested.keras")!r})
        x = np.random.RandomState(0).standard_normal((5, 8, 8, 3)).astype(np.float32)
        with Reference.live(model) as reference:
            golden = reference.predict({{"image": x}}, output_names=["sum"], layers=True)
        np.testing.assert_allclose(golden.outputs["sum"], model.predict(x, verbose=0), rtol=1e-5, atol=1e-5)
        assert list(golden.layers) == {list(LAYERS)!r} or set(golden.layers) == set({list(LAYERS)!r})
        assert golden.computed_by.startswith("Keras 3"), golden.computed_by
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_what_is_no_model_has_no_live_reference() -> None:
    with pytest.raises(UsageError, match="instance of a Keras model class"):
        Reference.live(object())


# --- failures ---------------------------------------------------------------------------------------------------------


def fake(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, body: str, backend: str = "jax", seconds: float = 20.0
) -> Reference:
    """A reference whose workers run ``body`` instead of the recorder; Keras 3 on TensorFlow and JAX is installed."""
    script = tmp_path / "fake.py"
    script.write_text("import json, os, sys, time\n" + textwrap.dedent(body))
    monkeypatch.setattr(worker, "RECORDER", script)
    monkeypatch.setattr(candidates_module, "installed", lambda name: name in ("keras", "tensorflow", "jax"))
    monkeypatch.setattr(candidates_module, "_keras_major", lambda: 3)
    return Reference.start(
        tmp_path / "model.keras",
        keras3(backend),
        patience=Patience(20.0 if "ready" in body else seconds, seconds),
    )


X = {"x": np.zeros((1, 1))}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("time.sleep(100)", "it took more than 1 s to load the model"),
        (
            "print(json.dumps({'ready': True}), flush=True); time.sleep(100)",
            "more than 1 s to compute the outputs",
        ),
        ("sys.exit('no such op')", "its process ended with exit code 1: no such op"),
        ("os.kill(os.getpid(), 9)", "was killed (signal 9), as happens when memory runs out"),
        ("os.kill(os.getpid(), 11)", "its process ended by signal 11"),
        ("print(json.dumps({'ready': True}), flush=True); os._exit(3)", "its process ended with exit code 3"),
        ("print(json.dumps({'error': 'too old', 'kind': 'load'}), flush=True)", "too old"),
    ],
)
def test_each_candidates_failure_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, body: str, reason: str
) -> None:
    seconds = 1.0 if "sleep" in body else 20.0
    with (
        fake(monkeypatch, tmp_path, body, seconds=seconds) as reference,
        pytest.raises(NotVerifiedError) as raised,
    ):
        reference.predict(X, output_names=["y"])
    assert len(reference.reasons) == 2
    assert reference.reasons[0].startswith("Keras 3 on jax: ")
    assert reference.reasons[1].startswith("Keras 3 on tensorflow: ")
    assert all(reason in line for line in reference.reasons)
    assert reason in str(raised.value)
    assert "--golden" in str(raised.value.hint)
    assert raised.value.exit_code == 8


def test_a_file_that_brings_code_is_asked_of_nobody_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    body = "print(json.dumps({'error': 'holds code', 'kind': 'unsafe'}), flush=True)"
    with fake(monkeypatch, tmp_path, body) as reference, pytest.raises(UnsafeModelError, match="holds code"):
        reference.predict(X, output_names=["y"])


def test_a_class_that_nobody_knows_is_asked_of_nobody_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    body = "print(json.dumps({'error': 'names my.Layer', 'kind': 'custom'}), flush=True)"
    with fake(monkeypatch, tmp_path, body) as reference, pytest.raises(NotVerifiedError, match=r"my\.Layer"):
        reference.predict(X, output_names=["y"])
    assert len(reference.reasons) == 1


def test_closing_ends_the_process_and_removes_its_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    reference = fake(monkeypatch, tmp_path, "time.sleep(100)")
    assert reference._worker is not None
    process = reference._worker._process
    assert process.poll() is None
    assert list(tmp_path.glob("kexport-reference-*"))
    reference.close()
    assert process.returncode == -signal.SIGKILL
    assert not list(tmp_path.glob("kexport-reference-*"))
    reference.close()


def test_an_interrupt_ends_the_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    reference = fake(monkeypatch, tmp_path, "time.sleep(100)")
    assert reference._worker is not None
    process = reference._worker._process

    def interrupt(request: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(reference._worker, "predict", interrupt)
    with reference, pytest.raises(KeyboardInterrupt):
        reference.predict(X, output_names=["y"])
    assert process.returncode == -signal.SIGKILL


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="asks /proc whether a process lives")
def test_the_worker_ends_with_a_parent_that_is_killed(models: Path) -> None:
    code = f"""
        import os, sys
        from pathlib import Path
        from kexport.loading.spec import Provenance
        from kexport.reference import Reference
        reference = Reference.start(Path({str(models / "keras-nested.keras")!r}), Provenance("3.15", "jax", "keras"))
        print(reference._worker._process.pid, flush=True)
        os.kill(os.getpid(), 9)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False, capture_output=True)
    child = Path("/proc") / done.stdout.decode().strip()
    stop = time.monotonic() + 60
    while _lives(child) and time.monotonic() < stop:
        time.sleep(0.1)
    assert not _lives(child)


def _lives(process: Path) -> bool:
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


# --- who is asked -----------------------------------------------------------------------------------------------------

EVERYTHING = ("keras", "tf_keras", "tensorflow", "jax", "torch")


def labels(
    monkeypatch: pytest.MonkeyPatch,
    provenance: Provenance,
    installed: tuple[str, ...] = EVERYTHING,
    major: int = 3,
) -> list[str]:
    monkeypatch.setattr(candidates_module, "installed", lambda name: name in installed)
    monkeypatch.setattr(candidates_module, "_keras_major", lambda: major)
    return [candidate.label for candidate in candidates(provenance)]


def test_keras_3_files_are_read_by_keras_3_on_their_own_backend_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    on = "Keras 3 on "
    assert labels(monkeypatch, keras3("torch")) == [on + "torch", on + "tensorflow", on + "jax"]
    assert labels(monkeypatch, keras3("")) == [on + "tensorflow", on + "jax", on + "torch"]
    assert labels(monkeypatch, keras3("torch"), ("keras", "jax")) == [on + "jax"]


def test_keras_2_files_are_read_by_tf_keras_first(monkeypatch: pytest.MonkeyPatch) -> None:
    assert labels(monkeypatch, KERAS2)[:2] == ["tf_keras", "Keras 3 on tensorflow"]
    assert labels(monkeypatch, KERAS2, ("keras", "tensorflow"), major=2) == ["Keras 2"]
    assert labels(monkeypatch, KERAS2, ("tf_keras", "keras", "jax")) == ["Keras 3 on jax"]


@pytest.mark.parametrize("backend", ["theano", "cntk", "mxnet"])
def test_other_backends_are_never_read_by_tensorflow(monkeypatch: pytest.MonkeyPatch, backend: str) -> None:
    monkeypatch.setenv("KEXPORT_BACKENDS", "none")
    with pytest.raises(NotVerifiedError, match=f"trained on {backend}") as raised:
        labels(monkeypatch, Provenance("2.3.1", backend, "h5"))
    assert "record_model.py" in str(raised.value.hint)


def test_keras_1_files_are_read_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotVerifiedError, match=r"Keras 1\.2\.2"):
        labels(monkeypatch, Provenance("1.2.2", "", "h5"))


@pytest.mark.parametrize(
    ("provenance", "extra"), [(keras3("jax"), "jax"), (keras3("torch"), "torch"), (KERAS2, "tensorflow")]
)
def test_without_keras_the_hint_installs_one(
    monkeypatch: pytest.MonkeyPatch, provenance: Provenance, extra: str
) -> None:
    with pytest.raises(NotVerifiedError, match="none is installed") as raised:
        labels(monkeypatch, provenance, ())
    assert f"kexport[{extra}]" in str(raised.value.hint)


def test_asking_what_is_installed_imports_nothing() -> None:
    code = (
        "import sys; from kexport.reference.candidates import candidates; from kexport.loading.spec import Provenance;"
        "candidates(Provenance('2.0.5', 'tensorflow', 'h5')); "
        "print([m for m in ('keras', 'tf_keras', 'tensorflow', 'jax', 'torch', 'h5py') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, env={**os.environ})
    assert done.stdout.strip() == b"[]"
