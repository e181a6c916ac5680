"""kexport's Core ML beside coremltools' on TensorFlow: ``python benchmarks/coreml.py [--models A,B] [--runs N]``.

Each export is a whole cold process; the two run in turn. A ratio below 1 is in kexport's favour. There is no latency: Core ML runs on
Apple's systems alone. A model that coremltools fails on has no figures but a reason.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import measure
from kexport_runtimes.coreml.package import open_package
from latency import describe
from models import APPLICATIONS, SEQUENCES
from run import CACHE, ROOT, SPLICEAI, model_file


def size(package: Path) -> int:
    """Bytes of a package's files."""
    return sum(path.stat().st_size for path in package.rglob("*") if path.is_file())


def ops(package: Path) -> Counter[str]:
    """How often each operation stands in a package's program, constants apart."""
    (function,) = open_package(package).program.functions.values()
    counts: Counter[str] = Counter()
    stack = [function.block]
    while stack:
        for operation in stack.pop().operations:
            stack += operation.blocks
            if operation.type != "const":
                counts[operation.type] += 1
    return counts


def bench_model(name: str, runs: int) -> dict[str, Any]:
    """Wall time, memory and size of one model."""
    model, work = model_file(name), CACHE / "out"
    work.mkdir(parents=True, exist_ok=True)
    out, peer, log = work / f"{name}_coreml", work / f"{name}.mlpackage", work / "log.txt"
    kexport = str(Path(sys.executable).with_name("kexport"))
    command = [kexport, "--target", "coreml", str(model), "-o", str(out), "--no-verify"]
    other = [sys.executable, str(ROOT / "benchmarks" / "peer_coreml.py"), str(model), str(peer)]
    shutil.rmtree(peer, ignore_errors=True)
    ours = out / "coreml" / "model.mlpackage"
    try:
        pairs = measure.run_paired(command, other, runs, log)
    except RuntimeError as error:
        return {"model": name, "ops": describe(ops(ours)), "failed": str(error).splitlines()[-1]}
    row = {
        "model": name,
        "ops": describe(ops(ours)),
        "peer_ops": describe(ops(peer)),
        "wall": [run.wall for run in pairs.ours],
        "peer_wall": [run.wall for run in pairs.peers],
        "wall_ratio": pairs.wall_ratio,
        "peak": [run.peak for run in pairs.ours],
        "peer_peak": [run.peak for run in pairs.peers],
        "peak_ratio": pairs.peak_ratio,
        "size_ratio": size(ours) / size(peer),
    }
    shutil.rmtree(out)
    shutil.rmtree(peer)
    return row


def print_rows(rows: list[dict[str, Any]]) -> None:
    """A line a model, then the lists of operations."""
    head = ("wall s", "peer s", "ratio", "peak MB", "peer MB", "ratio", "size ratio")
    print(("{:<20}" + "{:>11}" * len(head)).format("model", *head))
    for row in rows:
        if "wall" not in row:
            print(f"{row['model']:<20}  {row['failed'][:100]}")
            continue
        print(
            f"{row['model']:<20}{min(row['wall']):>11.2f}{min(row['peer_wall']):>11.2f}{row['wall_ratio']:>11.3f}"
            f"{max(row['peak']) / 1e6:>11.0f}{max(row['peer_peak']) / 1e6:>11.0f}{row['peak_ratio']:>11.3f}"
            f"{row['size_ratio']:>11.3f}"
        )
    for row in rows:
        print(f"\n{row['model']}\n  kexport  {row['ops']}\n  peer     {row.get('peer_ops', '-')}")


def main() -> None:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default=",".join([*APPLICATIONS, SPLICEAI, *SEQUENCES]))
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    os.environ.update(CUDA_VISIBLE_DEVICES="-1", TF_CPP_MIN_LOG_LEVEL="3")
    rows = []
    for name in filter(None, arguments.models.split(",")):
        print(f"… {name}", file=sys.stderr, flush=True)
        rows.append(bench_model(name, arguments.runs))
        (CACHE / "coreml.json").write_text(json.dumps(rows, indent=1))
    print_rows(rows)


if __name__ == "__main__":
    main()
