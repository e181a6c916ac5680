"""The algebra of axis views, checked against arrays."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kexport.ir import Builder, Constant, Graph, TensorType, Value
from kexport.ir.evaluate import evaluate
from kexport.passes.views import FeatureOrder, Segment, View, view_of
from kexport.passes.views.shape_rules import reshape_runs
from kexport.passes.views.view import unit_reshape

LENGTHS = (1, 2, 1, 3, 4)


@st.composite
def views_of(draw: st.DrawFn, shape: tuple[int, ...]) -> View:
    """A view of a base of that shape: some dimensions of 1 dropped, the rest in any order, new ones of 1 put in."""
    kept = [axis for axis, dim in enumerate(shape) if dim != 1 or draw(st.booleans())]
    axes: list[int | None] = list(draw(st.permutations(kept)))
    for _ in range(draw(st.integers(0, 2))):
        axes.insert(draw(st.integers(0, len(axes))), None)
    return View(len(shape), tuple(axes))


shapes = st.lists(st.sampled_from(LENGTHS), min_size=1, max_size=4).map(tuple)


@settings(derandomize=True)
@given(st.data())
def test_views_compose_and_invert(data: st.DataObject) -> None:
    shape = data.draw(shapes)
    x = np.arange(np.prod(shape)).reshape(shape)
    first = data.draw(views_of(shape))
    second = data.draw(views_of(tuple(first.shape(shape))))  # type: ignore[arg-type]
    seen = first.of_array(x)
    assert seen.shape == first.shape(shape)
    assert np.array_equal(second.of_array(seen), first.then(second).of_array(x))
    assert np.array_equal(first.inverse().of_array(seen), x)
    assert first.then(first.inverse()).is_noop(shape)


@settings(derandomize=True)
@given(st.data())
def test_the_steps_make_what_is_seen(data: st.DataObject) -> None:
    shape = data.draw(shapes)
    x = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    view = data.draw(views_of(shape))
    builder = Builder()
    value: Value = builder.input("x", TensorType("float32", shape))
    inputs = [value]
    for op, attrs in view.steps(shape):
        value = builder.op(op, value, **attrs)
    graph = Graph("g", inputs, [value], builder.nodes, ["x"], ["y"])
    graph.check()
    assert np.array_equal(evaluate(graph, [x])[0], view.of_array(x))
    assert sum(node.op == "transpose" for node in graph.nodes) == (not view.keeps_order(shape))
    assert np.array_equal(view.of_constant(Constant.of(x)).numpy(), view.of_array(x))
    for node in graph.nodes:
        assert view_of(node) is not None


@settings(derandomize=True)
@given(st.data())
def test_a_feature_order_restores_constants(data: st.DataObject) -> None:
    segments = []
    parts = []
    for _ in range(data.draw(st.integers(1, 3))):
        dims = tuple(data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
        perm = tuple(data.draw(st.permutations(range(len(dims)))))
        segments.append(Segment(dims, perm))
        base = np.arange(np.prod(dims)) + 1000 * len(parts)
        parts.append((base, base.reshape(dims).transpose(perm).reshape(-1)))
    order = FeatureOrder(2, tuple(segments))
    base = np.concatenate([part[0] for part in parts])
    seen = np.concatenate([part[1] for part in parts])
    assert order.size == len(base)
    assert np.array_equal(order.restored(Constant.of(seen), 0).numpy(), base)
    rows = np.stack([seen, seen + 1], axis=1)
    assert np.array_equal(order.restored(Constant.of(rows), 0).numpy(), np.stack([base, base + 1], axis=1))
    assert np.array_equal(order.restored(Constant.of(rows.T), 1).numpy(), np.stack([base, base + 1]))


def test_reshapes_of_ones_are_views() -> None:
    assert unit_reshape((2, 1, 3), (2, 3, 1)) == View(3, (0, 2, None))
    assert unit_reshape((2, 3), (3, 2)) is None
    assert unit_reshape((4, 1), (2, 2)) is None


def test_reshape_runs() -> None:
    assert reshape_runs((7, 4, 6, 5), (7, 24, 5)) == [([0], [0]), ([1, 2], [1]), ([3], [2])]
    assert reshape_runs((7, 24, 5), (7, 4, 6, 5)) == [([0], [0]), ([1], [1, 2]), ([2], [3])]
    assert reshape_runs((7, 4, 6), (7, 6, 4)) == [([0], [0]), ([1, 2], [1, 2])]
    assert reshape_runs((2, 6, 3, 4), (3, 4, 12)) == [([0, 1], [0, 1]), ([2, 3], [2])]
