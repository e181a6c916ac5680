"""Weights in Keras 3's layout (``model.weights.h5`` in a ``.keras`` file): groups named by class and counter.

keras/src/saving/saving_lib.py, 3.15: a model's layers are saved below ``layers`` under their class's name in snake
case, ``_1``, ``_2`` … for repeated ones, in model order; each has its variables, numbered, in ``vars``, and what
its attributes hold in groups of the attributes' names. Keras 2.12 to 2.15 call ``layers``
``_layer_checkpoint_dependencies``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from kexport.ir import Constant
from kexport.loading.context import OTHER_WEIGHTS_HINT, Context
from kexport.loading.hdf5 import Group
from kexport.loading.quantized_layout import lost
from kexport.loading.spec import LayerSpec, ModelSpec
from kexport.loading.weight_layout import Variable, shape_fits, variables_of
from kexport.loading.weights import Assigned

_PYTHON_NAMES = {"GroupQueryAttention": "GroupedQueryAttention"}
"""Groups are named by Python's name of a class, configs by the one that Keras exports."""

CONTAINERS = ("layers", "_layer_checkpoint_dependencies")
"""What the group of a model's layers is called: by Keras 3, and by Keras 2.12 to 2.15."""


_STACKS = {"cell": ("cells", "cell/cells"), "step": ("layers",)}
"""What the containers of stacked cells and of a Pipeline's layers are called."""


def is_keras3(root: Group) -> bool:
    """Whether a weights file has this layout."""
    return any(name in {*CONTAINERS, "vars"} for name in root.names())


def read_weights(model: ModelSpec, root: Group, ctx: Context) -> Assigned:
    """The weights of all layers.

    Raises:
        ModelReadError: they don't fit.
    """
    assigned: Assigned = {}
    _model(model, root, assigned, ctx)
    return assigned


def _model(model: ModelSpec, group: Group | None, assigned: Assigned, ctx: Context) -> None:
    layers = None
    for name in CONTAINERS:
        layers = layers or (group.group(name) if group is not None else None)
    for layer, name in numbered_places(model):
        if name:
            _layer(layer, layers.group(name) if layers is not None else None, assigned, ctx)


def numbered_places(model: ModelSpec) -> Iterator[tuple[LayerSpec, str]]:
    """The layers of a model, each with what it is called among them; ``""`` for those that keep nothing."""
    counts: dict[str, int] = {}
    for layer in model.layers:
        if _is_operation(layer) or (model.class_name == "Sequential" and layer.class_name == "InputLayer"):
            yield layer, ""
        else:
            yield layer, _counted(snake_case(_PYTHON_NAMES.get(layer.class_name, layer.class_name)), counts)


def _is_operation(layer: LayerSpec) -> bool:
    return ".ops" in layer.module


def _layer(layer: LayerSpec, group: Group | None, assigned: Assigned, ctx: Context) -> None:
    if layer.model is not None:
        _model(layer.model, group, assigned, ctx)
        return
    for child, place in child_places(layer):
        held = [inner for name in place if group is not None and (inner := group.group(name)) is not None]
        _layer(child, held[0] if held else None, assigned, ctx)
    variables = variables_of(layer)
    if variables is None:
        found = _numbered(group)
        if found:
            assigned[layer.path] = {str(index): constant for index, constant in enumerate(found)}
        return
    by_holder: dict[str, list[Variable]] = {}
    for variable in (variable for variable in variables if not variable.merged):
        by_holder.setdefault(variable.holder, []).append(variable)
    weights: dict[str, Constant] = {}
    for holder, own in by_holder.items():
        weights.update(_held(layer, own, _holder_group(group, holder), ctx))
    if weights:
        assigned[layer.path] = weights


def child_places(layer: LayerSpec) -> Iterator[tuple[LayerSpec, tuple[str, ...]]]:
    """The layers inside a layer, each with where below it they may be kept: several of them in a container of their own, again by class and
    counter."""
    counts: dict[str, int] = {}
    for role, child in layer.children.items():
        kind = role.partition("_")[0]
        if kind in _STACKS and role != kind:
            name = _counted(snake_case(child.class_name), counts)
            yield child, tuple(f"{container}/{name}" for container in _STACKS[kind])
        else:
            yield child, (role,)


def _counted(name: str, counts: dict[str, int]) -> str:
    """The name with its counter: ``dense``, ``dense_1``, ``dense_2``."""
    index = counts.get(name, 0)
    counts[name] = index + 1
    return f"{name}_{index}" if index else name


def _holder_group(group: Group | None, holder: str) -> Group | None:
    if group is None or not holder:
        return group
    return group.group(holder) or group.group(f"_{holder}")


def _held(
    layer: LayerSpec, variables: list[Variable], group: Group | None, ctx: Context
) -> Mapping[str, Constant]:
    found = _numbered(group)
    if layer.class_name == "SpectralNormalization":
        # The wrapper's own list also names the wrapped layer's kernel, which stands before its vector.
        found = found[-1:]
    if len(found) != len(variables):
        problem = lost(layer, variables, found)
        if problem is not None:
            raise ctx.error(problem[0], hint=problem[1])
        raise ctx.error(
            f"The weights of layer {layer.path!r} ({layer.class_name}) don't fit: expected {len(variables)} "
            f"({', '.join(variable.name for variable in variables)}). Received: {len(found)}",
            hint=OTHER_WEIGHTS_HINT,
        )
    for variable, constant in zip(variables, found, strict=True):
        if not shape_fits(variable.shape, constant.shape):
            raise ctx.misfit(layer.path, variable.name, variable.shape, constant.shape)
    return {variable.name: constant for variable, constant in zip(variables, found, strict=True)}


def _numbered(group: Group | None) -> list[Constant]:
    held = group.group("vars") if group is not None else None
    if held is None:
        return []
    keys = sorted((name for name in held.names() if name.isdecimal() and name.isascii()), key=int)
    return [held.constant(key) for key in keys]


def snake_case(class_name: str) -> str:
    """``Conv2DTranspose`` → ``conv2d_transpose``, as Keras names (keras/src/utils/naming.py)."""
    name = re.sub(r"\W+", "", class_name.rpartition(">")[2])
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
