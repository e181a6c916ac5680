"""The folders with the conformance models."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from conformance.cases import FAMILIES
from support.making import made

HERE = Path(__file__).resolve().parent
PROGRAMS = {"keras3": ("keras3-tensorflow", "keras3-jax"), "keras2": ("keras2",)}
PACKAGES = {"keras3": ("keras", "tensorflow", "jax"), "keras2": ("tf_keras", "tensorflow")}


@cache
def model_folder(writer: str, family: str) -> Path:
    """The folder of ``writer``'s (``keras3``, ``keras2``) models of a family; made now if it is not there yet."""
    make = HERE / "make_models.py"
    backends = {f"keras3-{case.reference_backend}" for case in FAMILIES[family] if "keras3" in case.only}
    return made(
        f"conformance-{writer}-{family}",
        scripts=[HERE / "cases" / "case.py", HERE / "cases" / f"{family}.py", make],
        packages=PACKAGES[writer],
        commands=[
            [str(make), program, family]
            for program in PROGRAMS[writer]
            if program == "keras2" or program in backends
        ],
    )
