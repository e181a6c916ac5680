"""Export, inspect, record, smoke and verify, as functions with typed results. The command line is built on these."""

from __future__ import annotations

from kexport.api.exporting import export
from kexport.api.inspecting import inspect
from kexport.api.recording import record
from kexport.api.results import (
    ExportResult,
    InspectResult,
    LayerRow,
    ModelInfo,
    PortInfo,
    RecordResult,
    SmokeResult,
    SmokeRow,
    TargetReport,
    TargetResult,
    VerifyResult,
    VerifyRow,
)
from kexport.api.smoking import smoke
from kexport.api.verifying import verify

__all__ = [
    "ExportResult",
    "InspectResult",
    "LayerRow",
    "ModelInfo",
    "PortInfo",
    "RecordResult",
    "SmokeResult",
    "SmokeRow",
    "TargetReport",
    "TargetResult",
    "VerifyResult",
    "VerifyRow",
    "export",
    "inspect",
    "record",
    "smoke",
    "verify",
]
