"""Dtypes: most of TensorFlow's kernels compute in all; what is computed in another is cast there and back.

The table was read off the kernels that TensorFlow 2.21 registers for CPUs; a test does it again for what stands here.
"""

from __future__ import annotations

from typing import Final

from kexport.ir import Node, Value, dtypes
from kexport.passes import Rewriter
from kexport.passes.rewrites.kernel_dtypes import between_casts
from kexport_targets.saved_model.legalize.registry import legalizes

_NUMBERS: Final = (*dtypes.FLOATS, *dtypes.INTEGERS)
_PRODUCTS: Final = (*dtypes.FLOATS, "int32", "int64")

#: Graph op → the dtypes that its operator has kernels for; ops that are not named compute in any that they are defined for.
KERNELS: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(["dense", "matmul"], _PRODUCTS),
    "pow": (*dtypes.FLOATS, *dtypes.SIGNED),
    "conv": (*dtypes.FLOATS, "int32"),
    "conv_transpose": (*dtypes.FLOATS, "int32"),
    **dict.fromkeys(["depthwise_conv", "avg_pool"], dtypes.FLOATS),
    # Mean sums integers in their own width.
    "reduce_mean": dtypes.FLOATS,
    **dict.fromkeys(
        [
            *["add", "mul", "maximum", "minimum", "less", "less_equal", "greater", "greater_equal"],
            *["reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "top_k"],
        ],
        _NUMBERS,
    ),
    "max_pool": tuple(dtype for dtype in _NUMBERS if dtype not in ("uint32", "uint64")),
    "resize": tuple(dtype for dtype in _NUMBERS if dtype not in ("uint32", "uint64")),
    "tile": tuple(dtype for dtype in dtypes.ALL if dtype != "uint16"),
    "one_hot": ("int32", "int64", "uint8", "int8"),
}

#: What a missing dtype is computed in, the first that the kernel has.
_WIDER: Final[dict[str, tuple[str, ...]]] = {
    "bool": ("uint8", "int32"),
    **dict.fromkeys(["int8", "uint8", "int16", "uint16"], ("int32", "float64")),
    "int32": ("int64", "float64"),
    "uint32": ("int64", "float64"),
    **dict.fromkeys(["int64", "uint64"], ("int64", "float64")),
}


@legalizes(*KERNELS)
def in_a_kernels_dtype(node: Node, rewriter: Rewriter) -> list[Value] | None:
    """The op in the nearest dtype that has a kernel, between casts."""
    dtype, known = node.input(0).dtype, KERNELS[node.op]
    if dtype in known:
        return None
    wider = next(other for other in _WIDER[dtype] if other in known)
    return between_casts(node, rewriter, dtype, wider)
