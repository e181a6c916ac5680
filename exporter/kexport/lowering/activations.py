"""Keras's activation functions, by name, for every layer that takes one.

Formulas: keras/src/activations/activations.py and keras/src/ops/nn.py, Keras 3.15; hard_sigmoid of Keras 1 and 2:
keras/backend.py, ``hard_sigmoid``.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from kexport.ir import Value, dims
from kexport.loading.spec import LayerSpec
from kexport.lowering.registry import Context

Function: TypeAlias = Callable[[Context, Value], Value]

#: Klambauer et al., 2017, arXiv:1706.02515, to the digits of keras/src/backend.
SELU_ALPHA: Final = 1.6732632423543772848170429916717
SELU_SCALE: Final = 1.0507009873554804934193349852946

#: Layers that Keras takes where a function is expected, and that hold no weights.
_LAYERS = frozenset(["ELU", "LeakyReLU", "ReLU", "Softmax", "ThresholdedReLU"])

_FROM_CONFIG: Final = object()


def apply_activation(ctx: Context, value: Value, activation: Any = _FROM_CONFIG) -> Value:
    """``activation(value)``, the same shape (``glu`` halves the last dimension) and dtype.

    Args:
        ctx: the layer's context.
        value: a float tensor.
        activation: a name, a saved function or layer (``{"class_name", "config"}``), or None for linear; left out, the
            layer's argument ``activation``.

    Raises:
        LoweringError: a lambda or a function that is not Keras's own.
    """
    saved = ctx.layer.config.get("activation") if activation is _FROM_CONFIG else activation
    if isinstance(saved, Mapping) and saved.get("class_name") in _LAYERS:
        return _apply_layer(ctx, value, saved)
    name = activation_name(saved)
    function = FUNCTIONS.get(name)
    if function is not None:
        return function(ctx, value)
    if ctx.tracer is not None:
        traced = ctx.tracer.function(ctx.layer, name, value.type)
        return ctx.lower_model(traced.model, [value])[0]
    raise _unknown(ctx, name)


def activation_name(saved: Any) -> str:
    """The name of an activation as configs hold it; ``linear`` for None."""
    if saved is None:
        return "linear"
    if isinstance(saved, Mapping):
        if "class_name" not in saved:
            # tf.keras 2.13 and later write a lambda's code, and no name.
            return "<lambda>"
        inner = saved.get("config")
        return (
            inner if isinstance(inner, str) else str(saved.get("registered_name") or saved.get("class_name"))
        )
    return str(saved)


def _unknown(ctx: Context, name: str) -> Exception:
    known = f"Keras's own: {', '.join(sorted(FUNCTIONS))}."
    give = "hand over a Python file that defines it, with --custom-objects FILE"
    if "lambda" in name:
        return ctx.error(
            f"Its activation is a function of the user's, which a model file does not hold. Received: {name!r}",
            hint=f"Say what it is, as --custom-object '{name}=relu(max_value=6)', or {give} (CUSTOM_OBJECTS = {{'{name}': …}}).",
        )
    close = difflib.get_close_matches(name, FUNCTIONS, n=3)
    similar = f" Similar: {', '.join(close)}." if close else ""
    return ctx.error(
        f"Its activation is not one of Keras's own. Received: {name!r}",
        hint=f"If it is your own, {give}. {known}{similar}",
    )


def _apply_layer(ctx: Context, value: Value, saved: Mapping[str, Any]) -> Value:
    config, class_name = dict(saved.get("config") or {}), str(saved["class_name"])
    name = str(config.get("name") or class_name.lower())
    (result,) = ctx.lower_layer(LayerSpec(name, f"{ctx.layer.path}/{name}", class_name, config), [value], {})
    return result


def _op(op: str, **attrs: Any) -> Function:
    return lambda ctx, x: ctx.b.op(op, x, **attrs)


def relu(
    ctx: Context,
    x: Value,
    *,
    negative_slope: float = 0.0,
    max_value: float | None = None,
    threshold: float = 0.0,
) -> Value:
    """``x`` from ``threshold`` on, at most ``max_value``; ``negative_slope * (x - threshold)`` below.

    With a ``max_value``, what is not below the threshold is also at least 0 (it is clipped to 0..max_value).
    """
    b = ctx.b
    if negative_slope and max_value is None and threshold == 0:
        return b.op("leaky_relu", x, alpha=float(negative_slope))
    if threshold:
        positive = b.op("select", b.op("greater", x, b.scalar(threshold, x)), x, b.scalar(0.0, x))
        if max_value is not None:
            positive = b.op("clip", positive, min=0.0, max=float(max_value))
    elif max_value is None:
        positive = b.op("relu", x)
    elif max_value == 6:
        positive = b.op("relu6", x)
    else:
        positive = b.op("clip", x, min=0.0, max=float(max_value))
    if not negative_slope:
        return positive
    below = b.op("neg", x) if not threshold else b.op("sub", b.scalar(threshold, x), x)
    return b.op("sub", positive, b.op("mul", b.op("relu", below), b.scalar(negative_slope, x)))


def softmax(ctx: Context, x: Value, axes: tuple[int, ...]) -> Value:
    """Softmax over all of ``axes`` together (none negative)."""
    if len(axes) == 1:
        return ctx.b.op("softmax", x, axis=axes[0])
    shifted = ctx.b.op("sub", x, ctx.b.op("reduce_max", x, axes=axes, keepdims=True))
    powers = ctx.b.op("exp", shifted)
    return ctx.b.op("div", powers, ctx.b.op("reduce_sum", powers, axes=axes, keepdims=True))


def _last_softmax(ctx: Context, x: Value) -> Value:
    return softmax(ctx, x, (x.rank - 1,))


def _log_softmax(ctx: Context, x: Value) -> Value:
    return ctx.b.op("log_softmax", x, axis=x.rank - 1)


def _selu(ctx: Context, x: Value) -> Value:
    return ctx.b.op("mul", ctx.b.op("elu", x, alpha=SELU_ALPHA), ctx.b.scalar(SELU_SCALE, x))


def _hard_sigmoid(ctx: Context, x: Value) -> Value:
    """``relu6(x + 3) / 6`` in Keras 3; ``clip(0.2 x + 0.5, 0, 1)`` before."""
    b = ctx.b
    if ctx.provenance.keras_major >= 3:
        return b.op("mul", b.op("relu6", b.op("add", x, b.scalar(3.0, x))), b.scalar(1 / 6, x))
    scaled = b.op("add", b.op("mul", x, b.scalar(0.2, x)), b.scalar(0.5, x))
    return b.op("clip", scaled, min=0.0, max=1.0)


def _log_sigmoid(ctx: Context, x: Value) -> Value:
    return ctx.b.op("neg", ctx.b.op("softplus", ctx.b.op("neg", x)))


def _mish(ctx: Context, x: Value) -> Value:
    return ctx.b.op("mul", x, ctx.b.op("tanh", ctx.b.op("softplus", x)))


def _softsign(ctx: Context, x: Value) -> Value:
    return ctx.b.op("div", x, ctx.b.op("add", ctx.b.op("abs", x), ctx.b.scalar(1.0, x)))


def _tanh_shrink(ctx: Context, x: Value) -> Value:
    return ctx.b.op("sub", x, ctx.b.op("tanh", x))


def _hard_shrink(ctx: Context, x: Value) -> Value:
    """``x`` where ``|x| > 0.5``, else 0."""
    far = ctx.b.op("greater", ctx.b.op("abs", x), ctx.b.scalar(0.5, x))
    return ctx.b.op("select", far, x, ctx.b.scalar(0.0, x))


def _soft_shrink(ctx: Context, x: Value) -> Value:
    """``x`` 0.5 nearer to 0: ``x - clip(x, -0.5, 0.5)``."""
    return ctx.b.op("sub", x, ctx.b.op("clip", x, min=-0.5, max=0.5))


def _squareplus(ctx: Context, x: Value) -> Value:
    """``(x + sqrt(x^2 + 4)) / 2``."""
    b = ctx.b
    root = b.op("sqrt", b.op("add", b.op("square", x), b.scalar(4.0, x)))
    return b.op("mul", b.op("add", x, root), b.scalar(0.5, x))


def _sparse_plus(ctx: Context, x: Value) -> Value:
    """0 up to -1, ``(x + 1)^2 / 4`` up to 1, ``x`` above: ``relu(x - 1) + (clip(x, -1, 1) + 1)^2 / 4``."""
    b = ctx.b
    bow = b.op("square", b.op("add", b.op("clip", x, min=-1.0, max=1.0), b.scalar(1.0, x)))
    return b.op("add", b.op("relu", b.op("sub", x, b.scalar(1.0, x))), b.op("mul", bow, b.scalar(0.25, x)))


def _sparse_sigmoid(ctx: Context, x: Value) -> Value:
    """``clip((x + 1) / 2, 0, 1)``."""
    b = ctx.b
    half = b.scalar(0.5, x)
    return b.op("clip", b.op("add", b.op("mul", x, half), half), min=0.0, max=1.0)


def _sparsemax(ctx: Context, x: Value) -> Value:
    """``relu(x - tau)`` over the last axis, with the tau of keras/src/backend/*/nn.py, 3.15.

    The support, which Keras finds by sorting, is the set of i with ``sum_j relu(x_j - x_i) < 1``. Martins and Astudillo
    (2016) take ``tau = (sum of the support - 1) / its size``; Keras adds up the running sums of the sorted support instead, in
    which the element of rank r (from 1; the mean rank among equals) stands ``size + 1 - r`` times.
    """
    b, axis = ctx.b, x.rank - 1
    one = b.scalar(1.0, x)
    others, own = b.op("expand_dims", x, axes=(axis,)), b.op("expand_dims", x, axes=(x.rank,))
    gaps = b.op("sub", others, own)
    above = b.op("reduce_sum", b.op("relu", gaps), axes=(x.rank,))
    support = b.op("cast", b.op("less", above, one), dtype=x.dtype)
    count = b.op("reduce_sum", support, axes=(axis,), keepdims=True)
    # sign + 1 is 2 for each larger element and 1 for each equal one, itself included: twice the mean rank, less 1.
    doubled = b.op("reduce_sum", b.op("add", b.op("sign", gaps), one), axes=(x.rank,))
    rank = b.op("mul", b.op("add", doubled, one), b.scalar(0.5, x))
    times = b.op("sub", b.op("add", count, one), rank)
    total = b.op("reduce_sum", b.op("mul", b.op("mul", x, support), times), axes=(axis,), keepdims=True)
    tau = b.op("div", b.op("sub", total, one), count)
    return b.op("relu", b.op("sub", x, tau))


def _glu(ctx: Context, x: Value) -> Value:
    """The first half of the last axis times the sigmoid of the second."""
    last = x.shape[-1]
    if not isinstance(last, int) or last % 2:
        raise ctx.error(f"glu takes an even last dimension. Received: {dims.format_shape(x.shape)}")
    value, gate = ctx.b.ops("split", x, axis=x.rank - 1, sizes=(last // 2, last // 2))
    return ctx.b.op("mul", value, ctx.b.op("sigmoid", gate))


FUNCTIONS: dict[str, Function] = {
    "linear": lambda _, x: x,
    "relu": relu,
    "relu6": _op("relu6"),
    "leaky_relu": _op("leaky_relu", alpha=0.2),
    "elu": _op("elu", alpha=1.0),
    "celu": _op("elu", alpha=1.0),
    "selu": _selu,
    "gelu": _op("gelu", approximate=False),
    "glu": _glu,
    "silu": _op("silu"),
    "swish": _op("silu"),
    "hard_silu": _op("hard_swish"),
    "hard_swish": _op("hard_swish"),
    "sigmoid": _op("sigmoid"),
    "hard_sigmoid": _hard_sigmoid,
    "log_sigmoid": _log_sigmoid,
    "sparse_sigmoid": _sparse_sigmoid,
    "tanh": _op("tanh"),
    "hard_tanh": _op("clip", min=-1.0, max=1.0),
    "tanh_shrink": _tanh_shrink,
    "hard_shrink": _hard_shrink,
    "soft_shrink": _soft_shrink,
    "exponential": _op("exp"),
    "softplus": _op("softplus"),
    "softsign": _softsign,
    "squareplus": _squareplus,
    "sparse_plus": _sparse_plus,
    "mish": _mish,
    "softmax": _last_softmax,
    "log_softmax": _log_softmax,
    "sparsemax": _sparsemax,
}
