"""Normalizations, in the reductions and products that XNNPACK runs."""

from __future__ import annotations

from kexport.passes.rewrites import normalization
from kexport_targets.tflite.legalize.registry import legalizes

legalizes("layer_norm")(normalization.layer_norm)
