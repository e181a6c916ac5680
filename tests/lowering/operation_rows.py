"""The table of operations: an id, and a function of ``keras.ops`` and of Keras tensors, which its parameters name.

The inputs, without their batch of 3: ``x`` and ``y`` are floats (4, 6), ``p`` positive ones, ``w`` within -1 and 1, ``v`` (6,),
``q`` (4, 2, 6), ``s`` (5, 5), ``n`` has NaN and infinities; ``i`` and ``j`` int32 (4,) from 0 to 3, ``k`` (4, 6) from -5 to 5,
``m`` from 1 to 4; ``b`` and ``c`` bool (4, 6); ``h`` float16, ``u`` uint8 and ``g`` int64 (4, 6); ``a`` images (8, 6, 3) from 0 to 1,
``d`` the same in uint8.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

SHAPES: dict[str, tuple[tuple[int, ...], str]] = {
    **dict.fromkeys("xypwn", ((4, 6), "float32")),
    "v": ((6,), "float32"),
    "q": ((4, 2, 6), "float32"),
    "s": ((5, 5), "float32"),
    "i": ((4,), "int32"),
    "j": ((4,), "int32"),
    "k": ((4, 6), "int32"),
    "m": ((4, 6), "int32"),
    "b": ((4, 6), "bool"),
    "c": ((4, 6), "bool"),
    "h": ((4, 6), "float16"),
    "u": ((4, 6), "uint8"),
    "g": ((4, 6), "int64"),
    "a": ((8, 6, 3), "float32"),
    "d": ((8, 6, 3), "uint8"),
}

Function = Callable[..., Any]


class Call:
    """One operation, called on the inputs ``letters`` and then on numbers."""

    def __init__(self, name: str, letters: str, *more: Any, **options: Any) -> None:
        self.name, self.letters, self.more, self.options = name, letters, more, options

    def __call__(self, ops: Any, *tensors: Any) -> Any:
        operation = reduce(getattr, self.name.split("."), ops)
        return operation(*tensors, *self.more, **self.options)


def letters(function: Function) -> list[str]:
    """The inputs that a row takes."""
    if hasattr(function, "letters"):
        return list(function.letters)
    parameters = list(inspect.signature(function).parameters.values())[1:]
    return [parameter.name for parameter in parameters if parameter.default is parameter.empty]


A6 = np.arange(6, dtype="float32") - 2.5
A46 = np.linspace(-1, 2, 24, dtype="float32").reshape(4, 6)
W = np.random.default_rng(5)


def weights(*shape: int) -> Any:
    return W.normal(0, 0.5, shape).astype("float32")


UNARY = {
    "x": "abs absolute ceil cos cosh erf exp exp2 expm1 fabs floor negative sign sin sinc sinh square tan tanh trunc round arctan "
    "arcsinh sigmoid relu relu6 silu softplus softsign sparse_sigmoid sparse_plus log_sigmoid leaky_relu hard_sigmoid hard_silu "
    "elu selu gelu celu glu tanh_shrink hard_tanh hard_shrink soft_shrink softmax log_softmax sparsemax squareplus cbrt deg2rad "
    "rad2deg erfc isnan isinf isfinite signbit stop_gradient real conj ravel transpose flip fliplr flipud logsumexp ptp size "
    "ones_like zeros_like normalize isreal layer_normalization rms_normalization copy",
    "p": "log log10 log1p log2 sqrt rsqrt reciprocal",
    "w": "arccos arcsin arctanh",
    "k": "abs sign negative square floor sin exp sqrt mean sum max min std var argmax logical_not isnan round trunc signbit "
    "count_nonzero bitwise_not log1p prod",
    "b": "sum mean any all max min logical_not argmax square abs exp count_nonzero cumsum isfinite",
    "h": "sum mean exp softmax var max argmax round layer_normalization",
    "u": "sum mean abs max min sign square argmin cumsum prod",
    "g": "sum mean abs max sin sign negative",
    "n": "isnan isinf isfinite isposinf isneginf nan_to_num nansum nanprod nanmax nanmin nanmean nanvar nanstd nancumsum nanargmax",
}  # fmt: skip

BINARY = (
    "add subtract multiply maximum minimum equal not_equal greater greater_equal less less_equal logical_and logical_or "
    "logical_xor hypot arctan2 logaddexp logaddexp2 heaviside divide true_divide fmax fmin isclose divide_no_nan"
)

ROWS: dict[str, Function] = {}
for _name, _words in UNARY.items():
    for _word in _words.split():
        ROWS[f"{_word}-{_name}"] = Call(_word, _name)
for _word in BINARY.split():
    ROWS[f"{_word}-x-y"] = Call(_word, "xy")
for _word in ("add", "multiply", "maximum", "less", "equal", "divide", "logical_and", "arctan2", "subtract"):
    ROWS[f"{_word}-k-x"] = Call(_word, "kx")
    ROWS[f"{_word}-k-m"] = Call(_word, "km")
    ROWS[f"{_word}-k-number"] = Call(_word, "k", 2)
    ROWS[f"{_word}-k-fraction"] = Call(_word, "k", 1.5)
    ROWS[f"{_word}-b-k"] = Call(_word, "bk")

ROWS |= {
    # Python's operators
    "operators": lambda o, x, y: 2 - (x + 1) * y / 3 + -abs(x),
    "operators-more": lambda o, x, p: (x**2) // 0.5 % p,
    "operators-compare": lambda o, x, y: ((x > y) & (x <= 1)) | ~(y != x),
    "operators-int": lambda o, k, m: (k // m) % 3 - 2 * k,
    "operators-mix": lambda o, k, x: k * x + 1,
    "operators-matmul": lambda o, q, x: q @ o.transpose(x, (0, 2, 1))[:, None],
    "keyword-arguments": lambda o, x, y: o.add(x1=x, x2=y),
    "mixed-arguments": lambda o, x: o.subtract(x2=x, x1=3.0),
    "array-argument": lambda o, x: o.add(x, A6),
    "array-of-doubles": lambda o, x: o.multiply(x, A6.astype("float64").astype("float32")),
    "bool-add": lambda o, b: o.add(b, 1),
    "bool-bool": lambda o, b, c: o.equal(b, c),
    "half-and-float": lambda o, h, x: o.add(h, x),
    "half-and-number": lambda o, h: o.multiply(h, 0.5),
    "half-and-int": lambda o, h, k: o.add(h, k),
    "bytes-and-ints": lambda o, u, k: o.add(u, k),
    "bytes-and-fraction": lambda o, u: o.multiply(u, 0.5),
    "bytes-divided": lambda o, u: u / 255,
    "long-and-int": lambda o, g, k: o.add(g, k),
    "long-and-float": lambda o, g, x: o.multiply(g, x),
    # elementwise with arguments
    "mod-x-p": lambda o, x, p: o.mod(x, p),
    "mod-k-m": lambda o, k, m: o.mod(k, m),
    "fmod-x-p": lambda o, x, p: o.fmod(x, p),
    "floor_divide-x-p": lambda o, x, p: o.floor_divide(x, p),
    "floor_divide-k-m": lambda o, k, m: o.floor_divide(k, m),
    "power-p-x": lambda o, p, x: o.power(p, x),
    "power-x-2": lambda o, x: o.power(x, 2),
    "power-x-3": lambda o, x: x**3,
    "power-2-x": lambda o, x: o.power(2.0, x),
    "power-k-2": lambda o, k: o.power(k, 2),
    "round-decimals": lambda o, x: o.round(x, 1),
    "round-tens": lambda o, x: o.round(x * 30, -1),
    "clip": lambda o, x: o.clip(x, -1, 1),
    "clip-int": lambda o, k: o.clip(k, -2, 3),
    "clip-bool": lambda o, b: o.clip(b, 0, 1),
    "where-number": lambda o, x: o.where(x > 0.5, x, 0),
    "where-numbers": lambda o, x: o.where(x > 0.5, 1, 0.5),
    "where-ints": lambda o, b, k: o.where(b, k, 7),
    "where-promoted": lambda o, b, k, x: o.where(b, k, x),
    "where-array": lambda o, x: o.where(A46 > 0, x, -1.0),
    "select": lambda o, x, y: o.select([x > 1, y > 0], [x, y], default=9),
    "nan_to_num-values": lambda o, n: o.nan_to_num(n, nan=1.0, posinf=5.0, neginf=-5.0),
    "isclose-loose": lambda o, x: o.isclose(x, x + 1e-4, atol=1e-3),
    "bitwise": lambda o, k, m: o.bitwise_xor(o.bitwise_and(k, m), o.bitwise_or(k, m)),
    "bitwise-long": lambda o, g: o.bitwise_and(g, g // 3) + o.bitwise_or(g, g // 7),
    "shifts": lambda o, k, m: o.left_shift(k, 2) + o.right_shift(k, m),
    "leaky_relu-slope": lambda o, x: o.leaky_relu(x, 0.4),
    "elu-alpha": lambda o, x: o.elu(x, 0.3),
    "celu-alpha": lambda o, x: o.celu(x, 0.7),
    "gelu-exact": lambda o, x: o.gelu(x, approximate=False),
    "glu-axis": lambda o, x: o.glu(x, axis=1),
    "hard_shrink-threshold": lambda o, x: o.hard_shrink(x, 0.9),
    "soft_shrink-threshold": lambda o, x: o.soft_shrink(x, 0.9),
    "threshold": lambda o, x: o.threshold(x, 0.3, -4.0),
    "squareplus-b": lambda o, x: o.squareplus(x, b=2),
    "softmax-axis": lambda o, q: o.softmax(q, axis=1),
    "softmax-none": lambda o, x: o.softmax(x, axis=None),
    "log_softmax-axis": lambda o, q: o.log_softmax(q, axis=2),
    "sparsemax-axis": lambda o, x: o.sparsemax(x, axis=1),
    "ldexp": lambda o, x, k: o.ldexp(x, k),
    "isin": lambda o, k: o.isin(k, [1, -2, 3]),
    "isin-invert": lambda o, k, i: o.isin(k, i, invert=True),
    "digitize": lambda o, x: o.digitize(x, np.array([-1.0, 0.0, 0.5, 2.0])),
    "in_top_k": lambda o, i: o.in_top_k(i[:, 0], o.one_hot(i[:, 1], 5) + A6[:5], 2),
    # reductions
    **{
        f"{name}-axis": Call(name, "q", axis=-1)
        for name in ["sum", "mean", "max", "min", "prod", "any", "all", "var", "std", "amax", "amin", "argmax", "argmin", "cumsum", "cumprod", "logsumexp", "count_nonzero", "ptp", "average"]
    },
    **{
        f"{name}-axes-keepdims": Call(name, "q", axis=(1, 3), keepdims=True)
        for name in ["sum", "mean", "max", "min", "prod", "any", "all", "var", "std", "logsumexp"]
    },
    "argmax-keepdims": lambda o, q: o.argmax(q, axis=2, keepdims=True),
    "argmax-int": lambda o, k: o.argmax(k, axis=-1),
    "max-initial": lambda o, x: o.max(x, axis=1, initial=0.5),
    "min-initial": lambda o, x: o.min(x, axis=1, initial=0.5),
    "cumsum-int": lambda o, k: o.cumsum(k, axis=1),
    "cumprod-int": lambda o, m: o.cumprod(m, axis=2),
    "cumsum-none": lambda o, x: o.cumsum(x),
    "cumsum-dtype": lambda o, k: o.cumsum(k, axis=1, dtype="float32"),
    "average-weights": lambda o, x: o.average(x, axis=2, weights=np.array([1, 2, 3, 4, 5, 6], "float32")),
    "average-tensor": lambda o, x, p: o.average(x, axis=1, weights=p),
    "diff": lambda o, x: o.diff(x, n=2),
    "trapezoid": lambda o, x: o.trapezoid(x, dx=0.5, axis=1),
    "moments": lambda o, q: o.moments(q, axes=[1, 2]),
    "moments-keepdims": lambda o, x: o.moments(x, axes=[0, 1], keepdims=True),
    **{f"norm-{order}": Call("norm", "x", ord=order, axis=-1) for order in (None, 1, 2, 3, float("inf"), 0)},
    "norm-fro": lambda o, x: o.norm(x, ord="fro", axis=(1, 2)),
    "norm-matrix-1": lambda o, x: o.norm(x, ord=1, axis=(1, 2), keepdims=True),
    "norm-all": lambda o, v: o.norm(v),
    # shapes
    "expand_dims": lambda o, x: o.expand_dims(x, (0, -1)),
    "squeeze": lambda o, x: o.squeeze(o.expand_dims(x, 1), 1),
    "squeeze-all": lambda o, x: o.squeeze(x[:, None, :, None]),
    "reshape": lambda o, x: o.reshape(x, (-1, 2, 12)),
    "reshape-known": lambda o, x: o.reshape(x, (-1, 8)),
    "transpose": lambda o, q: o.transpose(q, (0, 3, 1, 2)),
    "swapaxes": lambda o, q: o.swapaxes(q, 1, -1),
    "moveaxis": lambda o, q: o.moveaxis(q, [1, 2], [-1, 1]),
    "broadcast_to": lambda o, x: o.broadcast_to(x[:, :1], (3, 4, 6)),
    "flip-axes": lambda o, q: o.flip(q, axis=(1, -1)),
    "rot90": lambda o, q: o.rot90(q, k=1, axes=(1, 3)),
    "rot90-3": lambda o, q: o.rot90(q, k=3, axes=(1, 2)),
    "rot90-2": lambda o, s: o.rot90(s, k=2, axes=(1, 2)),
    "roll": lambda o, x: o.roll(x, 2, axis=1),
    "roll-back": lambda o, x: o.roll(x, -1, axis=2),
    "roll-none": lambda o, x: o.roll(x, 3),
    "roll-axes": lambda o, x: o.roll(x, (1, -2), axis=(1, 2)),
    "pad": lambda o, x: o.pad(x, [[0, 0], [1, 2], [0, 1]]),
    "pad-value": lambda o, x: o.pad(x, [[0, 0], [1, 2], [0, 1]], constant_values=1.5),
    "pad-reflect": lambda o, x: o.pad(x, [[0, 0], [1, 2], [0, 1]], mode="reflect"),
    "pad-symmetric": lambda o, x: o.pad(x, [[0, 0], [2, 1], [3, 1]], mode="symmetric"),
    "pad-int": lambda o, k: o.pad(k, [[0, 0], [1, 2], [0, 1]]),
    "tile": lambda o, x: o.tile(x, (1, 2, 3)),
    "tile-short": lambda o, x: o.tile(x, 2),
    "tile-long": lambda o, x: o.tile(x, (2, 1, 1, 2)),
    "tile-int": lambda o, k: o.tile(k, (1, 1, 2)),
    "repeat": lambda o, x: o.repeat(x, 2, axis=1),
    "repeat-last": lambda o, x: o.repeat(x, 3, axis=-1),
    "repeat-list": lambda o, x: o.repeat(x, [1, 2, 1, 3], axis=1),
    "repeat-none": lambda o, v: o.repeat(v, 2),
    "concatenate": lambda o, x, y: o.concatenate([x, y], axis=1),
    "concatenate-promoted": lambda o, x, k: o.concatenate([x, k], axis=-1),
    "concatenate-bool": lambda o, b, c: o.concatenate([b, c], axis=-1),
    "stack": lambda o, x, y: o.stack([x, y, x], axis=2),
    "hstack": lambda o, x, y: o.hstack([x, y]),
    "vstack": lambda o, x, y: o.vstack([x, y]),
    "dstack": lambda o, v, x: o.dstack([v, x[:, 0]]),
    "append": lambda o, x, y: o.append(x, y, axis=1),
    "split": lambda o, x: o.split(x, 3, axis=2),
    "split-indices": lambda o, x: o.split(x, [1, 4], axis=-1),
    "split-int": lambda o, k: o.split(k, 2, axis=1),
    "array_split": lambda o, x: o.array_split(x, 4, axis=2),
    "unstack": lambda o, x: o.unstack(x, axis=1),
    "hsplit": lambda o, x: o.hsplit(x, 2),
    "dsplit": lambda o, x: o.dsplit(x, 3),
    "full_like": lambda o, x: o.full_like(x, 3),
    "full_like-dtype": lambda o, x: x + o.full_like(x, 3, dtype="int32"),
    "zeros_like-bool": lambda o, x: o.logical_or(x > 0, o.zeros_like(x, dtype="bool")),
    "ones_like-int": lambda o, k: o.ones_like(k) + k,
    "linspace": lambda o, v: o.linspace(v, v + 1, num=5, axis=1),
    "linspace-open": lambda o, v: o.linspace(v, 3.0, num=4, endpoint=False),
    "logspace": lambda o, v: o.logspace(v, v + 1, num=3),
    "meshgrid": lambda o, v: o.meshgrid(v[:, 0], v[:, 1]),
    "meshgrid-ij": lambda o, v: o.meshgrid(v[:, 0], v[:, 1], indexing="ij"),
    "tril": lambda o, x: o.tril(x),
    "tril-below": lambda o, x: o.tril(x, k=-1),
    "triu": lambda o, x: o.triu(x),
    "triu-above": lambda o, x: o.triu(x, k=2),
    "triu-int": lambda o, k: o.triu(k, k=1),
    "diagonal": lambda o, s: o.diagonal(s, axis1=1, axis2=2),
    "diagonal-offset": lambda o, x: o.diagonal(x, offset=2, axis1=1, axis2=2),
    "diag": lambda o, v: o.diag(v[:, 0]),
    "diag-above": lambda o, v: o.diag(v[:, 0], k=1),
    "diag-matrix": lambda o, v: o.diag(v, k=1),
    "diagflat": lambda o, v: o.diagflat(v, k=-1),
    "trace": lambda o, s: o.trace(s, axis1=1, axis2=2),
    "depth_to_space": lambda o, a: o.nn.depth_to_space(o.tile(a, (1, 1, 1, 4)), 2),
    "space_to_depth": lambda o, a: o.nn.space_to_depth(a, 2),
    "space_to_depth-first": lambda o, a: o.nn.space_to_depth(o.transpose(a, (0, 3, 1, 2)), 2, data_format="channels_first"),
    "vander": lambda o, v: o.vander(v[:, 0], 4),
    # indexing
    "index-int": lambda o, x: x[:, 2],
    "index-last": lambda o, x: x[:, -1],
    "index-slices": lambda o, q: q[:, 1:3, :, ::2],
    "index-negative": lambda o, q: q[:, -3:-1, ..., :-2],
    "index-backwards": lambda o, x: x[:, ::-1, 4:0:-2],
    "index-new": lambda o, x: x[:, None, 1, ..., None],
    "index-ellipsis": lambda o, q: q[..., 0],
    "index-batch": lambda o, x: x[0],
    "index-batch-slice": lambda o, x: x[1:, 0],
    "index-one": lambda o, x: x[:, 1:2],
    "index-bool-dtype": lambda o, b: b[:, 1:, ::2],
    "take": lambda o, x: o.take(x, [2, 0, -1], axis=1),
    "take-array": lambda o, x: o.take(x, np.array([[0, 1], [5, 2]]), axis=-1),
    "take-tensor": lambda o, x, i: o.take(x, i, axis=2),
    "take-none": lambda o, x, i: o.take(x, i),
    "take-int": lambda o, x: o.take(x, 1, axis=1),
    "take_along_axis": lambda o, x, k: o.take_along_axis(x, o.clip(k, 0, 5), axis=2),
    "take_along_axis-middle": lambda o, x, i: o.take_along_axis(x, i[:, :, None], axis=1),
    "take_along_axis-negative": lambda o, x: o.take_along_axis(x, o.argmax(x, axis=-1, keepdims=True) - 6, axis=-1),
    "slice": lambda o, x: o.slice(x, (0, 1, 2), (3, 2, 3)),
    "slice_update": lambda o, v: o.slice_update(v[:, :4], (0, 1), v[:, 4:]),
    "extract_sequences": lambda o, x: o.extract_sequences(x, 4, 2),
    # casts
    **{f"cast-x-{dtype}": Call("cast", "x", dtype) for dtype in ("int32", "bool", "float16", "int64")},
    **{f"cast-k-{dtype}": Call("cast", "k", dtype) for dtype in ("float32", "bool", "int64", "float16")},
    "cast-bool": lambda o, b: o.cast(b, "float32"),
    "saturate_cast": lambda o, x: o.saturate_cast(x * 200, "uint8"),
    "saturate_cast-int": lambda o, k: o.saturate_cast(k * 100, "int8"),
    "convert_to_tensor": lambda o, k: o.convert_to_tensor(k, dtype="float32"),
    # products
    "matmul": lambda o, x: o.matmul(x, o.transpose(x, (0, 2, 1))),
    "matmul-array": lambda o, x: o.matmul(x, weights(6, 5)),
    "matmul-from-left": lambda o, x: o.matmul(weights(5, 4), x),
    "matmul-vector": lambda o, x: o.matmul(x, weights(6)),
    "matmul-row": lambda o, x: o.matmul(weights(4), x),
    "matmul-broadcast": lambda o, q, x: o.matmul(q, x[:, None, :, :2][:, :, :1] * A6[:, None]),
    "matmul-int": lambda o, k: o.matmul(k, o.transpose(k, (0, 2, 1))),
    "dot": lambda o, x: o.dot(x, weights(6, 3)),
    "dot-vector": lambda o, x: o.dot(x, weights(6)),
    "dot-number": lambda o, x: o.dot(x, 2.0),
    "inner": lambda o, x: o.inner(x, weights(5, 6)),
    "vdot": lambda o, x, y: o.vdot(x, y),
    "tensordot": lambda o, x: o.tensordot(x, weights(4, 6, 3), axes=2),
    "tensordot-axes": lambda o, q: o.tensordot(q, weights(6, 4, 5), axes=[[1, 3], [1, 0]]),
    "outer": lambda o, v: o.outer(v[:, 0], v[:, 1]),
    "kron": lambda o, v: o.kron(v, np.array([[1.0, 2.0]], "float32")),
    "cross": lambda o, x: o.cross(x[..., :3], x[..., 3:]),
    "cross-2": lambda o, x: o.cross(x[..., :2], x[..., 3:5]),
    "cross-mixed": lambda o, x: o.cross(x[..., :2], x[..., 3:]),
    "cdist": lambda o, x, y: o.cdist(x, y[:, :3]),
    "corrcoef": lambda o, v: o.corrcoef(v),
    "einsum": lambda o, q, x: o.einsum("bijk,bik->bij", q, x),
    "einsum-weights": lambda o, q: o.einsum("bijk,jkm->bim", q, weights(2, 6, 3)),
    "einsum-outer": lambda o, x, y: o.einsum("bij,bkj->bik", x, y),
    "einsum-one": lambda o, q: o.einsum("bijk->bki", q),
    "einsum-implicit": lambda o, x: o.einsum("bij,jk", x, weights(6, 3)),
    "einsum-ellipsis": lambda o, q: o.einsum("...ij,jk->...ik", q, weights(6, 3)),
    "einsum-ellipsis-both": lambda o, q: o.einsum("...i,...i->...", q, q),
    "einsum-three": lambda o, x, y: o.einsum("bij,jk,bkl->bil", x, weights(6, 4), y),
    "einsum-alone": lambda o, x, y: o.einsum("bij,bkl->bl", x, y),
    "einsum-int": lambda o, k, m: o.einsum("bij,bij->b", k, m),
    # neural networks
    "conv": lambda o, a: o.conv(a, weights(3, 2, 3, 4), strides=2, padding="same"),
    "conv-1d": lambda o, x: o.conv(x, weights(3, 6, 4), padding="valid", dilation_rate=1),
    "conv-dilated": lambda o, a: o.conv(a, weights(2, 2, 3, 4), dilation_rate=(2, 1)),
    "depthwise_conv": lambda o, a: o.depthwise_conv(a, weights(3, 3, 3, 2), strides=(2, 2), padding="same"),
    "separable_conv": lambda o, a: o.separable_conv(a, weights(3, 3, 3, 2), weights(1, 1, 6, 4), padding="same"),
    "max_pool": lambda o, a: o.max_pool(a, 2),
    "max_pool-same": lambda o, a: o.max_pool(a, (3, 2), strides=(2, 1), padding="same"),
    "average_pool": lambda o, a: o.average_pool(a, 2, strides=1, padding="same"),
    "average_pool-1d": lambda o, x: o.average_pool(x, 2),
    "adaptive_average_pool": lambda o, a: o.adaptive_average_pool(a, (3, 2)),
    "adaptive_max_pool": lambda o, a: o.adaptive_max_pool(a, (3, 4)),
    "one_hot": lambda o, i: o.one_hot(i, 5),
    "one_hot-axis": lambda o, i: o.one_hot(i, 5, axis=1),
    "one_hot-int": lambda o, i: o.one_hot(i, 3, dtype="int32"),
    "multi_hot": lambda o, i: o.multi_hot(i, 5),
    "batch_normalization": lambda o, x: o.batch_normalization(
        x, mean=A6, variance=A6**2, axis=-1, offset=A6 + 1, scale=A6 * 2, epsilon=0.01
    ),
    "batch_normalization-axis": lambda o, x: o.batch_normalization(x, mean=A6[:4], variance=A6[:4] ** 2, axis=1),
    "normalize-order": lambda o, x: o.normalize(x, axis=1, order=3),
    "layer_normalization-all": lambda o, x: o.layer_normalization(x, A6, A6 + 1, epsilon=0.01),
    "layer_normalization-axis": lambda o, x: o.layer_normalization(x, gamma=A6[:4], axis=1),
    "rms_normalization-scale": lambda o, x: o.rms_normalization(x, scale=A6),
    "attention": lambda o, q: o.dot_product_attention(q, q * 2, q + 1),
    "attention-causal": lambda o, q: o.dot_product_attention(q, q * 2, q + 1, is_causal=True),
    "attention-mask": lambda o, q, b: o.dot_product_attention(q, q, q, mask=b[:, None, :, :4], scale=0.3),
    "attention-groups": lambda o, q: o.dot_product_attention(o.tile(q, (1, 1, 2, 1)) * A6, q, q),
    "attention-bias": lambda o, q, x: o.dot_product_attention(q, q, q, bias=x[:, None, :, :4]),
    # images
    "resize": lambda o, a: o.image.resize(a, (4, 9)),
    "resize-nearest": lambda o, a: o.image.resize(a, (16, 12), interpolation="nearest"),
    "resize-bicubic": lambda o, a: o.image.resize(a, (5, 7), interpolation="bicubic", antialias=True),
    "resize-crop": lambda o, a: o.image.resize(a, (4, 4), crop_to_aspect_ratio=True),
    "resize-bytes": lambda o, d: o.image.resize(d, (4, 12)),
    "resize-one": lambda o, a: o.image.resize(a[0], (4, 9)),
    "rgb_to_grayscale": lambda o, a: o.image.rgb_to_grayscale(a),
    "rgb_to_grayscale-bytes": lambda o, d: o.image.rgb_to_grayscale(d),
    "rgb_to_hsv": lambda o, a: o.image.rgb_to_hsv(a),
    "hsv_to_rgb": lambda o, a: o.image.hsv_to_rgb(a),
    "pad_images": lambda o, a: o.image.pad_images(a, top_padding=1, left_padding=2, target_height=12, target_width=10),
    "crop_images": lambda o, a: o.image.crop_images(a, top_cropping=1, left_cropping=2, bottom_cropping=3, right_cropping=0),
    "crop_images-target": lambda o, a: o.image.crop_images(a, top_cropping=1, left_cropping=2, target_height=4, target_width=3),
    "gaussian_blur": lambda o, a: o.image.gaussian_blur(a, (3, 3), (1.0, 2.0)),
    "extract_patches": lambda o, a: o.image.extract_patches(a, (2, 3)),
    "extract_patches-strides": lambda o, a: o.image.extract_patches(a, 3, strides=(2, 1), padding="same"),
    "sobel_edges": lambda o, a: o.image.sobel_edges(a),
}  # fmt: skip

#: Saved as .h5 as well.
ALSO_H5 = (
    "operators",
    "array-argument",
    "index-backwards",
    "take-array",
    "conv",
    "pad-value",
    "concatenate",
    "linspace",
)
