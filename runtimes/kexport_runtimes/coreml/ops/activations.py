"""Activations. Source: coremltools 9.0, mil/ops/defs/iOS15/activation.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kexport_runtimes.coreml.errors import PackageError
from kexport_runtimes.coreml.ops.elementwise_unary import erf
from kexport_runtimes.coreml.registry import op

Array = NDArray[Any]


@op("relu")
def relu(x: Array) -> Any:
    """x, at least 0."""
    return np.maximum(x, x.dtype.type(0))


@op("relu6")
def relu6(x: Array) -> Any:
    """x within 0..6."""
    return np.minimum(np.maximum(x, x.dtype.type(0)), x.dtype.type(6))


@op("clamped_relu")
def clamped_relu(x: Array, alpha: Array, beta: Array) -> Any:
    """x, times alpha below 0, at most beta."""
    return np.minimum(np.where(x >= 0, x, alpha * x), beta)


@op("elu")
def elu(x: Array, alpha: Array) -> Any:
    """x above 0, alpha (eˣ - 1) elsewhere."""
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


@op("gelu")
def gelu(x: Array, mode: str = "EXACT") -> Any:
    """x times the normal distribution up to x, exactly or by one of two approximations."""
    match mode:
        case "EXACT":
            return np.float32(0.5) * x * (1 + erf(x * np.float32(np.sqrt(0.5))))
        case "TANH_APPROXIMATION":
            inner = np.float32(np.sqrt(2 / np.pi)) * (x + np.float32(0.044715) * x * x * x)
            return np.float32(0.5) * x * (1 + np.tanh(inner))
        case "SIGMOID_APPROXIMATION":
            return x * sigmoid(np.float32(1.702) * x)
    raise PackageError(f"has mode EXACT, TANH_APPROXIMATION or SIGMOID_APPROXIMATION. Received: {mode!r}")


@op("leaky_relu")
def leaky_relu(x: Array, alpha: Array) -> Any:
    """x, times alpha below 0."""
    return np.where(x >= 0, x, alpha * x)


@op("linear_activation")
def linear_activation(x: Array, alpha: Array, beta: Array | float = 0.0) -> Any:
    """alpha x + beta."""
    return alpha * x + beta


@op("prelu")
def prelu(x: Array, alpha: Array) -> Any:
    """x, times the channel's alpha below 0; channels are the second axis."""
    return np.where(x > 0, x, _by_channel(alpha, x) * x)


@op("scaled_tanh")
def scaled_tanh(x: Array, alpha: Any, beta: Any) -> Any:
    """alpha tanh(beta x)."""
    return alpha * np.tanh(beta * x)


@op("sigmoid")
def sigmoid(x: Array) -> Any:
    """1 / (1 + e⁻ˣ), without overflow."""
    shrunk = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, shrunk) / (1 + shrunk)


@op("sigmoid_hard")
def sigmoid_hard(x: Array, alpha: Any, beta: Any) -> Any:
    """alpha x + beta within 0..1."""
    return np.minimum(np.maximum(alpha * x + beta, np.float32(0)), np.float32(1))


@op("silu")
def silu(x: Array) -> Any:
    """x sigmoid(x)."""
    return x * sigmoid(x)


@op("softplus")
def softplus(x: Array) -> Any:
    """log(1 + eˣ), without overflow."""
    return np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0)


@op("softplus_parametric")
def softplus_parametric(x: Array, alpha: Array, beta: Array) -> Any:
    """alpha log(1 + exp(beta x)), by channel."""
    return _by_channel(alpha, x) * softplus(_by_channel(beta, x) * x)


@op("softmax")
def softmax(x: Array, axis: int | Array = -1) -> Any:
    """Exponentials over their sum along the axis."""
    powers = np.exp(x - np.max(x, axis=int(axis), keepdims=True))
    return powers / np.sum(powers, axis=int(axis), keepdims=True)


@op("softsign")
def softsign(x: Array) -> Any:
    """x / (1 + |x|)."""
    return x / (1 + np.abs(x))


@op("thresholded_relu")
def thresholded_relu(x: Array, alpha: Array) -> Any:
    """x where it is at least alpha, 0 elsewhere."""
    return np.where(x >= alpha, x, np.float32(0))


def _by_channel(values: Array, x: Array) -> Array:
    """Values of the channels, shaped to broadcast against x."""
    return values.reshape(-1, *[1] * (x.ndim - 2)) if values.ndim and x.ndim > 1 else values


#: Activations that recurrent operations name, with the constants that they have there. Source: ``_apply_act`` in coremltools
#: 9.0's mil/ops/tests/iOS14/test_recurrent.py, which Core ML is held against.
RECURRENT: dict[str, Callable[[Array], Any]] = {
    "tanh": np.tanh,
    "scaled_tanh": np.tanh,
    "sigmoid": sigmoid,
    "hard_sigmoid": lambda x: sigmoid_hard(x, np.float32(0.2), np.float32(0.5)),
    "sigmoid_hard": lambda x: sigmoid_hard(x, np.float32(0.2), np.float32(0.5)),
    "relu": relu,
    "linear": lambda x: x,
}
