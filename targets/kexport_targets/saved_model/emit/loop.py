"""Loops, in dataflow: Enter, Merge, Switch, NextIteration and Exit (Yu et al., 2018, "Dynamic control flow in large-scale machine
learning"), which a GraphDef holds without functions. What the steps compute goes into tensor lists, written in place."""

from __future__ import annotations

from typing import Final

from kexport.ir import Graph, Node, Value
from kexport_targets.saved_model.emit.emitter import DType, Emitter, emits
from kexport_targets.saved_model.emit.lengths import length, shape_vector

#: How many steps may be under way at once; TensorFlow's own default.
_PARALLEL: Final = 10


@emits("scan")
def scan(e: Emitter, node: Node) -> None:
    """One loop. Variables are the step's number, a list an output, and the states; all else enters once."""
    body: Graph = node.attrs["body"]
    count, states = node.attrs["sequences"], node.attrs["states"]
    split = len(node.outputs) - states
    steps = length(e, node.input(0).shape[0])
    initial = [
        e.scalar(0),
        *(_empty_list(e, value, steps) for value in node.outputs[:split]),
        *(e.name(node.input(index)) for index in range(count, count + states)),
    ]
    loop = Loop(e, initial, steps)
    inner = Emitter(body, around=e, frame=loop.frame)
    index, *variables = loop.now
    for value, outer in zip(body.inputs[:count], node.inputs[:count], strict=True):
        assert outer is not None
        row = [inner.enter(e.name(outer)), index, inner.scalar(0)]
        inner.bind(value, inner.op("GatherV2", row))
    for value, name in zip(body.inputs[count : count + states], variables[split:], strict=True):
        inner.bind(value, name)
    for value, outer in zip(body.inputs[count + states :], node.inputs[count + states :], strict=True):
        assert outer is not None
        inner.bind(value, inner.enter(e.name(outer)))
    for part in body.nodes:
        inner.emit(part)
    made = [inner.name(value) for value in body.outputs]
    lists = [
        inner.op("TensorListSetItem", [old, index, item])
        for old, item in zip(variables[:split], made[:split], strict=True)
    ]
    exits = loop.close(inner, [inner.op("AddV2", [index, inner.scalar(1)]), *lists, *made[split:]])
    for value, name in zip(node.outputs[:split], exits[1 : split + 1], strict=True):
        _stacked(e, value, name)
    for value, name in zip(node.outputs[split:], exits[split + 1 :], strict=True):
        e.bind(value, name)


def _empty_list(e: Emitter, value: Value, steps: str) -> str:
    """A list for what each step computes of ``value`` (time, …)."""
    shape = [dim if isinstance(dim, int) else -1 for dim in value.shape[1:]]
    return e.op(
        "TensorListReserve", [e.ints(shape), steps], dtype="variant", element_dtype=DType(value.dtype)
    )


def _stacked(e: Emitter, value: Value, name: str) -> None:
    """The steps' tensors one after the other; of none, too, for which the shape is needed."""
    steps = value.shape[0]
    e.op(
        "TensorListStack",
        [name, shape_vector(e, value.shape[1:])],
        value,
        element_dtype=DType(value.dtype),
        num_elements=steps if isinstance(steps, int) else -1,
    )


class Loop:
    """The variables of a loop, and ``now``, what they are within a step."""

    def __init__(self, e: Emitter, initial: list[str], steps: str) -> None:
        self._e = e
        self.frame = e.fresh("loop")
        self._next = [e.fresh("NextIteration") for _ in initial]
        merged = []
        for name, following in zip(initial, self._next, strict=True):
            entered = e.op("Enter", [name], frame_name=self.frame.encode(), parallel_iterations=_PARALLEL)
            merged.append(e.op("Merge", [entered, following], N=2))
        limit = e.op("Enter", [steps], frame_name=self.frame.encode(), is_constant=True)
        goes_on = e.op("LoopCond", [e.op("Less", [merged[0], limit], dtype="bool")])
        self._switches = [e.op("Switch", [name, goes_on]) for name in merged]
        self.now = []
        for name in self._switches:
            e.program.dtypes[f"{name}:1"] = e.program.dtypes[name]
            self.now.append(e.op("Identity", [f"{name}:1"]))

    def close(self, inner: Emitter, values: list[str]) -> list[str]:
        """Give the variables their values of the next step; what they are after the last one."""
        for name, value in zip(self._next, values, strict=True):
            inner.op("NextIteration", [value], name=name)
        return [self._e.op("Exit", [name]) for name in self._switches]
