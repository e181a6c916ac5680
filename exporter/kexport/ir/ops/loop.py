"""Loops over the steps of sequences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kexport.ir.graph import Array, Attrs, Graph, TensorType
from kexport.ir.ops._registry import REQUIRED, Inputs, OpError, op, required


def _scan_type(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    body: Graph = attrs["body"]
    count, states = attrs["sequences"], attrs["states"]
    values = [required(inputs, index) for index in range(len(inputs))]
    if count < 1 or len(values) != len(body.inputs) or len(body.outputs) < states:
        raise OpError(
            f"A scan has a sequence at least, and its body as many inputs. Received: {values}, {body}"
        )
    time = values[0].shape[0]
    for index, (value, inner) in enumerate(zip(values, body.inputs, strict=True)):
        wanted = TensorType(value.dtype, value.shape[1:] if index < count else value.shape)
        if wanted != inner.type:
            raise OpError(f"Input {index} of the body is {wanted}. Received: {inner!r}")
        if index < count and value.shape[0] != time:
            raise OpError(f"Sequences have one length. Received: {value.shape[0]} and {time}")
    outer = body.outputs[: len(body.outputs) - states]
    final = body.outputs[len(outer) :]
    for state, value in zip(values[count : count + states], final, strict=True):
        if state.type != value.type:
            raise OpError(f"A state keeps its type. Received: {state!r} and {value!r}")
    return [*(TensorType(v.dtype, (time, *v.shape)) for v in outer), *(v.type for v in final)]


@op("scan", infer=_scan_type, attrs={"body": REQUIRED, "sequences": REQUIRED, "states": REQUIRED})
def scan(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """``(sequences…, states…, constants…)``: ``body``, a graph, on each step in turn.

    Sequences are (time, …); the body gets one step of each (…), the states as the step before left them, and the constants.
    It returns what the step computes, then the new states. The outputs are what the steps computed, (time, …) each, then the
    states after the last step. The body reads nothing else of the graph around it; its symbols are that graph's.
    """
    from kexport.ir.evaluate import evaluate

    body, count, states = attrs["body"], attrs["sequences"], attrs["states"]
    sequences, rest = inputs[:count], list(inputs[count:])
    steps: list[list[Array]] = []
    for index in range(len(sequences[0])):
        outputs = evaluate(body, [*(sequence[index] for sequence in sequences), *rest])
        split = len(outputs) - states
        steps.append(outputs[:split])
        rest[:states] = outputs[split:]
    return [*(np.stack(column) for column in zip(*steps, strict=True)), *rest[:states]]


def bodies(attrs: Attrs) -> list[Graph]:
    """The graphs among a node's attributes."""
    return [value for value in attrs.values() if isinstance(value, Graph)]
