"""Golden vectors: inputs, and what the model's own Keras computes on them."""

from __future__ import annotations

from kexport.reference.candidates import needs_tracer
from kexport.reference.golden import Golden, load_golden, save_golden
from kexport.reference.inputs import golden_inputs
from kexport.reference.process import Reference
from kexport.reference.samples import samples_from_file

__all__ = [
    "Golden",
    "Reference",
    "golden_inputs",
    "load_golden",
    "needs_tracer",
    "samples_from_file",
    "save_golden",
]
