"""Dtypes: what an operation has no room for is cast there and back.

The table is the operations' ``type_domains`` in coremltools 9.0 (converters/mil/mil/ops/defs), whose reader holds every op's program
against them in the tests.
"""

from __future__ import annotations

from typing import Final

from kexport.ir import Node, Value
from kexport.passes import Rewriter
from kexport.passes.rewrites.kernel_dtypes import between_casts, cast
from kexport_targets.coreml.legalize.registry import legalizes

_FLOAT: Final = ("float32",)
_NUMBER: Final = ("float32", "int32")

#: Graph op → the dtypes that its operation has; ops that are not named have all.
KERNELS: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(
        [
            *["acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "avg_pool", "ceil", "conv"],
            *["conv_transpose", "cos", "cosh", "depthwise_conv", "elu", "erf", "exp", "floor", "gelu", "gru"],
            *["hard_swish", "layer_norm", "leaky_relu", "log", "log_softmax", "lstm", "max_pool", "prelu"],
            *["reciprocal", "reduce_mean", "relu6", "resize", "round", "rsqrt", "sigmoid", "silu", "simple_rnn", "sin"],
            *["sinh", "softmax", "softplus", "sqrt", "tan", "tanh", "trunc"],
        ],
        _FLOAT,
    ),
    **dict.fromkeys(
        [
            *["abs", "add", "argmax", "argmin", "clip", "cumsum", "dense", "div", "floor_div", "gather"],
            *["greater", "greater_equal", "less", "less_equal", "matmul", "maximum", "minimum", "mod", "mul"],
            *["neg", "pad", "pow", "reduce_max", "reduce_min", "reduce_prod", "reduce_sum", "sign", "square"],
            *["squared_difference", "sub", "top_k", "relu"],
        ],
        _NUMBER,
    ),
}  # fmt: skip

_WIDER: Final = {"bool": ("int32", "float32"), "int32": ("float32",)}

#: Inputs that go by a dtype of their own: the indices of a gather, the mask of a recurrent layer.
_OWN_DTYPE: Final = {"gather": (1,), "lstm": (4,), "gru": (4,), "simple_rnn": (4,)}


@legalizes(*KERNELS)
def in_an_operations_dtype(node: Node, rewriter: Rewriter) -> list[Value] | None:
    """The op in the nearest dtype that the operation has, between casts."""
    dtype, known = node.input(0).dtype, KERNELS[node.op]
    if dtype in known or dtype == "float16":
        return None
    wider = next(other for other in _WIDER[dtype] if other in known)
    return between_casts(node, rewriter, dtype, wider, _OWN_DTYPE.get(node.op, ()))


@legalizes("equal", "not_equal")
def of_bools(node: Node, rewriter: Rewriter) -> Value | None:
    """Of bools they are the exclusive or, and its contrary."""
    if node.input(0).dtype != "bool":
        return None
    b = rewriter.builder
    differ = b.op("logical_xor", *node.inputs)
    return differ if node.op == "not_equal" else b.op("logical_not", differ)


@legalizes("argmax", "argmin")
def given_dtype(node: Node, rewriter: Rewriter) -> Value | None:
    """The operations give int32."""
    if node.attrs["dtype"] == "int32":
        return None
    made = rewriter.builder.op(node.op, node.input(0), axis=node.attrs["axis"], dtype="int32")
    return cast(rewriter.builder, made, node.attrs["dtype"])
