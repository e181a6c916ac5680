"""The page of bundles in a browser, and the package kexport-web in Node: the tests of runtimes/web, with bundles made here."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

import kexport
from kexport_runtimes.browser import programs
from support.making import made

ROOT = Path(__file__).resolve().parents[2]
WEB = ROOT / "runtimes" / "web"
MAKE = Path(__file__).with_name("make_models.py")
TRAIN = ROOT / "examples" / "train_digits.py"

pytestmark = pytest.mark.usefixtures("browser")


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bundles by the names that runtimes/web/test/bundles.ts tells of."""
    models = made(
        "browser-models",
        scripts=[MAKE, TRAIN],
        packages=["keras", "tensorflow", "scikit-learn"],
        commands=[[str(MAKE), str(TRAIN)]],
    )
    folder = tmp_path_factory.mktemp("bundles")

    def export(name: str, model: str, **options: object) -> Path:
        golden = models / f"{model}.npz"
        result = kexport.export(
            models / f"{model}.keras", "web", golden=golden, output=folder / f"{name}_export", **options
        )
        shutil.copytree(result.artifact.parent, folder / name)
        return folder / name

    export("digits", "digits")
    export("single", "digits", single_file=True)
    export("lstm", "lstm", float16=False)
    broken = shutil.copytree(folder / "digits", folder / "broken")
    (model,) = broken.glob("model-*.tflite")
    raw = bytearray(model.read_bytes())
    raw[-20] ^= 1
    model.write_bytes(raw)
    wrong = shutil.copytree(folder / "digits", folder / "wrong")
    description = json.loads((wrong / "model.json").read_text("utf-8"))
    file = description["golden"]["file"]
    raw = bytearray((wrong / file["file"]).read_bytes())
    raw[-4:] = b"\0\0\x80\x3f"  # the last share is 1
    (wrong / file["file"]).write_bytes(raw)
    file["sha256"] = hashlib.sha256(raw).hexdigest()
    (wrong / "model.json").write_text(json.dumps(description), "utf-8")
    return folder


def test_the_package_and_the_page(bundles: Path) -> None:
    program = programs.find()
    assert program is not None
    environment = {**os.environ, "KEXPORT_BUNDLES": str(bundles), "KEXPORT_BROWSER": program.path}
    done = subprocess.run(
        ["node", "node_modules/vitest/vitest.mjs", "run", "--exclude", "test/demos.test.ts"],
        cwd=WEB,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout


def test_types() -> None:
    done = subprocess.run(
        ["node", "node_modules/typescript/bin/tsc", "--noEmit"],
        cwd=WEB,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
