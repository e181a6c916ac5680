"""The folders with the conformance models."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from support.making import made

HERE = Path(__file__).resolve().parent
WRITERS = {"keras3": ("keras3-tensorflow", "keras3-jax"), "keras2": ("keras2",)}
PACKAGES = {"keras3": ("keras", "tensorflow", "jax"), "keras2": ("tf_keras", "tensorflow")}


@cache
def model_folder(writer: str) -> Path:
    """The folder of ``writer``'s models (``keras3``, ``keras2``); made now if it is not there yet."""
    make = HERE / "make_models.py"
    return made(
        f"conformance-{writer}",
        scripts=[HERE / "cases.py", make],
        packages=PACKAGES[writer],
        commands=[[str(make), program] for program in WRITERS[writer]],
    )
