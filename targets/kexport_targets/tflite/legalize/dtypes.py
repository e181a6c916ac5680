"""Dtypes: kernels compute in few of them, and what is computed in another is cast there and back.

The table was read off LiteRT 2.3.0 by running every op in every dtype against its meaning in NumPy; a test does it again
for what stands here. (Kernels of 8 and 16 bits that want quantization parameters count as missing.)
"""

from __future__ import annotations

from typing import Final

from kexport.errors import UnsupportedOpError
from kexport.ir import Node, Value
from kexport.passes import Rewriter
from kexport.passes.rewrites.kernel_dtypes import between_casts, cast
from kexport_targets.tflite.legalize import unsigned
from kexport_targets.tflite.legalize.registry import legalizes

_MOVED: Final = ("float32", "int32", "int64", "bool", "uint8", "int8", "int16")
_FLOAT: Final = ("float32",)
_NUMBER: Final = ("float32", "int32", "int64")

#: Graph op → the dtypes that its builtin computes in; ops that are not named compute in any.
KERNELS: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(
        [
            *[
                "atan2",
                "avg_pool",
                "ceil",
                "clip",
                "conv",
                "conv_transpose",
                "cos",
                "dense",
                "depthwise_conv",
                "elu",
                "exp",
            ],
            *[
                "floor",
                "gelu",
                "hard_swish",
                "leaky_relu",
                "log",
                "log_softmax",
                "matmul",
                "prelu",
                "relu",
                "relu6",
            ],
            *["resize", "round", "rsqrt", "sigmoid", "sin", "softmax", "sqrt", "square", "tanh"],
        ],
        _FLOAT,
    ),
    **dict.fromkeys(
        [
            "add",
            "cumsum",
            "greater",
            "greater_equal",
            "less",
            "less_equal",
            "maximum",
            "minimum",
            "mod",
            "mul",
            "neg",
            "sub",
        ],
        _NUMBER,
    ),
    **dict.fromkeys(["reduce_max", "reduce_mean", "reduce_min", "reduce_prod", "reduce_sum"], _NUMBER),
    "clip": _NUMBER,
    "abs": ("float32", "int32"),
    "sign": ("float32", "int32"),
    "div": ("float32", "int32"),
    "floor_div": ("float32", "int32"),
    "pow": ("float32", "int32"),
    "squared_difference": ("float32", "int32"),
    "bitwise_xor": ("int32", "uint8", "int8", "int16", "uint16", "uint32"),
    "right_shift": ("int32", "uint8", "int8", "int16", "uint16", "uint32"),
    "equal": (*_NUMBER, "bool"),
    "not_equal": (*_NUMBER, "bool"),
    "argmax": ("float32", "int32", "bool", "uint8", "int8"),
    "argmin": ("float32", "int32", "bool", "uint8", "int8"),
    "max_pool": ("float32", "uint8", "int8"),
    "tile": ("float32", "int32", "int64", "bool", "uint8"),
    "split": ("float32", "int32", "int64", "uint8", "int8", "int16"),
    "broadcast_to": ("float32", "int32", "int64", "bool", "uint8", "int8", "int16"),
    "concat": _MOVED,
    "gather": _MOVED,
    "pad": tuple(dtype for dtype in _MOVED if dtype != "bool"),  # tflite-runtime 2.14 refuses bool
    "reverse": _MOVED,
    "transpose": _MOVED,
    "one_hot": ("int32", "int64"),
    "top_k": ("float32", "int32", "int64", "uint8", "int8"),
}

#: What a missing dtype is computed in, the first that the kernel has. The last ones hold less: int32 in place of 64 bits,
#: float32 integers up to 2**24. That is enough for positions, lengths and pixels; what needs every bit is in _BITS.
_WIDER: Final[dict[str, tuple[str, ...]]] = {
    "bool": ("uint8", "int32", "float32"),
    "int8": ("int32", "int16", "float32"),
    "uint8": ("int32", "int16", "float32"),
    "int16": ("int32", "float32"),
    "uint16": ("int32", "float32"),
    "int32": ("int64", "float32"),
    "uint32": ("int64", "int32", "float32"),
    "int64": ("int32", "float32"),
    "uint64": ("int64", "int32", "float32"),
    # Where a pass has moved an op past the cast that ends the float32 of floats_in_float32.
    **dict.fromkeys(["float16", "bfloat16", "float64"], ("float32",)),
}

#: Ops on bits, to which 32 of 64 are not enough.
_BITS: Final = ("bitwise_xor", "right_shift")

#: Inputs that go by a dtype of their own: the indices of a gather, the condition of a select.
_OWN_DTYPE: Final = {"gather": (1,), "select": (0,)}


@legalizes(*KERNELS)
def in_64_bits(node: Node, rewriter: Rewriter) -> list[Value] | None:
    """The op on uint64 as one on int64, see :mod:`unsigned`."""
    return unsigned.in_int64(node, rewriter) if node.input(0).dtype == "uint64" else None


@legalizes(*KERNELS)
def in_a_kernels_dtype(node: Node, rewriter: Rewriter) -> list[Value] | None:
    """The op in the nearest dtype that has a kernel, between casts."""
    dtype, known = node.input(0).dtype, KERNELS[node.op]
    if dtype in known:
        return None
    wider = next((other for other in _WIDER.get(dtype, ()) if other in known), None)
    if wider is None or (dtype in ("int64", "uint64") and node.op in _BITS):
        raise UnsupportedOpError(
            f"Layer {node.origin!r}: TFLite computes {node.op} in {', '.join(known)}. Received: {dtype}.",
            hint="Change the dtype before this layer.",
        )
    return between_casts(node, rewriter, dtype, wider, _OWN_DTYPE.get(node.op, ()))


@legalizes("gather")
def indices(node: Node, rewriter: Rewriter) -> Value | None:
    """GATHER takes indices of int32 and int64."""
    table, index = node.input(0), node.input(1)
    if index.dtype in ("int32", "int64"):
        return None
    wide = cast(rewriter.builder, index, "int64" if index.dtype in ("uint32", "uint64") else "int32")
    return rewriter.builder.op("gather", table, wide, **node.attrs)


@legalizes("argmax", "argmin", "one_hot")
def given_dtype(node: Node, rewriter: Rewriter) -> Value | None:
    """The results that these builtins can be asked for; others are cast."""
    allowed = (
        ("float32", "int32", "int64", "bool", "uint8", "int8") if node.op == "one_hot" else ("int32", "int64")
    )
    dtype = node.attrs["dtype"]
    if dtype in allowed:
        return None
    made = rewriter.builder.op(node.op, node.input(0), **{**node.attrs, "dtype": "int32"})
    return rewriter.builder.op("cast", made, dtype=dtype)
