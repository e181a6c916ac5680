"""Arguments of calls: lists, tuples and dicts within each other, as Keras takes them, and what they hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any


def leaves(item: Any) -> Iterator[Any]:
    """All that is no list, tuple or dict in ``item``, depth first, in the order it stands there."""
    if isinstance(item, Mapping):
        for part in item.values():
            yield from leaves(part)
    elif isinstance(item, list | tuple):
        for part in item:
            yield from leaves(part)
    else:
        yield item


def mapped(function: Callable[[Any], Any], item: Any) -> Any:
    """``item`` with ``function`` of each leaf in the leaf's place."""
    if isinstance(item, Mapping):
        return {key: mapped(function, part) for key, part in item.items()}
    if isinstance(item, list | tuple):
        return type(item)(mapped(function, part) for part in item)
    return function(item)
