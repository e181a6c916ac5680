"""Serialized objects inside a layer's config, made plain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kexport.loading.policies import plain_policy

WRAPPED = ("layer", "forward_layer", "backward_layer", "cell")
"""Arguments of wrappers that hold a layer; they become the spec's children."""

_DROPPED_SUFFIXES = ("_initializer", "_regularizer", "_constraint")
"""What only training needs; a file may name code there that does not matter."""


def plain_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """``config`` without training-only arguments and wrapped layers, in plain JSON values.

    ``dtype`` becomes the name of a dtype policy (``mixed_float16``), or a map of names; an activation becomes its name, or
    ``{"class_name", "config"}`` when it is a layer with arguments, with ``registered_name`` when it is custom.
    """
    plain = {}
    for key, value in config.items():
        if not key.endswith(_DROPPED_SUFFIXES) and not (key in WRAPPED and is_object(value)):
            plain[key] = _plain(value, key)
    return plain


def is_object(value: object) -> bool:
    """Whether ``value`` is a serialized object: ``{"class_name": …, "config": …}``."""
    return isinstance(value, Mapping) and isinstance(value.get("class_name"), str) and "config" in value


def _plain(value: object, key: str) -> Any:
    if isinstance(value, Mapping):
        if key == "dtype" and is_object(value):
            return plain_policy(value)
        if is_object(value):
            return _plain_object(value)
        return {str(name): _plain(item, str(name)) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, key) for item in value]
    return value


def _plain_object(value: Mapping[str, Any]) -> Any:
    """A serialized function is its name; a tuple or a number its value; an object ``{class_name, config}``."""
    class_name, config = value["class_name"], value["config"]
    if class_name in {"function", "__tuple__", "__numpy__", "__typevar__", "__bytes__"} and not isinstance(
        config, Mapping
    ):
        return [_plain(item, "") for item in config] if isinstance(config, list | tuple) else config
    if class_name in {"__numpy__", "__tensor__"} and isinstance(config, Mapping):
        return config.get("value")
    made: dict[str, Any] = {"class_name": class_name, "config": _plain(config, "")}
    registered = value.get("registered_name")
    if isinstance(registered, str) and registered != class_name:
        made["registered_name"] = registered
    return made
