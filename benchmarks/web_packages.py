"""The peers of the browser benchmark: packages of npm and PyPI in pinned versions, unpacked in the cache, installed nowhere."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

#: Folder → package. TensorFlow.js comes as the parts that a graph model needs: less to load than the whole.
NPM = {
    "tfjs-core": "@tensorflow/tfjs-core@4.22.0",
    "tfjs-converter": "@tensorflow/tfjs-converter@4.22.0",
    "tfjs-backend-wasm": "@tensorflow/tfjs-backend-wasm@4.22.0",
    "tfjs-backend-webgl": "@tensorflow/tfjs-backend-webgl@4.22.0",
    "onnxruntime-web": "onnxruntime-web@1.30.0",
    "keras-js": "keras-js@1.0.3",
}
CONVERTER = "tensorflowjs==4.22.0"


def npm_packages(cache: Path) -> Path:
    """The folder of all of :data:`NPM`; a package is fetched when its version is not there yet."""
    folder = cache / "packages"
    folder.mkdir(parents=True, exist_ok=True)
    for name, package in NPM.items():
        wanted = folder / name
        stamp = wanted / ".version"
        if stamp.exists() and stamp.read_text() == package:
            continue
        part = folder / f"part-{name}"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        npm = ["npm", "pack", "--silent", "--pack-destination", str(part), package]
        subprocess.run(npm, check=True, cwd=part, stdout=subprocess.DEVNULL)
        (archive,) = part.glob("*.tgz")
        with tarfile.open(archive) as members:
            members.extractall(part, filter="data")
        (root,) = (path for path in part.iterdir() if path.is_dir())
        (root / ".version").write_text(package)
        shutil.rmtree(wanted, ignore_errors=True)
        root.replace(wanted)
        shutil.rmtree(part)
    return folder


def converter_package(cache: Path) -> Path:
    """A folder with TensorFlow.js's converter, for its own process alone; web_tfjs.py stands in for what it lacks here."""
    folder = cache / CONVERTER.replace("==", "-")
    if not folder.exists():
        part = folder.with_name(f"part-{folder.name}")
        shutil.rmtree(part, ignore_errors=True)
        pip = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--target",
            str(part),
            CONVERTER,
        ]
        subprocess.run(pip, check=True)
        part.replace(folder)
    return folder
