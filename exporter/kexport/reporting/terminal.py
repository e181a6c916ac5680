"""Results as text: tables on a terminal, the same tables in plain characters elsewhere."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from io import StringIO
from typing import TYPE_CHECKING

from kexport.api.results import (
    ExportResult,
    InspectResult,
    ModelInfo,
    PortInfo,
    SmokeResult,
    TargetResult,
    VerifyResult,
)

if TYPE_CHECKING:
    from kexport.verification import AcceleratorRow, Verdict

#: Where the width is unknown, lines are not broken.
_FILE_WIDTH = 200


def export_text(result: ExportResult) -> str:
    """The export folder, and for each artifact its size and how far it is from the reference."""
    lines = [_model_line(result.model)]
    for target in result.targets:
        lines.append(f"{target.artifact}  {size_text(target.nbytes)}  {_status(target)}")
        lines += [f"sizes: {_sizes_text(sizes)}" for sizes in [target.details.get("sizes")] if sizes]
        if target.verdict is not None:
            lines.append(verdict_text(target.verdict).rstrip("\n"))
    return "\n".join(lines) + "\n"


def _model_line(model: ModelInfo) -> str:
    wrote = f"Keras {model.keras_version}" if model.keras_version else "Keras of unknown version"
    on = f" on {model.backend}" if model.backend else ""
    return f"{model.file or model.name}: {wrote}{on}, {model.layers} layers, {model.parameters:,} parameters"


def _sizes_text(sizes: Mapping[str, int]) -> str:
    """``bundle 9.5 MB, model 7.9 kB, first visit gzip 2.9 MB``."""
    return ", ".join(f"{name.replace('_', ' ')} {size_text(size)}" for name, size in sizes.items())


def _status(target: TargetResult) -> str:
    return {"verified": "verified", "skipped": "not verified (as asked)", "unavailable": "NOT VERIFIED"}[
        target.status
    ]


def size_text(nbytes: int) -> str:
    """Bytes in the unit that reads best; decimal units, as disks and file managers count."""
    if nbytes < 1000:
        return f"{nbytes} B"
    size = float(nbytes)
    for unit in ("kB", "MB"):
        size /= 1000
        if size < 999.95:
            return f"{size:.1f} {unit}"
    return f"{size / 1000:.2f} GB"


def verdict_text(verdict: Verdict) -> str:
    """A row an output: the greatest errors, the least cosine, and where the largest elements agree."""
    rows = [
        (
            row.name,
            shape_text(row.shape),
            f"{row.max_abs_error:.2e}",
            f"{row.max_rel_error:.2e}",
            "" if row.cosine is None else f"{row.cosine:.9f}",
            "" if row.argmax_agreement is None else f"{row.argmax_agreement:.1%}",
            "pass" if row.passed else "FAIL",
        )
        for row in verdict.rows
    ]
    head = ("output", "shape", "max abs error", "of range", "cosine", "argmax agrees", "")
    caption = (
        f"{verdict.samples} samples on {verdict.runtime}, against {verdict.reference}; "
        f"tolerance {verdict.tolerance:.0e} of the output's range\n"
    )
    return (
        _table(head, rows, right=(2, 3, 4, 5))
        + caption
        + "".join(map(_accelerator_line, verdict.accelerators))
    )


def _accelerator_line(row: AcceleratorRow) -> str:
    if row.max_rel_error is None:
        return f"{row.name}: not used here. {row.problem}\n"
    return f"{row.name}: {row.max_rel_error:.2e} of range, {'pass' if row.passed else f'NOT USED. {row.problem}'}\n"


def verify_text(result: VerifyResult) -> str:
    """A table an artifact, or what is wrong with it."""
    lines = []
    for row in result.rows:
        lines.append(f"{row.artifact}  {'passed' if row.passed else 'FAILED'}")
        if row.verdict is not None:
            lines.append(verdict_text(row.verdict).rstrip("\n"))
        lines += filter(None, (row.problem, row.note))
    return "\n".join(lines) + "\n"


def smoke_text(result: SmokeResult) -> str:
    """What the server was asked, a line each; the comparison once for each way of asking; and the latencies."""
    states = {"passed": "passed", "failed": "FAILED", "skipped": "skipped"}
    lines = [f"{result.model} at {result.serving}"]
    for row in result.rows:
        lines.append(f"{row.check:<17} {states[row.status]:<8} {row.detail}")
        if row.verdict is not None:
            lines.append(verdict_text(row.verdict).rstrip("\n"))
    if result.load is not None:
        load = result.load
        head = ("requests", "a second", "p50 ms", "p90 ms", "p99 ms", "slowest ms", "errors")
        times = [_milliseconds(load[key]) for key in ("p50", "p90", "p99", "slowest")]
        cells = (
            f"{load['requests']:,}",
            f"{load['throughput']:.1f}",
            *times,
            f"{sum(load['errors'].values()):,}",
        )
        lines.append(_table(head, [cells], right=range(len(head))).rstrip("\n"))
        lines.append(f"{load['concurrency']} at once for {load['seconds']:.1f} s ({load['form']})")
    return "\n".join(lines) + "\n"


def _milliseconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1e3:.2f}"


def inspect_text(result: InspectResult) -> str:
    """The model, its layers, and what it can be exported to."""
    rows = [
        (
            layer.path,
            layer.class_name + ("" if layer.known else " (unknown)"),
            ", ".join(shape_text(shape) for shape in layer.output_shapes) or "?",
            f"{layer.parameters:,}",
        )
        for layer in result.layers
    ]
    model = result.model
    lines = [
        f"{_model_line(model)} ({model.format} file, {model.library}, {model.class_name} {model.name!r})",
        *_ports("input", result.inputs),
        *_ports("output", result.outputs),
        _table(("layer", "class", "output shape", "parameters"), rows, right=(3,)).rstrip("\n"),
    ]
    for report in result.targets:
        lines.append(f"{report.target}: {'can be exported' if report.exportable else 'can not be exported'}")
        lines += [f"  {problem}" for problem in report.problems]
    return "\n".join(lines) + "\n"


def _ports(kind: str, ports: Iterable[PortInfo]) -> list[str]:
    return [f"{kind} {port.name}: {port.dtype} {shape_text(port.shape)}" for port in ports]


def shape_text(shape: Sequence[int | str]) -> str:
    """``(batch, 28, 28, 1)``."""
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int]) -> str:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    terminal = sys.stdout.isatty()
    drawable = (sys.stdout.encoding or "").lower().startswith("utf")
    table = Table(box=box.SIMPLE_HEAD if drawable else box.ASCII, show_edge=False, pad_edge=False)
    for index, name in enumerate(head):
        table.add_column(name, justify="right" if index in right else "left", overflow="fold")
    for row in rows:
        # Names are the user's, and may hold what rich reads as markup.
        table.add_row(*(Text(cell) for cell in row))
    drawn = StringIO()
    width = shutil.get_terminal_size((_FILE_WIDTH, 24)).columns if terminal else _FILE_WIDTH
    Console(file=drawn, width=width, force_terminal=terminal, highlight=False).print(table)
    return "".join(f"{line.rstrip()}\n" for line in drawn.getvalue().splitlines() if line.strip())
