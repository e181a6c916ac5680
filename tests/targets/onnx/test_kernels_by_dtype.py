"""Every op in every dtype: ONNX Runtime computes what the op means in NumPy, or the op is refused with a message."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kexport.ir import Array
from kexport.ir.ops import known_ops
from kexport_runtimes.onnxruntime import RUNTIME
from kexport_targets.onnx import TARGET
from support import op_by_dtype
from support.graphs import graph_from
from support.op_cases import (
    CASES,
    DTYPES,
    EXACT,
    INTEGERS,
    TEXT_OPS,
    Case,
    arrays_of,
    op_of,
    to_their_ends,
)
from targets.onnx.complete import emitted, options

#: Reductions whose results don't fit end at the ends of their dtype, and 64 bits are summed in float64.
INEXACT = {"reduce_sum": ("int32", "int64", "uint64"), "reduce_mean": ("uint32",), "reduce_prod": INTEGERS}


def refused_before(name: str, dtype: str, opset: int) -> bool:
    """Whether the operator set has no operator for a case."""
    first = {"bitcast": 26, "bitwise_and": 18, "bitwise_or": 18, "bitwise_xor": 18}.get(op_of(name), 0)
    return opset < first and dtype != "bool"


def failures(name: str, case: Case, dtype: str, arrays: list[Array], folder: Path) -> list[str]:
    return op_by_dtype.failures(TARGET, RUNTIME, options(), name, case, dtype, arrays, folder)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_op_in(dtype: str, tmp_path: Path) -> None:
    found = [
        text
        for name, case in CASES.items()
        if dtype in case.dtypes
        for text in failures(name, case, dtype, arrays_of(case, dtype), tmp_path)
    ]
    assert not found, "\n\n".join(found)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_of_any_size_in(dtype: str, tmp_path: Path) -> None:
    found = [
        text
        for name, less in EXACT.items()
        if dtype not in less and dtype not in INEXACT.get(name, ())
        for text in failures(name, CASES[name], dtype, to_their_ends(CASES[name], dtype), tmp_path)
    ]
    assert not found, "\n\n".join(found)


def test_every_op_is_tried() -> None:
    from kexport.ir.ops.recurrent import LAYOUTS

    tried = set(map(op_of, CASES))
    beside = {"scan", "hash_bucket", "cross_hash", "lookup", *LAYOUTS, *TEXT_OPS}
    assert set(known_ops()) - beside <= tried


def test_sums_within_2_to_the_53_are_exact(tmp_path: Path) -> None:
    case = CASES["reduce_sum"]
    for dtype, most in (("int32", 2**27), ("int64", 2**48)):
        x = np.random.default_rng(1).integers(-most, most, case.shape).astype(dtype)
        assert failures("reduce_sum", case, dtype, [x], tmp_path) == []


def test_a_remainder_has_the_divisors_sign(tmp_path: Path) -> None:
    """Of an absolute value too, whose sign is known."""
    a, divisor = np.array([-7.5, -3, 0, 3, 7.5], np.float32), np.array([-2, 2, -2, -2, -2], np.float32)
    types = {"a": ("float32", (5,)), "d": ("float32", (5,))}
    graph = graph_from(types, lambda b, x, d: [b.op("mod", x, d), b.op("mod", b.op("abs", x), d)])
    outputs = RUNTIME.run(emitted(graph, tmp_path).main, {"a": a, "d": divisor})
    np.testing.assert_array_equal(outputs["y0"], np.mod(a, divisor))
    np.testing.assert_array_equal(outputs["y1"], np.mod(np.abs(a), divisor))
