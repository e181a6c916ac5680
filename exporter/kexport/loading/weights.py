"""Giving each layer its weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice

from kexport.ir import Constant
from kexport.loading.backend_order import variables_in_file
from kexport.loading.context import OTHER_WEIGHTS_HINT, Context
from kexport.loading.quantized_layout import is_late, lost
from kexport.loading.spec import LayerSpec, ModelSpec
from kexport.loading.weight_layout import Variable, shape_fits, variables_of


@dataclass(frozen=True)
class Named:
    """A weight of a file and the name that the file gives it."""

    name: str
    constant: Constant


@dataclass(frozen=True)
class Slot:
    """A place for a weight: a variable of the layer at ``path``."""

    path: str
    variable: Variable
    trainable: bool


Assigned = dict[str, dict[str, Constant]]
"""Weights by variable name, by layer path."""


def assign_flat(layer: LayerSpec, given: Sequence[Named], ctx: Context) -> Assigned:
    """The weights of a layer and all that is inside it, given as legacy files keep them: in one list.

    Keras wrote the trainable ones first, then the others, where *trainable* depends on what was frozen (as the file
    says) when it was saved. The order in which every shape and every name agrees is taken.

    Raises:
        ModelReadError: no order fits.
    """
    slots = list(_slots(layer, ctx, frozen=False))
    unknown = [path for path, own in _unknown(layer)]
    if unknown:
        return _assign_unknown(layer, given, slots, unknown, ctx)
    given = [item for item in given if not _is_seed(item.name)]
    if len(given) != len(slots):
        raise _misfit(layer, slots, given, ctx)
    orders = _orders(slots)
    fitting = [order for order in orders if _fits(order, given)]
    if not fitting:
        raise _misfit(layer, orders[0], given, ctx)
    order = next((order for order in fitting if _names_agree(order, given)), fitting[0])
    return _collect(order, [item.constant for item in given])


def _slots(layer: LayerSpec, ctx: Context, *, frozen: bool) -> Iterator[Slot]:
    """The variables of a layer and of what is inside it, in the order in which Keras lists them."""
    frozen = frozen or layer.config.get("trainable") is False
    for variable in variables_in_file(layer, ctx) or ():
        yield Slot(layer.path, variable, variable.trainable and not frozen)
    for child in layer.children.values():
        yield from _slots(child, ctx, frozen=frozen)
    for inner in layer.model.layers if layer.model is not None else ():
        yield from _slots(inner, ctx, frozen=frozen)


def _unknown(layer: LayerSpec) -> Iterator[tuple[str, LayerSpec]]:
    if variables_of(layer) is None:
        yield layer.path, layer
    for child in layer.children.values():
        yield from _unknown(child)
    for inner in layer.model.layers if layer.model is not None else ():
        yield from _unknown(inner)


def _orders(slots: Sequence[Slot]) -> list[list[Slot]]:
    """The orders in which Keras versions wrote them: trainable first as frozen, as declared, and Keras 3's own; each as layers
    that were never saved list them, then as loaded ones do."""
    orders = []
    for listed in (list(slots), _as_rebuilt(slots)):
        by_frozen = sorted(listed, key=lambda slot: not slot.trainable)
        declared = sorted(listed, key=lambda slot: not slot.variable.trainable)
        orders += [by_frozen, declared, listed]
    return orders


def _as_rebuilt(slots: Sequence[Slot]) -> list[Slot]:
    """The slots with each layer's own in the order of a layer that was loaded."""
    made: list[Slot] = []
    for _, own in groupby(slots, lambda slot: (slot.path, slot.variable.holder)):
        made += sorted(own, key=lambda slot: is_late(slot.variable.name))
    return made


def _fits(order: Sequence[Slot], given: Sequence[Named]) -> bool:
    return all(
        shape_fits(slot.variable.shape, item.constant.shape) for slot, item in zip(order, given, strict=True)
    )


def _stem(name: str) -> str:
    """``block/conv/kernel:0`` → ``kernel``."""
    return name.rpartition("/")[2].partition(":")[0]


_TELLING = frozenset(
    {
        "kernel",
        "bias",
        "gamma",
        "beta",
        "moving_mean",
        "moving_variance",
        "recurrent_kernel",
        "embeddings",
        "alpha",
    }
)


def _names_agree(order: Sequence[Slot], given: Sequence[Named]) -> bool:
    """Whether no weight is called like another variable than the one whose place it takes."""
    for slot, item in zip(order, given, strict=True):
        stem = _stem(item.name)
        if stem in _TELLING and stem != _stem(slot.variable.name) and _stem(slot.variable.name) in _TELLING:
            return False
    return True


def _is_seed(name: str) -> bool:
    return "seed_generator" in name or "random_generator" in name or _stem(name) == "seed_generator_state"


def _assign_unknown(
    layer: LayerSpec, given: Sequence[Named], slots: list[Slot], unknown: list[str], ctx: Context
) -> Assigned:
    """Weights where one layer's class is not Keras's: it gets what the others leave, by position."""
    rest = len(given) - len(slots)
    if not slots:
        if len(unknown) > 1 and rest:
            raise ctx.error(
                f"Layer {layer.path!r} holds layers of classes that Keras does not have ({', '.join(unknown)}), so that its "
                f"{len(given)} weights can't be told apart"
            )
        return {unknown[0]: {str(index): item.constant for index, item in enumerate(given)}}
    if rest == 0:
        return _collect(_orders(slots)[0], [item.constant for item in given])
    names = {path.rpartition("/")[2]: path for path in unknown}
    mine: Assigned = {}
    others = []
    for item in given:
        owner = next((names[part] for part in reversed(item.name.split("/")) if part in names), None)
        if owner is None:
            others.append(item)
        else:
            weights = mine.setdefault(owner, {})
            weights[str(len(weights))] = item.constant
    fitting = [order for order in _orders(slots) if len(order) == len(others) and _fits(order, others)]
    if not fitting:
        raise _misfit(layer, slots, given, ctx)
    return {**_collect(fitting[0], [item.constant for item in others]), **mine}


def _collect(order: Sequence[Slot], constants: Sequence[Constant]) -> Assigned:
    """The weights by layer, each layer's in Keras's order of its variables."""
    found: Assigned = {}
    for slot, constant in zip(order, constants, strict=True):
        found.setdefault(slot.path, {})[slot.variable.name] = constant
    return found


def _misfit(layer: LayerSpec, slots: Sequence[Slot], given: Sequence[Named], ctx: Context) -> Exception:
    """The error that shows what the layer wants beside what the file has."""
    problem = lost(layer, [slot.variable for slot in slots], [item.constant for item in given])
    if problem is not None:
        return ctx.error(problem[0], hint=problem[1])
    for slot, item in zip(slots, given, strict=False):
        if not shape_fits(slot.variable.shape, item.constant.shape):
            return ctx.misfit(slot.path, slot.variable.name, slot.variable.shape, item.constant.shape)
    wanted = ", ".join(f"{slot.path}/{slot.variable.name}" for slot in islice(slots, 8)) or "none"
    return ctx.error(
        f"The weights of layer {layer.path!r} ({layer.class_name}) don't fit: expected {len(slots)} ({wanted}"
        f"{', …' if len(slots) > 8 else ''}). Received: {len(given)} ({', '.join(item.name for item in islice(given, 8))}"
        f"{', …' if len(given) > 8 else ''})",
        hint=OTHER_WEIGHTS_HINT,
    )


def with_weights(
    model: ModelSpec, weights: Assigned, normalize: Callable[[LayerSpec], LayerSpec]
) -> ModelSpec:
    """The model with each layer's weights put in, ``normalize`` applied to each layer that has some, in Keras's order."""
    return replace(model, layers=tuple(_with(layer, weights, normalize) for layer in model.layers))


def _with(layer: LayerSpec, weights: Assigned, normalize: Callable[[LayerSpec], LayerSpec]) -> LayerSpec:
    made = replace(
        layer,
        weights=weights.get(layer.path, {}),
        model=None if layer.model is None else with_weights(layer.model, weights, normalize),
        children={role: _with(child, weights, normalize) for role, child in layer.children.items()},
    )
    if not made.weights:
        return made
    made = normalize(made)
    names = [variable.name for variable in variables_of(made) or () if variable.name in made.weights]
    return replace(made, weights={name: made.weights[name] for name in names}) if names else made
