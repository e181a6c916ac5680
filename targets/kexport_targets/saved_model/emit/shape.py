"""Ops that move elements, reductions and indexing."""

from __future__ import annotations

import numpy as np

from kexport.ir import Constant, Node
from kexport_targets.saved_model.emit.emitter import DType, Emitter, emits
from kexport_targets.saved_model.emit.lengths import shape_vector

REDUCTIONS = {
    "reduce_sum": "Sum",
    "reduce_mean": "Mean",
    "reduce_max": "Max",
    "reduce_min": "Min",
    "reduce_prod": "Prod",
    "reduce_any": "Any",
    "reduce_all": "All",
}


@emits(*REDUCTIONS)
def reduction(e: Emitter, node: Node) -> None:
    """The operator of the same meaning."""
    axes, keep = e.ints(node.attrs["axes"]), bool(node.attrs["keepdims"])
    e.op(REDUCTIONS[node.op], [node.input(0), axes], node.output, keep_dims=keep)


@emits("argmax", "argmin")
def arg_reduction(e: Emitter, node: Node) -> None:
    """ArgMax and ArgMin."""
    operator, dtype = "ArgMax" if node.op == "argmax" else "ArgMin", node.output.dtype
    e.op(operator, [node.input(0), e.scalar(node.attrs["axis"])], node.output, output_type=DType(dtype))


@emits("cumsum")
def cumsum(e: Emitter, node: Node) -> None:
    """Cumsum."""
    e.op(
        "Cumsum",
        [node.input(0), e.scalar(node.attrs["axis"])],
        node.output,
        exclusive=bool(node.attrs["exclusive"]),
        reverse=bool(node.attrs["reverse"]),
    )


@emits("reshape")
def reshape(e: Emitter, node: Node) -> None:
    """Reshape; one unknown dimension is -1, several are computed."""
    wanted = [dim if isinstance(dim, int) else -1 for dim in node.output.shape]
    # Where a length is 0, -1 has no value.
    open_ones = wanted.count(-1)
    vector = shape_vector(e, node.output.shape) if open_ones > 1 or 0 in wanted else e.ints(wanted)
    e.op("Reshape", [node.input(0), vector], node.output)


@emits("shape")
def shape(e: Emitter, node: Node) -> None:
    """Shape."""
    e.op("Shape", [node.input(0)], node.output, out_type=DType(node.output.dtype))


@emits("expand_dims")
def expand_dims(e: Emitter, node: Node) -> None:
    """ExpandDims, an axis at a time: ascending, each is where it will be."""
    *first, last = node.attrs["axes"]
    result = e.name(node.input(0))
    for axis in first:
        result = e.op("ExpandDims", [result, e.scalar(axis)])
    e.op("ExpandDims", [result, e.scalar(last)], node.output)


@emits("squeeze")
def squeeze(e: Emitter, node: Node) -> None:
    """Squeeze."""
    e.op("Squeeze", [node.input(0)], node.output, squeeze_dims=list(node.attrs["axes"]))


@emits("transpose")
def transpose(e: Emitter, node: Node) -> None:
    """Transpose."""
    e.op("Transpose", [node.input(0), e.ints(node.attrs["perm"])], node.output)


@emits("concat")
def concat(e: Emitter, node: Node) -> None:
    """ConcatV2."""
    values = [node.input(index) for index in range(len(node.inputs))]
    if len(values) == 1:
        e.op("Identity", values, node.output)
        return
    e.op("ConcatV2", [*values, e.scalar(node.attrs["axis"])], node.output, N=len(values))


@emits("split")
def split(e: Emitter, node: Node) -> None:
    """Split in equal parts, SplitV in others."""
    sizes, axis, x = node.attrs["sizes"], e.scalar(node.attrs["axis"]), node.input(0)
    if len(set(sizes)) == 1:
        e.several("Split", [axis, x], node.outputs, num_split=len(sizes))
    else:
        e.several("SplitV", [x, e.ints(sizes), axis], node.outputs, num_split=len(sizes))


@emits("slice")
def slice_(e: Emitter, node: Node) -> None:
    """StridedSlice; a bound that is none is masked."""
    begins, ends, strides = node.attrs["begin"], node.attrs["end"], node.attrs["strides"]
    bounds = [e.ints(begins), e.ints([0 if end is None else end for end in ends]), e.ints(strides)]
    e.op(
        "StridedSlice",
        [node.input(0), *bounds],
        node.output,
        begin_mask=sum(1 << axis for axis, begin in enumerate(begins) if begin == 0),
        end_mask=sum(1 << axis for axis, end in enumerate(ends) if end is None),
    )


@emits("reverse")
def reverse(e: Emitter, node: Node) -> None:
    """ReverseV2."""
    e.op("ReverseV2", [node.input(0), e.ints(node.attrs["axes"])], node.output)


@emits("pad")
def pad(e: Emitter, node: Node) -> None:
    """Pad, PadV2 with another value than 0, MirrorPad."""
    x, mode, value = node.input(0), node.attrs["mode"], node.attrs["value"]
    flat = [int(number) for pair in node.attrs["pads"] for number in pair]
    pads = e.op("Reshape", [e.ints(flat), e.ints([x.rank, 2])])
    if mode != "constant":
        e.op("MirrorPad", [x, pads], node.output, mode=mode.upper().encode())
    elif value == 0:
        e.op("Pad", [x, pads], node.output)
    else:
        e.op("PadV2", [x, pads, e.scalar(value, x.dtype)], node.output)


@emits("tile")
def tile(e: Emitter, node: Node) -> None:
    """Tile."""
    e.op("Tile", [node.input(0), e.ints(node.attrs["multiples"])], node.output)


@emits("broadcast_to")
def broadcast_to(e: Emitter, node: Node) -> None:
    """BroadcastTo."""
    e.op("BroadcastTo", [node.input(0), shape_vector(e, node.output.shape)], node.output)


@emits("gather")
def gather(e: Emitter, node: Node) -> None:
    """GatherV2."""
    axis = e.scalar(node.attrs["axis"])
    batch = int(node.attrs["batch_dims"])
    e.op("GatherV2", [node.input(0), node.input(1), axis], node.output, batch_dims=batch)


@emits("one_hot")
def one_hot(e: Emitter, node: Node) -> None:
    """OneHot, all 0 for an index out of range."""
    dtype = node.output.dtype
    e.op(
        "OneHot",
        [node.input(0), e.scalar(node.attrs["depth"]), e.scalar(1, dtype), e.scalar(0, dtype)],
        node.output,
    )


@emits("top_k")
def top_k(e: Emitter, node: Node) -> None:
    """TopKV2, which puts the lower index first among equals. Older TensorFlows don't know the attributes for the dtypes of k and of
    the indices, which are int32 by default."""
    e.several("TopKV2", [node.input(0), e.scalar(node.attrs["k"])], node.outputs)


@emits("bincount")
def bincount(e: Emitter, node: Node) -> None:
    """DenseBincount, which leaves out what is beyond its size; no weights stand for ones."""
    x, dtype = node.input(0), node.output.dtype
    none = e.once(("none", dtype), lambda: e.program.constant(Constant.of(np.zeros(0), dtype), "none"))
    e.op(
        "DenseBincount",
        [x, e.scalar(node.attrs["depth"], x.dtype), none],
        node.output,
        binary_output=bool(node.attrs["binary"]),
    )


@emits("resize")
def resize(e: Emitter, node: Node) -> None:
    """ResizeNearestNeighbor and ResizeBilinear with half-pixel centres; the latter gives float32."""
    x, size = node.input(0), shape_vector(e, tuple(node.attrs["size"]))
    if node.attrs["method"] == "nearest":
        e.op("ResizeNearestNeighbor", [x, size], node.output, half_pixel_centers=True)
    elif x.dtype == "float32":
        e.op("ResizeBilinear", [x, size], node.output, half_pixel_centers=True)
    else:
        made = e.op("ResizeBilinear", [x, size], dtype="float32", half_pixel_centers=True)
        e.op("Cast", [made], node.output, DstT=DType(x.dtype))
