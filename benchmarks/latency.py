"""Single-thread LiteRT latency of two artifacts, call by call in turn, and their op lists."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

import paired


def _interpreter(path: Path, lengths: dict[int, int]) -> tuple[Any, list[tuple[int, Any]]]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=1)
    rng = np.random.default_rng(0)
    inputs = interpreter.get_input_details()
    for detail in inputs:
        shape = [
            size if signed != -1 else 1 if axis == 0 else lengths.get(axis, 64)
            for axis, (size, signed) in enumerate(
                zip(detail["shape"], detail["shape_signature"], strict=True)
            )
        ]
        interpreter.resize_tensor_input(detail["index"], shape)
    interpreter.allocate_tensors()
    arrays = []
    for detail in interpreter.get_input_details():
        if np.issubdtype(detail["dtype"], np.integer):
            arrays.append((detail["index"], np.ones(detail["shape"], detail["dtype"])))
        else:
            arrays.append((detail["index"], rng.standard_normal(detail["shape"]).astype(detail["dtype"])))
    return interpreter, arrays


def _call(interpreter: Any, arrays: list[tuple[int, Any]]) -> float:
    for index, array in arrays:
        interpreter.set_tensor(index, array)
    start = time.perf_counter()
    interpreter.invoke()
    return time.perf_counter() - start


def compare(
    ours: Path, peer: Path, *, lengths: dict[int, int] | None = None, seconds: float = 6.0
) -> dict[str, float]:
    """Medians in seconds of interleaved calls, and the median of the pairwise ratios ours / peer."""
    a, b = _interpreter(ours, lengths or {}), _interpreter(peer, lengths or {})
    return paired.compare(lambda: _call(*a), lambda: _call(*b), seconds=seconds, warm_up=3)


def ops(path: Path) -> Counter[str]:
    """How often each builtin op stands in the file's subgraphs."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(path.read_bytes(), 0)
    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}
    codes = [model.OperatorCodes(i) for i in range(model.OperatorCodesLength())]
    count: Counter[str] = Counter()
    for index in range(model.SubgraphsLength()):
        graph = model.Subgraphs(index)
        for position in range(graph.OperatorsLength()):
            code = codes[graph.Operators(position).OpcodeIndex()]
            count[names[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]] += 1
    return count


def describe(count: Counter[str]) -> str:
    """``52 ops: 35 CONV_2D, 17 DEPTHWISE_CONV_2D``."""
    return f"{count.total()} ops: " + ", ".join(f"{n} {name}" for name, n in count.most_common())
