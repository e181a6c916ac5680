"""Normalizations, in the reductions and products that XNNPACK runs."""

from __future__ import annotations

from kexport.passes.rewrites import attention, normalization
from kexport_targets.tflite.legalize.registry import legalizes

legalizes("layer_norm")(normalization.layer_norm)
legalizes("rms_norm")(normalization.rms_norm)
legalizes("attention")(attention.attention)
