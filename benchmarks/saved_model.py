"""kexport's SavedModel beside Keras's ``model.export``: ``python benchmarks/saved_model.py [--models A,B] [--runs N]``.

Each export is a whole cold process, Keras's with the TensorFlow that it needs. A ratio below 1 is in kexport's favour. Latency is
of one sample, single-threaded.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import measure
from models import APPLICATIONS, RECURRENT
from run import CACHE, ROOT, model_file


def size(folder: Path) -> int:
    """Bytes of all files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def bench_model(name: str, runs: int, seconds: float) -> dict[str, Any]:
    """Wall time, memory, size and latency of one model."""
    model, work = model_file(name), CACHE / "out"
    work.mkdir(parents=True, exist_ok=True)
    out, peer = work / f"{name}_saved", work / f"{name}.peer_saved"
    kexport = str(Path(sys.executable).with_name("kexport"))
    command = [kexport, "--target", "saved_model", str(model), "-o", str(out), "--no-verify"]
    other = [sys.executable, str(ROOT / "benchmarks" / "peer_saved_model.py"), str(model), str(peer)]
    other += ["--tf-keras"] if name in RECURRENT else []
    pairs = measure.run_paired(command, other, runs, work / "log.txt")
    ours = out / "saved_model" / "1"
    timed = subprocess.run(
        [
            sys.executable,
            str(ROOT / "benchmarks" / "latency_saved_model.py"),
            str(ours),
            str(peer),
            str(seconds),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    row = {
        "model": name,
        "wall": min(run.wall for run in pairs.ours),
        "peer_wall": min(run.wall for run in pairs.peers),
        "wall_ratio": pairs.wall_ratio,
        "peak": max(run.peak for run in pairs.ours),
        "peak_ratio": pairs.peak_ratio,
        "size_ratio": size(ours) / size(peer),
        "latency": json.loads(timed.stdout.splitlines()[-1]),
    }
    for folder in (out, peer):
        shutil.rmtree(folder)
    return row


def print_rows(rows: list[dict[str, Any]]) -> None:
    """The table."""
    head = ("wall s", "peer s", "ratio", "peak MB", "ratio", "size ratio", "latency ms", "ratio")
    print(("{:<18}" + "{:>11}" * len(head)).format("model", *head))
    for row in rows:
        print(
            f"{row['model']:<18}{row['wall']:>11.2f}{row['peer_wall']:>11.2f}{row['wall_ratio']:>11.3f}"
            f"{row['peak'] / 1e6:>11.0f}{row['peak_ratio']:>11.3f}{row['size_ratio']:>11.3f}"
            f"{row['latency']['ours'] * 1e3:>11.2f}{row['latency']['ratio']:>11.3f}"
        )


def main() -> None:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default=",".join([*APPLICATIONS, *RECURRENT]))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0, help="of latency measurement a comparison")
    arguments = parser.parse_args()
    os.environ.update(CUDA_VISIBLE_DEVICES="-1", TF_CPP_MIN_LOG_LEVEL="3")
    rows = []
    for name in filter(None, arguments.models.split(",")):
        print(f"… {name}", file=sys.stderr, flush=True)
        rows.append(bench_model(name, arguments.runs, arguments.seconds))
        (CACHE / "saved_model.json").write_text(json.dumps(rows, indent=1))
    print_rows(rows)


if __name__ == "__main__":
    main()
