"""Inputs that the user gives."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kexport.errors import UsageError
from kexport.ir import Array, Graph, Symbolic, Value, dims, dtypes
from kexport.ir.texts import readable
from kexport.reference.golden import read_arrays
from kexport.reference.lengths import MAX_LENGTH, batch_symbols, least_lengths, too_short
from kexport.reference.ranges import index_range


def samples_from_file(path: Path, graph: Graph) -> dict[str, Array]:
    """The user's inputs from an ``.npz`` by input name (a model of one input also takes an ``.npz`` of one entry or
    an ``.npy``), checked against the graph.

    Returns:
        Arrays of shape (samples, …) in the dtypes and the order of the graph's inputs.

    Raises:
        UsageError: a name is missing or unknown, or a shape, dtype or index does not fit.
        ModelReadError: the file is damaged.
    """
    stored = read_arrays(path)
    names = graph.input_names
    if len(names) == 1 and len(stored) == 1:
        stored = {names[0]: next(iter(stored.values()))}
    stored = {entry.removeprefix("inputs/"): array for entry, array in stored.items() if _is_input(entry)}
    if set(stored) != set(names):
        raise UsageError(
            f"{str(path)!r} must hold an array for each input: {', '.join(names)}. Received: {', '.join(stored)}",
            hint=f"Write it with numpy.savez(path, **{{{', '.join(f'{name!r}: …' for name in names)}}}).",
        )
    return check_inputs({name: stored[name] for name in names}, graph, what=str(path))


def _is_input(entry: str) -> bool:
    """A golden file may serve as samples: its inputs are used."""
    return entry != "meta" and not entry.startswith(("outputs/", "layers/"))


def check_inputs(inputs: Mapping[str, Array], graph: Graph, *, what: str) -> dict[str, Array]:
    """``inputs`` in the graph's dtypes; raises UsageError, naming ``what`` they came from, where they don't fit."""
    arrays: dict[str, Array] = {}
    lengths: dict[str, int] = {}
    batch = batch_symbols(graph)
    for name, value in zip(graph.input_names, graph.inputs, strict=True):
        array = _in_dtype(np.asarray(inputs[name]), name, value, what)
        _bind_lengths(array, name, value, lengths, batch, what)
        arrays[name] = array
    counts = {name: len(array) for name, array in arrays.items()}
    if len(set(counts.values())) != 1 or 0 in counts.values():
        raise UsageError(
            f"{what}: every input holds the same number of samples, at least one. Received: {counts}"
        )
    lengths.update(dict.fromkeys(batch, 1))
    # Of how many words a text is, its text says; nobody asks it here.
    lengths.update(dict.fromkeys(graph.found_lengths(), MAX_LENGTH))
    if too_short(graph, lengths):
        given = [name for name in graph.symbols() if name not in batch]
        least = {name: length for name, length in least_lengths(graph).items() if name in given}
        received = {name: lengths[name] for name in given}
        raise UsageError(f"{what}: at these lengths the model computes nothing: {received}. Least: {least}")
    _check_indices(arrays, graph, lengths, what)
    return arrays


def _in_dtype(array: Array, name: str, value: Value, what: str) -> Array:
    wanted = dtypes.numpy_dtype(value.dtype)
    if value.dtype == "string":
        if array.dtype == object and all(isinstance(item, str | bytes) for item in array.reshape(-1)):
            array = readable(array)
        fits = array.dtype.kind in "US"
    elif value.dtype == "bool":
        fits = array.dtype.kind == "b"
    else:
        fits = np.can_cast(array.dtype, wanted, "same_kind") or (
            array.dtype.kind in "iu" and wanted.kind in "iu"
        )
    if not fits:
        raise UsageError(f"{what}: input {name!r} has dtype {value.dtype}. Received: {array.dtype}")
    if wanted.kind in "iu" and array.size and not _within(array, np.iinfo(wanted.name)):
        raise UsageError(
            f"{what}: input {name!r} has values beyond {value.dtype}: {array.min()} to {array.max()}."
        )
    return array if value.dtype == "string" else np.ascontiguousarray(array.astype(wanted))


def _within(array: Array, info: np.iinfo[Any]) -> bool:
    return int(array.min()) >= int(info.min) and int(array.max()) <= int(info.max)


def _bind_lengths(
    array: Array, name: str, value: Value, lengths: dict[str, int], batch: set[str], what: str
) -> None:
    """Check the dimensions after the first, and remember the lengths of the dynamic ones."""
    problem = array.ndim != value.rank or (len(array) > 0 and array.size == 0)
    for dim, size in zip(value.shape[1:], array.shape[1:], strict=False):
        if not isinstance(dim, Symbolic):
            problem |= dim != size
            continue
        (symbol,) = dims.symbols((dim,))
        if symbol not in batch and lengths.setdefault(symbol, size) != size:
            problem = True
    if problem:
        shape = ("samples", *map(str, value.shape[1:]))
        raise UsageError(
            f"{what}: input {name!r} has shape ({', '.join(shape)}). Received: {array.shape}",
            hint="The first dimension counts the samples.",
        )


def _check_indices(arrays: Mapping[str, Array], graph: Graph, lengths: Mapping[str, int], what: str) -> None:
    users = graph.users()
    for name, value in zip(graph.input_names, graph.inputs, strict=True):
        ends = index_range(value, users, lengths) if value.dtype not in ("string", "bool") else None
        array = arrays[name]
        if ends is not None and (array.min() < ends[0] or array.max() > ends[1]):
            raise UsageError(
                f"{what}: input {name!r} indexes a table and is within {ends[0]} to {ends[1]}. "
                f"Received: {array.min()} to {array.max()}"
            )
