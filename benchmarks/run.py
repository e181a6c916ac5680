"""kexport beside the official TF Lite converter: ``python benchmarks/run.py [--models A,B] [--runs N] [--scaling]``.

Each conversion is a whole cold process. The two tools run in turn and are compared pair by pair, so that a machine whose
speed drifts still gives a fair ratio. A ratio below 1 is in kexport's favour.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import latency
import measure
from models import APPLICATIONS, RECURRENT

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "bench"
SPLICEAI = "SpliceAI"


def model_file(name: str) -> Path:
    """The model's file, built or fetched the first time it is asked for."""
    if name == SPLICEAI:
        sys.path.insert(0, str(ROOT / "tests"))
        from real_models import fetch

        return Path(fetch("spliceai", "1.3.1", "spliceai/models/spliceai1.h5"))
    path = CACHE / f"{name.replace(':', '_')}.h5"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, str(ROOT / "benchmarks" / "models.py"), name, str(path)]
        subprocess.run(command, check=True, capture_output=True)
    return path


def export_command(model: Path, out: Path) -> list[str]:
    """Our command line, as a user types it."""
    kexport = str(Path(sys.executable).with_name("kexport"))
    return [kexport, "--target", "tflite", str(model), "-o", str(out), "--no-verify"]


def peer_command(name: str, model: Path, out: Path, *, batch_one: bool) -> list[str]:
    """The converter's. Recurrent models go to it with a batch of 1 in any case: with an open one it makes no LSTM of them."""
    if name in RECURRENT:
        return [sys.executable, str(ROOT / "benchmarks" / "peer_recurrent.py"), str(model), str(out)]
    command = [sys.executable, str(ROOT / "benchmarks" / "peer_tflite.py"), str(model), str(out)]
    return [*command, "--batch-one"] if batch_one else command


def bench_model(name: str, runs: int, seconds: float) -> dict[str, Any]:
    """Wall time, memory, size and latency of one model, against the converter as it comes and at a fixed batch of 1."""
    model, work = model_file(name), CACHE / "out"
    work.mkdir(parents=True, exist_ok=True)
    out, peer, fixed = work / f"{name}_export", work / f"{name}.peer.tflite", work / f"{name}.peer1.tflite"
    log = work / "log.txt"
    pairs = measure.run_paired(
        export_command(model, out), peer_command(name, model, peer, batch_one=False), runs, log
    )
    measure.run_process(peer_command(name, model, fixed, batch_one=True), log)
    ours = out / "tflite" / "model.tflite"
    lengths = {1: 10_200} if name == SPLICEAI else {}
    return {
        "model": name,
        "wall": [run.wall for run in pairs.ours],
        "peer_wall": [run.wall for run in pairs.peers],
        "wall_ratio": pairs.wall_ratio,
        "peak": [run.peak for run in pairs.ours],
        "peer_peak": [run.peak for run in pairs.peers],
        "peak_ratio": pairs.peak_ratio,
        "size": ours.stat().st_size,
        "size_ratio": ours.stat().st_size / peer.stat().st_size,
        "latency": latency.compare(ours, peer, lengths=lengths, seconds=seconds),
        "latency_batch_one": latency.compare(ours, fixed, lengths=lengths, seconds=seconds),
        "ops": latency.describe(latency.ops(ours)),
        "peer_ops": latency.describe(latency.ops(peer)),
        "peer_batch_one_ops": latency.describe(latency.ops(fixed)),
    }


def print_rows(rows: list[dict[str, Any]]) -> None:
    """The table of ratios, then both op lists of each model."""
    head = (
        "model",
        "wall s",
        "peer s",
        "ratio",
        "peak MB",
        "ratio",
        "size ratio",
        "latency ms",
        "ratio",
        "batch-1 ratio",
    )
    print(("{:<18}" + "{:>11}" * 9).format(*head))
    for row in rows:
        print(
            f"{row['model']:<18}{min(row['wall']):>11.2f}{min(row['peer_wall']):>11.2f}{row['wall_ratio']:>11.3f}"
            f"{max(row['peak']) / 1e6:>11.0f}{row['peak_ratio']:>11.3f}{row['size_ratio']:>11.3f}"
            f"{row['latency']['ours'] * 1e3:>11.2f}{row['latency']['ratio']:>11.3f}"
            f"{row['latency_batch_one']['ratio']:>11.3f}"
        )
    for row in rows:
        print(f"\n{row['model']}\n  kexport           {row['ops']}\n  converter         {row['peer_ops']}")
        print(f"  converter, batch 1 {row['peer_batch_one_ops']}")


def print_scaling() -> None:
    """How cost grows with layers and with weights (kexport alone: each a cold process, no verification)."""
    print(f"\n{'model':<14}{'file MB':>10}{'wall s':>10}{'peak MB':>10}{'peak - 1.3 x weights, MB':>28}")
    for name in (
        "layers:100",
        "layers:500",
        "layers:1000",
        "layers:5000",
        "dense:16",
        "dense:128",
        "dense:512",
        "dense:1024",
    ):
        model = model_file(name)
        size = model.stat().st_size
        run = measure.run_process(export_command(model, CACHE / "out" / "scaling"), CACHE / "out" / "log.txt")
        over = (run.peak - 1.3 * size) / 1e6
        print(f"{name:<14}{size / 1e6:>10.1f}{run.wall:>10.2f}{run.peak / 1e6:>10.0f}{over:>28.0f}")


def main() -> None:
    """Run what the command line names; write the figures beside the models as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default=",".join([*APPLICATIONS, SPLICEAI, *RECURRENT]))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0, help="of latency measurement a comparison")
    parser.add_argument("--scaling", action=argparse.BooleanOptionalAction, default=True)
    arguments = parser.parse_args()
    os.environ.update(CUDA_VISIBLE_DEVICES="-1", TF_CPP_MIN_LOG_LEVEL="3")
    rows = []
    for name in filter(None, arguments.models.split(",")):
        print(f"… {name}", file=sys.stderr, flush=True)
        rows.append(bench_model(name, arguments.runs, arguments.seconds))
        (CACHE / "results.json").write_text(json.dumps(rows, indent=1))
    print_rows(rows)
    if arguments.scaling:
        (CACHE / "out").mkdir(parents=True, exist_ok=True)
        print_scaling()


if __name__ == "__main__":
    main()
