"""Ops that move elements, reductions and indexing."""

from __future__ import annotations

from kexport.ir import Node, dims
from kexport_targets.coreml.emit.emitter import Emitter, emits
from kexport_targets.coreml.emit.lengths import shape_vector

REDUCTIONS = ("reduce_sum", "reduce_mean", "reduce_max", "reduce_min", "reduce_prod")


@emits(*REDUCTIONS)
def reduction(e: Emitter, node: Node) -> None:
    """The reduction; over no axes, nothing."""
    axes, keep = sorted(node.attrs["axes"]), bool(node.attrs["keepdims"])
    if axes:
        e.op(node.op, {"x": node.input(0), "axes": axes, "keep_dims": keep}, node.output)
    else:
        e.op("identity", {"x": node.input(0)}, node.output)


@emits("argmax", "argmin")
def arg_reduction(e: Emitter, node: Node) -> None:
    """``reduce_argmax``, ``reduce_argmin``, which give int32."""
    given = {"x": node.input(0), "axis": int(node.attrs["axis"]), "keep_dims": False}
    e.op(f"reduce_{node.op}", given, node.output)


@emits("cumsum")
def cumsum(e: Emitter, node: Node) -> None:
    """``cumsum``."""
    flags = {key: bool(node.attrs[key]) for key in ("exclusive", "reverse")}
    e.op("cumsum", {"x": node.input(0), "axis": int(node.attrs["axis"]), **flags}, node.output)


@emits("reshape")
def reshape(e: Emitter, node: Node) -> None:
    """``reshape``; one unknown dimension is -1, several are computed."""
    x, wanted = node.input(0), [dim if isinstance(dim, int) else -1 for dim in node.output.shape]
    if not wanted:
        e.op("squeeze", {"x": x, "axes": list(range(x.rank))}, node.output)
        return
    shape = shape_vector(e, node.output.shape) if wanted.count(-1) > 1 else wanted
    e.op("reshape", {"x": x, "shape": shape}, node.output)


@emits("shape")
def shape(e: Emitter, node: Node) -> None:
    """``shape``, which gives int32."""
    e.op("shape", {"x": node.input(0)}, node.output)


@emits("expand_dims", "squeeze")
def dimensions_of_one(e: Emitter, node: Node) -> None:
    """``expand_dims``, ``squeeze``."""
    axes = list(node.attrs["axes"])
    if axes:
        e.op(node.op, {"x": node.input(0), "axes": axes}, node.output)
    else:
        e.op("identity", {"x": node.input(0)}, node.output)


@emits("transpose")
def transpose(e: Emitter, node: Node) -> None:
    """``transpose``."""
    e.op("transpose", {"x": node.input(0), "perm": list(node.attrs["perm"])}, node.output)


@emits("concat")
def concat(e: Emitter, node: Node) -> None:
    """``concat``; of one, nothing."""
    values = [value for value in node.inputs if value is not None]
    if len(values) == 1:
        e.op("identity", {"x": values[0]}, node.output)
        return
    given = {"values": values, "axis": int(node.attrs["axis"]), "interleave": False}
    e.op("concat", given, node.output)


@emits("split")
def split(e: Emitter, node: Node) -> None:
    """``split`` by sizes; into one, nothing."""
    sizes = [int(str(size)) for size in node.attrs["sizes"]]
    if len(sizes) == 1:
        e.op("identity", {"x": node.input(0)}, node.outputs[0])
        return
    given = {"x": node.input(0), "split_sizes": sizes, "axis": int(node.attrs["axis"])}
    e.ops("split", given, node.outputs)


@emits("slice")
def slice_(e: Emitter, node: Node) -> None:
    """``slice_by_index``, whose masks say where a bound is an end of the dimension."""
    begins, ends = list(node.attrs["begin"]), list(node.attrs["end"])
    given = {
        "x": node.input(0),
        "begin": begins,
        "end": [0 if end is None else end for end in ends],
        "stride": list(node.attrs["strides"]),
        "begin_mask": [begin == 0 for begin in begins],
        "end_mask": [end is None for end in ends],
    }
    e.op("slice_by_index", given, node.output)


@emits("reverse")
def reverse(e: Emitter, node: Node) -> None:
    """``reverse``."""
    e.op("reverse", {"x": node.input(0), "axes": list(node.attrs["axes"])}, node.output)


@emits("pad")
def pad(e: Emitter, node: Node) -> None:
    """``pad`` with one value: legalization makes slices of the other modes."""
    x = node.input(0)
    value = e.number(float(node.attrs["value"]), x.dtype)
    pads = [int(width) for pair in node.attrs["pads"] for width in pair]
    e.op("pad", {"x": x, "pad": pads, "mode": "constant", "constant_val": value}, node.output)


@emits("tile")
def tile(e: Emitter, node: Node) -> None:
    """``tile``."""
    e.op("tile", {"x": node.input(0), "reps": list(node.attrs["multiples"])}, node.output)


@emits("broadcast_to")
def broadcast_to(e: Emitter, node: Node) -> None:
    """``tile`` of the dimensions that are 1; legalization gives both sides one rank."""
    x, shape = node.input(0), node.output.shape
    times = tuple(1 if old == new else new for old, new in zip(x.shape, shape, strict=True))
    e.op("tile", {"x": x, "reps": shape_vector(e, times)}, node.output)


@emits("gather")
def gather(e: Emitter, node: Node) -> None:
    """``gather``; its batch dimensions since iOS16."""
    table, indices = node.input(0), node.input(1)
    batch = int(node.attrs["batch_dims"])
    given = {
        "x": table,
        "indices": indices,
        "axis": int(node.attrs["axis"]),
        "batch_dims": batch if e.version >= 16 else None,
        # Indices are those of a trained model; out of range, nothing is promised.
        "validate_indices": False if e.version >= 17 else None,
    }
    e.op("gather", given, node.output)


@emits("top_k")
def top_k(e: Emitter, node: Node) -> None:
    """``topk``, largest first."""
    given = {"x": node.input(0), "k": int(node.attrs["k"]), "axis": -1, "ascending": False}
    more = {"sort": True, "return_indices": True} if e.version >= 16 else {}
    last = {"output_indices_dtype": "int32"} if e.version >= 17 else {}
    e.ops("topk", {**given, **more, **last}, node.outputs)


@emits("resize")
def resize(e: Emitter, node: Node) -> None:
    """``upsample_nearest_neighbor`` by whole factors, ``resize_bilinear`` at half-pixel centres; what is neither, legalization
    takes apart. "UNALIGN_CORNERS" samples at ``(i + 0.5) * in / out - 0.5``, within the image."""
    x = node.input(0)
    if node.attrs["method"] == "nearest":
        rows, columns = whole_factors(node)
        given = {"x": x, "scale_factor_height": rows, "scale_factor_width": columns}
        e.op("upsample_nearest_neighbor", given, node.output)
        return
    height, width = (int(str(dim)) for dim in node.output.shape[2:])
    sizes = {"target_size_height": height, "target_size_width": width}
    e.op("resize_bilinear", {"x": x, **sizes, "sampling_mode": "UNALIGN_CORNERS"}, node.output)


def whole_factors(node: Node) -> list[int]:
    """How many times as long the last two dimensions are after a ``resize``; fewer than two where it is not a whole number."""
    pairs = zip(node.output.shape[2:], node.input(0).shape[2:], strict=True)
    found = (dims.exact_div(new, old) for new, old in pairs)
    return [factor for factor in found if isinstance(factor, int)]
