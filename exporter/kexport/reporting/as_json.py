"""Results as JSON, in the schema that docs/cli.md documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any

from kexport.api.manifest import canonical, signature_entry
from kexport.api.results import (
    ExportResult,
    InspectResult,
    RecordResult,
    SmokeResult,
    TargetResult,
    VerifyResult,
)


def plain_json(data: object) -> str:
    """Dataclasses, their lists and mappings."""
    return canonical(_plain(data))


def _plain(data: object) -> Any:
    if is_dataclass(data) and not isinstance(data, type):
        return {field.name: _plain(getattr(data, field.name)) for field in fields(data)}
    if isinstance(data, Mapping):
        return {str(key): _plain(value) for key, value in data.items()}
    if isinstance(data, Sequence) and not isinstance(data, str):
        return [_plain(value) for value in data]
    if isinstance(data, Path):
        return str(data)
    return data.__name__ if isinstance(data, type) else data


def export_json(result: ExportResult) -> str:
    """What ``kexport --json`` prints."""
    failures = {
        name: {"message": error.message, "hint": error.hint, "exit_code": error.exit_code}
        for name, error in result.failures.items()
    }
    return canonical(
        {
            "exit_code": result.exit_code,
            "folder": str(result.folder),
            "manifest": str(result.manifest),
            "golden": None if result.golden is None else str(result.golden),
            "model": asdict(result.model),
            "targets": [_target(target) for target in result.targets],
            "failures": failures,
        }
    )


def _target(target: TargetResult) -> dict[str, Any]:
    return {
        "target": target.target,
        "artifact": str(target.artifact),
        "files": [str(path) for path in target.files],
        "bytes": target.nbytes,
        "signature": signature_entry(target.signature),
        "options": dict(target.options),
        "status": target.status,
        "reason": target.reason,
        "verification": None if target.verdict is None else target.verdict.to_dict(),
        "details": dict(target.details),
    }


def inspect_json(result: InspectResult) -> str:
    """What ``kexport inspect --json`` prints."""
    return plain_json(result)


def record_json(result: RecordResult) -> str:
    """What ``kexport record --json`` prints."""
    golden = result.golden
    return plain_json(
        {
            "path": result.path,
            "samples": golden.samples,
            "inputs": {name: array.shape for name, array in golden.inputs.items()},
            "outputs": {name: array.shape for name, array in golden.outputs.items()},
            "layers": list(golden.layers),
            "meta": golden.meta,
        }
    )


def verify_json(result: VerifyResult) -> str:
    """What ``kexport verify --json`` prints."""
    rows = [
        {
            "target": row.target,
            "artifact": str(row.artifact),
            "passed": row.passed,
            "problem": row.problem,
            "note": row.note,
            "verification": None if row.verdict is None else row.verdict.to_dict(),
        }
        for row in result.rows
    ]
    return plain_json({"folder": result.folder, "passed": result.passed, "targets": rows})


def smoke_json(result: SmokeResult) -> str:
    """What ``kexport smoke --json`` prints."""
    rows = [
        {
            "check": row.check,
            "status": row.status,
            "detail": row.detail,
            "verification": None if row.verdict is None else row.verdict.to_dict(),
        }
        for row in result.rows
    ]
    return plain_json(
        {
            "exit_code": result.exit_code,
            "folder": result.folder,
            "serving": result.serving,
            "model": result.model,
            "passed": result.passed,
            "rows": rows,
            "load": result.load,
        }
    )
