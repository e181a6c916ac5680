"""Ops that move elements, reductions and indexing."""

from __future__ import annotations

from typing import Any

import numpy as np

from kexport.ir import Node
from kexport_targets.onnx import schema
from kexport_targets.onnx.emit.emitter import Emitter, emits
from kexport_targets.onnx.emit.lengths import shape_vector

_LAST = np.iinfo(np.int64).max
_BEFORE_FIRST = np.iinfo(np.int64).min

REDUCTIONS = {
    "reduce_sum": "ReduceSum",
    "reduce_mean": "ReduceMean",
    "reduce_max": "ReduceMax",
    "reduce_min": "ReduceMin",
    "reduce_prod": "ReduceProd",
}


_GLOBAL_POOLS = {"reduce_mean": "GlobalAveragePool", "reduce_max": "GlobalMaxPool"}


@emits(*REDUCTIONS)
def reduction(e: Emitter, node: Node) -> None:
    """The axes are an input of ReduceSum from opset 13 on, of the others from 18 on."""
    axes, keep = tuple(node.attrs["axes"]), int(node.attrs["keepdims"])
    pool = _GLOBAL_POOLS.get(node.op)
    if not axes:
        e.op("Identity", node.inputs, node.outputs)
    elif pool and node.input(0).rank == 4 and axes == (2, 3) and node.output.dtype == "float32":
        # Runtimes compute it where convolutions before it leave their blocks of channels.
        made = e.op(pool, node.inputs, node.outputs if keep else None)
        if not keep:
            e.op("Squeeze", [made, e.ints(axes)], node.outputs)
    elif node.op == "reduce_sum" or e.opset >= 18:
        e.op(REDUCTIONS[node.op], [node.input(0), e.ints(axes)], node.outputs, keepdims=keep)
    else:
        e.op(REDUCTIONS[node.op], node.inputs, node.outputs, axes=list(axes), keepdims=keep)


@emits("argmax", "argmin")
def arg_reduction(e: Emitter, node: Node) -> None:
    """ArgMax and ArgMin, which give int64."""
    operator = "ArgMax" if node.op == "argmax" else "ArgMin"
    made = e.op(operator, node.inputs, axis=node.attrs["axis"], keepdims=0)
    e.op("Cast", [made], node.outputs, to=schema.TENSOR_TYPES[node.output.dtype])


@emits("cumsum")
def cumsum(e: Emitter, node: Node) -> None:
    """CumSum."""
    axis = e.scalar(node.attrs["axis"], "int64")
    flags: dict[str, Any] = {key: int(node.attrs[key]) for key in ("exclusive", "reverse")}
    e.op("CumSum", [node.input(0), axis], node.outputs, **flags)


@emits("reshape")
def reshape(e: Emitter, node: Node) -> None:
    """Reshape; one unknown dimension is -1, several are computed."""
    wanted = [dim if isinstance(dim, int) else -1 for dim in node.output.shape]
    vector = shape_vector(e, node.output.shape) if wanted.count(-1) > 1 else e.ints(wanted)
    e.op("Reshape", [node.input(0), vector], node.outputs)


@emits("shape")
def shape(e: Emitter, node: Node) -> None:
    """Shape, which gives int64."""
    made = e.op("Shape", node.inputs)
    e.op("Cast", [made], node.outputs, to=schema.TENSOR_TYPES[node.output.dtype])


@emits("expand_dims")
def expand_dims(e: Emitter, node: Node) -> None:
    """Unsqueeze."""
    e.op("Unsqueeze", [node.input(0), e.ints(node.attrs["axes"])], node.outputs)


@emits("squeeze")
def squeeze(e: Emitter, node: Node) -> None:
    """Squeeze."""
    e.op("Squeeze", [node.input(0), e.ints(node.attrs["axes"])], node.outputs)


@emits("transpose")
def transpose(e: Emitter, node: Node) -> None:
    """Transpose."""
    e.op("Transpose", node.inputs, node.outputs, perm=list(node.attrs["perm"]))


@emits("concat")
def concat(e: Emitter, node: Node) -> None:
    """Concat."""
    e.op("Concat", node.inputs, node.outputs, axis=node.attrs["axis"])


@emits("split")
def split(e: Emitter, node: Node) -> None:
    """Split."""
    e.op("Split", [node.input(0), e.ints(node.attrs["sizes"])], node.outputs, axis=node.attrs["axis"])


@emits("slice")
def slice_(e: Emitter, node: Node) -> None:
    """Slice of the axes that it changes."""
    begins, ends, strides = node.attrs["begin"], node.attrs["end"], node.attrs["strides"]
    axes = [
        axis
        for axis, (begin, end, stride) in enumerate(zip(begins, ends, strides, strict=True))
        if (begin, end, stride) != (0, None, 1)
    ]
    if not axes:
        e.op("Identity", node.inputs, node.outputs)
        return
    e.op(
        "Slice",
        [
            node.input(0),
            e.ints([begins[axis] for axis in axes]),
            e.ints([_LAST if ends[axis] is None else ends[axis] for axis in axes]),
            e.ints(axes),
            e.ints([strides[axis] for axis in axes]),
        ],
        node.outputs,
    )


@emits("reverse")
def reverse(e: Emitter, node: Node) -> None:
    """Slice from the end to before the beginning."""
    axes = node.attrs["axes"]
    bounds = [e.ints([start] * len(axes)) for start in (-1, _BEFORE_FIRST)]
    e.op("Slice", [node.input(0), *bounds, e.ints(axes), e.ints([-1] * len(axes))], node.outputs)


@emits("pad")
def pad(e: Emitter, node: Node) -> None:
    """Pad; legalization makes gathers of symmetric padding."""
    x, pads = node.input(0), node.attrs["pads"]
    vector = e.ints([before for before, _ in pads] + [after for _, after in pads])
    value = e.scalar(node.attrs["value"], x.dtype) if node.attrs["mode"] == "constant" else None
    e.op("Pad", [x, vector, value], node.outputs, mode=node.attrs["mode"])


@emits("tile")
def tile(e: Emitter, node: Node) -> None:
    """Tile."""
    e.op("Tile", [node.input(0), e.ints(node.attrs["multiples"])], node.outputs)


@emits("broadcast_to")
def broadcast_to(e: Emitter, node: Node) -> None:
    """Expand."""
    e.op("Expand", [node.input(0), shape_vector(e, node.output.shape)], node.outputs)


@emits("gather")
def gather(e: Emitter, node: Node) -> None:
    """Gather; with batch dimensions, of which legalization leaves those before the axis, GatherND."""
    table, indices = node.input(0), node.input(1)
    axis, batch = node.attrs["axis"], node.attrs["batch_dims"]
    if batch == 0:
        e.op("Gather", [table, indices], node.outputs, axis=axis)
        return
    wide = indices if indices.dtype == "int64" else e.op("Cast", [indices], to=schema.TENSOR_TYPES["int64"])
    each = e.op("Unsqueeze", [wide, e.ints([indices.rank])])
    e.op("GatherND", [table, each], node.outputs, batch_dims=batch)


@emits("top_k")
def top_k(e: Emitter, node: Node) -> None:
    """TopK, which puts the lower index first among equals, and gives indices in int64."""
    indices = e.name(node.outputs[1])
    e.op("TopK", [node.input(0), e.ints([node.attrs["k"]])], [node.outputs[0], f"{indices}/int64"], axis=-1)
    e.op("Cast", [f"{indices}/int64"], [node.outputs[1]], to=schema.TENSOR_TYPES["int32"])


@emits("resize")
def resize(e: Emitter, node: Node) -> None:
    """Resize with half-pixel centres. ``nearest``: floor((i + 0.5) * in / out) is the half-pixel coordinate, rounded up at a half."""
    x, method = node.input(0), node.attrs["method"]
    more = {"nearest_mode": "round_prefer_ceil"} if method == "nearest" else {}
    e.op(
        "Resize",
        [x, None, None, shape_vector(e, node.output.shape)],
        node.outputs,
        coordinate_transformation_mode="half_pixel",
        mode="nearest" if method == "nearest" else "linear",
        **more,
    )
