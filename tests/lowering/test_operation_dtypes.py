"""The sweep of operations over dtypes, as graphs and in TF Lite."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kexport import plugins
from kexport.errors import KexportError, UnsupportedOpError
from kexport.ir.evaluate import evaluate
from kexport.loading import load
from kexport.lowering import lower
from lowering.operation_dtype_rows import ROWS
from lowering.test_operations import HERE, assert_agree
from support.making import made

#: Rows, or the operations of all their rows, whose numbers differ, and why.
_OVERFLOW = "a float beyond what the integer dtype holds, which each kernel converts as it likes"
DIFFER = {
    "inner-b-u": _OVERFLOW,
    "inner-u-c": _OVERFLOW,
    "layer_normalization-u": _OVERFLOW,
    "vdot-b-u": _OVERFLOW,
    "vdot-u-c": _OVERFLOW,
    "power-k-u": "an integer power that overflows: POW saturates",
    "power-g-u": "an integer power that overflows: POW saturates",
    "power-u-m": "an integer power that overflows: POW saturates",
    "i0-g": "float64 numbers beyond what float32 holds",
    "ldexp-h-g": "float16 numbers beyond what float16 holds, computed in float32",
    "sinc-g": "float64 zeros to float32's precision",
}

FAMILIES = sorted({name.partition("-")[0] for name in ROWS})


def folder() -> Path:
    make = HERE / "make_operations.py"
    return made(
        "operation-dtypes",
        scripts=[make, HERE / "operation_rows.py", HERE / "operation_dtype_rows.py"],
        packages=["keras", "tensorflow"],
        commands=[[str(make), "lowering.operation_dtype_rows"]],
    )


def _differences(file: Path, place: Path) -> list[str]:
    """What a row's graph, and its TF Lite file, compute otherwise than Keras."""
    with np.load(file.with_suffix(".npz")) as arrays:
        recorded = dict(arrays)
    spec, target, found = load(file), plugins.target("tflite"), []
    inputs = {name: recorded[f"in/{name}"] for name in spec.input_names}
    outputs = [recorded[name] for name in sorted(recorded, key=len) if name.startswith("out/")]
    options = {option.name: option.default for option in target.options}
    graph = lower(spec, batch=3)
    with np.errstate(all="ignore"):
        computed = {"graph": evaluate(graph, list(inputs.values()))}
    try:
        artifact = target.emit(target.legalize(graph, options), place, options)
    except UnsupportedOpError as error:
        found += [] if error.hint else [f"{file.stem} is refused without a way out: {error}"]
    else:
        results = plugins.runtime(target.runtime).run(place / artifact.main, inputs)
        computed["TF Lite"] = [results[name] for name in spec.output_names]
    for where, values in computed.items():
        try:
            for value, expected in zip(values, outputs, strict=True):
                assert_agree(value, expected)
        except AssertionError as error:
            found.append(f"{file.stem} in {where}: {error}")
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_every_dtype(name: str, tmp_path: Path) -> None:
    files = sorted(folder().glob(f"{name}-*.keras"))
    assert files
    found = []
    for file in files:
        if file.stem in DIFFER:
            continue
        place = tmp_path / file.stem
        place.mkdir()
        try:
            found += _differences(file, place)
        except KexportError as error:
            found.append(f"{file.stem}: {error}")
    assert not found, "\n".join(found)
