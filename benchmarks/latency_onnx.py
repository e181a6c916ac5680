"""Single-thread ONNX Runtime latency of two files, call by call in turn, and their op lists."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime

import paired

_WARM_UP = 3


def loaded(path: Path, lengths: Mapping[int, int]) -> Callable[[], float]:
    """A function that computes one sample once; the seconds that the thread computed. ``lengths`` are those of open axes, 64 where none
    is given."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    rng, arrays = np.random.default_rng(0), {}
    for item in session.get_inputs():
        shape = [
            size if isinstance(size, int) else lengths.get(axis, 64) if axis else 1
            for axis, size in enumerate(item.shape)
        ]
        is_float = item.type == "tensor(float)"
        arrays[item.name] = (
            rng.standard_normal(shape).astype(np.float32)
            if is_float
            else np.ones(shape, item.type.removeprefix("tensor(").rstrip(")"))
        )
    names = [item.name for item in session.get_outputs()]

    def once() -> float:
        # The one thread that computes, so that what else the machine does does not count.
        start = time.thread_time()
        session.run(names, arrays)
        return time.thread_time() - start

    return once


def compare(
    ours: Path, peer: Path, *, lengths: Mapping[int, int] | None = None, seconds: float = 6.0
) -> dict[str, float]:
    """Medians in seconds of interleaved calls, and the median of the pairwise ratios ours / peer."""
    a, b = loaded(ours, lengths or {}), loaded(peer, lengths or {})
    return paired.compare(a, b, seconds=seconds, warm_up=_WARM_UP)


def ops(path: Path) -> Counter[str]:
    """How often each operator stands in the file, in loops' bodies once."""
    count: Counter[str] = Counter()

    def walk(graph: Any) -> None:
        for node in graph.node:
            count[node.op_type] += 1
            for attribute in node.attribute:
                if attribute.type == onnx.AttributeProto.GRAPH:
                    walk(attribute.g)

    walk(onnx.load(str(path), load_external_data=False).graph)
    return count
