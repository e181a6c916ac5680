"""Padding, cropping, resizing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .case import K3, Case, layer_case


def _spatial() -> Iterable[Case]:
    for rank, shape in ((1, (11, 4)), (2, (9, 8, 4)), (3, (6, 7, 5, 4))):
        pair: Any = (1, 2) if rank == 1 else tuple((i, i + 1) for i in range(rank))
        crop: Any = (1, 2) if rank == 1 else tuple((i, 1) for i in range(rank))
        first = (shape[-1], *shape[:-1])
        yield layer_case(f"ZeroPadding{rank}D", "int", shape, padding=2)
        yield layer_case(f"ZeroPadding{rank}D", "pairs", shape, padding=pair)
        yield layer_case(f"Cropping{rank}D", "int", shape, cropping=1)
        yield layer_case(f"Cropping{rank}D", "pairs", shape, cropping=crop)
        yield layer_case(f"UpSampling{rank}D", "default", shape)
        yield layer_case(f"UpSampling{rank}D", "size", shape, size=3 if rank == 1 else tuple(range(1, rank + 1)))
        if rank > 1:
            yield layer_case(f"ZeroPadding{rank}D", "channels_first", first, padding=pair, data_format="channels_first")
            yield layer_case(f"Cropping{rank}D", "channels_first", first, cropping=crop, data_format="channels_first")
            yield layer_case(f"UpSampling{rank}D", "channels_first", first, only=K3, data_format="channels_first")
    yield layer_case("UpSampling2D", "bilinear", (5, 6, 3), size=(2, 3), interpolation="bilinear")
    yield layer_case("UpSampling2D", "dynamic", (None, None, 3), size=2)
    yield layer_case("Resizing", "bilinear", (5, 6, 3), height=8, width=7)
    yield layer_case("Resizing", "nearest", (5, 6, 3), height=3, width=9, interpolation="nearest")
    yield layer_case("CenterCrop", "plain", (9, 8, 3), only=K3, height=4, width=5)


CASES: tuple[Case, ...] = (*_spatial(),)
