"""Trained text classifiers, by the command line: texts in, probabilities out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from end_to_end.make_text_models import BAD, GOOD, PLAIN
from kexport.cli.main import run
from kexport.reference.golden import load_golden
from kexport.reference.worker import RECORDER
from kexport_runtimes.onnxruntime import RUNTIME as ONNX_RUNTIME
from kexport_runtimes.tensorflow import RUNTIME as TENSORFLOW
from support.making import made
from support.serving import tf_server

MAKE = Path(__file__).with_name("make_text_models.py")
PACKAGES = {"keras3": ("keras", "tensorflow"), "keras2": ("tf_keras", "tensorflow")}
TARGETS = ("saved_model", "frozen_graph", "onnx")


class Exported:
    """A trained model and its export."""

    def __init__(self, writer: str, folder: Path) -> None:
        place = made(
            f"text-{writer}", scripts=[MAKE], packages=PACKAGES[writer], commands=[[str(MAKE), writer]]
        )
        (self.model,) = place.glob("classifier.*")
        with np.load(place / "fresh.npz") as arrays:
            self.texts, self.labels, self.said = arrays["texts"], arrays["labels"], arrays["said"]
        self.folder = folder / "export"
        targets = [part for target in TARGETS for part in ("--target", target)]
        assert run([str(self.model), *targets, "--serving", "--output", str(self.folder), "--quiet"]) == 0

    def manifest(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "manifest.json").read_text("utf-8"))
        return found


@pytest.fixture(scope="module", params=["keras3", "keras2"])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return Exported(request.param, tmp_path_factory.mktemp("text"))


def test_it_says_what_keras_says_of_texts_that_it_has_not_seen(exported: Exported) -> None:
    files = {
        TENSORFLOW: ("saved_model/1", "frozen_graph/model.pb"),
        ONNX_RUNTIME: ("onnx/model.onnx",),
    }
    for runtime, paths in files.items():
        for path in paths:
            outputs: Any = runtime.run(exported.folder / path, {"review": exported.texts})  # type: ignore[attr-defined]
            np.testing.assert_allclose(outputs["opinion"], exported.said, atol=1e-5)
    assert (exported.said.argmax(axis=1) == exported.labels).mean() > 0.9


def test_it_is_verified_and_says_of_text(exported: Exported) -> None:
    manifest = exported.manifest()
    for target in TARGETS:
        entry = manifest["targets"][target]
        assert entry["verified"]
        assert entry["signature"]["inputs"][0]["dtype"] == "string"
    assert "HashTableV2" in manifest["targets"]["saved_model"]["details"]["ops"]
    assert run(["verify", str(exported.folder), "--quiet"]) == 0


def test_inspect(exported: Exported, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", str(exported.model), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["inputs"][0]["dtype"] == "string"
    assert "TextVectorization" in json.dumps(said)


def test_a_server_answers_texts_over_both_protocols(exported: Exported) -> None:
    name = exported.manifest()["targets"]["saved_model"]["details"]["model_name"]
    with tf_server({name: exported.folder / "saved_model"}) as server:
        assert server.warmed == {name: 2}
        for address in (server.rest, server.grpc):
            assert (
                run(["smoke", str(exported.folder), "--serving", address, "--seconds", "0.2", "--quiet"]) == 0
            )


def test_targets_of_numbers_name_the_words(
    exported: Exported, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([str(exported.model), "-t", "tflite", "--output", str(tmp_path / "none"), "--quiet"]) == 4
    said = " ".join(capsys.readouterr().err.split())
    assert "Layer 'words' computes with text (its vocabulary has" in said
    assert "layer = model.get_layer('words'); ids = layer(texts)" in said
    assert not (tmp_path / "none").exists()


def test_the_standalone_recorder_makes_texts_up(exported: Exported, tmp_path: Path) -> None:
    golden = tmp_path / "golden.npz"
    command = [sys.executable, "-W", "ignore", str(RECORDER), str(exported.model), "--out", str(golden)]
    subprocess.run(command, check=True, capture_output=True)
    found = load_golden(golden)
    texts = found.inputs["review"]
    assert texts.shape == (8, 1)
    assert "" in texts
    drawn = {word.strip("(!").lower() for text in texts.reshape(-1) for word in text.split()}
    assert len(drawn & {*GOOD, *BAD, *PLAIN}) > 8
    assert drawn - {*GOOD, *BAD, *PLAIN}
    outputs = TENSORFLOW.run(exported.folder / "saved_model" / "1", {"review": texts})
    np.testing.assert_allclose(outputs["opinion"], found.outputs["opinion"], atol=1e-5)
