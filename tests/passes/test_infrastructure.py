"""How passes are run and checked."""

from __future__ import annotations

import pytest

from kexport.ir import Builder, Graph, GraphError, TensorType, Value
from kexport.ir.loops import scan
from kexport.passes import Pass, Property, as_pass, dead_code, fixpoint, run_pass, run_passes
from passes.building import Net, ops


def a_graph() -> Graph:
    net = Net(1, 4)
    return net.graph(net.op("relu", net.x))


@as_pass("breaks")
def breaks(graph: Graph) -> bool:
    graph.nodes[0].outputs[0].shape = (7,)
    return True


def test_a_pass_that_breaks_the_graph_is_named() -> None:
    with pytest.raises(GraphError, match=r"After the pass breaks: .*relu"):
        run_passes(a_graph(), [breaks])


def test_a_pass_that_breaks_the_graph_inside_a_fixpoint_is_named() -> None:
    with pytest.raises(GraphError, match="After the pass breaks: "):
        run_passes(a_graph(), [fixpoint(breaks)])


def test_what_a_pass_requires_is_checked() -> None:
    never = Property("the impossible", lambda graph: False)
    with pytest.raises(GraphError, match="The pass p requires the impossible, which does not hold for 'net'"):
        run_passes(a_graph(), [Pass("p", lambda graph: False, requires=(never,))])


def test_what_a_pass_ensures_is_checked_even_if_it_changed_nothing() -> None:
    never = Property("the impossible", lambda graph: False)
    with pytest.raises(GraphError, match="The pass p ensures the impossible"):
        run_passes(a_graph(), [Pass("p", lambda graph: False, ensures=(never,))])


def test_a_fixpoint_ends_when_nothing_changes() -> None:
    left = [3]
    calls = []

    def apply(graph: Graph) -> bool:
        calls.append(left[0])
        left[0] -= 1
        return left[0] >= 0

    assert run_pass(a_graph(), fixpoint(Pass("counts", apply)))
    assert calls == [3, 2, 1, 0]


def test_a_fixpoint_has_a_bound() -> None:
    calls = []

    def apply(graph: Graph) -> bool:
        calls.append(1)
        return True

    run_pass(a_graph(), fixpoint(Pass("restless", apply), bound=5))
    assert len(calls) == 5


def test_a_fixpoint_says_whether_anything_changed() -> None:
    assert not run_pass(a_graph(), fixpoint(Pass("idle", lambda graph: False)))


def test_dead_code_goes_with_its_layer_outputs() -> None:
    net = Net(1, 4)
    kept = net.op("relu", net.x)
    net.layers = {"kept": kept, "input": net.x, "dead": net.op("tanh", net.op("exp", net.x))}
    graph = net.graph(kept)
    assert dead_code(graph)
    assert ops(graph) == ["relu"]
    assert list(graph.layer_outputs) == ["kept", "input"]
    assert not dead_code(graph)


def test_an_unread_input_stays() -> None:
    net = Net(1, 4)
    unread = net.input(1, 2)
    graph = net.graph(net.op("relu", net.x))
    dead_code(graph)
    assert graph.inputs == [net.x, unread]


def test_names_in_the_bodies_of_loops_are_taken() -> None:
    builder = Builder(origin="rnn")
    x = builder.input("x", TensorType("float32", (2, 3, 4)))

    def step(values: list[Value], states: list[Value]) -> tuple[list[Value], list[Value]]:
        summed = builder.op("add", values[0], builder.constant([1.0], "float32", name="inside"))
        return [summed], states

    (outputs,), _ = scan(builder, [x], [], step)
    graph = Graph("loop", [x], [outputs], builder.nodes, ["x"], ["y"])
    later = Builder.for_graph(graph)
    later.origin = "rnn"
    assert later.constant([2.0], "float32", name="inside").name == "rnn/inside_1"
