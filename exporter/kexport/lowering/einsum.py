"""Einsum of two tensors as one matrix product between transposes and reshapes."""

from __future__ import annotations

from collections.abc import Sequence

from kexport.ir import Dim, Value, dims
from kexport.lowering.registry import Context


def einsum(ctx: Context, equation: str, a: Value, b: Value) -> Value:
    """``einsum(equation, a, b)``; the equation may begin its terms with ``...``.

    Labels of both and the result are batch dimensions, of both alone are summed, of one alone stay. ``b`` may hold a label that
    is in neither ``a`` nor the result; that, like a label twice in a term, is refused.

    Raises:
        LoweringError: the equation is of another kind or does not fit the shapes.
    """
    left, right, result = terms(ctx, equation, a.rank, b.rank)
    sizes: dict[str, Dim] = {}
    for label, dim in (*zip(left, a.shape, strict=True), *zip(right, b.shape, strict=True)):
        if isinstance(sizes.get(label), int) and isinstance(dim, int) and sizes[label] != dim:
            raise ctx.error(
                f"Dimension {label!r} of {equation!r} is one length. Received: {a.type} and {b.type}"
            )
        sizes[label] = dim if not isinstance(sizes.get(label), int) else sizes[label]
    batch = [label for label in left if label in right and label in result]
    summed = [label for label in left if label in right and label not in result]
    rows = [label for label in left if label not in right]
    columns = [label for label in right if label not in left]
    if any(label not in result for label in (*rows, *columns)):
        raise ctx.error(f"Each dimension that is summed is in both terms. Received: {equation!r}")
    first = _matrix(ctx, a, left, (batch, rows, summed), sizes)
    second = _matrix(ctx, b, right, (batch, summed, columns), sizes)
    product = (
        ctx.b.op("matmul", first, second)
        if batch or b.constant is None
        else ctx.b.op("dense", first, second, None)
    )
    ordered = [*batch, *rows, *columns]
    whole = _reshape(ctx, product, tuple(sizes[label] for label in ordered))
    return _transpose(ctx, whole, [ordered.index(label) for label in result])


def terms(ctx: Context, equation: str, left_rank: int, right_rank: int) -> tuple[str, str, str]:
    """The three terms of an equation with ``...`` spelled out in digits, one a dimension.

    Raises:
        LoweringError: the equation is of another kind or does not fit the ranks.
    """
    text = equation.replace(" ", "")
    operands, _, result = text.partition("->")
    left, _, right = operands.partition(",")
    if not (left and right and "->" in text) or "," in right:
        raise ctx.error(f"An equation is 'ab,bc->ac', of two terms. Received: {equation!r}")
    extra = "0123456789"[: max(left_rank - len(left.replace("...", "")), 0)] if "..." in left else ""
    left, result = left.replace("...", extra), result.replace("...", extra)
    if "..." in right or len(left) != left_rank or len(right) != right_rank:
        raise ctx.error(
            f"The terms of {equation!r} have a letter for each dimension. Received: ranks {left_rank} and {right_rank}"
        )
    if any(len(set(term)) != len(term) for term in (left, right, result)):
        raise ctx.error(f"A letter stands once in a term. Received: {equation!r}")
    if any(label not in left + right for label in result):
        raise ctx.error(f"The result of an equation has letters of its terms. Received: {equation!r}")
    return left, right, result


def _matrix(
    ctx: Context, x: Value, labels: str, groups: tuple[list[str], list[str], list[str]], sizes: dict[str, Dim]
) -> Value:
    """``x`` as (*batch, rows, columns): its dimensions in the order of the groups, the last two groups one each."""
    batch, rows, columns = groups
    ordered = _transpose(ctx, x, [labels.index(label) for group in groups for label in group])
    lead = tuple(sizes[label] for label in batch)
    return _reshape(ctx, ordered, (*lead, _total(rows, sizes), _total(columns, sizes)))


def _total(labels: Sequence[str], sizes: dict[str, Dim]) -> Dim:
    return dims.product(tuple(sizes[label] for label in labels))


def _transpose(ctx: Context, x: Value, perm: list[int]) -> Value:
    return x if perm == sorted(perm) else ctx.b.op("transpose", x, perm=tuple(perm))


def _reshape(ctx: Context, x: Value, shape: tuple[Dim, ...]) -> Value:
    return x if x.shape == shape else ctx.b.op("reshape", x, shape=shape)
