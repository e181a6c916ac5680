"""The walk that carries views along a graph.

Every value of the graph is known as a *base* that has been computed and the view through which it is seen. View ops
compute nothing: they change what is known. An op that can compute beneath a view does so, with its attributes and
constants restated, and its output is seen through a view again. An op that can't gets its inputs made as they are
seen. So views sink until they cancel, or until something needs them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeAlias

from kexport.ir import Builder, Constant, Graph, Node, Value
from kexport.ir.ops import complete_attrs
from kexport.passes.dead_code import remove_dead
from kexport.passes.views.order import FeatureOrder, order_before
from kexport.passes.views.view import View, op_view, view_of

Seen: TypeAlias = View | FeatureOrder


@dataclass(frozen=True)
class Placed:
    """A value as ``base`` seen through ``view``."""

    base: Value
    view: Seen


class WindowForm(Protocol):
    """The form that a target wants window ops in (a data format, a spatial rank)."""

    def view(self, node: Node) -> View | None:
        """How the wanted op sees the node's input 0: the identity for one that has the form, None for other ops."""
        ...

    def build(self, mover: Mover, node: Node, x: Value) -> Value:
        """The op in the wanted form on ``x``, its output in that form as well."""
        ...


#: Computes a node beneath its inputs' views; None when it can't.
MoveRule: TypeAlias = Callable[["Mover", Node], "list[Placed] | None"]

VIEW_RULES: dict[str, MoveRule] = {}
ORDER_RULES: dict[str, MoveRule] = {}

#: Ops whose output may be wanted in another form just where their inputs of the same rank are.
TRANSPARENT: set[str] = set()


def rule(table: dict[str, MoveRule], *ops: str, transparent: bool = False) -> Callable[[MoveRule], MoveRule]:
    """Register the decorated function for ``ops``.

    Raises:
        ValueError: one of them has a rule.
    """

    def decorate(function: MoveRule) -> MoveRule:
        for op in ops:
            if op in table:
                raise ValueError(f"The op {op!r} has two rules.")
            table[op] = function
            if transparent:
                TRANSPARENT.add(op)
        return function

    return decorate


#: What a transposed tensor, and a tensor with another shape, count for when two ways are compared.
_MOVE_COST, _SHAPE_COST = 4, 1


def view_cost(view: View, base: Value) -> int:
    """What it costs to make what ``view`` sees."""
    return sum(_MOVE_COST if op == "transpose" else _SHAPE_COST for op, _ in view.steps(base.shape))


class Mover:
    """One walk. ``builder`` and the methods below it are for rules and window forms."""

    def __init__(self, graph: Graph, form: WindowForm | None) -> None:
        self.graph = graph
        self.builder = Builder.for_graph(graph)
        self.visits = 0
        self._form = form
        self._formed = False
        self._placed: dict[Value, Placed] = {}
        self._nodes: list[Node] = []
        self._rewired: dict[Node, list[Value | None]] = {}
        self._made: dict[tuple[Value, Seen], Value] = {}
        self._graph_views = _graph_views(graph)
        self._constants: dict[tuple[Value, Hashable], Value] = {}
        self._taken: set[Node] = set()
        self._by_inputs: dict[tuple[str, tuple[Value | None, ...]], list[Node]] = {}
        for node in graph.nodes:
            self._by_inputs.setdefault((node.op, tuple(node.inputs)), []).append(node)
        self._wanted = wanted_views(graph, form)
        self._wanted_orders = _wanted_orders(graph, self._wanted)

    # What rules use.

    def placed(self, value: Value) -> Placed:
        """The base and view of a value."""
        return self._placed.get(value) or Placed(value, View.identity(value.rank))

    def emit(self, op: str, *inputs: Value | None, **attrs: Any) -> Value:
        """Add a node of one output; return that."""
        (value,) = self.emit_all(op, *inputs, **attrs)
        return value

    def emit_all(self, op: str, *inputs: Value | None, **attrs: Any) -> list[Value]:
        """Add a node; return its outputs. A node of the graph that is just that is taken instead of a new one."""
        filled = complete_attrs(op, attrs)
        for node in self._by_inputs.get((op, inputs), ()):
            if node.attrs == filled and node not in self._taken:
                self._take(node)
                return node.outputs
        values = self.builder.ops(op, *inputs, **attrs)
        self._nodes += self.builder.nodes
        self.builder.nodes = []
        return values

    def see(self, base: Value, view: Seen) -> Value:
        """What is seen of ``base``, computed once however often it is asked for."""
        made = self._made.get((base, view))
        if made is None:
            made = self._apply_view(base, view) if isinstance(view, View) else self._apply_order(base, view)
            self._made[base, view] = made
        return made

    def seen(self, value: Value) -> Value:
        """``value`` as the graph has it."""
        if value.constant is not None:
            return value
        placed = self.placed(value)
        return self.see(placed.base, placed.view)

    def constant(self, value: Value, view: View) -> Value:
        """A constant value seen through ``view``, without the dimensions of 1 in front: an operand that broadcasts."""
        assert value.constant is not None
        axes = view.axes
        while axes and (axes[0] is None or value.shape[axes[0]] == 1):
            axes = axes[1:]
        view = View(view.rank, axes)
        if view.is_noop(value.shape):
            return value
        return self.restated(value, view, view.of_constant)

    def restated(self, value: Value, way: Hashable, restate: Callable[[Constant], Constant]) -> Value:
        """A constant restated; once for each ``way``, so that what shares a constant goes on sharing one."""
        assert value.constant is not None
        made = self._constants.get((value, way))
        if made is None:
            made = self.builder.constant(restate(value.constant), name="restated")
            self._constants[value, way] = made
        return made

    # The walk.

    def run(self) -> bool:
        """Carry the views; whether the graph changed."""
        for value in self.graph.inputs:
            self._prepare(value)
        for node in self.graph.nodes:
            self.visits += 1
            self.builder.origin = node.origin
            if not self._move(node):
                self._keep(node)
        outputs = [self.seen(value) for value in self.graph.outputs]
        return self._commit(outputs)

    def _move(self, node: Node) -> bool:
        view = view_of(node)
        if view is not None and node.input(0).constant is None:
            placed = self.placed(node.input(0))
            if isinstance(placed.view, View):
                self._placed[node.output] = Placed(placed.base, placed.view.then(view))
                return True
        wanted = self._form.view(node) if self._form else None
        if wanted is not None and not wanted.is_identity and self._form is not None:
            placed = self.placed(node.input(0))
            x = self._converted(node.input(0), placed, wanted)
            self._formed = True
            self._placed[node.output] = Placed(self._form.build(self, node, x), wanted.inverse())
            self._prepare(node.output)
            return True
        return self._reorder(node) or self._move_beneath(node)

    def _reorder(self, node: Node) -> bool:
        """A dense layer whose features a later reshape and op want in another order computes them in that."""
        order = self._wanted_orders.get(node.outputs[0])
        if order is None or node.op != "dense":
            return False
        parameters: list[Value | None] = []
        for axis, value in zip((1, 0), node.inputs[1:], strict=False):
            if value is not None and value.constant is None:
                return False
            restore = partial(order.restored, axis=axis)
            parameters.append(None if value is None else self.restated(value, (order, axis), restore))
        x = self.seen(node.input(0))
        self._placed[node.output] = Placed(self.emit("dense", x, *parameters, **node.attrs), order)
        return True

    def _converted(self, value: Value, placed: Placed, wanted: View) -> Value:
        if isinstance(placed.view, View):
            return self.see(placed.base, placed.view.then(wanted))
        return self.see(self.seen(value), wanted)

    def _move_beneath(self, node: Node) -> bool:
        views = [self._placed[v].view for v in node.inputs if v is not None and v in self._placed]
        if all(view.is_identity for view in views):
            return False
        ordered = any(isinstance(view, FeatureOrder) for view in views)
        move = (ORDER_RULES if ordered else VIEW_RULES).get(node.op)
        made = move(self, node) if move else None
        if made is None:
            return False
        self._placed.update(zip(node.outputs, made, strict=True))
        return True

    def _keep(self, node: Node) -> None:
        if node not in self._taken:  # a node like it, moved beneath a view, may have become it
            inputs = [None if value is None else self.seen(value) for value in node.inputs]
            if inputs != node.inputs:
                self._rewired[node] = inputs
            self._take(node)
        for value in node.outputs:
            self._prepare(value)

    def _prepare(self, value: Value) -> None:
        """Make the form that a later op wants at once, so that all that is between computes in it."""
        wanted, placed = self._wanted.get(value), self.placed(value)
        if wanted is None or not isinstance(placed.view, View):
            return
        composed = placed.view.then(wanted)
        if composed.is_noop(placed.base.shape):
            return
        base = self.see(placed.base, composed)
        self._placed[value] = Placed(base, wanted.inverse())
        if placed.view.is_identity:
            self._made[base, wanted.inverse()] = placed.base

    def _take(self, node: Node) -> None:
        self._taken.add(node)
        self._nodes.append(node)

    def _apply_view(self, base: Value, view: View) -> Value:
        if node := self._graph_views.get((base, view)):
            self._take(node)
            return node.output
        steps = view.steps(base.shape)
        if len(steps) == 1:
            return self.emit(steps[0][0], base, **steps[0][1])
        value = base
        for op, attrs in steps:
            step = op_view(op, attrs, value.rank)
            assert step is not None
            value = self.see(value, step)
        return value

    def _apply_order(self, base: Value, order: FeatureOrder) -> Value:
        if order.is_identity:
            return base
        sizes = tuple(segment.size for segment in order.segments)
        axis = base.rank - 1
        parts = [base] if len(sizes) == 1 else self.emit_all("split", base, axis=axis, sizes=sizes)
        lead = base.shape[:-1]
        done = []
        for segment, part in zip(order.segments, parts, strict=True):
            seen = part
            if len(segment.dims) > 1:
                split = self.emit("reshape", part, shape=(*lead, *segment.dims))
                perm = (*range(axis), *(axis + i for i in segment.perm))
                seen = self.emit("reshape", self.emit("transpose", split, perm=perm), shape=part.shape)
            done.append(seen)
        return done[0] if len(done) == 1 else self.emit("concat", *done, axis=axis)

    def _commit(self, outputs: list[Value]) -> bool:
        before = set(self.graph.nodes)
        if not self._rewired and outputs == self.graph.outputs and before == set(self._nodes):
            return False
        old = Graph(self.graph.name, self.graph.inputs, self.graph.outputs, self.graph.nodes, [], [])
        old_inputs = {node: node.inputs for node in self._rewired}
        layer_outputs = {path: self._existing(value) for path, value in self.graph.layer_outputs.items()}
        for node, inputs in self._rewired.items():
            node.inputs = inputs
        new = Graph(self.graph.name, self.graph.inputs, outputs, self._nodes, [], [])
        remove_dead(new)
        if not self._formed and graph_cost(new) > graph_cost(old):
            for node, inputs in old_inputs.items():
                node.inputs = inputs
            return False
        changed = bool(self._rewired) or outputs != self.graph.outputs or before != set(new.nodes)
        self.graph.nodes, self.graph.outputs, self.graph.layer_outputs = new.nodes, outputs, layer_outputs
        remove_dead(self.graph)
        return changed

    def _existing(self, value: Value) -> Value:
        """The value's like in the new graph where there is one; otherwise ``value``, which is then dropped."""
        placed = self._placed.get(value)
        if placed is None:
            return value
        if isinstance(placed.view, View) and placed.view.is_noop(placed.base.shape):
            return placed.base
        return self._made.get((placed.base, placed.view), value)


def has_form(graph: Graph, form: WindowForm) -> bool:
    """Whether all window ops of the graph have the form."""
    views = (form.view(node) for node in graph.nodes)
    return all(view is None or view.is_identity for view in views)


def graph_cost(graph: Graph) -> int:
    """What the views in a graph cost."""
    shapes = ("expand_dims", "squeeze", "reshape")
    return sum(_MOVE_COST * (n.op == "transpose") + _SHAPE_COST * (n.op in shapes) for n in graph.nodes)


def _graph_views(graph: Graph) -> dict[tuple[Value, View], Node]:
    """The graph's own view ops: they are used again where what they compute is still needed."""
    table: dict[tuple[Value, View], Node] = {}
    for node in graph.nodes:
        view = view_of(node)
        if view is not None:
            table.setdefault((node.input(0), view), node)
    return table


def wanted_views(graph: Graph, form: WindowForm | None) -> Mapping[Value, View]:
    """For values whose later readers want them seen otherwise: how, found by walking back from window ops."""
    wanted: dict[Value, View] = {}
    if form is None:
        return wanted
    for node in reversed(graph.nodes):
        view = form.view(node)
        if view is not None:
            wanted.setdefault(node.input(0), view)
            continue
        later = next((wanted[value] for value in node.outputs if value in wanted), None)
        if later is None:
            continue
        own = view_of(node)
        if own is not None:
            wanted.setdefault(node.input(0), own.then(later))
        elif node.op in TRANSPARENT:
            for value in node.inputs:
                if value is not None and value.constant is None and _can_be_seen(value, later):
                    wanted.setdefault(value, later)
    return wanted


def _can_be_seen(value: Value, view: View) -> bool:
    """Whether ``view`` is one of ``value``: it leaves out no dimension that is more than 1 there, before a split, say."""
    left_out = set(range(view.rank)).difference(axis for axis in view.axes if axis is not None)
    return value.rank == view.rank and all(value.shape[axis] == 1 for axis in left_out)


def _wanted_orders(graph: Graph, wanted: Mapping[Value, View]) -> Mapping[Value, FeatureOrder]:
    """For values of which a reshape makes what is wanted otherwise: the order of features that spares moving it."""
    orders: dict[Value, FeatureOrder] = {}
    if not any(node.op == "reshape" and node.output in wanted for node in graph.nodes):
        return orders
    readers = graph.users()
    for node in reversed(graph.nodes):
        out = node.outputs[0]
        if node.op == "reshape" and out in wanted:
            order = order_before(node.input(0).shape, node.output.shape, wanted[out])
            sources = [node.input(0)]
        elif node.op in TRANSPARENT and node.op in ORDER_RULES:
            order = orders.get(out)
            sources = [value for value in node.inputs if value is not None and value.type == out.type]
        else:
            continue
        for value in sources:
            if order is not None and value.constant is None and len(readers[value]) == 1:
                orders[value] = order
    return orders


def common_view(
    mover: Mover, values: Sequence[Value], rank: int, fits: Callable[[View], bool]
) -> View | None:
    """The view of ``rank`` beneath which an op on ``values`` computes most cheaply; None for as they are.

    The views that the values have are tried, those that ``fits`` allows.
    """
    views = [_axis_view(mover, value).lifted(rank) for value in values if value.constant is None]
    best, best_cost = (
        None,
        sum(
            view_cost(_axis_view(mover, value), mover.placed(value).base)
            for value in values
            if value.constant is None
        ),
    )
    for view in dict.fromkeys(views):
        if view.is_identity or not fits(view):
            continue
        cost = sum(
            view_cost(_axis_view(mover, value).lifted(rank).then(view.inverse()), mover.placed(value).base)
            for value in values
            if value.constant is None
        )
        if cost < best_cost:
            best, best_cost = view, cost
    return best


def _axis_view(mover: Mover, value: Value) -> View:
    view = mover.placed(value).view
    assert isinstance(view, View)
    return view


def beneath(mover: Mover, value: Value, view: View) -> Value:
    """``value``, an operand that broadcasts to what ``view`` sees, in the terms of that view's base."""
    rank = len(view.axes)
    if value.constant is not None:
        return mover.constant(value, View.identity(value.rank).lifted(rank).then(view.inverse()))
    placed = mover.placed(value)
    return mover.see(placed.base, _axis_view(mover, value).lifted(rank).then(view.inverse()))


def move_views(graph: Graph, form: WindowForm | None = None) -> bool:
    """Bring window ops into ``form`` and carry all views along; whether the graph changed."""
    cleaned = remove_dead(graph)  # what is dead wants nothing
    if not any(view_of(node) is not None for node in graph.nodes) and (form is None or has_form(graph, form)):
        return cleaned
    return Mover(graph, form).run() or cleaned
