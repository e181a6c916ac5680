"""Calls of TensorFlow's functions: their arguments, and the rules by the functions' names."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import numpy as np

from kexport.ir import Array, Dim, Value, dtypes
from kexport.loading.spec import LayerSpec
from kexport.lowering.arguments import normalized_axes, normalized_axis
from kexport.lowering.operations.operands import cast
from kexport.lowering.registry import Context, lowers, rule_for
from kexport.lowering.tf_ops.lengths import known_array, known_dims


@dataclass(frozen=True)
class Call:
    """One call of a function.

    Attributes:
        ctx: the layer's context.
        name: the function, without ``compat.v1.``.
        first: the first argument; what it is called differs between functions.
        given: the others, by name.
    """

    ctx: Context
    name: str
    first: Any
    given: Mapping[str, Any]

    def arg(self, *names: str, default: Any = None) -> Any:
        """The argument that has one of these names; ``default`` where it is left out or None."""
        found = (self.given[name] for name in names if self.given.get(name) is not None)
        return next(found, default)

    def flag(self, *names: str) -> bool:
        """An argument that is False where it is left out."""
        return bool(self.arg(*names, default=False))

    @property
    def x(self) -> Value:
        """The first argument as a tensor."""
        return self.tensor(self.first)

    def tensor(self, item: Any, dtype: str | None = None) -> Value:
        """A tensor, a number, or nested lists of numbers, tensors among them, as a value; ``dtype`` is that of what is no tensor.

        Files keep no dtypes of numbers: integers are int32, all others float32, as TensorFlow has them.
        """
        if isinstance(item, Value):
            return item
        if isinstance(item, list | tuple) and _has_tensors(item):
            parts = [self.tensor(part, dtype or _dtype_within(item)) for part in item]
            raised = [self.ctx.b.op("expand_dims", part, axes=(0,)) for part in parts]
            return raised[0] if len(raised) == 1 else self.ctx.b.op("concat", *raised, axis=0)
        array = self.array(item)
        natural = {"b": "bool", "f": "float32"}.get(array.dtype.kind, "int32")
        wanted = dtype or natural
        return self.ctx.b.constant(array.astype(dtypes.numpy_dtype(wanted)), wanted, name="constant")

    def weights(self, item: Any, dtype: str) -> Value:
        """Numbers that are known, as a constant, whatever computes them."""
        return self.ctx.b.constant(self.array(item), dtype, name="weights")

    def array(self, item: Any) -> Array:
        """Numbers that are known when exporting.

        Raises:
            LoweringError: they are not, or are none.
        """
        known = known_array(item) if isinstance(item, Value) else _plain_array(item)
        if known is None:
            raise self.ctx.error(
                f"{self.name} takes numbers that are known when exporting. Received: {item!r}",
                hint="Give open dimensions a length when exporting.",
            )
        return known

    def number(self, item: Any) -> Any:
        """One number that is known when exporting."""
        array = self.array(item)
        if array.size != 1:
            raise self.ctx.error(f"{self.name} takes a number. Received: {item!r}")
        return array.reshape(()).item()

    def integers(self, item: Any) -> list[int]:
        """One or several integers that are known when exporting."""
        return [int(number) for number in np.ravel(self.array(item)).tolist()]

    def lengths(self, item: Any) -> list[Dim]:
        """Lengths, -1 among them: numbers, or what is computed of tensors' shapes."""
        found = known_dims(item)
        if found is None:
            raise self.ctx.error(
                f"{self.name} takes lengths that are known, or computed of tensors' shapes. Received: {item!r}"
            )
        return found

    def axis(self, item: Any, rank: int) -> int:
        """An axis counted from the front."""
        return normalized_axis(self.ctx, self.number(item), rank)

    def axes(self, item: Any, rank: int) -> tuple[int, ...]:
        """Axes counted from the front, all of them for None."""
        return tuple(range(rank)) if item is None else normalized_axes(self.ctx, self.integers(item), rank)

    def pair(self, second: Any) -> tuple[Value, Value]:
        """The first argument and another one, in the dtype of whichever is a tensor."""
        items = (self.first, second)
        dtype = next((item.dtype for item in items if isinstance(item, Value)), None)
        if dtype is None:
            dtype = self.tensor(self.first).dtype
        left, right = (self.tensor(item, dtype) for item in items)
        return left, right

    def operation(self, class_name: str, *args: Any, module: str = "numpy", **config: Any) -> Any:
        """What the operation of ``keras.ops`` computes on these arguments."""
        layer = self.ctx.layer
        spec = LayerSpec(layer.name, layer.path, class_name, config, f"keras.src.ops.{module}")
        inner = replace(self.ctx, layer=spec, args=args, kwargs={})
        return rule_for(spec)(inner, *(item for item in args if isinstance(item, Value)))


#: What a function's rule returns: one tensor, or several.
Rule: TypeAlias = Callable[[Call], Value | Sequence[Value]]
_RULES: dict[str, Rule] = {}

#: Why a function, or all whose names begin so (``random.``), has no rule.
_REASONS: dict[str, tuple[str, str]] = {}

#: A function is often in several of these and at the top.
_GROUPS: Final = ("math.", "nn.", "linalg.", "dtypes.", "__operators__.", "raw_ops.")


def computes(*names: str) -> Callable[[Rule], Rule]:
    """Register the decorated rule for these functions; a name without a dot is found in the common modules too.

    Raises:
        ValueError: one of them has a rule.
    """

    def decorate(rule: Rule) -> Rule:
        for name in names:
            if name in _RULES or name in _REASONS:
                raise ValueError(f"Two rules are registered for {name!r}.")
            _RULES[name] = rule
        return rule

    return decorate


def refuses(reason: str, hint: str, *names: str) -> None:
    """Say why these functions, or modules (``random.``), have no rule."""
    for name in names:
        if name in _RULES or name in _REASONS:
            raise ValueError(f"{name!r} has a rule, or is refused, already.")
        _REASONS[name] = reason, hint


def known_functions() -> list[str]:
    """The functions that have a rule, sorted."""
    return sorted(_RULES)


def refused_functions() -> dict[str, tuple[str, str]]:
    """Why functions, or all of a module (``random.``), have no rule, and the way out."""
    return dict(_REASONS)


@lowers("TFOpLambda", "SlicingOpLambda")
def lower_function(ctx: Context, *inputs: Value) -> list[Value]:
    """The function that the config names, on the call's arguments."""
    given = {key: value for key, value in ctx.kwargs.items() if key != "name"}
    return call_function(ctx, str(ctx.arg("function")), ctx.args[0] if ctx.args else None, given)


def call_function(ctx: Context, function: str, first: Any, given: Mapping[str, Any]) -> list[Value]:
    """What TensorFlow's function of that name returns, for its first argument and the others by name.

    Raises:
        LoweringError: no rule is known for it.
    """
    name = function.removeprefix("compat.v1.").removeprefix("compat.v2.")
    short = next((name.removeprefix(group) for group in _GROUPS if name.startswith(group)), name)
    rule = _RULES.get(name) or _RULES.get(short)
    if rule is None:
        raise _unknown(ctx, name, short)
    made = rule(Call(ctx, name, first, given))
    results = [made] if isinstance(made, Value) else list(made)
    # What a function returns has no mask, even where it is its input unchanged.
    return [_without_mask(ctx, value) for value in results]


def _without_mask(ctx: Context, value: Value) -> Value:
    masked = ctx.masks is not None and ctx.masks.of(value) is not None
    return ctx.b.op("identity", value) if masked else value


def _unknown(ctx: Context, name: str, short: str) -> Exception:
    for key, (reason, hint) in _REASONS.items():
        if key in (name, short) or (key.endswith(".") and name.startswith(key)):
            return ctx.error(f"tf.{name} can't be exported: {reason}", hint=hint)
    close = difflib.get_close_matches(short, _RULES, n=3)
    similar = f" Similar: {', '.join(close)}." if close else ""
    return ctx.error(
        f"For tf.{name} no lowering is known",
        hint=f"Use functions that kexport knows, or a layer of Keras.{similar}",
    )


def _has_tensors(item: Any) -> bool:
    if isinstance(item, list | tuple):
        return any(_has_tensors(part) for part in item)
    return isinstance(item, Value)


def _dtype_within(item: Any) -> str | None:
    if isinstance(item, list | tuple):
        return next((dtype for part in item if (dtype := _dtype_within(part))), None)
    return item.dtype if isinstance(item, Value) else None


def _plain_array(item: Any) -> Array | None:
    if isinstance(item, list | tuple) and _has_tensors(item):
        parts = [known_array(part) if isinstance(part, Value) else _plain_array(part) for part in item]
        return None if any(part is None for part in parts) else np.stack([np.asarray(part) for part in parts])
    try:
        array = np.asarray(item)
    except ValueError:
        return None
    return array if array.dtype.kind in "biuf" else None


def in_dtype(call: Call, x: Value, dtype: Any) -> Value:
    """``x`` in a dtype that the file names ("int32", or TensorFlow's spelling of it); as it is for None."""
    return x if dtype is None else cast(call.ctx, x, dtype_name(call, dtype))


def dtype_name(call: Call, dtype: Any) -> str:
    """The name of a dtype as a file has it.

    Raises:
        LoweringError: there is none of that name.
    """
    name = str(dtype.get("config", dtype) if isinstance(dtype, Mapping) else dtype)
    name = name.removeprefix("<dtype: '").removesuffix("'>").removeprefix("tf.").removesuffix("_ref")
    if name not in dtypes.ALL:
        raise call.ctx.error(f"dtype is one of {', '.join(dtypes.ALL)}. Received: {dtype!r}")
    return name
