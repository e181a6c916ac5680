"""Functions element by element."""

from __future__ import annotations

from functools import reduce
from typing import Final

from kexport.ir import Value, dtypes
from kexport.lowering.activations import FUNCTIONS
from kexport.lowering.operations.elementwise import divide_no_nan
from kexport.lowering.operations.operands import cast, full
from kexport.lowering.tf_ops.calls import Call, computes, dtype_name, in_dtype

#: Function → graph op, in the dtype of its argument.
_UNARY: Final = {
    **{name: name for name in (
        "abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "cos", "cosh", "erf", "exp", "expm1", "floor", "log",
        "log1p", "reciprocal", "relu", "relu6", "round", "rsqrt", "sigmoid", "sign", "sin", "sinh", "softplus", "sqrt", "square",
        "tan", "tanh",
    )},
    "check_numerics": "identity",
    "debugging.check_numerics": "identity",
    "conj": "identity",
    "ensure_shape": "identity",
    "grad_pass_through": "identity",
    "identity": "identity",
    "is_finite": "isfinite",
    "is_inf": "isinf",
    "is_nan": "isnan",
    "logical_not": "logical_not",
    "negative": "neg",
    "prevent_gradient": "identity",
    "real": "identity",
    "rint": "round",
    "stop_gradient": "identity",
}  # fmt: skip

#: What does nothing to integers.
_WHOLE: Final = ("ceil", "floor", "round")

#: Function → graph op of two tensors of one dtype.
_BINARY: Final = {
    "add": "add",
    "atan2": "atan2",
    "bitwise.bitwise_and": "bitwise_and",
    "bitwise.bitwise_or": "bitwise_or",
    "bitwise.bitwise_xor": "bitwise_xor",
    "bitwise.left_shift": "left_shift",
    "bitwise.right_shift": "right_shift",
    "eq": "equal",
    "equal": "equal",
    "floor_div": "floor_div",
    "floordiv": "floor_div",
    "floormod": "mod",
    "greater": "greater",
    "greater_equal": "greater_equal",
    "less": "less",
    "less_equal": "less_equal",
    "logical_and": "logical_and",
    "logical_or": "logical_or",
    "logical_xor": "logical_xor",
    "maximum": "maximum",
    "minimum": "minimum",
    "mod": "mod",
    "multiply": "mul",
    "ne": "not_equal",
    "not_equal": "not_equal",
    "pow": "pow",
    "squared_difference": "squared_difference",
    "subtract": "sub",
}

#: Activation functions without arguments.
_ACTIVATIONS: Final = {"elu": "elu", "selu": "selu", "softsign": "softsign", "log_sigmoid": "log_sigmoid"}


@computes(*_UNARY)
def unary(call: Call) -> Value:
    """``op(x)`` in the dtype of x."""
    x, op = call.x, _UNARY.get(call.name) or _UNARY[call.name.rpartition(".")[2]]
    if (op in _WHOLE and not dtypes.is_float(x.dtype)) or (op == "abs" and x.dtype in dtypes.UNSIGNED):
        op = "identity"
    return call.ctx.b.op(op, x)


@computes(*_BINARY)
def binary(call: Call) -> Value:
    """``x op y`` of one dtype, which a number takes from the tensor."""
    other = call.arg("y", "x", "other")
    if other is None:
        raise call.ctx.error(
            f"The file lacks the second operand of tf.{call.name}, which Keras 2 leaves out for == and !=",
            hint="Use tf.equal and tf.not_equal in the model.",
        )
    left, right = call.pair(other)
    op = _BINARY.get(call.name) or _BINARY[call.name.rpartition(".")[2]]
    if left.dtype == "bool" and op in ("equal", "not_equal"):
        left, right = (cast(call.ctx, value, "int32") for value in (left, right))
    return call.ctx.b.op(op, left, right)


@computes("div", "divide", "realdiv", "truediv")
def divided(call: Call) -> Value:
    """``x / y``: integers of 32 bits and more in float64, smaller ones in float32."""
    left, right = call.pair(call.arg("y"))
    if not dtypes.is_float(left.dtype):
        wide = "float64" if dtypes.itemsize(left.dtype) >= 4 else "float32"
        left, right = cast(call.ctx, left, wide), cast(call.ctx, right, wide)
    return call.ctx.b.op("div", left, right)


@computes("divide_no_nan", "multiply_no_nan", "reciprocal_no_nan", "xdivy", "xlogy", "xlog1py")
def without_nan(call: Call) -> Value:
    """0 where the divisor is 0 (``divide_no_nan``, ``reciprocal_no_nan``), where y is (``multiply_no_nan``), or where x is (the
    others); elsewhere ``x / y``, ``1 / x``, ``x y``, ``x / y``, ``x log(y)``, ``x log(1 + y)``."""
    b, name = call.ctx.b, call.name.rpartition(".")[2]
    if name == "reciprocal_no_nan":
        return divide_no_nan(call.ctx, call.tensor(1.0, call.x.dtype), call.x)
    left, right = call.pair(call.arg("y"))
    if name == "divide_no_nan":
        return divide_no_nan(call.ctx, left, right)
    zero = b.scalar(0.0, left)
    if name == "multiply_no_nan":
        return b.op("select", b.op("equal", right, zero), zero, b.op("mul", left, right))
    if name == "xdivy":
        result = b.op("div", left, right)
    else:
        result = b.op("mul", left, b.op("log" if name == "xlogy" else "log1p", right))
    return b.op("select", b.op("equal", left, zero), zero, result)


@computes(*_ACTIVATIONS)
def activation(call: Call) -> Value:
    """An activation of Keras's of the same formula."""
    return FUNCTIONS[_ACTIVATIONS[call.name.rpartition(".")[2]]](call.ctx, call.x)


@computes("crelu", "gelu", "leaky_relu", "relu_layer", "silu", "swish")
def activation_with_argument(call: Call) -> Value:
    """``relu(x)`` and ``relu(-x)`` side by side; GELU, exact by default; x, below 0 times ``alpha``; ``x sigmoid(beta x)``."""
    x, b = call.x, call.ctx.b
    match call.name.rpartition(".")[2]:
        case "crelu":
            axis = call.axis(call.arg("axis", default=-1), x.rank)
            return b.op("concat", b.op("relu", x), b.op("relu", b.op("neg", x)), axis=axis)
        case "gelu":
            return b.op("gelu", x, approximate=call.flag("approximate"))
        case "leaky_relu":
            return b.op("leaky_relu", x, alpha=float(call.number(call.arg("alpha", default=0.2))))
        case "relu_layer":
            weights, biases = (call.tensor(call.arg(name), x.dtype) for name in ("weights", "biases"))
            return b.op("relu", b.op("add", b.op("matmul", x, weights), biases))
    beta = call.number(call.arg("beta", default=1.0))
    return (
        b.op("silu", x) if beta == 1 else b.op("mul", x, b.op("sigmoid", b.op("mul", x, b.scalar(beta, x))))
    )


@computes("softmax", "log_softmax")
def softmax(call: Call) -> Value:
    """Softmax, or its logarithm, over ``axis`` (``dim`` before)."""
    x, op = call.x, call.name.rpartition(".")[2]
    return call.ctx.b.op(op, x, axis=call.axis(call.arg("axis", "dim", default=-1), x.rank))


#: Functions that keras.ops has too, on floats.
_OPERATIONS: Final[dict[str, tuple[str, str]]] = {
    "bessel_i0": ("I0", "numpy"),
    "erfc": ("Erfc", "math"),
    "erfinv": ("Erfinv", "math"),
    "special.bessel_i0": ("I0", "numpy"),
}


@computes("bessel_i0", "erfc", "erfinv", "special.bessel_i0")
def as_operation(call: Call) -> Value:
    """What keras.ops computes."""
    class_name, module = _OPERATIONS[call.name.removeprefix("math.")]
    result: Value = call.operation(class_name, call.x, module=module)
    return result


@computes("add_n", "accumulate_n")
def summed(call: Call) -> Value:
    """The sum of all the tensors."""
    values = [
        call.tensor(item) for item in (call.first if isinstance(call.first, list | tuple) else [call.first])
    ]
    return reduce(lambda left, right: call.ctx.b.op("add", left, right), values)


@computes("clip_by_value", "clip_by_norm")
def clipped(call: Call) -> Value:
    """``max(min(x, clip_value_max), clip_value_min)``; x scaled down to a norm of ``clip_norm`` at most over ``axes``."""
    x, b = call.x, call.ctx.b
    if call.name == "clip_by_norm":
        axes = call.axes(call.arg("axes"), x.rank)
        norm = b.op("sqrt", b.op("reduce_sum", b.op("square", x), axes=axes, keepdims=True))
        limit = call.tensor(call.arg("clip_norm"), x.dtype)
        return b.op("div", b.op("mul", x, limit), b.op("maximum", norm, limit))
    low, high = (call.tensor(call.arg(f"clip_value_{end}"), x.dtype) for end in ("min", "max"))
    if (
        dtypes.is_float(x.dtype)
        and low.constant is not None
        and high.constant is not None
        and low.rank + high.rank == 0
    ):
        bounds = (float(value.constant.numpy()) for value in (low, high) if value.constant)
        return b.op("clip", x, **dict(zip(("min", "max"), bounds, strict=True)))
    return b.op("maximum", b.op("minimum", x, high), low)


@computes("cast", "saturate_cast", "to_float", "to_int32", "bitcast")
def converted(call: Call) -> Value:
    """``x`` in another dtype; ``saturate_cast`` keeps to what that holds, ``bitcast`` the bits."""
    x = call.tensor(call.first)
    wanted = {"to_float": "float32", "to_int32": "int32"}.get(call.name.rpartition(".")[2]) or call.arg(
        "dtype", "type"
    )
    function = call.name.rpartition(".")[2]
    if function in ("cast", "to_float", "to_int32"):
        return in_dtype(call, x, wanted)
    name = "View" if function == "bitcast" else "SaturateCast"
    result: Value = call.operation(name, x, dtype=dtype_name(call, wanted), module="core")
    return result


@computes("where", "where_v2")
def chosen(call: Call) -> Value:
    """``x`` where the condition holds, else ``y``; all three broadcast."""
    yes, no = call.arg("x"), call.arg("y")
    if yes is None or no is None:
        raise call.ctx.error("Without x and y, the length of what tf.where returns depends on the data")
    dtype = next((item.dtype for item in (yes, no) if isinstance(item, Value)), None)
    dtype = dtype or max(
        (call.tensor(item).dtype for item in (yes, no)), key=("bool", "int32", "float32").index
    )
    condition = call.tensor(call.first, "bool")
    return call.ctx.b.op("select", condition, call.tensor(yes, dtype), call.tensor(no, dtype))


@computes("zeros_like", "ones_like")
def like(call: Call) -> Value:
    """Zeros, or ones, in the shape of x."""
    x = call.x
    dtype = call.arg("dtype")
    return full(call.ctx, int("ones" in call.name), dtype_name(call, dtype) if dtype else x.dtype, x.shape)
