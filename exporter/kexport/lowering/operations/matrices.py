"""Decompositions and solutions of small linear systems: loops over the columns, each step of which works on whole matrices.

Matrices are (..., n, n), the dimensions before the last two one batch within the loops. What takes a number of steps that
depends on the data (singular values, eigenvalues) has no rule.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kexport.ir import Array, Dim, Value, dims
from kexport.lowering.loops import scan, zeros
from kexport.lowering.operations.operands import (
    arguments,
    as_float,
    cast,
    flag,
    length,
    only,
    option,
    reshaped,
    sliced,
    transposed,
)
from kexport.lowering.registry import Context, lowers


class _Stack(NamedTuple):
    """Matrices as one batch, and the dimensions that they came in."""

    value: Value
    lead: tuple[Dim, ...]

    @property
    def batch(self) -> Dim:
        """How many matrices there are."""
        return self.value.shape[0]


def _stack(ctx: Context, x: Value) -> _Stack:
    if x.rank < 2:
        raise ctx.error(f"It takes matrices. Received: {x.type}")
    lead = x.shape[:-2]
    rows, columns = length(ctx, x, x.rank - 2), length(ctx, x, x.rank - 1)
    return _Stack(reshaped(ctx, x, (dims.product(lead), rows, columns)), lead)


def _square(ctx: Context, x: Value) -> tuple[_Stack, int]:
    stack = _stack(ctx, x)
    rows, columns = stack.value.shape[1:]
    if rows != columns:
        raise ctx.error(f"It takes square matrices. Received: {x.type}")
    return stack, int(str(rows))


def _units(ctx: Context, size: int, like: Value) -> Value:
    """The unit vectors, one a step: (size, size)."""
    return ctx.b.constant(np.eye(size), like.dtype, name="units")


def _times(ctx: Context, matrices: Value, vector: Value) -> Value:
    """(b, m, n) times a vector (n,), or one a matrix (b, n): (b, m)."""
    row = vector if vector.rank == 1 else ctx.b.op("expand_dims", vector, axes=(1,))
    return ctx.b.op("reduce_sum", ctx.b.op("mul", matrices, row), axes=(2,))


def _outer(ctx: Context, column: Value, row: Value) -> Value:
    """(b, m) and (b, n): every product, (b, m, n)."""
    return ctx.b.op(
        "mul", ctx.b.op("expand_dims", column, axes=(2,)), ctx.b.op("expand_dims", row, axes=(1,))
    )


def _triangle(ctx: Context, x: Value, mask: Array) -> Value:
    """``x`` where the mask of its last two dimensions holds, 0 elsewhere."""
    return ctx.b.op("select", ctx.b.constant(mask, "bool", name="triangle"), x, ctx.b.scalar(0, x))


def _unfolded(ctx: Context, x: Value, lead: tuple[Dim, ...]) -> Value:
    return reshaped(ctx, x, (*lead, *x.shape[1:]))


@lowers("ops.Cholesky", "ops.Logdet")
def lower_cholesky(ctx: Context, *inputs: Value) -> Value:
    """L with ``L L^T == x``, lower triangular, of which ``upper`` is the transpose; ``Logdet``: twice the sum of its diagonal's
    logarithms. Of a matrix that is not positive, where TensorFlow fails, NaN."""
    stack, size = _square(ctx, only(ctx))
    factor = _cholesky(ctx, stack.value, size)
    if ctx.layer.class_name == "Logdet":
        diagonal = ctx.b.op("reduce_sum", _triangle(ctx, factor, np.eye(size, dtype=bool)), axes=(2,))
        total = ctx.b.op("reduce_sum", ctx.b.op("log", diagonal), axes=(1,))
        return _unfolded(ctx, ctx.b.op("mul", total, ctx.b.scalar(2.0, total)), stack.lead)
    factor = transposed(ctx, factor, (0, 2, 1)) if flag(ctx, "upper") else factor
    return _unfolded(ctx, factor, stack.lead)


def _cholesky(ctx: Context, x: Value, size: int) -> Value:
    """Column by column: ``c = a_j / sqrt(a_jj)`` from the diagonal down, then ``a - c c^T``."""
    b = ctx.b
    below = b.constant(np.tri(size).T, x.dtype, name="below")

    def step(now: list[Value], states: list[Value]) -> tuple[list[Value], list[Value]]:
        unit, kept = now
        (rest,) = states
        column = b.op("mul", _times(ctx, rest, unit), kept)
        corner = b.op("reduce_sum", b.op("mul", column, unit), axes=(1,), keepdims=True)
        column = b.op("div", column, b.op("sqrt", corner))
        return [column], [b.op("sub", rest, _outer(ctx, column, column))]

    (columns,), _ = scan(ctx, [_units(ctx, size, x), below], [x], step)
    return transposed(ctx, columns, (1, 2, 0))


@lowers("ops.CholeskyInverse")
def lower_cholesky_inverse(ctx: Context, *inputs: Value) -> Value:
    """``(x x^T)^-1`` from a lower triangular x, ``(x^T x)^-1`` from an upper one."""
    stack, size = _square(ctx, only(ctx))
    upper = flag(ctx, "upper")
    shape = (stack.batch, size, size)
    unit = ctx.b.op(
        "broadcast_to", ctx.b.constant(np.eye(size)[None], stack.value.dtype, name="unit"), shape=shape
    )
    inverse = _triangular_solution(ctx, stack.value, unit, size, lower=not upper)
    product = ctx.b.op("matmul", inverse, inverse, transpose_a=not upper, transpose_b=upper)
    return _unfolded(ctx, product, stack.lead)


def _triangular_solution(ctx: Context, a: Value, right: Value, size: int, *, lower: bool) -> Value:
    """The x with ``a x == right``, row by row: ``x_j = (right_j - a_j x) / a_jj``; of a only its triangle is read."""
    b = ctx.b
    triangle = _triangle(ctx, a, np.tri(size, dtype=bool) if lower else np.tri(size, dtype=bool).T)
    sequences = [
        transposed(ctx, triangle, (1, 0, 2)),
        transposed(ctx, right, (1, 0, 2)),
        _units(ctx, size, a),
    ]
    if not lower:
        sequences = [b.op("reverse", sequence, axes=(0,)) for sequence in sequences]

    def step(now: list[Value], states: list[Value]) -> tuple[list[Value], list[Value]]:
        row, wanted, unit = now
        (found,) = states
        known = b.op("squeeze", b.op("matmul", b.op("expand_dims", row, axes=(1,)), found), axes=(1,))
        corner = b.op("reduce_sum", b.op("mul", row, unit), axes=(1,), keepdims=True)
        solved = b.op("div", b.op("sub", wanted, known), corner)
        placed = b.op("mul", b.op("expand_dims", unit, axes=(1,)), b.op("expand_dims", solved, axes=(1,)))
        return [], [b.op("add", found, placed)]

    _, (result,) = scan(ctx, sequences, [zeros(ctx, right.shape, right.dtype)], step)
    return result


class _Elimination(NamedTuple):
    """What eliminating all columns leaves: the columns beyond the square, the row that was each column's pivot (b, step, row),
    and the pivots (b, step)."""

    rest: Value
    rows: Value
    pivots: Value


def _eliminated(ctx: Context, x: Value, size: int) -> _Elimination:
    """Gauss-Jordan elimination of the first ``size`` columns with partial pivoting: the pivot of a column is its largest
    element in a row that was none yet; rows stay in their places."""
    b = ctx.b
    width = length(ctx, x, 2)
    units = b.constant(np.eye(size, width), x.dtype, name="units")

    def step(now: list[Value], states: list[Value]) -> tuple[list[Value], list[Value]]:
        (unit,), (matrix, used) = now, states
        column = _times(ctx, matrix, unit)
        pick = _pivot_row(ctx, column, used, size)
        pivot = b.op("reduce_sum", b.op("mul", column, pick), axes=(1,), keepdims=True)
        none = b.op("equal", pivot, b.scalar(0.0, pivot))
        row = b.op("squeeze", b.op("matmul", b.op("expand_dims", pick, axes=(1,)), matrix), axes=(1,))
        scaled = b.op("div", row, b.op("select", none, b.scalar(1.0, pivot), pivot))
        others = b.op("sub", matrix, _outer(ctx, column, scaled))
        picked = b.op("expand_dims", cast(ctx, pick, "bool"), axes=(2,))
        after = b.op("select", picked, b.op("expand_dims", scaled, axes=(1,)), others)
        return [pick, b.op("squeeze", pivot, axes=(1,))], [after, b.op("add", used, pick)]

    used = zeros(ctx, (x.shape[0], size), x.dtype)
    (rows, pivots), (matrix, _) = scan(ctx, [units], [x, used], step)
    rest = sliced(ctx, matrix, 2, size, None) if width > size else matrix
    return _Elimination(rest, transposed(ctx, rows, (1, 0, 2)), transposed(ctx, pivots, (1, 0)))


def _pivot_row(ctx: Context, column: Value, used: Value, size: int) -> Value:
    """1 at the largest element of each column (b, n) in a row that is not ``used``, 0 elsewhere."""
    b = ctx.b
    free = b.op("sub", b.scalar(1.0, used), used)
    candidates = b.op("sub", b.op("mul", b.op("abs", column), free), used)
    best = b.op("argmax", candidates, axis=1)
    return b.op("one_hot", best, depth=size, dtype=column.dtype)


def solved(ctx: Context, a: Value, right: Value, size: int) -> Value:
    """The x with ``a x == right``: (b, n, n) and (b, n, m) to (b, n, m)."""
    made = _eliminated(ctx, ctx.b.op("concat", a, right, axis=2), size)
    return ctx.b.op("matmul", made.rows, made.rest)


@lowers("ops.Inv")
def lower_inv(ctx: Context, *inputs: Value) -> Value:
    """The inverse."""
    stack, size = _square(ctx, only(ctx))
    unit = ctx.b.constant(np.eye(size)[None], stack.value.dtype, name="unit")
    right = ctx.b.op("broadcast_to", unit, shape=(stack.batch, size, size))
    return _unfolded(ctx, solved(ctx, stack.value, right, size), stack.lead)


@lowers("ops.Solve", "ops.SolveTriangular")
def lower_solve(ctx: Context, *inputs: Value) -> Value:
    """The x with ``a x == b``, b matrices or vectors; ``SolveTriangular`` reads the upper triangle of a, or the ``lower`` one."""
    given, other = arguments(ctx, "a", "b")
    a, right = as_float(ctx, given), as_float(ctx, other)
    stack, size = _square(ctx, a)
    vectors = right.rank == a.rank - 1
    columns = ctx.b.op("expand_dims", right, axes=(right.rank,)) if vectors else right
    if columns.shape[:-1] != a.shape[:-1]:
        raise ctx.error(f"a and b are as many matrices of one height. Received: {a.type} and {right.type}")
    sides = reshaped(ctx, columns, (stack.batch, size, columns.shape[-1]))
    if ctx.layer.class_name == "Solve":
        result = solved(ctx, stack.value, sides, size)
    else:
        result = _triangular_solution(ctx, stack.value, sides, size, lower=flag(ctx, "lower"))
    return reshaped(ctx, result, right.shape)


@lowers("ops.Det", "ops.Slogdet")
def lower_det(ctx: Context, *inputs: Value) -> Value | list[Value]:
    """The product of the pivots, with the sign of the order in which rows were pivots; ``Slogdet``: the sign, and the logarithm
    of the magnitude."""
    stack, size = _square(ctx, only(ctx))
    made, b = _eliminated(ctx, stack.value, size), ctx.b
    order = b.op("argmax", made.rows, axis=2)
    later = b.op("greater", b.op("expand_dims", order, axes=(2,)), b.op("expand_dims", order, axes=(1,)))
    before = b.constant(np.triu(np.ones((size, size), bool), 1), "bool", name="before")
    swaps = b.op("reduce_sum", cast(ctx, b.op("logical_and", later, before), "int32"), axes=(1, 2))
    odd = cast(ctx, b.op("mod", swaps, b.scalar(2, swaps)), made.pivots.dtype)
    sign = b.op("sub", b.scalar(1.0, odd), b.op("add", odd, odd))
    if ctx.layer.class_name == "Det":
        product = b.op("reduce_prod", made.pivots, axes=(1,))
        return _unfolded(ctx, b.op("mul", sign, product), stack.lead)
    signs = b.op("mul", sign, b.op("reduce_prod", b.op("sign", made.pivots), axes=(1,)))
    sizes = b.op("reduce_sum", b.op("log", b.op("abs", made.pivots)), axes=(1,))
    return [_unfolded(ctx, value, stack.lead) for value in (signs, sizes)]


@lowers("ops.LuFactor")
def lower_lu_factor(ctx: Context, *inputs: Value) -> list[Value]:
    """Of one matrix L below the diagonal (1 on it) and U from it on, and where in their product each row of x is."""
    x = only(ctx)
    if x.rank != 2:
        raise ctx.error(f"It takes one matrix (so does Keras on TensorFlow). Received: {x.type}")
    stack, size = _square(ctx, x)
    b = ctx.b
    after = b.constant(np.triu(np.ones((size, size)), 1), x.dtype, name="after")

    def step(now: list[Value], states: list[Value]) -> tuple[list[Value], list[Value]]:
        (unit, right), (matrix, used) = now, states
        column = _times(ctx, matrix, unit)
        pick = _pivot_row(ctx, column, used, size)
        taken = b.op("add", used, pick)
        pivot = b.op("reduce_sum", b.op("mul", column, pick), axes=(1,), keepdims=True)
        row = b.op("squeeze", b.op("matmul", b.op("expand_dims", pick, axes=(1,)), matrix), axes=(1,))
        factors = b.op("mul", b.op("div", column, pivot), b.op("sub", b.scalar(1.0, taken), taken))
        reduced = b.op("sub", matrix, _outer(ctx, factors, b.op("mul", row, right)))
        free = b.op("expand_dims", b.op("logical_not", cast(ctx, taken, "bool")), axes=(2,))
        place = b.op("logical_and", free, cast(ctx, unit, "bool"))
        return [pick], [b.op("select", place, b.op("expand_dims", factors, axes=(2,)), reduced), taken]

    used = zeros(ctx, (1, size), x.dtype)
    (rows,), (matrix, _) = scan(ctx, [_units(ctx, size, x), after], [stack.value, used], step)
    order = transposed(ctx, rows, (1, 0, 2))
    packed = ctx.b.op("matmul", order, matrix)
    return [reshaped(ctx, packed, x.shape), reshaped(ctx, b.op("argmax", order, axis=1), (size,))]


@lowers("ops.Qr")
def lower_qr(ctx: Context, *inputs: Value) -> list[Value]:
    """Q and R by Householder's reflections: each turns what a column has from the diagonal down onto it, to the other side of 0
    (Eigen, Householder.h: ``makeHouseholder``)."""
    stack = _stack(ctx, only(ctx))
    rows, columns = (length(ctx, stack.value, axis) for axis in (1, 2))
    b, count = ctx.b, min(rows, columns)

    def step(now: list[Value], states: list[Value]) -> tuple[list[Value], list[Value]]:
        (at, unit, below), (r, q) = now, states
        column = _times(ctx, r, at)
        vector, factor = _reflection(ctx, column, unit, below)
        wide = b.op("expand_dims", b.op("mul", vector, factor), axes=(2,))
        row = b.op("matmul", b.op("expand_dims", vector, axes=(1,)), r)
        turned = b.op("matmul", q, b.op("expand_dims", vector, axes=(2,)))
        other = b.op("expand_dims", b.op("mul", vector, factor), axes=(1,))
        return [], [b.op("sub", r, b.op("mul", wide, row)), b.op("sub", q, b.op("mul", turned, other))]

    dtype = stack.value.dtype
    masks = [np.eye(count, columns), np.eye(count, rows), np.triu(np.ones((count, rows)), 1)]
    sequences = [b.constant(mask, dtype, name="columns") for mask in masks]
    unit = b.constant(np.eye(rows)[None], dtype, name="unit")
    whole = b.op("broadcast_to", unit, shape=(stack.batch, rows, rows))
    _, (r, q) = scan(ctx, sequences, [stack.value, whole], step)
    r = _triangle(ctx, r, np.triu(np.ones((rows, columns), bool)))
    if option(ctx, "mode", "reduced") == "reduced" and count < rows:
        r, q = sliced(ctx, r, 1, 0, count), sliced(ctx, q, 2, 0, count)
    return [_unfolded(ctx, q, stack.lead), _unfolded(ctx, r, stack.lead)]


def _reflection(ctx: Context, column: Value, unit: Value, below: Value) -> tuple[Value, Value]:
    """The v (b, n) and f (b, 1) of the reflection ``1 - f v v^T``; f is 0 where nothing is below the diagonal."""
    b = ctx.b
    tail = b.op("mul", column, below)
    rest = b.op("reduce_sum", b.op("square", tail), axes=(1,), keepdims=True)
    corner = b.op("reduce_sum", b.op("mul", column, unit), axes=(1,), keepdims=True)
    norm = b.op("sqrt", b.op("add", b.op("square", corner), rest))
    zero = b.scalar(0.0, corner)
    far = b.op(
        "select", b.op("greater_equal", corner, zero), b.op("add", corner, norm), b.op("sub", corner, norm)
    )
    vector = b.op("add", tail, b.op("mul", far, unit))
    square = b.op("add", rest, b.op("square", far))
    none = b.op("less_equal", rest, b.scalar(float(np.finfo(np.float32).tiny), rest))
    factor = b.op("div", b.scalar(2.0, square), b.op("select", none, b.scalar(1.0, square), square))
    return vector, b.op("select", none, zero, factor)
