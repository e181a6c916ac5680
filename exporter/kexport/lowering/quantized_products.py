"""The products of quantized Dense, EinsumDense and attention projections, and of those with a LoRA.

Formulas: ``_int8_call``, ``_int4_call``, ``_float8_call``, ``_gptq_call``, ``_awq_call`` of keras/src/layers/core/{dense,
einsum_dense}.py, Keras 3.15.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from kexport.ir import Array, Constant, Value, dtypes
from kexport.ir.ops.quantization import FLOAT8_MAX
from kexport.lowering.dtype_policy import Policy, policy_of
from kexport.lowering.einsum import einsum, terms
from kexport.lowering.quantization import (
    Grouped,
    Quantizer,
    bfloat16_rounded,
    grouped_product,
    input_quantizer,
    unpacked,
    whole,
)
from kexport.lowering.registry import Context


@dataclass(frozen=True)
class Product:
    """A product of x with the kernel of a layer, or of the layer called ``inside`` in it.

    Attributes:
        x: in the compute dtype.
        equation: of the einsum; ``""`` for a Dense layer's product.
        inside: ``query``, ``key``, … for an attention layer's projections, ``""`` for the layer's own kernel.
        sizes: lengths of letters of the equation that x does not have.
    """

    ctx: Context
    x: Value
    equation: str = ""
    inside: str = ""
    sizes: Mapping[str, int] = field(default_factory=dict)

    @property
    def policy(self) -> Policy:
        """The policy of whose kernel it is."""
        return policy_of(self.ctx.layer, self.inside)

    def name(self, variable: str) -> str:
        """What the layer calls this variable of the kernel."""
        return f"{self.inside}/{variable}" if self.inside else variable

    def stored(self, variable: str) -> Constant:
        """A variable as it is stored."""
        return self.ctx.stored_weight(self.name(variable))

    def value(self, variable: str) -> Value:
        """A variable in the compute dtype."""
        return self.ctx.weight_value(self.name(variable))

    def times(self, x: Value, kernel: Value) -> Value:
        """The product of another x with another kernel."""
        if not self.equation:
            return self.ctx.b.op("dense", x, kernel, None)
        return einsum(self.ctx, self.equation, x, kernel)

    def labels(self, kernel_rank: int) -> tuple[str, str, str]:
        """The letters of x, kernel and result."""
        if not self.equation:
            lead = "ABCDEFGHIJKLMNOP"[: self.x.rank - 1]
            return f"{lead}y", "yz", f"{lead}z"
        return terms(self.ctx, self.equation, self.x.rank, kernel_rank)


def product(p: Product) -> Value:
    """The product, without bias and activation, as the kernel is quantized."""
    match p.policy.mode:
        case "int8":
            result = _int8(p)
        case "int4":
            result = _int4(p)
        case "float8":
            return _float8(p)
        case "gptq" | "awq":
            return _calibrated(p)
        case _:
            return p.times(p.x, _plain_kernel(p))
    return _with_lora(p, result)


def bias(p: Product) -> Value:
    """The bias. Float8 layers that compute in float32 round it to bfloat16, for the sake of GPUs."""
    if p.policy.mode != "float8" or p.ctx.compute_dtype != "float32":
        return p.value("bias")
    return p.ctx.b.constant(p.stored("bias").map(bfloat16_rounded), name="bias")


def _plain_kernel(p: Product) -> Value:
    """The kernel; one with a LoRA is ``kernel + alpha / rank * a @ b``."""
    if not p.ctx.has_weight(p.name("lora_kernel_a")):
        return p.value("kernel")
    kernel, factors = p.stored("kernel"), [p.stored(f"lora_kernel_{half}") for half in "ab"]
    scale, wanted = _lora_scale(p.ctx), dtypes.numpy_dtype(p.ctx.compute_dtype)

    def read() -> Array:
        delta = np.matmul(*(factor.numpy().astype(np.float32) for factor in factors))
        merged: Array = (kernel.numpy() + np.float32(scale) * delta).astype(wanted)
        return merged

    return p.ctx.b.constant(Constant.lazy(p.ctx.compute_dtype, kernel.shape, read), name="kernel")


def _lora_scale(ctx: Context) -> float:
    rank = ctx.arg("lora_rank")
    alpha = ctx.layer.config.get("lora_alpha")
    return float(rank if alpha is None else alpha) / float(rank)


def _with_lora(p: Product, result: Value) -> Value:
    """``result + alpha / rank * (x a) b``, where the kernel itself is quantized."""
    if not p.ctx.has_weight(p.name("lora_kernel_a")):
        return result
    b = p.ctx.b
    low = p.times(p.x, p.value("lora_kernel_a"))
    delta = b.op("dense", low, p.value("lora_kernel_b"), None)
    return b.op("add", result, b.op("mul", delta, b.scalar(_lora_scale(p.ctx), delta)))


def _summed_axes(p: Product, kernel_rank: int) -> tuple[int, ...]:
    left, _, result = p.labels(kernel_rank)
    return tuple(axis for axis, label in enumerate(left) if label not in result)


def _quantized_x(p: Product, default: Quantizer | None, kernel_rank: int) -> tuple[Value, Value | None]:
    """The levels of x and their scale as it stands beside the result; x itself and None where inputs are not quantized."""
    quantizer = input_quantizer(p.ctx, default)
    if quantizer is None:
        return p.x, None
    levels, scale = quantizer.apply(p.ctx, p.x, _summed_axes(p, kernel_rank))
    return levels, _beside_result(p, scale, kernel_rank)


def _beside_result(p: Product, scale: Value, kernel_rank: int) -> Value:
    """The scale of x, 1 along what is summed, with its axes where the result has them."""
    left, _, result = p.labels(kernel_rank)
    b = p.ctx.b
    summed = tuple(axis for axis, label in enumerate(left) if label not in result)
    kept = [label for label in left if label in result]
    if left[:-1] == result[:-1] and summed == (len(left) - 1,):
        return scale
    scale = b.op("squeeze", scale, axes=summed) if summed else scale
    order = [label for label in result if label in kept]
    if order != kept:
        scale = b.op("transpose", scale, perm=tuple(kept.index(label) for label in order))
    missing = tuple(axis for axis, label in enumerate(result) if label not in kept)
    return b.op("expand_dims", scale, axes=missing) if missing else scale


def _int8(p: Product) -> Value:
    """``levels(x) kernel / (kernel_scale * scale(x))``; the integers that Keras sums in int32 are summed in float32, in which they
    are exact below 2^24 and rounded, as Keras's are when it casts them, above."""
    b, kernel = p.ctx.b, p.stored("kernel")
    x, scale = _quantized_x(p, Quantizer(), len(kernel.shape))
    summed = p.times(x, whole(p.ctx, kernel, "kernel"))
    divisor = p.value("kernel_scale")
    return b.op("div", summed, divisor if scale is None else b.op("mul", divisor, scale))


def _int4(p: Product) -> Value:
    """The product with ``kernel / kernel_scale``, or in groups of rows with ``(kernel - kernel_zero) * kernel_scale``."""
    packed, scale = p.stored("kernel"), p.stored("kernel_scale")
    columns = scale.shape[-1]
    if packed.shape[-1] != -(-columns // 2):
        raise p.ctx.error(
            f"Its kernel holds two of {columns} columns in a byte, as Keras 3.15 packs them. Received: {packed.shape}",
            hint="Load the model in the Keras that wrote it and quantize it anew with Keras 3.15, or export it before quantize().",
        )
    levels = packed.map(
        lambda array: unpacked(array, columns, -1), shape=(packed.shape[0], columns), dtype="int8"
    ).known_as("int4")
    if p.policy.block is None:
        matrix = Grouped(levels, scale, inverse=True)
        shape = _kernel_shape(p, matrix)
        x, inputs_scale = _quantized_x(p, None, len(shape))
        result = _matrix_product(p, x, matrix, shape)
        return result if inputs_scale is None else p.ctx.b.op("div", result, inputs_scale)
    matrix = Grouped(levels, scale, p.stored("kernel_zero"), p.stored("g_idx"))
    return _matrix_product(p, p.x, matrix, _kernel_shape(p, matrix))


def _kernel_shape(p: Product, matrix: Grouped) -> tuple[int, ...]:
    """The shape of the kernel that is stored as a matrix; what one letter is follows from the number of elements."""
    if not p.equation:
        return matrix.levels.shape
    rank = sum(letter.isalpha() for letter in p.equation.partition("->")[0].partition(",")[2])
    left, right, _ = p.labels(rank)
    known = {label: dim for label, dim in zip(left, p.x.shape, strict=True) if isinstance(dim, int)}
    known |= p.sizes
    unknown = [label for label in right if label not in known]
    given = math.prod(known[label] for label in right if label in known)
    if len(unknown) == 1 and given and matrix.levels.size % given == 0:
        known[unknown[0]] = matrix.levels.size // given
    shape = tuple(known.get(label, 0) for label in right)
    if math.prod(shape) != matrix.levels.size:
        raise p.ctx.error(
            f"The kernel of {p.equation!r} has {matrix.levels.size} elements for an input of {p.x.type}. Received: {shape}"
        )
    return shape


def _matrix_product(p: Product, x: Value, matrix: Grouped, shape: tuple[int, ...]) -> Value:
    """The product of x with the matrix in ``shape``: as it is where x's summed dimensions are its rows."""
    if not p.equation:
        return grouped_product(p.ctx, x, matrix)
    left, right, result = p.labels(len(shape))
    summed = [label for label in right if label not in result]
    columns = [label for label in right if label in result]
    shared = any(label in left for label in columns)
    rows = math.prod(size for label, size in zip(right, shape, strict=True) if label in summed)
    if shared or list(right) != [*summed, *columns] or rows != matrix.rows:
        wanted = dtypes.numpy_dtype(p.ctx.compute_dtype)
        read = Constant.lazy(
            p.ctx.compute_dtype, shape, lambda: np.reshape(matrix.read(), shape).astype(wanted)
        )
        return p.times(x, p.ctx.b.constant(read, name="kernel"))
    b = p.ctx.b
    kept = [label for label in left if label in result]
    perm = tuple(left.index(label) for label in (*kept, *summed))
    turned = x if perm == tuple(range(x.rank)) else b.op("transpose", x, perm=perm)
    lead = turned.shape[: len(kept)]
    flat = turned if len(summed) == 1 else b.op("reshape", turned, shape=(*lead, rows))
    made = grouped_product(p.ctx, flat, matrix)
    if len(columns) != 1:
        sizes = tuple(size for label, size in zip(right, shape, strict=True) if label in columns)
        made = b.op("reshape", made, shape=(*lead, *sizes))
    order = tuple([*kept, *columns].index(label) for label in result)
    return made if order == tuple(range(made.rank)) else b.op("transpose", made, perm=order)


def _float8(p: Product) -> Value:
    """The product of x and the kernel, each divided by its scale, rounded to float8_e4m3fn, and multiplied by it again."""
    if p.ctx.has_weight(p.name("lora_kernel_a")):
        raise p.ctx.error("Keras does not compute float8 with a LoRA", hint="Merge the LoRA first.")
    return p.times(_in_float8(p, p.x, "inputs_scale"), _in_float8(p, p.value("kernel"), "kernel_scale"))


def _in_float8(p: Product, x: Value, scale: str) -> Value:
    b, by = p.ctx.b, p.value(scale)
    clipped = b.op("clip", b.op("div", x, by), min=-FLOAT8_MAX, max=FLOAT8_MAX)
    return b.op("mul", b.op("round_float8", clipped), by)


def _calibrated(p: Product) -> Value:
    """GPTQ and AWQ: the product with ``((levels - zero) * scale)^T``, whose rows AWQ divides by ``awq_scales``."""
    ctx, policy = p.ctx, p.policy
    scale, zero, levels = (p.stored(name) for name in ("kernel_scale", "kernel_zero", "quantized_kernel"))
    columns, rows = scale.shape[0], levels.shape[1]
    if policy.bits == 4:
        levels = levels.map(lambda array: unpacked(array, columns, 0, signed=False), shape=(columns, rows))
    if levels.shape != (columns, rows):
        raise ctx.error(
            f"Its quantized kernel has {columns} rows, as its scales. Received: {levels.shape}",
            hint="Save the model after calibration, or export it before quantize().",
        )
    flipped = [item.map(np.transpose, shape=item.shape[::-1]) for item in (levels, scale, zero)]
    matrix = Grouped(flipped[0], flipped[1], flipped[2], p.stored("g_idx"))
    if policy.mode == "gptq":
        return _matrix_product(p, p.x, matrix, _kernel_shape(p, matrix))
    by, shape = p.stored("awq_scales"), _kernel_shape(p, matrix)

    def read() -> Array:
        return np.reshape(matrix.read() / by.numpy().astype(np.float32)[:, None], shape)

    return p.times(p.x, ctx.b.constant(Constant.lazy("float32", shape, read), name="kernel"))
