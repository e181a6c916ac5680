"""Lengths for the dynamic dimensions of a graph's inputs."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping

from kexport.errors import UsageError
from kexport.ir import Graph, GraphError, Symbolic, Value, dims
from kexport.ir.ops import infer_types

#: Unlike any power of two, so that strided and padded layers meet lengths that they do not divide.
USUAL_LENGTH = 37

#: How far above the least length a golden input is: outputs then have a few elements, not one.
MARGIN = 8

MAX_LENGTH = 1 << 24

#: What models that halve and double their input again (U-nets) need a length to be a multiple of.
_MULTIPLES = (2, 4, 8, 16, 32, 64, 128)


def batch_symbols(graph: Graph) -> set[str]:
    """The symbols of the inputs' first dimensions: the sample count."""
    return dims.symbols(tuple(value.shape[0] for value in graph.inputs if value.shape))


def choose_lengths(graph: Graph) -> dict[str, int]:
    """A length for every symbol that is not a batch, of the inputs or found out by a node: somewhat above the least that keeps every
    dimension of every value at 1 or more; unequal for different symbols where the graph lets them differ.

    Raises:
        UsageError: no lengths do, up to :data:`MAX_LENGTH`.
    """
    batch = batch_symbols(graph)
    names = _open(graph)
    if not names:
        return {}
    least = _least(graph, names, batch)
    wanted = _dynamic_dims(graph)
    sized = [_Sized(node.op, node.inputs, node.attrs) for node in graph.nodes if _is_dynamic(node.inputs)]
    positive = []
    for lengths in _candidates(least):
        bound = {**lengths, **dict.fromkeys(batch, 1)}
        if _positive(wanted, bound):
            positive.append(lengths)
            if all(entry.fits(bound) for entry in sized):
                return lengths
    return positive[0]


def too_short(graph: Graph, lengths: Mapping[str, int]) -> bool:
    """Whether some value of the graph has a dimension below 1 at these lengths (every symbol is given one)."""
    return not _positive(_dynamic_dims(graph), lengths)


def least_lengths(graph: Graph) -> dict[str, int]:
    """The least equal lengths that keep every dimension positive; raises as :func:`choose_lengths` does."""
    return _least(graph, _open(graph), batch_symbols(graph))


def _open(graph: Graph) -> list[str]:
    """The symbols that are no batch."""
    return [name for name in (*graph.symbols(), *graph.found_lengths()) if name not in batch_symbols(graph)]


def _least(graph: Graph, names: list[str], batch: set[str]) -> dict[str, int]:
    wanted = _dynamic_dims(graph)

    def fits(length: int) -> bool:
        return _positive(wanted, {**dict.fromkeys(names, length), **dict.fromkeys(batch, 1)})

    high = 1
    while high <= MAX_LENGTH and not fits(high):
        high *= 2
    if high > MAX_LENGTH:
        return _unequal(graph, names, batch, wanted)
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    return dict.fromkeys(names, high)


def _unequal(graph: Graph, names: list[str], batch: set[str], wanted: Iterable[Symbolic]) -> dict[str, int]:
    """Lengths of a model whose inputs must differ (one is cropped by the other): powers of two, the least sum."""
    if 2 <= len(names) <= 3:
        powers = [1 << exponent for exponent in range(18)]
        for tried in sorted(itertools.product(powers, repeat=len(names)), key=lambda t: (sum(t), t)):
            lengths = dict(zip(names, tried, strict=True))
            if _positive(wanted, {**lengths, **dict.fromkeys(batch, 1)}):
                return lengths
    raise UsageError(
        f"No lengths up to {MAX_LENGTH:,} of {', '.join(names)} keep every dimension of {graph.name!r} positive.",
        hint="Give inputs of your own with --samples file.npz.",
    )


def _candidates(least: Mapping[str, int]) -> Iterator[dict[str, int]]:
    start = {name: max(length + MARGIN, USUAL_LENGTH) for name, length in least.items()}
    yield {name: length + 4 * index for index, (name, length) in enumerate(start.items())}
    common = max(start.values())
    yield dict.fromkeys(start, common)
    for multiple in _MULTIPLES:
        yield dict.fromkeys(start, -(-common // multiple) * multiple)
    for more in range(1, 65):
        yield dict.fromkeys(start, common + more)
    for factor in (16, 4, 1):
        yield {name: length * factor for name, length in least.items()}


def _dynamic_dims(graph: Graph) -> list[Symbolic]:
    found: dict[Symbolic, None] = {}
    for node in graph.nodes:
        for value in node.outputs:
            found.update(dict.fromkeys(dim for dim in value.shape if isinstance(dim, Symbolic)))
    return list(found)


def _positive(wanted: Iterable[Symbolic], lengths: Mapping[str, int]) -> bool:
    return all(dims.evaluate(dim, lengths) >= 1 for dim in wanted)


def _is_dynamic(values: Iterable[Value | None]) -> bool:
    return any(value is not None and not dims.is_static(value.shape) for value in values)


class _Sized:
    """A node whose type rule is asked again with lengths in place of symbols: symbols that were taken to be equal
    (the operands of an addition) may turn out not to be."""

    def __init__(self, op: str, inputs: list[Value | None], attrs: Mapping[str, object]) -> None:
        self.op = op
        self.inputs = inputs
        self.attrs = attrs

    def fits(self, lengths: Mapping[str, int]) -> bool:
        inputs = [None if value is None else _bound_value(value, lengths) for value in self.inputs]
        attrs = {key: _bound(value, lengths) for key, value in self.attrs.items()}
        try:
            infer_types(self.op, inputs, attrs)
        except GraphError:
            return False
        return True


def _bound_value(value: Value, lengths: Mapping[str, int]) -> Value:
    if dims.is_static(value.shape):
        return value
    return Value(
        value.name, value.dtype, tuple(dims.evaluate(dim, lengths) for dim in value.shape), value.constant
    )


def _bound(attr: object, lengths: Mapping[str, int]) -> object:
    if isinstance(attr, Symbolic):
        return dims.evaluate(attr, lengths)
    return tuple(_bound(item, lengths) for item in attr) if isinstance(attr, tuple) else attr
