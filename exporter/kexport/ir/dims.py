"""Dimensions: integers, and integer expressions of named symbols.

A dynamic dimension is a :class:`Symbolic`: a sum of integer multiples of *atoms* plus a constant, in a
canonical order, so that two dimensions computed along different paths compare equal when they are. An atom
is a symbol (``batch``, ``time``) or the floor division of another dimension by a positive integer::

    length = symbol("length")
    subtract(length, 10_000)  # length - 10000
    ceil_div(length, 2)  # (length + 1)//2

Products of two symbols have no canonical form here; they become an atom of their own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Symbol:
    """A named unknown, at least 1."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class FloorDiv:
    """``numerator // divisor``, the divisor positive."""

    numerator: Symbolic
    divisor: int

    def __str__(self) -> str:
        return f"({self.numerator})//{self.divisor}"


@dataclass(frozen=True)
class Product:
    """A product of two dimensions that are both symbolic, its factors in the order of their text."""

    left: Symbolic
    right: Symbolic

    def __str__(self) -> str:
        return f"({self.left})*({self.right})"


Atom: TypeAlias = Symbol | FloorDiv | Product


@dataclass(frozen=True)
class Symbolic:
    """``sum(coefficient * atom) + constant``; terms sorted by the atom's text, no zero coefficients."""

    terms: tuple[tuple[Atom, int], ...]
    constant: int = 0

    def __str__(self) -> str:
        text = ""
        for atom, coefficient in self.terms:
            sign = "-" if coefficient < 0 else "+" if text else ""
            factor = "" if abs(coefficient) == 1 else f"{abs(coefficient)}*"
            text += f"{sign}{factor}{atom}"
        if self.constant:
            text += f"{self.constant:+d}"
        return text


Dim: TypeAlias = int | Symbolic
Shape: TypeAlias = tuple[Dim, ...]


def symbol(name: str) -> Symbolic:
    """The dimension called ``name``."""
    return Symbolic(((Symbol(name), 1),))


def _make(terms: Mapping[Atom, int], constant: int) -> Dim:
    kept = tuple(sorted(((a, c) for a, c in terms.items() if c), key=lambda term: str(term[0])))
    return Symbolic(kept, constant) if kept else constant


def _parts(dim: Dim) -> tuple[dict[Atom, int], int]:
    return ({}, dim) if isinstance(dim, int) else (dict(dim.terms), dim.constant)


def add(left: Dim, right: Dim) -> Dim:
    """``left + right``."""
    if isinstance(left, int) and isinstance(right, int):
        return left + right
    terms, constant = _parts(left)
    more, extra = _parts(right)
    for atom, coefficient in more.items():
        terms[atom] = terms.get(atom, 0) + coefficient
    return _make(terms, constant + extra)


def multiply(left: Dim, right: Dim) -> Dim:
    """``left * right``."""
    if isinstance(left, Symbolic) and isinstance(right, Symbolic):
        (factor, one), (other, two) = _content(left), _content(right)
        first, second = sorted((one, two), key=str)
        return Symbolic(((Product(first, second), factor * other),))
    if isinstance(left, Symbolic):
        left, right = right, left
    assert isinstance(left, int)
    if isinstance(right, int):
        return left * right
    return _make({atom: coefficient * left for atom, coefficient in right.terms}, right.constant * left)


def _content(dim: Symbolic) -> tuple[int, Symbolic]:
    """The largest integer that divides all of ``dim``, and the rest, so that 2 * a * b is one product, however it came about."""
    factor = math.gcd(dim.constant, *(coefficient for _, coefficient in dim.terms))
    return factor, Symbolic(tuple((a, c // factor) for a, c in dim.terms), dim.constant // factor)


def subtract(left: Dim, right: Dim) -> Dim:
    """``left - right``."""
    return add(left, multiply(-1, right))


def floor_div(left: Dim, right: int) -> Dim:
    """``left // right`` for a positive ``right``."""
    if right <= 0:
        raise ValueError(f"A dimension is divided by a positive integer. Received: {right}")
    if isinstance(left, int):
        return left // right
    if all(coefficient % right == 0 for _, coefficient in left.terms):
        terms = {atom: coefficient // right for atom, coefficient in left.terms}
        return _make(terms, left.constant // right)
    return Symbolic(((FloorDiv(left, right), 1),))


def ceil_div(left: Dim, right: int) -> Dim:
    """``ceil(left / right)`` for a positive ``right``."""
    return floor_div(add(left, right - 1), right)


def exact_div(left: Dim, right: Dim) -> Dim | None:
    """``left / right`` where that is known to be whole for every value of the symbols; otherwise None."""
    if left == right:
        return 1
    if isinstance(right, Symbolic):
        if isinstance(left, int):
            return None
        if len(left.terms) == 1 and not left.constant:
            atom, coefficient = left.terms[0]
            if isinstance(atom, Product) and right in (atom.left, atom.right):
                return multiply(coefficient, atom.right if atom.left == right else atom.left)
        if len(right.terms) == len(left.terms) and right.terms and left.terms[0][1] % right.terms[0][1] == 0:
            factor = left.terms[0][1] // right.terms[0][1]
            return factor if multiply(factor, right) == left else None
        return None
    if right == 0:
        return None
    if isinstance(left, int):
        return left // right if left % right == 0 else None
    if left.constant % right or any(coefficient % right for _, coefficient in left.terms):
        return None
    return floor_div(left, right) if right > 0 else None


def is_static(shape: Shape) -> bool:
    """Whether every dimension is an integer."""
    return all(isinstance(dim, int) for dim in shape)


def product(shape: Shape) -> Dim:
    """The number of elements of ``shape``."""
    total: Dim = 1
    for dim in shape:
        total = multiply(total, dim)
    return total


def evaluate(dim: Dim, bindings: Mapping[str, int]) -> int:
    """The integer that ``dim`` is when each symbol has its value in ``bindings``.

    Raises:
        KeyError: a symbol is not in ``bindings``.
    """
    if isinstance(dim, int):
        return dim
    return dim.constant + sum(c * _evaluate_atom(atom, bindings) for atom, c in dim.terms)


def _evaluate_atom(atom: Atom, bindings: Mapping[str, int]) -> int:
    match atom:
        case Symbol(name):
            return bindings[name]
        case FloorDiv(numerator, divisor):
            return evaluate(numerator, bindings) // divisor
        case Product(left, right):
            return evaluate(left, bindings) * evaluate(right, bindings)


def substitute(dim: Dim, bindings: Mapping[str, Dim]) -> Dim:
    """``dim`` with each symbol in ``bindings`` replaced by its dimension; other symbols stay."""
    if isinstance(dim, int):
        return dim
    total: Dim = dim.constant
    for atom, coefficient in dim.terms:
        total = add(total, multiply(coefficient, _substitute_atom(atom, bindings)))
    return total


def _substitute_atom(atom: Atom, bindings: Mapping[str, Dim]) -> Dim:
    match atom:
        case Symbol(name):
            return bindings.get(name, symbol(name))
        case FloorDiv(numerator, divisor):
            return floor_div(substitute(numerator, bindings), divisor)
        case Product(left, right):
            return multiply(substitute(left, bindings), substitute(right, bindings))


def symbols(shape: Shape) -> set[str]:
    """The names of all symbols in ``shape``."""
    names: set[str] = set()
    stack: list[Dim] = list(shape)
    while stack:
        dim = stack.pop()
        if isinstance(dim, int):
            continue
        for atom, _ in dim.terms:
            match atom:
                case Symbol(name):
                    names.add(name)
                case FloorDiv(numerator, _):
                    stack.append(numerator)
                case Product(left, right):
                    stack.extend((left, right))
    return names


def format_shape(shape: Shape) -> str:
    """``(batch, 224, 224, 3)``."""
    return "(" + ", ".join(str(dim) for dim in shape) + ("," if len(shape) == 1 else "") + ")"
