"""Code of the user's own (custom layers, functions, cells, subclassed models, trusted Lambdas), traced through Keras.

``symbolic`` and ``calls`` run where the model lives and need its Keras: in the caller's process for a live model, in the reference
process for a file. ``tracers`` asks them, and reads what they write down. Nothing here imports Keras by itself.
"""

from __future__ import annotations

from kexport.tracing.tracers import LiveTracer, WorkerTracer

__all__ = ["LiveTracer", "WorkerTracer"]
