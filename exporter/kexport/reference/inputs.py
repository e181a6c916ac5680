"""Golden inputs, derived from a lowered graph: the same on every day and machine."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np

from kexport.errors import UsageError
from kexport.ir import Array, Graph, Node, Value, dims, dtypes
from kexport.reference.lengths import batch_symbols, choose_lengths, least_lengths, too_short
from kexport.reference.ranges import first_affine, index_range, is_hashed, looked_up
from kexport.reference.texts import draw_texts

SAMPLES = 4

#: Of models that take text: it is of many kinds.
TEXT_SAMPLES = 8

#: Fewer samples are drawn of inputs so large that four would hold more elements than this (256 MB of float32).
MAX_ELEMENTS = 1 << 26


def golden_inputs(
    graph: Graph, *, samples: int | None = None, seed: int = 0, lengths: Mapping[str, int] | None = None
) -> dict[str, Array]:
    """Inputs that exercise a graph as it came from lowering, by name.

    Integers are within the range of the tables that they index, mostly keys of those that they are looked up in, and of any size where
    they are hashed; texts are of the words that they are looked up in, and others; floats are standard normal after the graph's own
    first scaling (0 to 255 where that is the rescaling of pixels); dynamic dimensions get somewhat more than the
    least lengths that keep every dimension positive.

    Args:
        graph: a graph with its lowering's ops (before passes move scales about).
        samples: how many; by default :data:`SAMPLES`, or :data:`TEXT_SAMPLES`, fewer for very large inputs, at least one.
        seed: another seed draws other numbers.
        lengths: lengths for dynamic dimensions, by symbol; those not named are derived.

    Returns:
        Arrays of shape (samples, …) in the dtypes of the graph's inputs, in their order.

    Raises:
        UsageError: a length is unknown or not positive, or none can be found.
    """
    bindings = {**_allowed(graph, choose_lengths(graph)), **_checked(graph, lengths or {})}
    count = samples if samples is not None else _sample_count(graph, bindings)
    if count < 1:
        raise UsageError(f"At least one sample is needed. Received: {count}")
    bindings.update(dict.fromkeys(batch_symbols(graph), count))
    users = graph.users()
    return {
        name: _draw(graph, value, users, bindings, (count, *_tail(value, bindings)), _random(name, seed))
        for name, value in zip(graph.input_names, graph.inputs, strict=True)
    }


def _allowed(graph: Graph, chosen: Mapping[str, int]) -> dict[str, int]:
    """The lengths that were said to be allowed, in place of those chosen: the next longer one, else the longest."""
    if not graph.lengths:
        return dict(chosen)
    found = {name: _nearest(length, graph.lengths.get(name)) for name, length in chosen.items()}
    if too_short(graph, {**found, **dict.fromkeys(batch_symbols(graph), 1)}):
        raise UsageError(
            f"At the lengths {found} the model has nothing left to compute.",
            hint=f"The least are {least_lengths(graph)}.",
        )
    return found


def _nearest(length: int, allowed: range | tuple[int, ...] | None) -> int:
    if allowed is None:
        return length
    if isinstance(allowed, range):
        return min(max(length, allowed.start), allowed.stop - 1)
    return min((other for other in allowed if other >= length), default=max(allowed))


def _checked(graph: Graph, lengths: Mapping[str, int]) -> dict[str, int]:
    known = [name for name in graph.symbols() if name not in batch_symbols(graph)]
    for name, length in lengths.items():
        if name not in known or length < 1:
            shown = ", ".join(known) or "none"
            raise UsageError(
                f"Lengths are positive, of dynamic dimensions ({shown}). Received: {name}={length}"
            )
    return dict(lengths)


def _tail(value: Value, bindings: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(dims.evaluate(dim, bindings) for dim in value.shape[1:])


def _sample_count(graph: Graph, bindings: Mapping[str, int]) -> int:
    elements = sum(int(np.prod(_tail(value, bindings))) for value in graph.inputs)
    usual = TEXT_SAMPLES if any(value.dtype == "string" for value in graph.inputs) else SAMPLES
    return max(1, min(usual, MAX_ELEMENTS // max(elements, 1)))


def _random(name: str, seed: int) -> np.random.RandomState:
    # RandomState's streams are frozen (NEP 19); Generator's may change with any NumPy release.
    return np.random.RandomState(zlib.crc32(f"{seed}/{name}".encode()))


def random_pixels(name: str, shape: tuple[int, ...]) -> Array:
    """Pixels of images for the input ``name``: whole numbers from 0 to 255, uint8."""
    return _random(name, 0).randint(0, 256, shape).astype(np.uint8)


def _draw(
    graph: Graph,
    value: Value,
    users: Mapping[Value, list[Node]],
    bindings: Mapping[str, int],
    shape: tuple[int, ...],
    random: np.random.RandomState,
) -> Array:
    dtype = dtypes.numpy_dtype(value.dtype)
    if value.dtype == "bool":
        return random.random_sample(shape) < 0.5
    if value.dtype == "string":
        return draw_texts(graph, value, users, bindings, random, shape)
    rows = index_range(value, users, bindings)
    if rows is not None:
        return _integers(random, _clipped(rows, dtype), shape).astype(dtype)
    table = looked_up(value, users)
    if table is not None:
        return _keys(random, *table, shape).astype(dtype)
    if is_hashed(value, users):
        return _of_any_size(random, dtype, shape)
    affine = first_affine(graph, value, users)
    if dtypes.is_integer(value.dtype):
        pixels = affine.takes_pixels or value.dtype == "uint8"
        return _integers(random, _clipped((0, 255 if pixels else 9), dtype), shape).astype(dtype)
    if affine.takes_pixels:
        return (random.random_sample(shape) * 255).astype(dtype)
    return affine.inverse(random.standard_normal(shape)).astype(dtype)


def _clipped(ends: tuple[int, int], dtype: np.dtype[np.generic]) -> tuple[int, int]:
    if dtype.kind not in "iu":
        # Floats that are cast to indices: a float32 holds every integer up to 2**24.
        return max(ends[0], 0), min(ends[1], 1 << {2: 11, 4: 24, 8: 53}[dtype.itemsize])
    info = np.iinfo(dtype.name)
    return max(ends[0], int(info.min)), min(ends[1], int(info.max))


def _keys(random: np.random.RandomState, keys: Array, strict: bool, shape: tuple[int, ...]) -> Array:
    """Keys; of every four one is the integer after a key, which may be none, unless the table is to hold them all."""
    drawn: Array = keys[_integers(random, (0, len(keys) - 1), shape)]
    nearby = random.random_sample(shape) < 0.25
    return drawn if strict else np.where(nearby & (drawn < np.iinfo(np.int64).max), drawn + 1, drawn)


def _of_any_size(random: np.random.RandomState, dtype: np.dtype[np.generic], shape: tuple[int, ...]) -> Array:
    """Integers of all lengths, with either sign."""
    bits = np.iinfo(dtype.name).bits - 1 if dtype.kind in "iu" else {2: 10, 4: 23, 8: 52}[dtype.itemsize]
    size = np.floor(2.0 ** (random.random_sample(shape) * bits))
    sign = np.where(random.random_sample(shape) < 0.3, -1, 1) if dtype.kind != "u" else 1
    return (size * sign).astype(dtype)


def _integers(random: np.random.RandomState, ends: tuple[int, int], shape: tuple[int, ...]) -> Array:
    # From uniform doubles: the stream of randint differs between platforms with and without a 64-bit long.
    low, high = ends
    return low + np.floor(random.random_sample(shape) * (high - low + 1)).astype(np.int64)
