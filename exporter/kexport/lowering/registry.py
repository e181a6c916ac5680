"""The lowering rules, found by Keras class name, and what a rule is given."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from kexport.errors import LoweringError, UnknownLayerError
from kexport.ir import Builder, Constant, Value, dtypes
from kexport.loading.spec import LayerSpec, ModelSpec, Provenance
from kexport.lowering.masks import Masks
from kexport.lowering.tracing import Tracer


@dataclass
class Context:
    """What a rule works with.

    Attributes:
        layer: the layer to lower; its config is complete and in Keras 3's vocabulary.
        b: adds nodes; its origin is the layer's path.
        provenance: who wrote the model, for the few rules whose meaning depends on it.
        kwargs: the call's keyword arguments, tensors as :class:`Value`.
        lower_model, lower_layer: lower a nested model or a wrapped layer on values.
        args: the call's positional arguments, tensors as :class:`Value`.
        compute_dtype: what the layer's dtype policy has it compute in.
        masks: the masks of the graph's values, for layers that make or read one.
        weight_values: the graph's constants by identity of the weight and dtype, so that a layer called twice
            has its weights once.
        tracer: calls functions and cells that are the user's own; None where none may be called.
    """

    layer: LayerSpec
    b: Builder
    provenance: Provenance
    kwargs: Mapping[str, Any]
    lower_model: Callable[[ModelSpec, Sequence[Value]], list[Value]]
    lower_layer: Callable[[LayerSpec, Sequence[Value], Mapping[str, Any]], list[Value]]
    args: tuple[Any, ...] = ()
    compute_dtype: str = "float32"
    weight_values: dict[tuple[int, str], Value] = field(default_factory=dict)
    masks: Masks | None = None
    tracer: Tracer | None = None

    def arg(self, name: str) -> Any:
        """An argument of the layer.

        Raises:
            LoweringError: the config lacks it.
        """
        if name not in self.layer.config:
            raise self.error(f"The config has no {name!r}")
        return self.layer.config[name]

    def has_weight(self, name: str) -> bool:
        """Whether the layer has the weight called ``name``."""
        return name in self.layer.weights

    def weight(self, name: str) -> Constant:
        """A weight by its Keras variable name, in the compute dtype where it is a float.

        Raises:
            LoweringError: the file has none.
        """
        stored = self.stored_weight(name)
        if not dtypes.is_float(stored.dtype) or stored.dtype == self.compute_dtype:
            return stored
        wanted = dtypes.numpy_dtype(self.compute_dtype)
        return stored.map(lambda array: array.astype(wanted), dtype=self.compute_dtype, same_elements=True)

    def stored_weight(self, name: str) -> Constant:
        """A weight by its Keras variable name, in the dtype it is stored in.

        Raises:
            LoweringError: the file has none.
        """
        if name not in self.layer.weights:
            raise self.error(f"The weight {name!r} is missing; the file has {list(self.layer.weights)}")
        return self.layer.weights[name]

    def weight_value(self, name: str) -> Value:
        """The same as :meth:`weight`, as a constant value of the graph; one for all calls of the layer."""
        key = (id(self.stored_weight(name)), self.compute_dtype)
        if key not in self.weight_values:
            self.weight_values[key] = self.b.constant(self.weight(name), name=name)
        return self.weight_values[key]

    def mask(self, x: Value) -> Value | None:
        """The mask that the layer reads for ``x``: the call's argument ``mask``, else the one that x has; bool (batch, time)."""
        given = self.kwargs.get("mask")
        if given is None and self.masks is not None:
            given = self.masks.of(x)
        if given is not None and not isinstance(given, Value):
            raise self.error(f"mask is a tensor. Received: {given!r}")
        return given if given is None or given.dtype == "bool" else self.b.op("cast", given, dtype="bool")

    def put_mask(self, value: Value, mask: Value | None) -> None:
        """Say what the mask of ``value``, an output of the layer, is."""
        if self.masks is not None:
            self.masks.put(value, mask)

    def error(self, problem: str, *, hint: str | None = None) -> LoweringError:
        """An error about this layer, to raise."""
        return LoweringError(f"Layer {self.layer.path!r} ({self.layer.class_name}): {problem}.", hint=hint)


class Rule(Protocol):
    """A lowering rule: adds nodes through ``ctx.b`` and returns the layer's outputs.

    ``inputs`` are the tensors of the call's first argument, flattened (one for most layers, several for a merge).
    """

    def __call__(self, ctx: Context, *inputs: Any, **none: Any) -> Value | list[Value]: ...


_RULES: dict[str, Rule] = {}

#: The reasons of rules that do no more than raise.
_REFUSING: dict[str, Refusal] = {}


def lowers(*class_names: str, refusing: str = "") -> Callable[[Rule], Rule]:
    """Register the decorated rule for these Keras classes.

    Args:
        refusing: why the rule does no more than raise, where its error says more than :func:`refuses` can.

    Raises:
        ValueError: one of them has a rule already.
    """

    def decorate(rule: Rule) -> Rule:
        for name in class_names:
            if name in _RULES or name in _REFUSALS:
                raise ValueError(
                    f"Two lowering rules are registered for {name!r}, or one is and it is refused."
                )
            _RULES[name] = rule
            if refusing:
                _REFUSING[name] = Refusal(refusing, "")
        return rule

    return decorate


@dataclass(frozen=True)
class Refusal:
    """Why a class has no rule, and the way out."""

    reason: str
    hint: str


_REFUSALS: dict[str, Refusal] = {}


def refuses(name: str, reason: str, *, hint: str = "") -> None:
    """Say why no rule is registered under ``name``.

    Raises:
        ValueError: it is said already, or there is a rule.
    """
    if name in _RULES or name in _REFUSALS:
        raise ValueError(f"{name!r} has a rule, or is refused, already.")
    _REFUSALS[name] = Refusal(reason, hint)


def refused() -> dict[str, Refusal]:
    """What is refused on purpose, by the name that its rule has or would have."""
    return {**_REFUSALS, **_REFUSING}


def known_layers() -> list[str]:
    """The Keras classes that have a rule, sorted."""
    return sorted(_RULES)


def is_operation(layer: LayerSpec) -> bool:
    """Whether it is no layer but an operation of ``keras.ops``, which Functional models save alike."""
    return layer.module.startswith(("keras.src.ops", "keras.ops"))


def rule_name(layer: LayerSpec) -> str:
    """What a layer's rule is registered under: its class, ``ops.Add`` for an operation (``Add`` is a layer too)."""
    return f"ops.{layer.class_name}" if is_operation(layer) else layer.class_name


#: Have a rule that says why they can't be lowered; where code may be run, they are traced.
CODE = frozenset(["Lambda"])


def has_rule(layer: LayerSpec) -> bool:
    """Whether what the layer computes follows from its class and config."""
    return rule_name(layer) in _RULES and layer.class_name not in CODE


def rule_for(layer: LayerSpec) -> Rule:
    """The rule for a layer's class.

    Raises:
        UnknownLayerError: there is none.
    """
    rule = _RULES.get(rule_name(layer))
    refusal = _REFUSALS.get(rule_name(layer))
    if refusal is not None:
        raise UnknownLayerError(
            f"Layer {layer.path!r} is a {rule_name(layer)!r}, which can't be exported: {refusal.reason}.",
            hint=refusal.hint or None,
        )
    if rule is None:
        close = difflib.get_close_matches(rule_name(layer), _RULES, n=3)
        guess = f" Similar: {', '.join(close)}." if close else ""
        own = "" if is_operation(layer) else " If it is your own, hand over its code: --custom-objects FILE."
        raise UnknownLayerError(
            f"Layer {layer.path!r} is a {rule_name(layer)!r}, for which no lowering is known.",
            hint=f"`kexport layers` lists what is known.{guess}{own}",
        )
    return rule
