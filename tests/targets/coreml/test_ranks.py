"""More than five dimensions: computed on merged ones, in every op."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kexport.ir import Builder, Value
from targets.coreml.running import assert_means_the_same

SHAPE = (2, 3, 1, 2, 3, 2, 2)
ROW = (int(np.prod(SHAPE)),)


def on(op: str, *others: Any, dtype: str = "float32", **attrs: Any) -> Callable[..., list[Value]]:
    """An op on seven dimensions, beside constants."""

    def body(b: Builder, x: Value) -> list[Value]:
        high = b.op("reshape", x, shape=SHAPE)
        constants = [None if other is None else b.constant(np.asarray(other), dtype) for other in others]
        made = b.ops(op, high, *constants, **attrs)
        return [b.op("reshape", value, shape=(int(np.prod(value.shape)),)) for value in made]

    return body


def selected(b: Builder, x: Value) -> list[Value]:
    high = b.op("reshape", x, shape=SHAPE)
    less = b.op("less", high, b.constant(np.arange(2), "float32"))
    return [b.op("reshape", b.op("select", less, b.scalar(1.0, x), b.scalar(2.0, x)), shape=ROW)]


BODIES = {
    "exp": on("exp"),
    "add in runs": on("add", np.arange(4).reshape(2, 1, 1, 2)),
    "add here and there": on("add", np.arange(12).reshape(3, 1, 2, 1, 2, 1)),
    "select": selected,
    "transpose": on("transpose", perm=(6, 4, 2, 0, 5, 3, 1)),
    "transpose of runs": on("transpose", perm=(0, 1, 4, 5, 6, 2, 3)),
    "reduce_sum": on("reduce_sum", axes=(1, 3, 5)),
    "reduce_mean": on("reduce_mean", axes=(0, 1, 4), keepdims=True),
    "softmax": on("softmax", axis=4),
    "softmax of two": on("softmax", axis=(2, 4)),
    "log_softmax": on("log_softmax", axis=6),
    "cumsum": on("cumsum", axis=1),
    "argmax": on("argmax", axis=4),
    "split": on("split", axis=1, sizes=(1, 2)),
    "slice": on("slice", begin=(0, 1, 0, 0, -2, 0, 0), end=(None,) * 7, strides=(1, 1, 1, 2, 1, 1, 1)),
    "pad": on("pad", pads=((0, 0), (1, 0), (0, 2), (0, 0), (0, 0), (0, 0), (1, 1))),
    "mirror": on("pad", pads=((0, 0), (1, 0), (0, 0), (0, 0), (0, 0), (0, 0), (1, 1)), mode="reflect"),
    "tile": on("tile", multiples=(1, 2, 1, 1, 1, 1, 3)),
    "reverse": on("reverse", axes=(1, 4)),
    "top_k": on("top_k", k=2),
    "broadcast_to": on("broadcast_to", shape=(2, 3, 4, 2, 3, 2, 2)),
    "expand_dims": on("expand_dims", axes=(3,)),
    "squeeze": on("squeeze", axes=(2,)),
    "matmul": on("matmul", np.arange(12).reshape(3, 2, 2)),
    "dense": on("dense", np.arange(10).reshape(2, 5), None),
    "gather": on("gather", [[2, 0], [1, 1]], dtype="int32", axis=4),
    "gather of a batch": on("gather", [[2, 0], [1, 1]], dtype="int32", axis=4, batch_dims=1),
    "layer_norm": on("layer_norm", [1, 2], None, axes=(6,), epsilon=1e-3),
}


@pytest.mark.parametrize("target", ["iOS15", "iOS16"])
@pytest.mark.parametrize("name", BODIES)
def test_seven_dimensions(name: str, target: str, tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=ROW).astype(np.float32)
    types = {"x": ("float32", ROW)}
    assert_means_the_same(tmp_path, types, BODIES[name], {"x": x}, 1e-5, deployment_target=target)
