"""Weights in the layout that Keras had from version 1 and still writes to ``.h5``: a group a layer, in model order."""

from __future__ import annotations

from kexport.loading.context import OTHER_WEIGHTS_HINT, Context
from kexport.loading.hdf5 import Group
from kexport.loading.spec import LayerSpec, ModelSpec
from kexport.loading.weight_layout import variables_of
from kexport.loading.weights import Assigned, Named, assign_flat


def is_legacy(root: Group) -> bool:
    """Whether a weights file has this layout."""
    return bool(root.texts("layer_names"))


def read_weights(model: ModelSpec, group: Group, ctx: Context) -> Assigned:
    """The weights of all layers.

    Groups go by name where every layer that needs weights finds its own, else by order, as Keras does: the names of
    a model made again from JSON may count differently.

    Raises:
        ModelReadError: they don't fit.
    """
    names = group.texts("layer_names")
    if len(set(names)) != len(names):
        raise ctx.error("The weights name a layer twice")
    given: dict[str, list[Named]] = {}
    for name in names:
        found = _layer_weights(group, name, ctx)
        if found:
            given[name] = found
    layers = [layer for layer in model.layers if has_variables(layer)]
    assigned: Assigned = {}
    if all(layer.name in given for layer in layers if not _may_lack(layer)):
        pairs = [(layer, given.get(layer.name, [])) for layer in layers]
    elif len(layers) == len(given):
        pairs = list(zip(layers, given.values(), strict=True))
    else:
        raise _count_error(layers, given, ctx)
    for layer, items in pairs:
        assigned.update(assign_flat(layer, items, ctx))
    return assigned


def _layer_weights(group: Group, name: str, ctx: Context) -> list[Named]:
    layer_group = group.group(name)
    if layer_group is None:
        raise ctx.error(f"The weights of layer {name!r} are missing")
    return [Named(weight, layer_group.constant(weight)) for weight in layer_group.texts("weight_names")]


def has_variables(layer: LayerSpec) -> bool:
    """Whether a layer, or one inside it, has variables (or may have, when its class is unknown)."""
    own = variables_of(layer)
    if own is None or own:
        return True
    inner = layer.model.layers if layer.model is not None else ()
    return any(has_variables(child) for child in (*layer.children.values(), *inner))


def _may_lack(layer: LayerSpec) -> bool:
    """Whether nobody can say that the layer has weights."""
    return variables_of(layer) is None


def _count_error(layers: list[LayerSpec], given: dict[str, list[Named]], ctx: Context) -> Exception:
    missing = [layer.name for layer in layers if layer.name not in given]
    return ctx.error(
        f"The weights don't fit: {len(layers)} layers of the model have weights, and layer {missing[0]!r} finds none. "
        f"Received: weights of {len(given)} layers ({', '.join(list(given)[:8])}{', …' if len(given) > 8 else ''})",
        hint=OTHER_WEIGHTS_HINT,
    )
