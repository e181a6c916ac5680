"""One Keras layer, lowered by its rule alone and computed in NumPy, beside what Keras computes.

References come from TensorFlow; where it has no channels_first kernel on a CPU, from the channels_last layer on transposed
images.
"""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kexport.ir import Builder, Constant, Graph, TensorType, Value, symbol
from kexport.ir.evaluate import evaluate
from kexport.loading.spec import LayerSpec, Provenance
from kexport.lowering import convolution, pooling, resizing, spatial  # noqa: F401  (registers the rules)
from kexport.lowering.registry import Context, rule_for
from support.comparing import assert_close

KERAS3 = Provenance("3.15.0", "tensorflow", "live")


@functools.cache
def keras() -> Any:
    """Keras 3 on whatever backend this process has."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import keras as module
    return module


def nothing(*_: Any) -> Any:
    raise AssertionError("No layer is wrapped here.")


def lower_alone(layer: LayerSpec, x: TensorType, provenance: Provenance = KERAS3) -> Graph:
    """The graph of ``layer`` on one input of type ``x``."""
    builder = Builder(origin=layer.path)
    value = builder.input("x", x)
    result = rule_for(layer)(Context(layer, builder, provenance, {}, nothing, nothing), value)
    assert isinstance(result, Value)
    graph = Graph("one", [value], [result], builder.nodes, ["x"], ["y"])
    graph.check()
    return graph


def spec_of(layer: Any) -> LayerSpec:
    """The layer as a loader describes it."""
    weights = {weight.name: Constant.of(np.asarray(weight)) for weight in layer.weights}
    config = {key: value for key, value in layer.get_config().items() if key not in ("name", "dtype")}
    return LayerSpec(layer.name, layer.name, type(layer).__name__, config, "keras.layers", weights=weights)


def spec(class_name: str, weights: Mapping[str, Any] | None = None, **config: Any) -> LayerSpec:
    """A layer by its arguments alone."""
    constants = {name: Constant.of(np.asarray(array)) for name, array in (weights or {}).items()}
    return LayerSpec("layer", "model/layer", class_name, config, "keras.layers", weights=constants)


def randomise(layer: Any, rng: np.random.Generator) -> None:
    """Give every weight a value that shows."""
    layer.set_weights([rng.normal(size=weight.shape).astype(np.float32) for weight in layer.get_weights()])


def sample(shape: Sequence[int], dtype: str = "float32", seed: int = 5) -> Any:
    """An input array: normal floats, or integers over the dtype's range (as far as it goes either way of 200)."""
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return rng.normal(0, 1.5, shape).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(max(limits.min, -200), min(limits.max, 200), shape, endpoint=True).astype(dtype)


def expected(class_name: str, arguments: Mapping[str, Any], x: Any) -> tuple[LayerSpec, Any]:
    """The layer of these arguments with random weights, and what Keras computes on ``x``."""
    first = arguments.get("data_format") == "channels_first"
    layer = getattr(keras().layers, class_name)(
        **{**arguments, "name": "layer"} | ({"data_format": "channels_last"} if first else {})
    )
    seen = np.moveaxis(x, 1, -1) if first else x
    layer.build(seen.shape)
    randomise(layer, np.random.default_rng(3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = np.asarray(layer(seen))
    described = spec_of(layer)
    if first:
        described = LayerSpec(
            **{**vars(described), "config": {**described.config, "data_format": "channels_first"}}
        )
        result = np.moveaxis(result, -1, 1) if result.ndim == x.ndim else result
    return described, result


def check(
    class_name: str,
    shape: Sequence[int],
    *,
    dtype: str = "float32",
    symbolic: Sequence[int] = (),
    **arguments: Any,
) -> Graph:
    """Assert that the lowered layer computes what Keras does; ``symbolic`` axes have a symbol for a length. Its graph."""
    x = sample(shape, dtype)
    layer, wanted = expected(class_name, arguments, x)
    dims = tuple(symbol(f"d{axis}") if axis in symbolic else size for axis, size in enumerate(shape))
    graph = lower_alone(layer, TensorType(dtype, dims))
    (computed,) = evaluate(graph, [x])
    assert_close(computed, wanted)
    return graph
