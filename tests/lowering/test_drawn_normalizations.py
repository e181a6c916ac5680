"""Normalizations over drawn axes, against Keras, in NumPy and on the targets' runtimes."""

from __future__ import annotations

from math import prod
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from lowering.live_model import check

FEW = settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
shapes = st.lists(st.integers(1, 5), min_size=1, max_size=3).map(tuple)
maybe = st.booleans()
dtypes = st.sampled_from(["float32", "float32", "float32", "int32"])

EPSILON = 0.01


def some_axes(data: st.DataObject, shape: tuple[int, ...]) -> Any:
    """One axis or several, counted from the front or the back."""
    axes = data.draw(st.lists(st.integers(1, len(shape)), min_size=1, unique=True))
    axes = [axis if data.draw(maybe) else axis - len(shape) - 1 for axis in axes]
    return axes[0] if len(axes) == 1 else axes


@FEW
@given(shape=shapes, scale=maybe, center=maybe, data=st.data())
def test_layer_normalization(shape: tuple[int, ...], scale: bool, center: bool, data: st.DataObject) -> None:
    given_axes = some_axes(data, shape)
    # Of one element alone nothing is left but rounding errors.
    assume(
        prod((0, *shape)[axis] for axis in ([given_axes] if isinstance(given_axes, int) else given_axes)) > 1
    )
    options = {"scale": scale, "center": center, "epsilon": EPSILON}
    check(lambda layers: layers.LayerNormalization(axis=given_axes, **options), shape, targets=True)


@FEW
@given(shape=shapes, data=st.data())
def test_root_mean_square_normalization(shape: tuple[int, ...], data: st.DataObject) -> None:
    # The scale has the lengths of the axes and is multiplied over the last dimensions, whatever the axes are: they must fit.
    count = data.draw(st.integers(1, len(shape)))
    axes: Any = list(range(len(shape) - count + 1, len(shape) + 1))
    if len(set(shape)) == 1:
        axes = data.draw(st.lists(st.integers(1, len(shape)), min_size=count, max_size=count, unique=True))
    axes = axes if count > 1 else axes[0] - data.draw(st.sampled_from([0, len(shape) + 1]))
    check(lambda layers: layers.RMSNormalization(axis=axes, epsilon=EPSILON), shape, targets=True)


@FEW
@given(shape=shapes, data=st.data())
def test_unit_normalization(shape: tuple[int, ...], data: st.DataObject) -> None:
    axes = some_axes(data, shape)
    check(lambda layers: layers.UnitNormalization(axis=axes), shape, targets=True)


@FEW
@given(shape=shapes, groups=st.integers(1, 3), scale=maybe, center=maybe, data=st.data())
def test_group_normalization(
    shape: tuple[int, ...], groups: int, scale: bool, center: bool, data: st.DataObject
) -> None:
    axis = data.draw(st.integers(1, len(shape)))
    whole = (*shape[: axis - 1], groups * data.draw(st.integers(1, 3)), *shape[axis:])
    count = data.draw(st.sampled_from([groups, -1]))
    assume(prod(whole) > (groups if count > 0 else whole[axis - 1]))
    options = {"scale": scale, "center": center, "epsilon": EPSILON}
    check(lambda layers: layers.GroupNormalization(count, axis=axis, **options), whole, targets=True)


@FEW
@given(shape=shapes, scale=maybe, center=maybe, data=st.data())
def test_batch_normalization(shape: tuple[int, ...], scale: bool, center: bool, data: st.DataObject) -> None:
    axis = data.draw(st.integers(1, len(shape)))
    options = {"scale": scale, "center": center, "epsilon": EPSILON}
    check(lambda layers: layers.BatchNormalization(axis=axis, **options), shape, targets=True)


@FEW
@given(shape=shapes, dtype=dtypes, invert=maybe, data=st.data())
def test_normalization(shape: tuple[int, ...], dtype: str, invert: bool, data: st.DataObject) -> None:
    axes = some_axes(data, shape)
    check(lambda layers: layers.Normalization(axis=axes, invert=invert), shape, dtype=dtype, targets=True)
