"""Functions of one and two tensors, element by element."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from kexport.ir import Value, dtypes
from kexport.lowering.operations.operands import (
    arguments,
    as_float,
    cast,
    full,
    only,
    option,
    promoted,
    promoted_tensors,
    scalar_of,
    tensor,
)
from kexport.lowering.registry import Context, lowers

#: Operation → graph op, in the dtype that both operands are promoted to.
_BINARY: Final = {
    "Add": "add",
    "BitwiseAnd": "bitwise_and",
    "BitwiseOr": "bitwise_or",
    "BitwiseXor": "bitwise_xor",
    "FloorDivide": "floor_div",
    "Maximum": "maximum",
    "Minimum": "minimum",
    "Multiply": "mul",
    "Power": "pow",
    "Subtract": "sub",
}

#: The same, in floats throughout.
_BINARY_FLOAT: Final = {"Divide": "div", "TrueDivide": "div"}

#: Operation → graph op, on floats: integers and bools become float32 first.
_UNARY_FLOAT: Final = {
    "Arccos": "acos",
    "Arccosh": "acosh",
    "Arcsin": "asin",
    "Arcsinh": "asinh",
    "Arctan": "atan",
    "Arctanh": "atanh",
    "Ceil": "ceil",
    "Cos": "cos",
    "Cosh": "cosh",
    "Erf": "erf",
    "Exp": "exp",
    "Expm1": "expm1",
    "Fabs": "abs",
    "Floor": "floor",
    "Log": "log",
    "Log1p": "log1p",
    "Reciprocal": "reciprocal",
    "Rsqrt": "rsqrt",
    "Sin": "sin",
    "Sinh": "sinh",
    "Sqrt": "sqrt",
    "Tan": "tan",
    "Tanh": "tanh",
}

#: Operation → graph op, in the dtype of x.
_UNARY: Final = {"Abs": "abs", "Absolute": "abs", "Negative": "neg", "Sign": "sign", "Trunc": "trunc"}

#: What changes nothing without complex numbers and gradients.
_IDENTITIES: Final = ("Conj", "Conjugate", "Copy", "Real", "StopGradient")


@lowers(*(f"ops.{name}" for name in _BINARY))
def lower_binary(ctx: Context, *inputs: Value) -> Value:
    """``x1 op x2``, each a tensor, an array or a number, broadcasting; for bools, + is "or" and * is "and"."""
    names = ("x", "y") if ctx.layer.class_name.startswith("Bitwise") else ("x1", "x2")
    left, right = promoted(ctx, *arguments(ctx, *names))
    op = _BINARY[ctx.layer.class_name]
    if left.dtype == "bool":
        logical = {"add": "or", "maximum": "or", "bitwise_or": "or", "bitwise_xor": "xor"}.get(op, "and")
        return ctx.b.op(f"logical_{logical}", left, right)
    return ctx.b.op(op, left, right)


@lowers(*(f"ops.{name}" for name in _BINARY_FLOAT))
def lower_binary_float(ctx: Context, *inputs: Value) -> Value:
    """``x1 op x2`` in floats."""
    left, right = promoted(ctx, *arguments(ctx, "x1", "x2"), also=("float",))
    return ctx.b.op(_BINARY_FLOAT[ctx.layer.class_name], left, right)


@lowers("ops.Arctan2")
def lower_atan2(ctx: Context, *inputs: Value) -> Value:
    """The angle of the point (x2, x1)."""
    left, right = promoted_tensors(ctx, *arguments(ctx, "x1", "x2"), also=("float",))
    return ctx.b.op("atan2", left, right)


@lowers("ops.LeftShift", "ops.BitwiseLeftShift", "ops.RightShift", "ops.BitwiseRightShift")
def lower_shift(ctx: Context, *inputs: Value) -> Value:
    """``x << y`` and ``x >> y``."""
    left, right = promoted(ctx, *arguments(ctx, "x", "y"))
    return ctx.b.op("left_shift" if "Left" in ctx.layer.class_name else "right_shift", left, right)


@lowers("ops.BitwiseInvert", "ops.BitwiseNot")
def lower_invert(ctx: Context, *inputs: Value) -> Value:
    """``~x``: every bit flipped."""
    x = only(ctx)
    if x.dtype == "bool":
        return ctx.b.op("logical_not", x)
    return ctx.b.op(
        "bitwise_xor", x, ctx.b.scalar(-1 if x.dtype in dtypes.SIGNED else np.iinfo(x.dtype).max, x)
    )


@lowers(*(f"ops.{name}" for name in _UNARY_FLOAT))
def lower_unary_float(ctx: Context, *inputs: Value) -> Value:
    """``op(x)``, on floats."""
    return ctx.b.op(_UNARY_FLOAT[ctx.layer.class_name], as_float(ctx, arguments(ctx, "x")[0]))


@lowers(*(f"ops.{name}" for name in _UNARY))
def lower_unary(ctx: Context, *inputs: Value) -> Value:
    """``op(x)`` in the dtype of x; what has no sign or fraction stays as it is."""
    x, op = only(ctx), _UNARY[ctx.layer.class_name]
    signless = x.dtype == "bool" or x.dtype in dtypes.UNSIGNED
    if (op == "abs" and signless) or (op == "trunc" and not dtypes.is_float(x.dtype)):
        return x
    return ctx.b.op(op, x)


@lowers(*(f"ops.{name}" for name in _IDENTITIES))
def lower_identity(ctx: Context, *inputs: Value) -> Value:
    """``x``."""
    return ctx.b.op("identity", only(ctx, "variable" if ctx.layer.class_name == "StopGradient" else "x"))


@lowers("ops.Square")
def lower_square(ctx: Context, *inputs: Value) -> Value:
    """``x * x``; of bools, int32."""
    x = only(ctx)
    return ctx.b.op("square", cast(ctx, x, "int32") if x.dtype == "bool" else x)


@lowers("ops.Mod", "ops.Fmod")
def lower_mod(ctx: Context, *inputs: Value) -> Value:
    """``Mod``: ``x1 - floor(x1 / x2) * x2``, the sign of x2. ``Fmod``: ``sign(x1) * mod(|x1|, |x2|)``, the sign of x1."""
    left, right = promoted_tensors(ctx, *arguments(ctx, "x1", "x2"))
    if left.dtype == "bool":
        left, right = cast(ctx, left, "int32"), cast(ctx, right, "int32")
    if ctx.layer.class_name == "Mod":
        return ctx.b.op("mod", left, right)
    rest = ctx.b.op("mod", ctx.b.op("abs", left), ctx.b.op("abs", right))
    return ctx.b.op("mul", ctx.b.op("sign", left), rest)


@lowers("ops.DivideNoNan")
def lower_divide_no_nan(ctx: Context, *inputs: Value) -> Value:
    """``x1 / x2``, 0 where x2 is 0."""
    left, right = promoted(ctx, *arguments(ctx, "x1", "x2"), also=("float",))
    return divide_no_nan(ctx, left, right)


def divide_no_nan(ctx: Context, left: Value, right: Value) -> Value:
    """``left / right``, 0 where right is 0."""
    zero = ctx.b.scalar(0.0, right)
    none = ctx.b.op("equal", right, zero)
    return ctx.b.op(
        "select", none, zero, ctx.b.op("div", left, ctx.b.op("select", none, ctx.b.scalar(1.0, right), right))
    )


@lowers("ops.Fmax", "ops.Fmin")
def lower_fmax(ctx: Context, *inputs: Value) -> Value:
    """The larger, or smaller, of both; a NaN gives way to the other."""
    left, right = promoted(ctx, *arguments(ctx, "x1", "x2"))
    op = "maximum" if ctx.layer.class_name == "Fmax" else "minimum"
    if not dtypes.is_float(left.dtype):
        return ctx.b.op(op, left, right)
    b = ctx.b
    first = b.op("select", b.op("isnan", left), right, left)
    second = b.op("select", b.op("isnan", right), left, right)
    return b.op(op, first, second)


@lowers("ops.Round")
def lower_round(ctx: Context, *inputs: Value) -> Value:
    """``round(x * 10^decimals) / 10^decimals``, halves to even; integers are rounded where decimals is negative."""
    x, decimals = only(ctx), int(option(ctx, "decimals", 0))
    if not dtypes.is_float(x.dtype) and decimals >= 0:
        return x
    value = x if dtypes.is_float(x.dtype) else cast(ctx, x, "float32")
    if decimals == 0:
        return ctx.b.op("round", value)
    factor = ctx.b.scalar(math.pow(10, decimals), value)
    return cast(ctx, ctx.b.op("div", ctx.b.op("round", ctx.b.op("mul", value, factor)), factor), x.dtype)


@lowers("ops.Clip")
def lower_clip(ctx: Context, *inputs: Value) -> Value:
    """``min(max(x, x_min), x_max)``, the bounds numbers or arrays; None is no bound. Bools are clipped as int32."""
    x = only(ctx)
    x = cast(ctx, x, "int32") if x.dtype == "bool" else x
    low, high = option(ctx, "x_min"), option(ctx, "x_max")
    numbers = all(bound is None or isinstance(bound, int | float) for bound in (low, high))
    if numbers and dtypes.is_float(x.dtype):
        least = -math.inf if low is None else float(low)
        return ctx.b.op("clip", x, min=least, max=math.inf if high is None else float(high))
    x = x if low is None else ctx.b.op("maximum", x, tensor(ctx, low, x.dtype))
    return x if high is None else ctx.b.op("minimum", x, tensor(ctx, high, x.dtype))


@lowers("ops.Where")
def lower_where(ctx: Context, *inputs: Value) -> Value:
    """``x1`` where the condition holds, else ``x2``; all three broadcast."""
    condition, yes, no = arguments(ctx, "condition", "x1", "x2")
    if yes is None or no is None:
        raise ctx.error("Without x1 and x2, the length of its result depends on the data")
    left, right = promoted(ctx, yes, no)
    return ctx.b.op("select", tensor(ctx, condition, "bool"), left, right)


@lowers("ops.Select")
def lower_select(ctx: Context, *inputs: Value) -> Value:
    """The first choice whose condition holds, else ``default``."""
    conditions, choices, default = arguments(ctx, "condlist", "choicelist", "default")
    *values, result = promoted(ctx, *choices, 0 if default is None else default)
    for condition, value in zip(reversed(conditions), reversed(values), strict=True):
        result = ctx.b.op("select", tensor(ctx, condition, "bool"), value, result)
    return result


_TESTS: Final = {"Isnan": "isnan", "Isinf": "isinf", "Isfinite": "isfinite"}


@lowers(*(f"ops.{name}" for name in _TESTS))
def lower_test(ctx: Context, *inputs: Value) -> Value:
    """A test of floats; integers are all finite."""
    x = only(ctx)
    if dtypes.is_float(x.dtype):
        return ctx.b.op(_TESTS[ctx.layer.class_name], x)
    return full(ctx, ctx.layer.class_name == "Isfinite", "bool", x.shape)


@lowers("ops.Isposinf", "ops.Isneginf", "ops.Isreal", "ops.Signbit")
def lower_sign_test(ctx: Context, *inputs: Value) -> Value:
    """``x == inf``, ``x == -inf``; nothing is complex; ``x < 0`` or -0, whose reciprocal is negative."""
    x, name = only(ctx), ctx.layer.class_name
    if name == "Isreal" or not dtypes.is_float(x.dtype):
        if name == "Signbit" and x.dtype in dtypes.SIGNED:
            return ctx.b.op("less", x, ctx.b.scalar(0, x))
        return full(ctx, name == "Isreal", "bool", x.shape)
    zero = ctx.b.scalar(0.0, x)
    if name == "Signbit":
        inverse = ctx.b.op("less", ctx.b.op("div", ctx.b.scalar(1.0, x), x), zero)
        return ctx.b.op("select", ctx.b.op("equal", x, zero), inverse, ctx.b.op("less", x, zero))
    beyond = ctx.b.op("greater" if name == "Isposinf" else "less", x, zero)
    return ctx.b.op("logical_and", ctx.b.op("isinf", x), beyond)


@lowers("ops.NanToNum")
def lower_nan_to_num(ctx: Context, *inputs: Value) -> Value:
    """``nan``, ``posinf`` and ``neginf`` in place of what they are called after; the infinities' default is the dtype's limit."""
    x = only(ctx)
    return nan_to_num(ctx, x, *(option(ctx, name) for name in ("nan", "posinf", "neginf")))


def nan_to_num(
    ctx: Context, x: Value, nan: float | None, posinf: float | None, neginf: float | None
) -> Value:
    """``x`` with these numbers (0, the largest and the smallest for None) in place of NaN and the infinities."""
    if not dtypes.is_float(x.dtype):
        return x
    b = ctx.b
    limit = 3.3895313892515355e38 if x.dtype == "bfloat16" else float(np.finfo(x.dtype).max)
    x = b.op("select", b.op("isnan", x), b.scalar(0.0 if nan is None else nan, x), x)
    infinite, positive = b.op("isinf", x), b.op("greater", x, b.scalar(0.0, x))
    high, low = (
        b.scalar(limit if posinf is None else posinf, x),
        b.scalar(-limit if neginf is None else neginf, x),
    )
    return b.op("select", infinite, b.op("select", positive, high, low), x)


def _times(factor: float) -> Callable[[Context, Value], Value]:
    return lambda ctx, x: ctx.b.op("mul", x, ctx.b.scalar(factor, x))


def _log_to(base: float) -> Callable[[Context, Value], Value]:
    return lambda ctx, x: ctx.b.op("mul", ctx.b.op("log", x), ctx.b.scalar(1 / math.log(base), x))


def _cbrt(ctx: Context, x: Value) -> Value:
    root = ctx.b.op("pow", ctx.b.op("abs", x), ctx.b.scalar(1 / 3, x))
    return ctx.b.op("mul", ctx.b.op("sign", x), root)


def _sinc(ctx: Context, x: Value) -> Value:
    b, one = ctx.b, ctx.b.scalar(1.0, x)
    none = b.op("equal", x, b.scalar(0.0, x))
    angle = b.op("mul", b.op("select", none, one, x), b.scalar(math.pi, x))
    return b.op("select", none, one, b.op("div", b.op("sin", angle), angle))


#: Functions on floats that are a formula of others.
_FORMULAS: Final[dict[str, Callable[[Context, Value], Value]]] = {
    "Cbrt": _cbrt,
    "Deg2rad": _times(math.pi / 180),
    "Erfc": lambda ctx, x: ctx.b.op("sub", ctx.b.scalar(1.0, x), ctx.b.op("erf", x)),
    "Exp2": lambda ctx, x: ctx.b.op("pow", ctx.b.scalar(2.0, x), x),
    "Log10": _log_to(10),
    "Log2": _log_to(2),
    "Rad2deg": _times(180 / math.pi),
    "Sinc": _sinc,
}


@lowers(*(f"ops.{name}" for name in _FORMULAS))
def lower_formula(ctx: Context, *inputs: Value) -> Value:
    """``sign(x) |x|^(1/3)``, ``x pi / 180``, ``1 - erf(x)``, ``2^x``, ``log(x) / log(base)``, ``sin(pi x) / (pi x)``."""
    given, name = arguments(ctx, "x")[0], ctx.layer.class_name
    wide = _in_floats(ctx, given)[0] if name in ("Cbrt", "Deg2rad", "Rad2deg") else as_float(ctx, given)
    return _FORMULAS[name](ctx, wide)


@lowers("ops.Logaddexp", "ops.Logaddexp2")
def lower_logaddexp(ctx: Context, *inputs: Value) -> Value:
    """``max(a, b) + log(1 + exp(-|a - b|))``, to the base e or 2; ``a + b`` where ``a - b`` is no number."""
    left, right = promoted_tensors(ctx, *arguments(ctx, "x1", "x2"), also=("float",))
    b, ln2 = ctx.b, ctx.b.scalar(math.log(2), left)
    difference = b.op("sub", left, right)
    distance = b.op("neg", b.op("abs", difference))
    if ctx.layer.class_name == "Logaddexp":
        more = b.op("log1p", b.op("exp", distance))
    else:
        more = b.op("div", b.op("log1p", b.op("exp", b.op("mul", distance, ln2))), ln2)
    result = b.op("add", b.op("maximum", left, right), more)
    return b.op("select", b.op("isnan", difference), b.op("add", left, right), result)


def _in_floats(ctx: Context, *items: Any) -> list[Value]:
    """Tensors of one float dtype: float64 for int64, float32 for all other integers."""
    values = promoted_tensors(ctx, *items)
    integer = {"int64": "float64"}.get(values[0].dtype, "float32")
    return [value if dtypes.is_float(value.dtype) else cast(ctx, value, integer) for value in values]


@lowers("ops.Hypot")
def lower_hypot(ctx: Context, *inputs: Value) -> Value:
    """``m * sqrt(1 + (n / m)^2)``, m the larger and n the smaller of ``|x1|`` and ``|x2|``."""
    left, right = _in_floats(ctx, *arguments(ctx, "x1", "x2"))
    b = ctx.b
    left, right = b.op("abs", left), b.op("abs", right)
    most = b.op("maximum", left, right)
    ratio = b.op("square", divide_no_nan(ctx, b.op("minimum", left, right), most))
    return b.op("mul", most, b.op("sqrt", b.op("add", ratio, b.scalar(1.0, most))))


@lowers("ops.Heaviside")
def lower_heaviside(ctx: Context, *inputs: Value) -> Value:
    """0 below 0, 1 above, ``x2`` at 0."""
    left, right = _in_floats(ctx, *arguments(ctx, "x1", "x2"))
    b, zero = ctx.b, ctx.b.scalar(0.0, left)
    above = b.op("select", b.op("greater", left, zero), b.scalar(1.0, left), right)
    return b.op("select", b.op("less", left, zero), zero, above)


@lowers("ops.Ldexp")
def lower_ldexp(ctx: Context, *inputs: Value) -> Value:
    """``x1 * 2^x2``; 0 and the infinities stay what they are."""
    left, right = promoted_tensors(ctx, *arguments(ctx, "x1", "x2"), also=("float",))
    b = ctx.b
    kept = b.op("logical_or", b.op("isinf", left), b.op("equal", left, b.scalar(0.0, left)))
    return b.op("select", kept, left, b.op("mul", left, b.op("pow", b.scalar(2.0, left), right)))


@lowers("ops.Isclose", "ops.AllClose")
def lower_isclose(ctx: Context, *inputs: Value) -> Value:
    """``|x1 - x2| <= atol + rtol * |x2|``; integers are equal. ``AllClose``: everywhere."""
    left, right, *given = arguments(ctx, "x1", "x2", "rtol", "atol")
    left, right = promoted(ctx, left, right)
    rtol, atol = (
        option(ctx, name, default) if item is None else scalar_of(ctx, item)
        for name, default, item in zip(("rtol", "atol"), (1e-5, 1e-8), given, strict=True)
    )
    b = ctx.b
    if not dtypes.is_float(left.dtype):
        close = b.op("equal", left, right)
    else:
        room = b.op("add", b.op("mul", b.op("abs", right), b.scalar(rtol, left)), b.scalar(atol, left))
        close = b.op("less_equal", b.op("abs", b.op("sub", left, right)), room)
        close = b.op("logical_or", close, b.op("equal", left, right))
        if option(ctx, "equal_nan"):
            close = b.op("logical_or", close, b.op("logical_and", b.op("isnan", left), b.op("isnan", right)))
    if ctx.layer.class_name == "Isclose":
        return close
    return b.op("reduce_all", close, axes=tuple(range(close.rank)))
