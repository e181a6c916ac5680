"""Single-thread ONNX Runtime latency of two files, call by call in turn, and their op lists."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import onnx
import onnxruntime

import paired

_WARM_UP = 3

#: Sessions of each file. Where a session's memory happens to lie makes a percent or two between two files of the same operators; which
#: of the two files is loaded first changes from one to the next.
_SESSIONS = 4


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
    """Medians in seconds of interleaved calls, and the median of the pairwise ratios ours / peer; the medians of some pairs of sessions."""
    found = []
    for number in range(_SESSIONS):
        order = (ours, peer) if number % 2 else (peer, ours)
        calls = {path: loaded(path, lengths or {}) for path in order}
        found.append(paired.compare(calls[ours], calls[peer], seconds=seconds / _SESSIONS, warm_up=_WARM_UP))
    return {key: median(one[key] for one in found) for key in found[0]}


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
