"""Vocabularies of layers that were adapted: a ``.keras`` archive keeps them as text files, a live layer in a table.

``save_assets`` and ``save_own_variables`` in keras/src/layers/preprocessing/index_lookup.py, Keras 3.15: one token a line, the
special ones first, in ``assets/<place>/vocabulary.txt``, where the place is that of the layer's weights. Vocabularies that were
arguments stand in the config; here the others are put there too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeAlias

from kexport.loading.archive import Contents
from kexport.loading.context import Context, shorten
from kexport.loading.hdf5 import Group
from kexport.loading.keras3_h5 import CONTAINERS, child_places, numbered_places
from kexport.loading.spec import LayerSpec, ModelSpec

#: Classes with vocabularies, and whether these are words.
_CLASSES = {"IntegerLookup": False, "StringLookup": True, "TextVectorization": True}

_INTEGER = re.compile(r"-?[0-9]{1,19}")

#: (layer, its places) → the arguments that were found there.
_Find: TypeAlias = Callable[[LayerSpec, list[str]], dict[str, Any]]


def with_saved_vocabularies(model: ModelSpec, archive: Contents, root: Group, ctx: Context) -> ModelSpec:
    """``model``, with the vocabularies that the archive holds in its layers' configs.

    Raises:
        ModelReadError: one has a line that is no integer.
        UnsafeModelError: one is larger than any model's.
    """

    def find(layer: LayerSpec, places: list[str]) -> dict[str, Any]:
        for place in places:
            name = f"assets/{place}/vocabulary.txt"
            if archive.has(name):
                found: dict[str, Any] = {"vocabulary": _tokens(archive.json_text(name), layer, ctx)}
                held = root.group(f"{place}/vars")
                if held is not None and "idf_weights" in held.names():
                    found["idf_weights"] = held.constant("idf_weights").numpy().tolist()
                return found
        return {}

    return _with(model, [""], find)


def _tokens(text: str, layer: LayerSpec, ctx: Context) -> list[int] | list[str]:
    if _CLASSES[layer.class_name]:
        # Keras reads them so (`load_assets`), whatever stands between the lines.
        words = text.splitlines()
        while words and not words[-1]:
            words.pop()
        return words
    lines = text.split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    for number, line in enumerate(lines, 1):
        if not _INTEGER.fullmatch(line.strip()):
            raise ctx.error(
                f"The vocabulary of layer {layer.path!r} has an integer a line. Received in line {number}: {shorten(line)}"
            )
    return [int(line) for line in lines]


def _with(model: ModelSpec, prefixes: list[str], find: _Find) -> ModelSpec:
    """``model`` with what ``find`` finds; ``prefixes`` are the places that it may have."""
    inside = [f"{prefix}{container}" for prefix in prefixes for container in CONTAINERS]
    layers = [
        _layer(layer, [f"{place}/{name}" for place in inside] if name else [], find)
        for layer, name in numbered_places(model)
    ]
    return replace(model, layers=tuple(layers))


def _layer(layer: LayerSpec, places: list[str], find: _Find) -> LayerSpec:
    if layer.class_name in _CLASSES and layer.config.get("vocabulary") is None:
        return replace(layer, config={**layer.config, **find(layer, places)})
    if layer.model is not None:
        return replace(layer, model=_with(layer.model, [f"{place}/" for place in places], find))
    if not layer.children:
        return layer
    children = {
        role: _layer(child, [f"{place}/{name}" for place in places for name in names], find)
        for role, (child, names) in zip(layer.children, child_places(layer), strict=True)
    }
    return replace(layer, children=children)


def with_live_vocabularies(spec: ModelSpec, model: Any) -> ModelSpec:
    """``spec``, with the vocabularies that the layers of the live ``model`` hold."""
    live = dict(_live_layers(model, ""))

    def find(layer: LayerSpec, places: list[str]) -> dict[str, Any]:
        source = live.get(layer.path)
        if source is None or not hasattr(source, "get_vocabulary"):
            return {}
        plain: Callable[[Any], Any] = str if _CLASSES[layer.class_name] else int
        found: dict[str, Any] = {"vocabulary": [plain(token) for token in source.get_vocabulary()]}
        weights = getattr(getattr(source, "_lookup_layer", source), "idf_weights_const", None)
        if weights is not None:
            found["idf_weights"] = [float(weight) for weight in weights.numpy()]
        return found

    return _with(spec, [""], find)


def _live_layers(model: Any, path: str) -> Iterator[tuple[str, Any]]:
    """The layers of a live model and of those inside it, by their paths."""
    for layer in getattr(model, "layers", ()):
        own = f"{path}{layer.name}"
        yield own, layer
        yield from _live_layers(layer, f"{own}/")
        wrapped: Any = getattr(layer, "layer", None)
        if wrapped is not None and hasattr(wrapped, "name"):
            yield f"{own}/{wrapped.name}", wrapped
