"""kexport's ONNX beside tf2onnx's and Keras's: ``python benchmarks/onnx_files.py [--models A,B] [--runs N]``.

Each export is a whole cold process; the three tools run in turn. A ratio below 1 is in kexport's favour. Latency is of one sample in ONNX
Runtime, single-threaded, in the time of the computing thread. A peer that fails, or whose file ONNX Runtime refuses, has no figures but a
reason.
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

import latency_onnx
import measure
from latency import describe
from models import APPLICATIONS, RECURRENT, SEQUENCES
from run import CACHE, ROOT, SPLICEAI, model_file

TF2ONNX = "tf2onnx==1.17.0"
TOOLS = ("tf2onnx", "keras")


def peers_packages() -> Path:
    """A folder with tf2onnx, for the peers' processes alone; TensorFlow, Keras and onnx are those installed here."""
    folder = CACHE / TF2ONNX.replace("==", "-")
    if not folder.exists():
        part = folder.with_name(f"part-{folder.name}")
        shutil.rmtree(part, ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(part), TF2ONNX]
        subprocess.run(pip, check=True)
        part.replace(folder)
    return folder


def peer_command(tool: str, name: str, model: Path, out: Path) -> list[str]:
    """tf_keras's models go to tf2onnx by tf_keras; it has no export of its own."""
    command = [sys.executable, str(ROOT / "benchmarks" / "peer_onnx.py"), tool, str(model), str(out)]
    return [*command, "--tf-keras"] if name in RECURRENT else command


def against(
    tool: str, name: str, command: list[str], ours: Path, runs: int, seconds: float
) -> dict[str, Any]:
    """The ratios to one peer; ``failed`` says why there are none."""
    if tool == "keras" and name in RECURRENT:
        return {"failed": "tf_keras has no export to ONNX"}
    model, work = model_file(name), CACHE / "out"
    peer, log = work / f"{name}.{tool}.onnx", work / "log.txt"
    peer.unlink(missing_ok=True)
    try:
        pairs = measure.run_paired(command, peer_command(tool, name, model, peer), runs, log)
    except RuntimeError as error:
        return {"failed": str(error).splitlines()[-1]}
    row = {
        "wall": [run.wall for run in pairs.ours],
        "peer_wall": [run.wall for run in pairs.peers],
        "wall_ratio": pairs.wall_ratio,
        "peak": [run.peak for run in pairs.ours],
        "peer_peak": [run.peak for run in pairs.peers],
        "peak_ratio": pairs.peak_ratio,
        "size_ratio": ours.stat().st_size / peer.stat().st_size,
        "ops": describe(latency_onnx.ops(peer)),
    }
    lengths = {1: 10_200} if name == SPLICEAI else {}
    try:
        row["latency"] = latency_onnx.compare(ours, peer, lengths=lengths, seconds=seconds)
    except Exception as error:  # noqa: BLE001 - whatever ONNX Runtime has against the peer's file
        row["failed"] = f"ONNX Runtime: {error}"
    peer.unlink()
    return row


def bench_model(name: str, runs: int, seconds: float) -> dict[str, Any]:
    """Wall time, memory, size and latency of one model, against both peers."""
    model, work = model_file(name), CACHE / "out"
    work.mkdir(parents=True, exist_ok=True)
    out = work / f"{name}_onnx"
    kexport = str(Path(sys.executable).with_name("kexport"))
    command = [kexport, "--target", "onnx", str(model), "-o", str(out), "--no-verify"]
    measure.run_process(command, work / "log.txt")
    ours = out / "onnx" / "model.onnx"
    row = {
        "model": name,
        "ops": describe(latency_onnx.ops(ours)),
        **{tool: against(tool, name, command, ours, runs, seconds) for tool in TOOLS},
    }
    shutil.rmtree(out)
    return row


def print_rows(rows: list[dict[str, Any]]) -> None:
    """A line a model and peer, then the op lists."""
    head = ("wall s", "peer s", "ratio", "peak MB", "ratio", "size ratio", "latency ms", "ratio")
    print(("{:<20}{:<9}" + "{:>11}" * len(head)).format("model", "peer", *head))
    for row in rows:
        for tool in TOOLS:
            found = row[tool]
            line = f"{row['model']:<20}{tool:<9}"
            if "wall" in found:
                line += (
                    f"{min(found['wall']):>11.2f}{min(found['peer_wall']):>11.2f}{found['wall_ratio']:>11.3f}"
                    f"{max(found['peak']) / 1e6:>11.0f}{found['peak_ratio']:>11.3f}{found['size_ratio']:>11.3f}"
                )
            if "latency" in found:
                line += f"{found['latency']['ours'] * 1e3:>11.2f}{found['latency']['ratio']:>11.3f}"
            print(line + (f"  {found['failed'][:80]}" if "failed" in found else ""))
    for row in rows:
        print(f"\n{row['model']}\n  kexport  {row['ops']}")
        for tool in TOOLS:
            print(f"  {tool:<8} {row[tool].get('ops', '-')}")


def main() -> None:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default=",".join([*APPLICATIONS, SPLICEAI, *SEQUENCES, *RECURRENT[:5]]))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0, help="of latency measurement a comparison")
    arguments = parser.parse_args()
    os.environ.update(CUDA_VISIBLE_DEVICES="-1", TF_CPP_MIN_LOG_LEVEL="3", PYTHONPATH=str(peers_packages()))
    rows = []
    for name in filter(None, arguments.models.split(",")):
        print(f"… {name}", file=sys.stderr, flush=True)
        rows.append(bench_model(name, arguments.runs, arguments.seconds))
        (CACHE / "onnx.json").write_text(json.dumps(rows, indent=1))
    print_rows(rows)


if __name__ == "__main__":
    main()
