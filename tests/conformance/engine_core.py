"""Finds which functions of the web engine the conformance table's models call, and writes ``runtimes/web/engine/core.json``.

``make engine-core``: after a new version of the engine, or when the table has grown. Each model is a bundle for one sample and for all of
its samples, and shows its layers; see ``runtimes/web/engine`` for what is done with it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from conformance.conformance_models import model_folder
from conformance.rows import Row, export_row, rows
from kexport.errors import KexportError
from support.targets import REFUSED

WEB = Path(__file__).resolve().parents[2] / "runtimes" / "web"

#: Bundles that lie on the disk at a time, by a process: each has the engine in it.
_TOGETHER = 40


def write_bundle(row: Row, samples: int | None, folder: Path) -> None:
    """A row's bundle for ``samples`` at a time (``None``: as many as were recorded), with one run's inputs beside it."""
    inputs = export_row(row, "web", folder, batch=samples).inputs
    (folder / "inputs.json").write_text(
        json.dumps({name: array[:samples].ravel().tolist() for name, array in inputs.items()})
    )


def wanted() -> list[Row]:
    """Each model of the table once."""
    return [row for row in rows() if row.suffix == row.case.formats[0] and row.case.id not in REFUSED["web"]]


def profile(start: int, out: Path) -> list[str]:
    """Write what ``profile.mjs`` finds of the rows from ``start`` on; what went wrong, a line each."""
    failed = []
    with TemporaryDirectory() as temporary:
        for row in wanted()[start : start + _TOGETHER]:
            for samples in (1, None):
                folder = Path(temporary) / f"{row.id}-{samples}"
                folder.mkdir()
                try:
                    write_bundle(row, samples, folder)
                except (KexportError, OverflowError) as error:
                    failed.append(f"{folder.name}: {error}")
                    shutil.rmtree(folder)
        program = [str(WEB / "engine" / "profile.mjs"), temporary, str(out)]
        subprocess.run(["node", "--no-warnings", *program], check=True)
    found = json.loads(out.read_text())
    failed += [f"{name} ({build}): {why}" for build in found for name, why in found[build]["failed"].items()]
    return failed


def main() -> None:
    """Profile every model of the table, and choose."""
    models = wanted()
    for writer, family in {(row.writer, row.family): None for row in models}:
        model_folder(writer, family)
    starts = range(0, len(models), _TOGETHER)
    with TemporaryDirectory() as temporary:
        outs = [Path(temporary) / f"{start}.json" for start in starts]
        with ProcessPoolExecutor(os.cpu_count()) as pool:
            for start, failed in zip(starts, pool.map(profile, starts, outs), strict=True):
                print(f"{start} of {len(models)}", *failed, sep="\n  ", file=sys.stderr, flush=True)
        subprocess.run(["node", str(WEB / "engine" / "choose.mjs"), *map(str, outs)], check=True)


if __name__ == "__main__":
    main()
