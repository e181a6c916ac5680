"""What the model's description says of its inputs and outputs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import version
from typing import Final

from kexport.ir import Graph, dims
from kexport_targets.coreml.program import Tensor
from kexport_targets.coreml.write import Description, Feature

#: The largest length of an open dimension of which nobody said more: Core ML wants to know one.
MOST: Final = 4096

#: The metadata's key of names that the model has for inputs and outputs that had to be called otherwise: a JSON object of two,
#: ``inputs`` and ``outputs``, each of the model's names by the program's.
NAMES: Final = "kexport.names"


def description(graph: Graph, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> Description:
    """The description of a program with these inputs and outputs."""
    names = {
        "inputs": _renamed(inputs, graph.input_names),
        "outputs": _renamed(outputs, graph.output_names),
    }
    metadata = {"kexport": version("kexport")}
    if any(names.values()):
        metadata[NAMES] = json.dumps(names, sort_keys=True, ensure_ascii=False)
    return Description(
        [_input(tensor) for tensor in inputs], [_output(tensor) for tensor in outputs], metadata=metadata
    )


def _renamed(tensors: Sequence[Tensor], names: Sequence[str]) -> dict[str, str]:
    pairs = zip(tensors, names, strict=True)
    return {tensor.name: name for tensor, name in pairs if tensor.name != name}


def _input(tensor: Tensor) -> Feature:
    ranges = tuple((dim, dim) if isinstance(dim, int) else (1, MOST) for dim in tensor.shape)
    if dims.is_static(tensor.shape):
        return Feature(tensor.name, tensor.dtype, _known(tensor))
    default = tuple(low for low, _ in ranges)
    return Feature(tensor.name, tensor.dtype, default, ranges)


def _output(tensor: Tensor) -> Feature:
    known = _known(tensor) if dims.is_static(tensor.shape) else None
    return Feature(tensor.name, tensor.dtype, known)


def _known(tensor: Tensor) -> tuple[int, ...]:
    return tuple(int(str(dim)) for dim in tensor.shape)
