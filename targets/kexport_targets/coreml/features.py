"""What the model's description says of its inputs and outputs."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

from kexport.errors import UnsupportedOpError, UsageError
from kexport.ir import Graph, Shape, dims
from kexport_targets.coreml.emit import LABEL, PROBABILITIES
from kexport_targets.coreml.program import Tensor
from kexport_targets.coreml.settings import Image
from kexport_targets.coreml.write import Description, Feature

#: The largest length of an open dimension of which nobody said more, and how many times the least one it is at least: Core ML wants to
#: know one.
_MOST, _TIMES_LEAST = 4096, 4

#: No model is asked for a least length beyond this.
_LIMIT: Final = 1 << 24

#: An input of so many shapes is enumerated.
_SHAPES: Final = 128

#: The metadata's key of names that the model has for inputs and outputs that had to be called otherwise: a JSON object of two,
#: ``inputs`` and ``outputs``, each of the model's names by the program's.
NAMES: Final = "kexport.names"


@dataclass(frozen=True)
class About:
    """What a model is said to be."""

    summary: str = ""
    version: str = ""
    author: str = ""
    license: str = ""


def description(
    graph: Graph,
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
    *,
    about: About,
    image: Image | None = None,
    labels: bool = False,
) -> Description:
    """The description of a program with these inputs and outputs: ``image`` is an input, ``labels`` says that it classifies.

    Raises:
        UsageError: lengths that are enumerated are too many, or a model has no lengths at all.
    """
    names = {
        "inputs": _renamed(inputs, graph.input_names),
        "outputs": _renamed(outputs, graph.output_names),
    }
    metadata = {"kexport": version("kexport"), **{f"kexport.{k}": v for k, v in graph.provenance.items()}}
    if any(names.values()):
        metadata[NAMES] = json.dumps(names, sort_keys=True, ensure_ascii=False)
    lengths = _lengths(graph)
    made = [
        _input(tensor, lengths, image.color if image is not None and image.name == name else "")
        for tensor, name in zip(inputs, graph.input_names, strict=True)
    ]
    classes = [Feature(LABEL, "string", None), Feature(PROBABILITIES, "probabilities", None)]
    return Description(
        made,
        [*(classes if labels else []), *map(_output, outputs)],
        about.summary,
        about.version,
        about.author,
        about.license,
        metadata,
        (LABEL, PROBABILITIES) if labels else None,
    )


def _renamed(tensors: Sequence[Tensor], names: Sequence[str]) -> dict[str, str]:
    pairs = zip(tensors, names, strict=True)
    return {tensor.name: name for tensor, name in pairs if tensor.name != name}


def _lengths(graph: Graph) -> dict[str, range | tuple[int, ...]]:
    """The lengths of every symbol: those that were said, else from the least that leaves something of every value."""
    symbols = graph.symbols()
    if not symbols:
        return {}
    least = 1 if set(symbols) <= set(graph.lengths) else _least(graph, symbols)
    most = max(_MOST, _TIMES_LEAST * least)
    return {name: graph.lengths.get(name, range(least, most + 1)) for name in symbols}


def _least(graph: Graph, symbols: Sequence[str]) -> int:
    shapes = {
        value.shape for node in graph.nodes for value in node.outputs if not dims.is_static(value.shape)
    }

    def fits(length: int) -> bool:
        bindings = dict.fromkeys(symbols, length)
        bindings.update({name: max(given) for name, given in graph.lengths.items()})
        return all(dims.evaluate(dim, bindings) > 0 for shape in shapes for dim in shape)

    high = 1
    while not fits(high):
        high *= 2
        if high > _LIMIT:
            raise UnsupportedOpError(
                f"The model {graph.name!r} has nothing left to compute at equal lengths of its dimensions {', '.join(symbols)}.",
                hint="Give lengths with --dim.",
            )
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high


def _input(tensor: Tensor, lengths: Mapping[str, range | tuple[int, ...]], image: str) -> Feature:
    if dims.is_static(tensor.shape):
        return Feature(tensor.name, tensor.dtype, _known(tensor.shape), image=image)
    names = sorted(dims.symbols(tensor.shape))
    said = [lengths[name] for name in names]
    if all(isinstance(given, tuple) for given in said):
        shapes = _enumerated(tensor, names, said)
        return Feature(tensor.name, tensor.dtype, shapes[0], (), shapes, image)
    low, high = ({name: end(lengths[name]) for name in names} for end in (min, max))
    ranges = tuple((dims.evaluate(dim, low), dims.evaluate(dim, high)) for dim in tensor.shape)
    return Feature(tensor.name, tensor.dtype, tuple(pair[0] for pair in ranges), ranges, (), image)


def _enumerated(
    tensor: Tensor, names: Sequence[str], said: Sequence[Sequence[int]]
) -> tuple[tuple[int, ...], ...]:
    """All shapes, the first one the default."""
    combined = list(itertools.islice(itertools.product(*said), _SHAPES + 1))
    if len(combined) > _SHAPES:
        raise UsageError(
            f"Core ML takes {_SHAPES} enumerated shapes of an input. Received: more of {tensor.name!r}.",
            hint="Give a range instead: --dim NAME=LOW..HIGH.",
        )
    return tuple(
        tuple(dims.evaluate(dim, dict(zip(names, row, strict=True))) for dim in tensor.shape)
        for row in combined
    )


def _output(tensor: Tensor) -> Feature:
    known = _known(tensor.shape) if dims.is_static(tensor.shape) else None
    return Feature(tensor.name, tensor.dtype, known)


def _known(shape: Shape) -> tuple[int, ...]:
    return tuple(int(str(dim)) for dim in shape)
