"""Pools."""

from __future__ import annotations

from collections.abc import Iterable

from .case import K3, Case, layer_case


def _pools() -> Iterable[Case]:
    for rank, shape in ((1, (11, 4)), (2, (9, 8, 4)), (3, (6, 7, 5, 4))):
        first = (shape[-1], *shape[:-1])
        for kind in ("Max", "Average"):
            adaptive, lengths = f"Adaptive{kind}Pooling{rank}D", (4, 3, 2)[:rank]
            yield layer_case(adaptive, "sizes", shape, only=K3, output_size=lengths)
            yield layer_case(adaptive, "int", shape, only=K3, output_size=2)
            yield layer_case(adaptive, "channels_first", first, only=K3, output_size=lengths, data_format="channels_first")
            name = f"{kind}Pooling{rank}D"
            yield layer_case(name, "default", shape, pool_size=2)
            yield layer_case(name, "same", shape, pool_size=3, strides=2, padding="same")
            yield layer_case(name, "same-stride1", shape, pool_size=2, strides=1, padding="same")
            yield layer_case(name, "valid", shape, pool_size=3, strides=1)
            yield layer_case(name, "channels_first", first, only=K3, pool_size=3, strides=2, padding="same", data_format="channels_first")
            pooled = f"Global{name}"
            yield layer_case(pooled, "default", shape)
            yield layer_case(pooled, "keepdims", shape, keepdims=True)
            yield layer_case(pooled, "channels_first", first, only=K3, data_format="channels_first")
            yield layer_case(pooled, "dynamic", (*(None,) * rank, 4))


CASES: tuple[Case, ...] = (*_pools(),)
