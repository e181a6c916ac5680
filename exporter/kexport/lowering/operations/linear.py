"""Products of matrices and tensors, all of them einsums. Integers are multiplied in floats, as Keras does, and cast back."""

from __future__ import annotations

from typing import Any

from kexport.ir import Value, dims
from kexport.lowering.arguments import normalized_axis
from kexport.lowering.einsum import einsum
from kexport.lowering.operations.operands import (
    arguments,
    as_float,
    cast,
    flattened,
    only,
    option,
    promoted,
    promoted_tensors,
    reshaped,
    sliced,
    tensor,
    transposed,
)
from kexport.lowering.operations.promotion import result_type
from kexport.lowering.operations.shape import moved
from kexport.lowering.registry import Context, lowers

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _multiplied(ctx: Context, *items: Any, of_int8: str = "int8") -> tuple[list[Value], str]:
    """The operands in a float dtype, and the dtype of the result; ``of_int8`` where all are int8."""
    values = promoted_tensors(ctx, *items)
    dtype = values[0].dtype
    if all(isinstance(item, Value) and item.dtype == "int8" for item in items):
        dtype = of_int8
    compute = result_type(values[0].dtype, "float")
    return [cast(ctx, value, compute) for value in values], dtype


@lowers("ops.Matmul")
def lower_matmul(ctx: Context, *inputs: Value) -> Value:
    """The product of the last two dimensions, those before broadcasting; a vector is a row on the left, a column on the right."""
    given = arguments(ctx, "x1", "x2")
    ranks = [tensor(ctx, item).rank for item in given]
    (left, right), dtype = _multiplied(ctx, *given, of_int8="int32" if min(ranks) > 1 else "int8")
    if left.rank < 1 or right.rank < 1:
        raise ctx.error(f"It takes one dimension at least. Received: {left.type} and {right.type}")
    first = ctx.b.op("expand_dims", left, axes=(0,)) if left.rank == 1 else left
    second = ctx.b.op("expand_dims", right, axes=(1,)) if right.rank == 1 else right
    if second.constant is not None and second.rank == 2:
        result = ctx.b.op("dense", first, second, None)
    else:
        result = ctx.b.op("matmul", first, second)
    dropped = (result.rank - 2,) * (left.rank == 1) + (result.rank - 1,) * (right.rank == 1)
    return cast(ctx, ctx.b.op("squeeze", result, axes=dropped) if dropped else result, dtype)


def contracted(ctx: Context, left: Value, right: Value, axes: tuple[list[int], list[int]]) -> Value:
    """The sum of products over ``axes`` of each: (rest of left, rest of right)."""
    first = list(_LETTERS[: left.rank])
    second = list(_LETTERS[left.rank : left.rank + right.rank])
    for a, b in zip(*axes, strict=True):
        second[b] = first[a]
    kept = [label for label in first if label not in second] + [
        label for label in second if label not in first
    ]
    return einsum(ctx, f"{''.join(first)},{''.join(second)}->{''.join(kept)}", left, right)


@lowers("ops.Dot", "ops.Inner", "ops.Vdot")
def lower_dot(ctx: Context, *inputs: Value) -> Value:
    """The sum of products over the last dimension of both (``Dot``: the last but one of a matrix x2); scalars multiply.
    ``Vdot`` flattens both before."""
    (left, right), dtype = _multiplied(ctx, *arguments(ctx, "x1", "x2"))
    name = ctx.layer.class_name
    if name == "Vdot":
        left, right = flattened(ctx, left), flattened(ctx, right)
    if left.rank == 0 or right.rank == 0:
        return cast(ctx, ctx.b.op("mul", left, right), dtype)
    axis = right.rank - (2 if name == "Dot" and right.rank > 1 else 1)
    return cast(ctx, contracted(ctx, left, right, ([left.rank - 1], [axis])), dtype)


@lowers("ops.Tensordot")
def lower_tensordot(ctx: Context, *inputs: Value) -> Value:
    """The sum of products over ``axes``: two lists, or the last n of x1 and the first n of x2."""
    (left, right), dtype = _multiplied(ctx, *arguments(ctx, "x1", "x2"))
    axes = option(ctx, "axes", 2)
    if isinstance(axes, int):
        pair = list(range(left.rank - axes, left.rank)), list(range(axes))
    else:
        first, second = (item if isinstance(item, list | tuple) else [item] for item in axes)
        pair = (
            [normalized_axis(ctx, axis, left.rank) for axis in first],
            [normalized_axis(ctx, axis, right.rank) for axis in second],
        )
    return cast(ctx, contracted(ctx, left, right, pair), dtype)


@lowers("ops.Outer", "ops.Kron")
def lower_outer(ctx: Context, *inputs: Value) -> Value:
    """``Outer``: every product of an element of x1 and one of x2, (n, m). ``Kron``: the same laid out block by block."""
    left, right = promoted_tensors(ctx, *arguments(ctx, "x1", "x2"))
    if ctx.layer.class_name == "Outer":
        column = ctx.b.op("expand_dims", flattened(ctx, left), axes=(1,))
        return ctx.b.op("mul", column, ctx.b.op("expand_dims", flattened(ctx, right), axes=(0,)))
    rank = max(left.rank, right.rank)
    left, right = (reshaped(ctx, v, (1,) * (rank - v.rank) + v.shape) for v in (left, right))
    blocks = ctx.b.op(
        "mul",
        ctx.b.op("expand_dims", left, axes=tuple(range(1, 2 * rank, 2))),
        ctx.b.op("expand_dims", right, axes=tuple(range(0, 2 * rank, 2))),
    )
    return reshaped(
        ctx, blocks, tuple(dims.multiply(a, b) for a, b in zip(left.shape, right.shape, strict=True))
    )


@lowers("ops.Cross")
def lower_cross(ctx: Context, *inputs: Value) -> Value:
    """``(a1 b2 - a2 b1, a2 b0 - a0 b2, a0 b1 - a1 b0)`` along an axis; a third component that is missing is 0."""
    left, right = promoted(ctx, *arguments(ctx, "x1", "x2"))
    axis = option(ctx, "axis")
    axes = [option(ctx, name, -1) if axis is None else axis for name in ("axisa", "axisb", "axisc")]
    left, right = moved(ctx, left, axes[0], -1), moved(ctx, right, axes[1], -1)
    flat = left.shape[-1] == 2 and right.shape[-1] == 2
    a, b = (
        [sliced(ctx, v, v.rank - 1, i, i + 1) for i in range(int(str(v.shape[-1])))] for v in (left, right)
    )

    def minor(i: int, j: int) -> Value:
        terms = [
            ctx.b.op("mul", a[p], b[q]) if p < len(a) and q < len(b) else None for p, q in ((i, j), (j, i))
        ]
        if terms[1] is None:
            return terms[0] if terms[0] is not None else ctx.b.op("sub", a[0], a[0])
        return ctx.b.op("neg", terms[1]) if terms[0] is None else ctx.b.op("sub", terms[0], terms[1])

    if flat:
        area = minor(0, 1)
        return ctx.b.op("squeeze", area, axes=(area.rank - 1,))
    parts = [minor(1, 2), minor(2, 0), minor(0, 1)]
    return moved(ctx, ctx.b.op("concat", *parts, axis=parts[0].rank - 1), -1, axes[2])


@lowers("ops.Einsum")
def lower_einsum(ctx: Context, *inputs: Value) -> Value:
    """``einsum(subscripts, *operands)``: pairs from the left; what is in one term alone and not in the result is summed first."""
    if ctx.kwargs:
        raise ctx.error(f"It is called on tensors alone. Received: {sorted(ctx.kwargs)}")
    values, dtype = _multiplied(ctx, *ctx.args, of_int8="int32")
    terms, result = _terms(ctx, str(option(ctx, "subscripts")), values)
    value, labels = _needed(ctx, values[0], terms[0], result + "".join(terms[1:]))
    for index in range(1, len(values)):
        later = result + "".join(terms[index + 1 :])
        other, letters = _needed(ctx, values[index], terms[index], labels + later)
        value, labels = _needed(ctx, value, labels, letters + later)
        kept = "".join(label for label in dict.fromkeys(labels + letters) if label in later)
        if labels and letters:
            value = einsum(ctx, f"{labels},{letters}->{kept}", value, other)
        else:
            value = ctx.b.op("mul", value, other)
        labels = kept
    return cast(ctx, transposed(ctx, value, tuple(labels.index(label) for label in result)), dtype)


def _needed(ctx: Context, x: Value, labels: str, elsewhere: str) -> tuple[Value, str]:
    """``x`` summed over the labels that are not ``elsewhere``."""
    axes = tuple(axis for axis, label in enumerate(labels) if label not in elsewhere)
    kept = "".join(label for label in labels if label in elsewhere)
    return (ctx.b.op("reduce_sum", x, axes=axes) if axes else x), kept


def _terms(ctx: Context, subscripts: str, values: list[Value]) -> tuple[list[str], str]:
    """The terms and the result in letters, ``...`` spelled out; a result that is left out has the letters that stand once."""
    text = subscripts.replace(" ", "")
    left, arrow, result = text.partition("->")
    terms = left.split(",")
    free = [letter for letter in _LETTERS if letter not in text]
    counts = [x.rank - len(term.replace("...", "")) for term, x in zip(terms, values, strict=True)]
    extra = "".join(free[: max([0, *(n for n, term in zip(counts, terms, strict=True) if "..." in term)])])
    spelled = [t.replace("...", extra[len(extra) - n :]) for t, n in zip(terms, counts, strict=True)]
    if not arrow:
        result = "..." * bool(extra) + "".join(
            sorted(c for c in set(left) - {".", ","} if left.count(c) == 1)
        )
    result = result.replace("...", extra)
    if any(
        len(term) != x.rank or len(set(term)) != len(term) for term, x in zip(spelled, values, strict=True)
    ):
        raise ctx.error(
            f"A term has a letter for each dimension, none twice. Received: {subscripts!r} for {values}"
        )
    return spelled, result


@lowers("ops.CDist")
def lower_cdist(ctx: Context, *inputs: Value) -> Value:
    """``sqrt(sum((x_i - y_j)^2))``: (..., n, d) and (..., m, d) to (..., n, m)."""
    left, right = promoted(ctx, *arguments(ctx, "x", "y"), also=("float",))
    first = ctx.b.op("expand_dims", left, axes=(left.rank - 1,))
    second = ctx.b.op("expand_dims", right, axes=(right.rank - 2,))
    squares = ctx.b.op("squared_difference", first, second)
    return ctx.b.op("sqrt", ctx.b.op("reduce_sum", squares, axes=(squares.rank - 1,)))


@lowers("ops.Corrcoef")
def lower_corrcoef(ctx: Context, *inputs: Value) -> Value:
    """``c_ij / sqrt(c_ii c_jj)``, c the covariances of the rows, clipped to -1 and 1."""
    x, b = as_float(ctx, only(ctx)), ctx.b
    centred = b.op("sub", x, b.op("reduce_mean", x, axes=(x.rank - 1,), keepdims=True))
    unit = b.op("rsqrt", b.op("reduce_sum", b.op("square", centred), axes=(x.rank - 1,), keepdims=True))
    scaled = b.op("mul", centred, unit)
    return b.op("clip", b.op("matmul", scaled, scaled, transpose_b=True), min=-1.0, max=1.0)
