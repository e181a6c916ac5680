"""An op in a dtype, on a target's own runtime, against its meaning in NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kexport.contracts import Port, Runtime, Target
from kexport.errors import UnsupportedOpError
from kexport.ir import Array, dtypes
from support.graphs import expected, graph_from
from support.op_cases import Case, compare, op_of


def failures(
    target: Target,
    runtime: Runtime,
    options: Mapping[str, Any],
    name: str,
    case: Case,
    dtype: str,
    arrays: list[Array],
    folder: Path,
    refused: tuple[str, ...] = (),
) -> list[str]:
    """What is wrong, a text each; ops in ``refused`` may be refused, with a way out."""
    graph = graph_from({f"x{i}": (dtype, case.shape) for i in range(case.inputs)}, case.body)
    kinds = [value.dtype for value in graph.outputs]
    truth = expected(graph, arrays)
    try:
        artifact = target.emit(target.legalize(graph, options), folder, options)
        # A format may lack the dtype at its border: then its own stands there.
        ports = artifact.signature.inputs
        given = {port.name: in_its_bits(array, port) for array, port in zip(arrays, ports, strict=True)}
        outputs = runtime.run(folder / artifact.main, given)
    except (UnsupportedOpError, RuntimeError) as error:
        said = isinstance(error, UnsupportedOpError) and error.hint
        return [] if said and op_of(name) in refused else [f"{name} in {dtype}: {error}"]
    found = []
    for index, (array, kind) in enumerate(zip(truth, kinds, strict=True)):
        narrow = next((other for other in ("bfloat16", "float16") if other in (dtype, kind)), kind)
        try:
            wanted = in_its_bits(array, artifact.signature.outputs[index])
            compare(outputs[f"y{index}"], wanted, narrow, case.slack)
        except AssertionError as error:
            found.append(f"{name} in {dtype}, output {index} ({kind}): {error}")
    return found


def in_its_bits(array: Array, port: Port) -> Array:
    """An array in the dtype that an artifact has for it; of integers that are too large, the bits that it has room for."""
    return array.astype(dtypes.numpy_dtype(port.type.dtype), copy=False)


def held(array: Array, port: Port) -> Array:
    """An array in the dtype that an artifact has for it.

    Raises:
        OverflowError: its integers are too large for that.
    """
    made = in_its_bits(array, port)
    if array.dtype.kind in "iu" and made.dtype.kind in "iu" and not np.array_equal(made, array):
        raise OverflowError(f"{port.name!r} is {port.type.dtype} in the artifact.")
    return made
