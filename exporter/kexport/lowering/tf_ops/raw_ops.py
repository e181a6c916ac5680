"""Raw operators of TensorFlow in Functional models: layers of the class ``TensorFlowOpLayer``, as tf.keras of TensorFlow 2.1 to 2.3
saved ``x * 2`` and ``tf.nn.relu(x)``.

The config holds the operator's NodeDef as JSON and those of its inputs that the model does not compute
(``TensorFlowOpLayer.get_config``, tf_keras/src/engine/base_layer.py, 2.21). Each operator is a function that has a rule: a row says
which one, what its inputs are called there, and which attributes are its arguments.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from kexport.ir import Value, dtypes
from kexport.lowering.registry import Context, lowers
from kexport.lowering.tf_ops.calls import Call, call_function
from kexport.lowering.tf_ops.lengths import known_dims
from kexport.lowering.tf_ops.node_defs import attribute

#: In a row's inputs: the function's first argument; the same, a list of all that are not named after it.
FIRST, ALL = "", "*"


@dataclass(frozen=True)
class Operator:
    """How an operator is called as a function.

    Attributes:
        function: its name.
        inputs: what the operator's inputs are called, in its order.
        attributes: the operator's attributes that are arguments: attribute → argument.
        fixed: further arguments.
    """

    function: str
    inputs: tuple[str, ...] = (FIRST,)
    attributes: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)


def _all(names: str, *inputs: str, **attributes: str) -> dict[str, Operator]:
    """Rows of several operators: ``Neg:negative`` where the function has another name than the operator in small letters."""
    pairs = (name.partition(":") for name in names.split())
    return {op: Operator(function or op.lower(), inputs, attributes) for op, _, function in pairs}


_WINDOW: Final = {"strides": "strides", "padding": "padding", "data_format": "data_format"}

OPERATORS: Final[dict[str, Operator]] = {
    **_all(
        "Abs Acos Acosh Asin Asinh Atan Atanh Ceil Cholesky Cos Cosh Elu Erf Erfc Erfinv Exp Expm1 Floor Identity Log Log1p Rank "
        "Reciprocal Relu Relu6 Rint Round Rsqrt Selu Sigmoid Sign Sin Sinh Softmax Softplus Softsign Sqrt Square Tan Tanh "
        "BesselI0:bessel_i0 CheckNumerics:check_numerics EnsureShape:ensure_shape HSVToRGB:image.hsv_to_rgb Inv:reciprocal IsFinite:is_finite IsInf:is_inf "
        "IsNan:is_nan L2Loss:l2_loss LogSoftmax:log_softmax LogicalNot:logical_not MatrixDeterminant:det MatrixDiagPart:diag_part "
        "MatrixInverse:inv Neg:negative OnesLike:ones_like PreventGradient:prevent_gradient RGBToHSV:image.rgb_to_hsv "
        "Snapshot:identity StopGradient:stop_gradient ZerosLike:zeros_like",
        FIRST,
    ),
    **_all(
        "Add AddV2:add Atan2 BitwiseAnd:bitwise.bitwise_and BitwiseOr:bitwise.bitwise_or BitwiseXor:bitwise.bitwise_xor Div "
        "DivNoNan:divide_no_nan Equal FloorDiv:floordiv FloorMod Greater GreaterEqual:greater_equal LeftShift:bitwise.left_shift "
        "Less LessEqual:less_equal LogicalAnd:logical_and LogicalOr:logical_or Maximum Minimum Mul:multiply "
        "MulNoNan:multiply_no_nan NotEqual:not_equal Pow RealDiv RightShift:bitwise.right_shift "
        "SquaredDifference:squared_difference Sub:subtract Xdivy Xlog1py Xlogy",
        *(FIRST, "y"),
    ),
    **_all(
        "All:reduce_all Any:reduce_any EuclideanNorm:reduce_euclidean_norm Max:reduce_max Mean:reduce_mean Min:reduce_min "
        "Prod:reduce_prod Sum:reduce_sum",
        *(FIRST, "axis"),
        keep_dims="keepdims",
    ),
    **_all("ArgMax ArgMin", FIRST, "axis", output_type="output_type"),
    **_all("Cumprod Cumsum", FIRST, "axis", exclusive="exclusive", reverse="reverse"),
    **_all("AddN:add_n", ALL),
    **_all("Pack:stack", ALL, axis="axis"),
    **_all("ConcatV2:concat", ALL, "axis"),
    **_all("Concat", "axis", ALL),
    **_all("Unpack:unstack", FIRST, axis="axis"),
    **_all("Split", "axis", FIRST, num_split="num_or_size_splits"),
    **_all("SplitV:split", FIRST, "num_or_size_splits", "axis"),
    **_all("Shape Size", FIRST, out_type="out_type"),
    **_all("Reshape BroadcastTo:broadcast_to", FIRST, "shape"),
    **_all("Squeeze", FIRST, squeeze_dims="axis"),
    **_all("ExpandDims:expand_dims ReverseV2:reverse", FIRST, "axis"),
    **_all("Transpose", FIRST, "perm"),
    **_all("Tile", FIRST, "multiples"),
    **_all("Fill", FIRST, "value"),
    **_all("Pad PadV2:pad", FIRST, "paddings", "constant_values"),
    **_all("MirrorPad:pad", FIRST, "paddings", mode="mode"),
    **_all("Roll", FIRST, "shift", "axis"),
    **_all("Slice", FIRST, "begin", "size"),
    **_all("Range", FIRST, "limit", "delta"),
    **_all("LinSpace", FIRST, "stop", "num"),
    **_all("GatherV2:gather", FIRST, "indices", "axis", batch_dims="batch_dims"),
    "Gather": Operator("gather", (FIRST, "indices"), fixed={"axis": 0}),
    **_all("AdjustContrastv2:image.adjust_contrast", FIRST, "contrast_factor"),
    **_all(
        "ExtractImagePatches:image.extract_patches", FIRST, ksizes="sizes", strides="strides", rates="rates", padding="padding"
    ),
    "LowerBound": Operator("searchsorted", (FIRST, "values"), {"out_type": "out_type"}, {"side": "left"}),
    "UpperBound": Operator("searchsorted", (FIRST, "values"), {"out_type": "out_type"}, {"side": "right"}),
    **_all("InTopK:in_top_k", "predictions", FIRST, k="k"),
    **_all("InTopKV2:in_top_k", "predictions", FIRST, "k"),
    **_all("MatrixDiag:diag MatrixDiagV2:diag MatrixDiagV3:diag", FIRST, "k", "num_rows", "num_cols", "padding_value"),
    **_all("MatrixDiagPartV2:diag_part MatrixDiagPartV3:diag_part", FIRST, "k"),
    **_all("Qr", FIRST, full_matrices="full_matrices"),
    **_all("GatherNd:gather_nd", FIRST, "indices"),
    **_all("ScatterNd:scatter_nd", FIRST, "updates", "shape"),
    **_all("TensorScatterAdd:tensor_scatter_nd_add TensorScatterUpdate:tensor_scatter_nd_update", FIRST, "indices", "updates"),
    **_all("OneHot:one_hot", FIRST, "depth", "on_value", "off_value", axis="axis", T="dtype"),
    **_all("SelectV2:where", FIRST, "x", "y"),
    **_all("Cast", FIRST, DstT="dtype"),
    **_all("ClipByValue:clip_by_value", FIRST, "clip_value_min", "clip_value_max"),
    **_all("LeakyRelu:leaky_relu", FIRST, alpha="alpha"),
    **_all("MatrixBandPart:band_part", FIRST, "num_lower", "num_upper"),
    **_all("DepthToSpace:depth_to_space SpaceToDepth:space_to_depth", FIRST, block_size="block_size", data_format="data_format"),
    **_all("TopK:top_k", FIRST, k="k"),
    **_all("TopKV2:top_k", FIRST, "k"),
    **_all(
        "UnsortedSegmentMax:unsorted_segment_max UnsortedSegmentMin:unsorted_segment_min "
        "UnsortedSegmentProd:unsorted_segment_prod UnsortedSegmentSum:unsorted_segment_sum",
        *(FIRST, "segment_ids", "num_segments"),
    ),
    **_all("BiasAdd:bias_add", FIRST, "bias", data_format="data_format"),
    **_all("MatMul", FIRST, "b", transpose_a="transpose_a", transpose_b="transpose_b"),
    **_all("BatchMatMul:matmul BatchMatMulV2:matmul", FIRST, "b", adj_x="adjoint_a", adj_y="adjoint_b"),
    **_all("MatrixSolve:solve", FIRST, "rhs", adjoint="adjoint"),
    **_all("MatrixTriangularSolve:triangular_solve", FIRST, "rhs", lower="lower", adjoint="adjoint"),
    **_all(
        "Conv2D Conv3D DepthwiseConv2dNative:depthwise_conv2d", FIRST, "filter", **_WINDOW, dilations="dilations"
    ),
    **_all(
        "AvgPool:avg_pool2d AvgPool3D:avg_pool3d MaxPool:max_pool2d MaxPool3D:max_pool3d", FIRST, **_WINDOW, ksize="ksize"
    ),
}  # fmt: skip

_RESIZES: Final = {
    "ResizeBicubic": "bicubic",
    "ResizeBilinear": "bilinear",
    "ResizeNearestNeighbor": "nearest",
}


@lowers("TensorFlowOpLayer")
def lower_operator(ctx: Context, *inputs: Value) -> list[Value]:
    """The operator of the NodeDef, on the call's tensors and the constants that the config keeps."""
    node = ctx.arg("node_def")
    if not isinstance(node, Mapping) or not isinstance(node.get("op"), str):
        raise ctx.error(
            f"Its node_def is a NodeDef as JSON. Received: {node!r:.80}",
            hint="Save the model with TensorFlow 2.2 or later.",
        )
    name = str(node["op"])
    attributes = {str(key): attribute(item) for key, item in dict(node.get("attr") or {}).items()}
    operands = _operands(ctx, attributes)
    if name == "IdentityN":
        return [ctx.b.op("identity", value) for value in operands]
    if name == "StridedSlice":
        return call_function(ctx, "getitem", operands[0], {"slice_spec": _slices(ctx, operands, attributes)})
    if name in _RESIZES:
        return _resized(ctx, name, operands, attributes)
    if name == "Select":
        return call_function(ctx, "where", _column(ctx, *operands[:2]), {"x": operands[1], "y": operands[2]})
    row = OPERATORS.get(name)
    if row is None:
        close = difflib.get_close_matches(name, OPERATORS, n=3)
        similar = f" Similar: {', '.join(close)}." if close else ""
        raise ctx.error(
            f"For TensorFlow's operator {name} no lowering is known",
            hint=f"Use a layer of Keras for it.{similar}",
        )
    first, given = _arguments(row, operands)
    given |= {argument: attributes[key] for key, argument in row.attributes.items() if key in attributes}
    if given.get("padding") == "EXPLICIT":
        given["padding"] = attributes.get("explicit_paddings")
    return call_function(ctx, row.function, first, given | dict(row.fixed))


def _operands(ctx: Context, attributes: Mapping[str, Any]) -> list[Value]:
    """The operator's inputs in its order: each constant at its place, the call's tensors at the others."""
    given = ctx.args[0] if ctx.args else ()
    tensors = list(given) if isinstance(given, list | tuple) else [given]
    constants = ctx.layer.config.get("constants") or {}
    numbers = next((attributes[key] for key in ("T", "Tparams", "dtype") if key in attributes), None)
    call = Call(ctx, "constant", None, {})
    for place, item in sorted((int(key), item) for key, item in dict(constants).items()):
        array = call.array(item)
        kind = {"b": "bool", "f": "float32"}.get(array.dtype.kind if array.size else "i", "int32")
        # An empty list is one of lengths. What the file has no dtype of: numbers that are computed with have that of the operator, axes and lengths are int32.
        same = numbers in dtypes.ALL and dtypes.is_float(numbers) == dtypes.is_float(kind)
        if same and "bool" not in (kind, numbers):
            kind = str(numbers)
        tensors.insert(place, ctx.b.constant(array.astype(dtypes.numpy_dtype(kind)), kind, name="constant"))
    return tensors


def _arguments(row: Operator, operands: Sequence[Value]) -> tuple[Any, dict[str, Any]]:
    """The first argument, and the others by name."""
    rest = len(operands) - (len(row.inputs) - 1)
    first: Any = None
    given: dict[str, Any] = {}
    left = list(operands)
    for name in row.inputs:
        if name == ALL:
            first, left = left[:rest], left[rest:]
        elif left:
            item = left.pop(0)
            first, given = (item, given) if name == FIRST else (first, {**given, name: item})
    return first, given


def _slices(ctx: Context, operands: Sequence[Value], attributes: Mapping[str, Any]) -> list[Any]:
    """The key of ``x[key]``, part by part; bit i of a mask is about part i (``StridedSlice``, tensorflow/core/ops/array_ops.cc)."""
    call = Call(ctx, "slice", None, {})
    begin, end = (known_dims(item) for item in operands[1:3])
    strides = call.integers(operands[3])

    def marked(name: str, place: int) -> bool:
        return bool(int(attributes.get(f"{name}_mask") or 0) >> place & 1)

    key: list[Any] = []
    for place, step in enumerate(strides):
        start = begin[place] if begin else _element(ctx, operands[1], place)
        stop = end[place] if end else _element(ctx, operands[2], place)
        if marked("ellipsis", place):
            key.append("...")
        elif marked("new_axis", place):
            key.append(None)
        elif marked("shrink_axis", place):
            key.append(start)
        else:
            bounds = {"begin": start, "end": stop}
            first, last = (None if marked(name, place) else item for name, item in bounds.items())
            key.append({"start": first, "stop": last, "step": step})
    return key


def _element(ctx: Context, x: Value, place: int) -> Value:
    """One number of a list that the model computes."""
    return ctx.b.op(
        "squeeze", ctx.b.op("slice", x, begin=(place,), end=(place + 1,), strides=(1,)), axes=(0,)
    )


def _resized(
    ctx: Context, name: str, operands: Sequence[Value], attributes: Mapping[str, Any]
) -> list[Value]:
    if attributes.get("align_corners") or not attributes.get("half_pixel_centers"):
        raise ctx.error(
            f"{name} is lowered with half_pixel_centers=True and align_corners=False, as tf.image.resize calls it",
            hint="Use tf.image.resize or UpSampling2D in the model.",
        )
    return call_function(ctx, "image.resize", operands[0], {"size": operands[1], "method": _RESIZES[name]})


def _column(ctx: Context, condition: Value, like: Value) -> Value:
    """The condition of ``Select``, which may have one element a row."""
    missing = like.rank - condition.rank
    if condition.rank != 1 or missing <= 0:
        return condition
    return ctx.b.op("expand_dims", condition, axes=tuple(range(1, 1 + missing)))
