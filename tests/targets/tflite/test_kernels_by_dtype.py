"""Every op in every dtype: LiteRT computes what the op means in NumPy, or the op is refused with a message."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from kexport.errors import UnsupportedOpError
from kexport.ir import Array
from kexport.ir.ops import known_ops
from kexport.ir.ops.recurrent import LAYOUTS
from support.graphs import expected, graph_from
from support.op_cases import (
    CASES,
    DTYPES,
    EXACT,
    INTEGERS,
    TEXT_OPS,
    Case,
    arrays_of,
    compare,
    op_of,
    plain,
    to_their_ends,
)
from targets.tflite.running import check, emit, run_apart


def _as_litert(array: Array, dtype: str) -> Array:
    """bfloat16 as LiteRT knows it; NumPy has none."""
    return array.astype(ml_dtypes.bfloat16) if dtype == "bfloat16" else array


def _may_be_refused(case: str, dtype: str) -> bool:
    """The bitwise functions of too few bits."""
    bits = ("bitwise_and", "bitwise_or", "bitwise_xor", "right_shift") if dtype in ("int64", "uint64") else ()
    return op_of(case) in bits


def _failures(
    dtype: str, folder: Path, cases: Mapping[str, Case] = CASES, make: Any = arrays_of
) -> list[str]:
    wanted: dict[str, tuple[list[Array], list[str]]] = {}
    failures: list[str] = []
    for name, case in cases.items():
        if dtype not in case.dtypes:
            continue
        graph = graph_from({f"x{i}": (dtype, case.shape) for i in range(case.inputs)}, case.body)
        arrays = make(case, dtype)
        kinds = [value.dtype for value in graph.outputs]
        truth = expected(graph, arrays)
        place = folder / name.replace(" ", "_")
        try:
            emit(graph, place)
        except UnsupportedOpError as error:
            if not _may_be_refused(name, dtype) or not error.hint:
                failures.append(f"{name} in {dtype}: {error}")
            continue
        ports = zip(graph.inputs, arrays, strict=True)
        inputs = {f"x{i}": _as_litert(array, value.dtype) for i, (value, array) in enumerate(ports)}
        (place / "inputs").write_bytes(pickle.dumps(inputs))
        wanted[name] = truth, kinds
    run_apart(folder)
    for name, (truth, kinds) in wanted.items():
        place = folder / name.replace(" ", "_")
        if (place / "error.txt").exists():
            failures.append(f"{name} in {dtype}: {(place / 'error.txt').read_text()}")
            continue
        outputs = pickle.loads((place / "outputs").read_bytes())
        for index, (array, kind) in enumerate(zip(truth, kinds, strict=True)):
            narrow = next((d for d in ("bfloat16", "float16") if d in (dtype, kind)), kind)
            try:
                compare(outputs[f"y{index}"], array, narrow, CASES[name].slack)
            except AssertionError as error:
                failures.append(f"{name} in {dtype}, output {index} ({kind}): {error}")
    return failures


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_op_in(dtype, tmp_path):
    failures = _failures(dtype, tmp_path)
    assert not failures, "\n\n".join(failures)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_of_any_size_in(dtype, tmp_path):
    cases = {name: CASES[name] for name, less in EXACT.items() if dtype not in less}
    failures = _failures(dtype, tmp_path, cases, to_their_ends)
    assert not failures, "\n\n".join(failures)


@pytest.mark.parametrize("window", [(3, 3), (7, 1), (5, 2), (6, 6)])
def test_means_of_integers_are_exact_before_they_are_truncated(window):
    x = np.random.default_rng(3).integers(-300, 300, (1, 16, 16, 4), dtype=np.int32)
    attrs = {"window": window, "strides": (1, 1), "padding": ((0, 0), (0, 0))}
    check({"x": ("int32", x.shape)}, plain("avg_pool", **attrs), [x])


def test_every_op_has_a_case():
    loops = {
        "scan",
        *LAYOUTS,
    }  # are their bodies' ops, or become them; test_loop.py and test_recurrent.py run them
    hashes = {"hash_bucket", "cross_hash", "lookup"}  # become other ops; test_hashes.py runs them
    # Text is refused.
    assert {op_of(case) for case in CASES} | loops | hashes | TEXT_OPS >= set(known_ops())
