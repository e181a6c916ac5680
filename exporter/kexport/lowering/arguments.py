"""Arguments of layers, checked: numbers, arrays and axes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kexport.ir import Array
from kexport.lowering.registry import Context


def number(ctx: Context, name: str, default: float) -> float:
    """A scalar argument, ``default`` where the config has none; Keras saves some as arrays of one element.

    Raises:
        LoweringError: it is no number.
    """
    given = ctx.layer.config.get(name)
    if given is None:
        return default
    array = numbers(ctx, name)
    if array.size != 1:
        raise ctx.error(f"{name} is a number. Received: {given!r}")
    return float(array.reshape(()))


def numbers(ctx: Context, name: str) -> Array:
    """An argument that is a number or nested lists of them, as float64.

    Keras 2 saves arrays as ``{"type": "ndarray", "value": …}``, Keras 3 as ``{"class_name": "__numpy__", "config":
    {"value": …}}``.

    Raises:
        LoweringError: it is neither.
    """
    given = plain = ctx.arg(name)
    while isinstance(plain, Mapping):
        plain = plain.get("config") if isinstance(plain.get("config"), Mapping) else plain.get("value")
    try:
        array = np.asarray(plain)
    except ValueError:
        array = np.asarray(None)
    if array.dtype.kind not in "iuf":
        raise ctx.error(f"{name} is a number or nested lists of numbers of one shape. Received: {given!r}")
    return array.astype(np.float64)


def integer(ctx: Context, name: str) -> int:
    """An integer argument.

    Raises:
        LoweringError: it is none.
    """
    given = ctx.arg(name)
    if isinstance(given, bool) or not isinstance(given, int):
        raise ctx.error(f"{name} is an integer. Received: {given!r}")
    return given


def normalized_axis(ctx: Context, axis: Any, rank: int) -> int:
    """``axis`` counted from the front.

    Raises:
        LoweringError: it is none of a tensor of that rank.
    """
    if isinstance(axis, list | tuple) and len(axis) == 1:
        axis = axis[0]
    if isinstance(axis, bool) or not isinstance(axis, int) or not -rank <= axis < rank:
        raise ctx.error(f"An axis is an integer from {-rank} to {rank - 1}. Received: {axis!r}")
    return axis % rank


def normalized_axes(ctx: Context, axes: Any, rank: int) -> tuple[int, ...]:
    """One axis or a list of them, counted from the front, ascending.

    Raises:
        LoweringError: one is none of a tensor of that rank, or stands twice.
    """
    given = axes if isinstance(axes, list | tuple) else [axes]
    found = sorted(normalized_axis(ctx, axis, rank) for axis in given)
    if len(set(found)) != len(found) or not found:
        raise ctx.error(f"Axes are distinct, and one at least. Received: {axes!r}")
    return tuple(found)
