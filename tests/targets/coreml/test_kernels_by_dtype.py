"""Every op in every dtype: the program computes what the op means in NumPy, or the op is refused with a message."""

from __future__ import annotations

from pathlib import Path

import pytest

from kexport.ir import Array
from kexport.ir.ops import known_ops
from kexport.ir.ops.recurrent import LAYOUTS
from kexport_runtimes.coreml import INTERPRETER
from kexport_targets.coreml import TARGET
from support import op_by_dtype
from support.op_cases import CASES, DTYPES, EXACT, TEXT_OPS, Case, arrays_of, op_of, to_their_ends
from targets.coreml.running import options

#: Core ML has no operation for it.
REFUSED = ("bitcast",)

#: Integers that are int32 in the program as they are elsewhere.
INTEGERS = ("int8", "uint8", "int16", "uint16", "int32")

#: Means are taken in float32.
INEXACT = {"reduce_mean": ("int32",)}


def failures(name: str, case: Case, dtype: str, arrays: list[Array], folder: Path, target: str) -> list[str]:
    chosen = options(deployment_target=target)
    folder = folder / f"{name} {dtype} {target}"
    folder.mkdir()
    return op_by_dtype.failures(TARGET, INTERPRETER, chosen, name, case, dtype, arrays, folder, REFUSED)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_op_in(dtype: str, tmp_path: Path) -> None:
    found = [
        text
        for name, case in CASES.items()
        if dtype in case.dtypes
        for text in failures(name, case, dtype, arrays_of(case, dtype), tmp_path, "iOS16")
    ]
    assert not found, "\n\n".join(found)


@pytest.mark.parametrize("target", ["iOS15", "iOS17", "iOS18"])
@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_every_op_for(target: str, dtype: str, tmp_path: Path) -> None:
    found = [
        text
        for name, case in CASES.items()
        if dtype in case.dtypes
        for text in failures(name, case, dtype, arrays_of(case, dtype), tmp_path, target)
    ]
    assert not found, "\n\n".join(found)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_of_any_size_in(dtype: str, tmp_path: Path) -> None:
    found = [
        text
        for name, less in EXACT.items()
        if dtype not in less and dtype not in INEXACT.get(name, ())
        for text in failures(name, CASES[name], dtype, to_their_ends(CASES[name], dtype), tmp_path, "iOS16")
    ]
    assert not found, "\n\n".join(found)


def test_every_op_is_tried() -> None:
    tried = set(map(op_of, CASES))
    beside = {"scan", "hash_bucket", "cross_hash", "lookup", *LAYOUTS, *TEXT_OPS}
    assert set(known_ops()) - beside <= tried
