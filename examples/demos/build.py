"""Trains the demos, exports each as a web bundle, and writes a page that leads to them: ``build.py FOLDER [NAME …]``."""

from __future__ import annotations

import html
import importlib
import shutil
import subprocess
import sys
from pathlib import Path

import kexport

DEMOS = ("digits", "autoencoder", "generator", "lines", "mobilenet")

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>kexport: demos</title>
<link rel="stylesheet" href="demos.css">
</head>
<body>
<main>
<h1>Keras models in the browser</h1>
<p>Each page computes on this device alone, and proves itself on a golden sample first.</p>
<ul>
{items}
</ul>
</main>
</body>
</html>
"""

STYLE = """:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 0; background: light-dark(#fbfaf7, #16191b); color: light-dark(#22282b, #e6e9e8); }
main { max-width: 44rem; margin: 0 auto; padding: 1rem; }
ul { list-style: none; padding: 0; display: grid; gap: 1rem; }
li { background: light-dark(#ffffff, #1f2427); border: 1px solid light-dark(#d9dcd6, #394145); border-radius: 10px; padding: 1rem; }
a { color: light-dark(#1f6b5b, #6cc7b0); font-weight: 600; }
p { margin: 0.25rem 0 0; }
"""


def main(folder: Path, names: list[str]) -> None:
    """Each demo is trained in a process of its own: TensorFlow gives no memory back."""
    work = folder / ".work"
    for name in names:
        made = work / name
        made.mkdir(parents=True, exist_ok=True)
        _train_apart(name, made)
        exported = work / f"{name}_export"
        shutil.rmtree(exported, ignore_errors=True)
        options = importlib.import_module(name).EXPORT
        files = {key: made / value for key, value in options.items() if key in ("labels", "vocabulary")}
        if (made / "samples.npz").is_file():
            files["samples"] = made / "samples.npz"
        result = kexport.export(made / "model.keras", "web", output=exported, **(options | files))
        print(
            f"{name}: the browser's outputs are {'' if result.verified else 'NOT '}those of Keras", flush=True
        )
        shutil.rmtree(folder / name, ignore_errors=True)
        shutil.copytree(result.artifact.parent, folder / name)
    items = [_item(name) for name in DEMOS if (folder / name / "index.html").is_file()]
    (folder / "index.html").write_text(PAGE.format(items="\n".join(items)), "utf-8", newline="\n")
    (folder / "demos.css").write_text(STYLE, "utf-8", newline="\n")
    print(f"See them: kexport serve {folder}")


def _item(name: str) -> str:
    demo = importlib.import_module(name)
    return (
        f'<li><a href="{name}/index.html">{html.escape(demo.TITLE)}</a><p>{html.escape(demo.ABOUT)}</p></li>'
    )


def _train_apart(name: str, folder: Path) -> None:
    command = [sys.executable, "-W", "ignore", __file__, "--train", name, str(folder)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    print(done.stdout, end="", flush=True)
    if done.returncode:
        sys.exit(done.stderr or f"{name} ended with {done.returncode}")


def _train(name: str, folder: Path) -> None:
    import keras

    keras.utils.set_random_seed(0)
    importlib.import_module(name).train(folder)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--train"]:
        _train(sys.argv[2], Path(sys.argv[3]))
    else:
        main(Path(sys.argv[1]), sys.argv[2:] or list(DEMOS))
