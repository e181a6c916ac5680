"""Live models of Keras 3, lowered, computed in NumPy and on the targets' runtimes, beside what Keras computes."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kexport import plugins
from kexport.ir import Graph
from kexport.ir.evaluate import evaluate
from kexport.loading import load
from kexport.lowering import lower
from lowering.one_layer import keras
from support.comparing import assert_close
from support.op_by_dtype import held
from support.targets import TARGETS


def inputs_of(model: Any, samples: int, rng: np.random.Generator) -> list[Any]:
    """An array for each input; lengths that are open are 5."""
    arrays = []
    for tensor in model.inputs:
        shape = (samples, *(5 if dim is None else dim for dim in tensor.shape[1:]))
        if "float" in tensor.dtype:
            arrays.append(rng.normal(0, 1.5, shape).astype(tensor.dtype))
        else:
            arrays.append(rng.integers(0, 2 if tensor.dtype == "bool" else 7, shape).astype(tensor.dtype))
    return arrays


def randomise(model: Any, rng: np.random.Generator) -> None:
    """Give every weight a value that shows."""
    for weight in model.weights:
        if weight.name in ("count", "seed_generator_state"):
            continue
        values = rng.normal(0, 1, weight.shape)
        weight.assign(np.abs(values) + 0.1 if "variance" in weight.name else values)
    for layer in model.layers:
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()  # Normalization computes with copies of its weights


def on_targets(graph: Callable[[], Graph], arrays: Sequence[Any], wanted: Sequence[Any]) -> None:
    """Each target's runtime computes ``wanted`` too."""
    for name in TARGETS:
        target, made = plugins.target(name), graph()
        options = {option.name: option.default for option in target.options}
        with tempfile.TemporaryDirectory() as folder:
            artifact = target.emit(target.legalize(made, options), Path(folder), options)
            ports = artifact.signature.inputs
            named = {port.name: held(array, port) for port, array in zip(ports, arrays, strict=True)}
            outputs = plugins.runtime(target.runtime).run(Path(folder) / artifact.main, named)
        for port, expected in zip(artifact.signature.outputs, wanted, strict=True):
            assert_close(outputs[port.name], held(expected, port))


def check(
    make: Callable[[Any], Callable[[Any], Any]],
    *shapes: tuple[int | None, ...],
    dtype: str | Sequence[str] = "float32",
    samples: int = 3,
    given: Mapping[int, Any] | None = None,
    targets: bool = False,
) -> Graph:
    """The model ``make(layers)(inputs)`` computes in the graph what it does in Keras, with a batch left open; with ``targets`` also
    on the runtime of each. ``given`` holds arrays for some inputs, by position. The graph."""
    rng = np.random.default_rng(7)
    kinds = [dtype] * len(shapes) if isinstance(dtype, str) else dtype
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        keras().utils.set_random_seed(7)
        tensors = [keras().Input(shape, dtype=kind) for shape, kind in zip(shapes, kinds, strict=True)]
        made = make(keras().layers)
        model = keras().Model(tensors, made(tensors if len(tensors) > 1 else tensors[0]))
        randomise(model, rng)
        arrays = inputs_of(model, samples, rng)
        for position, array in (given or {}).items():
            arrays[position] = array
        outputs = model(arrays if len(arrays) > 1 else arrays[0], training=False)
    wanted = [np.asarray(array) for array in (outputs if isinstance(outputs, list | tuple) else [outputs])]
    graph = lower(load(model), batch=None)
    for computed, expected in zip(evaluate(graph, arrays), wanted, strict=True):
        assert_close(computed, expected)
    if targets:
        on_targets(lambda: lower(load(model), batch=samples), arrays, wanted)
    return graph
