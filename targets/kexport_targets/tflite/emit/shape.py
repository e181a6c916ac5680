"""Ops that move elements, reductions and indexing."""

from __future__ import annotations

import numpy as np

from kexport.ir import Constant, Node
from kexport_targets.tflite import schema
from kexport_targets.tflite.emit.emitter import Emitter, emits
from kexport_targets.tflite.emit.lengths import scalar, shape_vector
from kexport_targets.tflite.versions import version_of

REDUCTIONS = {
    "reduce_sum": "SUM",
    "reduce_mean": "MEAN",
    "reduce_max": "REDUCE_MAX",
    "reduce_min": "REDUCE_MIN",
    "reduce_prod": "REDUCE_PROD",
    "reduce_any": "REDUCE_ANY",
    "reduce_all": "REDUCE_ALL",
}


@emits(*REDUCTIONS)
def reduction(e: Emitter, node: Node) -> None:
    """MEAN and its like."""
    builtin = REDUCTIONS[node.op]
    axes = e.ints(node.attrs["axes"])
    keep = bool(node.attrs["keepdims"])
    e.op(
        builtin,
        [node.input(0), axes],
        node.outputs,
        "ReducerOptions",
        version=version_of(builtin, node),
        keep_dims=keep,
    )


@emits("argmax", "argmin")
def arg_reduction(e: Emitter, node: Node) -> None:
    """ARG_MAX, ARG_MIN."""
    builtin = "ARG_MAX" if node.op == "argmax" else "ARG_MIN"
    options = "ArgMaxOptions" if node.op == "argmax" else "ArgMinOptions"
    kind = schema.TENSOR_TYPES[node.attrs["dtype"]]
    axis = scalar(e, node.attrs["axis"], "int32", "axis")
    e.op(
        builtin,
        [node.input(0), axis],
        node.outputs,
        options,
        version=version_of(builtin, node),
        output_type=kind,
    )


@emits("cumsum")
def cumsum(e: Emitter, node: Node) -> None:
    """CUMSUM."""
    axis = scalar(e, node.attrs["axis"], "int32", "axis")
    flags = {"exclusive": bool(node.attrs["exclusive"]), "reverse": bool(node.attrs["reverse"])}
    e.op("CUMSUM", [node.input(0), axis], node.outputs, "CumsumOptions", **flags)


@emits("reshape", "expand_dims", "squeeze")
def reshape(e: Emitter, node: Node) -> None:
    """RESHAPE; one unknown dimension is -1, several are computed."""
    wanted = [dim if isinstance(dim, int) else -1 for dim in node.output.shape]
    if wanted.count(-1) > 1:
        e.op("RESHAPE", [node.input(0), shape_vector(e, node.output.shape)], node.outputs, "ReshapeOptions")
        return
    e.op("RESHAPE", [node.input(0), e.ints(wanted)], node.outputs, "ReshapeOptions", new_shape=wanted)


@emits("transpose")
def transpose(e: Emitter, node: Node) -> None:
    """TRANSPOSE."""
    perm = e.ints(node.attrs["perm"])
    version = version_of("TRANSPOSE", node)
    e.op("TRANSPOSE", [node.input(0), perm], node.outputs, "TransposeOptions", version=version)


@emits("concat")
def concat(e: Emitter, node: Node) -> None:
    """CONCATENATION."""
    version = version_of("CONCATENATION", node)
    e.op(
        "CONCATENATION",
        node.inputs,
        node.outputs,
        "ConcatenationOptions",
        version=version,
        axis=node.attrs["axis"],
    )


#: Numbers of parts, and the rank, up to which XNNPACK splits (xnnpack_delegate.cc, VisitSplitNode, LiteRT commit f67457790c9c; its
#: tensors have 6 dimensions at most); a SPLIT_V it leaves to TF Lite.
_EVEN_PARTS, _EVEN_RANK = (2, 3, 4), 6


@emits("split")
def split(e: Emitter, node: Node) -> None:
    """SPLIT where XNNPACK takes it, SPLIT_V otherwise."""
    x, sizes, count = node.input(0), node.attrs["sizes"], len(node.outputs)
    axis = scalar(e, node.attrs["axis"], "int32", "axis")
    even = len(set(sizes)) == 1 and count in _EVEN_PARTS
    if even and x.dtype == "float32" and x.rank <= _EVEN_RANK:
        e.op("SPLIT", [axis, x], node.outputs, "SplitOptions", num_splits=count)
        return
    e.op(
        "SPLIT_V",
        [x, e.ints(sizes), axis],
        node.outputs,
        "SplitVOptions",
        version=version_of("SPLIT_V", node),
        num_splits=count,
    )


@emits("slice")
def slice_(e: Emitter, node: Node) -> None:
    """STRIDED_SLICE; bounds may count from the end, and no end is a bit of the end mask."""
    ends = node.attrs["end"]
    e.op(
        "STRIDED_SLICE",
        [
            node.input(0),
            e.ints(node.attrs["begin"]),
            e.ints([0 if end is None else end for end in ends]),
            e.ints(node.attrs["strides"]),
        ],
        node.outputs,
        "StridedSliceOptions",
        version=version_of("STRIDED_SLICE", node),
        end_mask=sum(1 << axis for axis, end in enumerate(ends) if end is None),
    )


@emits("pad")
def pad(e: Emitter, node: Node) -> None:
    """PAD for zeros, PADV2 for another value, MIRROR_PAD."""
    x, pads = node.input(0), e.constant(Constant.of(np.asarray(node.attrs["pads"], np.int32)), "pads")
    mode, value = node.attrs["mode"], node.attrs["value"]
    if mode != "constant":
        version = version_of("MIRROR_PAD", node)
        e.op(
            "MIRROR_PAD",
            [x, pads],
            node.outputs,
            "MirrorPadOptions",
            version=version,
            mode=schema.MIRROR_MODES[mode],
        )
    elif value == 0:
        e.op("PAD", [x, pads], node.outputs, "PadOptions", version=version_of("PAD", node))
    else:
        fill = scalar(e, value, x.dtype, "pad_value")
        e.op("PADV2", [x, pads, fill], node.outputs, "PadV2Options", version=version_of("PADV2", node))


@emits("tile")
def tile(e: Emitter, node: Node) -> None:
    """TILE."""
    multiples = e.ints(node.attrs["multiples"])
    e.op("TILE", [node.input(0), multiples], node.outputs, "TileOptions", version=version_of("TILE", node))


@emits("reverse")
def reverse(e: Emitter, node: Node) -> None:
    """REVERSE_V2."""
    axes = e.ints(node.attrs["axes"])
    e.op(
        "REVERSE_V2",
        [node.input(0), axes],
        node.outputs,
        "ReverseV2Options",
        version=version_of("REVERSE_V2", node),
    )


@emits("gather")
def gather(e: Emitter, node: Node) -> None:
    """GATHER."""
    axis, batch = node.attrs["axis"], node.attrs["batch_dims"]
    version = max(version_of("GATHER", node), 5 if batch else 1)
    e.op("GATHER", node.inputs, node.outputs, "GatherOptions", version=version, axis=axis, batch_dims=batch)


@emits("shape")
def shape(e: Emitter, node: Node) -> None:
    """SHAPE."""
    kind = schema.TENSOR_TYPES["int32"]
    e.op("SHAPE", [node.input(0)], node.outputs, "ShapeOptions", out_type=kind)


@emits("top_k")
def top_k(e: Emitter, node: Node) -> None:
    """TOPK_V2, which puts the lower index first among equals (topk_v2.cc, compare_fun)."""
    x = node.input(0)
    k = scalar(e, node.attrs["k"], "int32", "k")
    e.op("TOPK_V2", [x, k], node.outputs, "TopKV2Options", version=version_of("TOPK_V2", node))


@emits("resize")
def resize(e: Emitter, node: Node) -> None:
    """RESIZE_BILINEAR, RESIZE_NEAREST_NEIGHBOR with half-pixel centres."""
    builtin = "RESIZE_BILINEAR" if node.attrs["method"] == "bilinear" else "RESIZE_NEAREST_NEIGHBOR"
    options = (
        "ResizeBilinearOptions" if node.attrs["method"] == "bilinear" else "ResizeNearestNeighborOptions"
    )
    size = shape_vector(e, tuple(node.attrs["size"]))
    e.op(builtin, [node.input(0), size], node.outputs, options, version=3, half_pixel_centers=True)


@emits("broadcast_to")
def broadcast_to(e: Emitter, node: Node) -> None:
    """BROADCAST_TO."""
    shape = shape_vector(e, node.output.shape)
    version = version_of("BROADCAST_TO", node)
    e.op("BROADCAST_TO", [node.input(0), shape], node.outputs, "BroadcastToOptions", version=version)


@emits("one_hot")
def one_hot(e: Emitter, node: Node) -> None:
    """ONE_HOT along a new last axis."""
    dtype = node.attrs["dtype"]
    depth = scalar(e, node.attrs["depth"], "int32", "depth")
    on, off = scalar(e, 1, dtype, "on"), scalar(e, 0, dtype, "off")
    e.op("ONE_HOT", [node.input(0), depth, on, off], node.outputs, "OneHotOptions", axis=-1)
