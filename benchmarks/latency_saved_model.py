"""Single-thread latency of two SavedModels, call by call in turn: ``python benchmarks/latency_saved_model.py OURS PEER SECONDS``.

A session runs them, as TF Serving does. Prints, as JSON, the medians and the median of the pairwise ratios ours / peer.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

import paired

_WARM_UP = 5


def loaded(folder: str) -> Callable[[], float]:
    """A function that computes one sample once; the seconds that took."""
    config = tf.compat.v1.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
    session = tf.compat.v1.Session(graph=tf.Graph(), config=config)
    with session.graph.as_default():
        meta = tf.compat.v1.saved_model.load(session, ["serve"], folder)
    signature, rng = meta.signature_def["serving_default"], np.random.default_rng(0)
    arrays: list[Any] = []
    for info in signature.inputs.values():
        shape = [1, *(dim.size for dim in info.tensor_shape.dim[1:])]
        dtype = tf.dtypes.as_dtype(info.dtype).as_numpy_dtype
        is_float = np.issubdtype(dtype, np.floating)
        arrays.append(rng.standard_normal(shape).astype(dtype) if is_float else np.ones(shape, dtype))
    tensors = [[info.name for info in part.values()] for part in (signature.outputs, signature.inputs)]
    call = session.make_callable(*tensors)

    def once() -> float:
        start = time.perf_counter()
        call(*arrays)
        return time.perf_counter() - start

    return once


if __name__ == "__main__":
    ours, peer = loaded(sys.argv[1]), loaded(sys.argv[2])
    print(json.dumps(paired.compare(ours, peer, seconds=float(sys.argv[3]), warm_up=_WARM_UP)))
