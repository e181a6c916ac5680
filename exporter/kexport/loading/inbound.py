"""The calls of a layer, as Keras 1 and 2 (nested lists) and Keras 3 (``args`` and ``kwargs``) write them."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

import numpy as np

from kexport.ir import dtypes
from kexport.loading.context import Context, shorten
from kexport.loading.spec import CallSpec, TensorRef

_CONSTANT = "_CONSTANT_VALUE"


def calls_of(nodes: object, names: Container[str], where: str, ctx: Context) -> tuple[CallSpec, ...]:
    """The calls that ``inbound_nodes`` describes.

    Args:
        names: the layers of the model: a list ``[name, node, tensor]`` among Keras 2's keyword arguments is a
            tensor when it begins with one of them.
        where: the layer's path.
    """
    made = []
    for node in ctx.sequence(nodes, f"inbound_nodes of layer {where!r}"):
        if isinstance(node, Mapping):
            made.append(_keras3_call(node, where, ctx))
        else:
            made.append(_keras2_call(node, names, where, ctx))
    return tuple(made)


def _keras3_call(node: Mapping[str, Any], where: str, ctx: Context) -> CallSpec:
    args = ctx.sequence(node.get("args", []), f"args of a call of layer {where!r}")
    kwargs = ctx.mapping(node.get("kwargs", {}), f"kwargs of a call of layer {where!r}")
    return CallSpec(
        args=tuple(_keras3_value(item, where, ctx) for item in args),
        kwargs={str(key): _keras3_value(item, where, ctx) for key, item in kwargs.items()},
    )


def _keras3_value(item: object, where: str, ctx: Context) -> Any:
    if isinstance(item, Mapping):
        if item.get("class_name") == "__keras_tensor__":
            config = ctx.mapping(item.get("config"), f"a tensor of a call of layer {where!r}")
            return tensor_ref(config.get("keras_history"), where, ctx)
        if str(item.get("class_name")) in {"__numpy__", "__tensor__"} and "config" in item:
            return _array(item["config"], where, ctx)
        if item.get("class_name") == "__tuple__" and "config" in item:
            return item["config"]
        return {str(key): _keras3_value(value, where, ctx) for key, value in item.items()}
    if isinstance(item, list | tuple):
        return [_keras3_value(value, where, ctx) for value in item]
    return item


def _array(config: object, where: str, ctx: Context) -> Any:
    """A serialized array, in the dtype that the file gives."""
    if not isinstance(config, Mapping):
        return config
    dtype = str(config.get("dtype") or "float32")
    try:
        array = np.asarray(config.get("value"))
        return array if dtype not in dtypes.ALL else array.astype(dtypes.numpy_dtype(dtype))
    except (OverflowError, TypeError, ValueError) as error:
        raise ctx.error(
            f"An array of a call of layer {where!r} can't be read. Received: {shorten(config)}"
        ) from error


def _keras2_call(node: object, names: Container[str], where: str, ctx: Context) -> CallSpec:
    kwargs: dict[str, Any] = {}

    def first_argument(item: object) -> Any:
        if _is_leaf(item):
            assert isinstance(item, list | tuple)
            if len(item) > 3 and item[3]:
                given = ctx.mapping(item[3], f"the arguments of a call of layer {where!r}")
                kwargs.update({str(k): _keras2_value(v, names) for k, v in given.items()})
            return item[2] if item[0] == _CONSTANT else tensor_ref(item[:3], where, ctx)
        if isinstance(item, Mapping):
            return {str(key): first_argument(value) for key, value in item.items()}
        if isinstance(item, list | tuple):
            return [first_argument(value) for value in item]
        raise ctx.error(f"A call of layer {where!r} can't be read. Received: {shorten(item)}")

    argument = first_argument(node)
    if isinstance(argument, list) and len(argument) == 1 and isinstance(argument[0], TensorRef):
        argument = argument[0]
    return CallSpec(args=(argument,), kwargs=kwargs)


def _is_leaf(item: object) -> bool:
    """Whether ``item`` is ``[layer, node, tensor]`` or ``[layer, node, tensor, kwargs]`` (or a constant so marked)."""
    if not isinstance(item, list | tuple) or len(item) not in {3, 4} or not isinstance(item[0], str):
        return False
    return item[0] == _CONSTANT or (isinstance(item[1], int) and isinstance(item[2], int))


def _keras2_value(item: object, names: Container[str]) -> Any:
    if isinstance(item, list | tuple):
        if len(item) == 3 and _is_leaf(item) and item[0] in names and min(item[1:]) >= 0:
            return TensorRef(*item)
        return [_keras2_value(value, names) for value in item]
    if isinstance(item, Mapping):
        return {str(key): _keras2_value(value, names) for key, value in item.items()}
    return item


def tensor_ref(item: object, where: str, ctx: Context) -> TensorRef:
    """The tensor ``[layer, call, tensor]``."""
    parts = ctx.sequence(item, f"A tensor that {where!r} reads")
    if len(parts) != 3:
        raise ctx.error(
            f"A tensor that {where!r} reads must be [layer, call, tensor]. Received: {shorten(parts)}"
        )
    return TensorRef(
        ctx.text(parts[0], f"The layer of a tensor that {where!r} reads"),
        ctx.integer(parts[1], f"The call of a tensor that {where!r} reads"),
        ctx.integer(parts[2], f"The index of a tensor that {where!r} reads"),
    )


def tensor_structure(item: object, where: str, ctx: Context) -> tuple[list[TensorRef], list[str | None]]:
    """The tensors of ``input_layers`` or ``output_layers``, flattened as Keras does, and their keys where a dict gives them.

    Keras flattens a dict by its sorted keys (``optree`` and ``tf.nest`` alike).
    """
    refs: list[TensorRef] = []
    keys: list[str | None] = []

    def visit(value: object, key: str | None) -> None:
        if isinstance(value, Mapping):
            for name in sorted(value, key=str):
                visit(value[name], str(name))
        elif isinstance(value, list | tuple) and not (len(value) == 3 and isinstance(value[0], str)):
            for part in value:
                visit(part, key)
        elif value is not None:
            refs.append(tensor_ref(value, where, ctx))
            keys.append(key)

    visit(item, None)
    return refs, keys
