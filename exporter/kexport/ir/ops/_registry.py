"""The op registry: one :class:`OpSpec` an op, found by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias, TypeVar

import numpy as np

from kexport.ir.graph import Array, Attrs, GraphError, TensorType, Value

Inputs: TypeAlias = Sequence[Value | None]


#: The type rule: (inputs, attributes) to the types of the outputs; constants may be looked into.
#: Raises :class:`OpError` when the inputs or attributes break the op's rule.
Infer: TypeAlias = Callable[[Inputs, Attrs], list[TensorType]]

#: The meaning in NumPy: (input arrays, None where absent; attributes) to the output arrays.
Compute: TypeAlias = Callable[[Sequence[Any], Attrs], list[Array]]


class OpError(GraphError):
    """Inputs or attributes that an op's rule does not allow."""


class _Required:
    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED: Final = _Required()


@dataclass(frozen=True)
class OpSpec:
    """An op: its attributes with their defaults, its type rule and its meaning."""

    name: str
    attrs: Mapping[str, Any]
    infer: Infer
    compute: Compute
    doc: str


_OPS: dict[str, OpSpec] = {}
_Rule = TypeVar("_Rule", bound=Callable[..., Any])


#: The activations that a fusable op may carry in its attribute ``activation``; the result goes through them last.
FUSED_ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "none": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "relu_n1_to_1": lambda x: np.clip(x, -1, 1),
}


def _with_activation(spec: OpSpec) -> OpSpec:
    """``spec`` with the attribute ``activation`` (default ``"none"``), applied to its one output."""

    def infer(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
        if attrs.get("activation", "none") not in FUSED_ACTIVATIONS:
            raise OpError(
                f"activation is one of {list(FUSED_ACTIVATIONS)}. Received: {attrs['activation']!r}"
            )
        return spec.infer(inputs, attrs)

    def compute(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
        (result,) = spec.compute(inputs, attrs)
        return [FUSED_ACTIVATIONS[attrs.get("activation", "none")](result)]

    doc = f"{spec.doc} The result goes through ``activation``: {', '.join(FUSED_ACTIVATIONS)}."
    return replace(spec, attrs={**spec.attrs, "activation": "none"}, infer=infer, compute=compute, doc=doc)


def register(
    name: str,
    *,
    attrs: Mapping[str, Any] | None = None,
    infer: Infer,
    compute: Compute,
    doc: str,
    fusable: bool = False,
) -> None:
    """Add an op; a ``fusable`` one may carry an activation (:data:`FUSED_ACTIVATIONS`).

    Raises:
        ValueError: the name is taken.
    """
    if name in _OPS:
        raise ValueError(f"The op {name!r} is registered twice.")
    spec = OpSpec(name, dict(attrs or {}), infer, compute, doc)
    _OPS[name] = _with_activation(spec) if fusable else spec


def op(
    name: str, *, infer: Infer, attrs: Mapping[str, Any] | None = None, fusable: bool = False
) -> Callable[[_Rule], _Rule]:
    """Register the decorated NumPy function as the op called ``name``; its docstring is the op's."""

    def decorate(compute: _Rule) -> _Rule:
        doc = compute.__doc__ or ""
        register(name, attrs=attrs, infer=infer, compute=compute, doc=doc, fusable=fusable)
        return compute

    return decorate


def get(name: str) -> OpSpec:
    """The op called ``name``.

    Raises:
        OpError: there is none.
    """
    spec = _OPS.get(name)
    if spec is None:
        raise OpError(f"There is no op {name!r}. Known: {', '.join(sorted(_OPS))}")
    return spec


def known_ops() -> list[str]:
    """The names of all ops, sorted."""
    return sorted(_OPS)


def complete_attrs(name: str, given: Attrs) -> dict[str, Any]:
    """``given`` with the op's defaults filled in.

    Raises:
        OpError: an attribute is unknown or a required one is missing.
    """
    spec = get(name)
    unknown = given.keys() - spec.attrs.keys()
    if unknown:
        raise OpError(f"{name} has no attribute {sorted(unknown)}. Known: {sorted(spec.attrs)}")
    filled = {key: given.get(key, default) for key, default in spec.attrs.items()}
    missing = [key for key, value in filled.items() if value is REQUIRED]
    if missing:
        raise OpError(f"{name} needs the attributes {missing}.")
    return filled


def infer_types(name: str, inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    """The types of the outputs that the op has on these inputs."""
    try:
        return get(name).infer(inputs, attrs)
    except (IndexError, TypeError, ValueError) as error:
        shown = ", ".join("none" if value is None else repr(value) for value in inputs)
        raise OpError(f"{name}({shown}; {dict(attrs)}) has no type: {error}") from error


def required(inputs: Inputs, index: int) -> Value:
    """The input at ``index``.

    Raises:
        OpError: it is absent.
    """
    value = inputs[index] if index < len(inputs) else None
    if value is None:
        raise OpError(f"Input {index} is required.")
    return value


def optional(inputs: Sequence[Any], index: int) -> Any:
    """The input at ``index``, or None where it is absent or the sequence is shorter."""
    return inputs[index] if index < len(inputs) else None
