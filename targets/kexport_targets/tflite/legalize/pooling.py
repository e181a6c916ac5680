"""Pools: paddings other than ``same``, what a mean divides by, and three dimensions, for which there is no builtin."""

from __future__ import annotations

from kexport.passes.rewrites import pooling
from kexport_targets.tflite.legalize.registry import legalizes

legalizes("max_pool", "avg_pool")(pooling.three_dimensions)
legalizes("max_pool")(pooling.padded_max)
legalizes("avg_pool")(pooling.padded_mean)
