"""States. Source: coremltools 9.0, mil/ops/defs/iOS18/states.py; ``write_state`` is what its backend/mil/load.py makes of
``coreml_update_state``."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from kexport_runtimes.coreml.errors import ComputeError
from kexport_runtimes.coreml.registry import Call, op
from kexport_runtimes.coreml.values import State

Array = NDArray[Any]


@op("read_state", since="iOS18")
def read_state(input: State) -> Array:
    """What the state holds."""
    return input.array


@op("write_state", since="iOS18")
def write_state(call: Call, input: State, data: Array) -> tuple[()]:
    """Let the state hold something else."""
    if data.shape != input.array.shape or data.dtype != input.array.dtype:
        raise ComputeError(
            f"writes {input.array.dtype}{input.array.shape}. Received: {data.dtype}{data.shape}"
        )
    input.array = data
    return ()


@op("coreml_update_state", since="iOS18")
def update_state(call: Call, state: State, value: Array) -> Array:
    """Write a state and read it."""
    write_state(call, state, value)
    return state.array
