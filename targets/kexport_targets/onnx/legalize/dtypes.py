"""Dtypes: ONNX Runtime's kernels compute in few of them, and what is computed in another is cast there and back.

The table was read off ONNX Runtime 1.32 by running every op in every dtype (opset 13 and 17); a test does it again for what stands
here.
"""

from __future__ import annotations

from typing import Final

from kexport.ir import Node, Value
from kexport.passes import Rewriter
from kexport.passes.rewrites.kernel_dtypes import between_casts
from kexport_targets.onnx.legalize import integers
from kexport_targets.onnx.legalize.registry import legalizes

_FLOAT: Final = ("float32",)
_NUMBER: Final = ("float32", "float64", "int32", "int64")

#: Graph op → the dtypes that ONNX Runtime computes its operator in; ops that are not named compute in any.
KERNELS: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(
        [
            *[
                "acos",
                "acosh",
                "asin",
                "asinh",
                "atan",
                "atanh",
                "avg_pool",
                "ceil",
                "conv",
                "conv_transpose",
            ],
            *["cosh", "depthwise_conv", "elu", "erf", "exp", "floor", "gelu", "hard_swish"],
            *["layer_norm", "leaky_relu", "log", "log_softmax", "max_pool", "prelu", "reciprocal", "relu6"],
            *[
                "resize",
                "round",
                "sigmoid",
                "sinh",
                "softmax",
                "softplus",
                "sqrt",
                "tan",
                "tanh",
                "sin",
                "cos",
            ],
            *[
                "dense",
                "matmul",
                "relu",
                "isnan",
                "isinf",
                "lstm",
                "gru",
                "simple_rnn",
                "rms_norm",
                "attention",
            ],
        ],
        _FLOAT,
    ),
    **dict.fromkeys(
        [
            *["add", "clip", "cumsum", "div", "greater", "greater_equal", "less", "less_equal", "maximum"],
            *["minimum", "mod", "mul", "neg", "sub", "pow"],
        ],
        _NUMBER,
    ),
    **dict.fromkeys(["reduce_max", "reduce_mean", "reduce_min", "reduce_prod", "reduce_sum"], _NUMBER),
    "reduce_mean": ("float32", "float64", "int32"),
    "abs": (*_NUMBER, "int8", "int16", "uint8", "uint16", "uint32", "uint64"),
    "sign": (*_NUMBER, "int8", "int16", "uint8", "uint16", "uint32", "uint64"),
    "equal": (*_NUMBER, "bool"),
    "not_equal": (*_NUMBER, "bool"),
    "argmax": (*_NUMBER, "int8", "uint8"),
    "argmin": (*_NUMBER, "int8", "uint8"),
    "select": ("float32", "float64", "int32", "int64", "uint8"),
    "pad": ("float32", "float64", "int32", "int64", "uint8", "int8", "uint32", "uint64", "bool"),
    "tile": (*_NUMBER, "int8", "int16", "uint8", "uint16", "uint32", "uint64", "bool"),
    "split": (*_NUMBER, "int8", "int16", "uint8", "uint16", "uint32", "uint64", "bool"),
    "top_k": ("float32", "float64", "int32", "int64"),
}

#: What a missing dtype is computed in, the first that the kernel has.
_WIDER: Final[dict[str, tuple[str, ...]]] = {
    "bool": ("uint8", "int32", "float32"),
    "int8": ("int32", "float32"),
    "uint8": ("int32", "float32"),
    "int16": ("int32", "float32"),
    "uint16": ("int32", "float32"),
    "int32": ("int64", "float32"),
    "uint32": ("int64", "float32"),
    "uint64": ("int64", "float32"),
    "int64": ("int32", "float32"),
    **dict.fromkeys(["float16", "bfloat16", "float64"], ("float32",)),
}

#: Inputs that go by a dtype of their own.
_OWN_DTYPE: Final = {"select": (0,), "lstm": (4,), "gru": (4,), "simple_rnn": (4,)}


@legalizes(*KERNELS)
def in_a_kernels_dtype(node: Node, rewriter: Rewriter) -> list[Value] | None:
    """The op in the nearest dtype that has a kernel, between casts."""
    own = _OWN_DTYPE.get(node.op, ())
    dtype = node.input(1 if node.op == "select" else 0).dtype
    known = KERNELS[node.op]
    if dtype in known or dtype == "string":
        return None  # of text there is one kernel, or none that anything else would do for
    special = integers.of_integers(node, rewriter)
    if special is not None:
        return special
    wider = next(other for other in _WIDER[dtype] if other in known)
    return between_casts(node, rewriter, dtype, wider, own)
