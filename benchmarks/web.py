"""kexport-web beside other engines, in one page of a browser: ``python benchmarks/web.py [--models A,B] [--rounds N] [--visits N]``.

All engines compute the same weights on the page's own thread, on one thread, and take turns: a ratio is the median over rounds of ours by
the peer's in the same round (once of the bundle as it comes, in another page of the float32 one), below 1 in kexport's favour. Before its
time counts, an engine's output has to equal that of our float32 bundle to 1e-3 of its range. Time to the first prediction is of a browser that has just started, from a server on this machine: no network,
but decoding, compiling, our check of the golden sample, and the first run. Bytes are of what that visit fetched. WebGL is computed
in software unless ``KEXPORT_BROWSER_GPU`` is set.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np

import web_files
import web_packages
from run import CACHE, model_file
from web_browser import PAGES, MeasuringBrowser

HERE = CACHE / "web"
OURS, EXACT, DIGITS = "kexport-web", "kexport-web-float32", "digits"
BUNDLES = (OURS, EXACT)
#: Input shape with its batch, and the range of the sample's numbers.
MODELS = {"MobileNetV2": ((1, 224, 224, 3), (-1, 1)), DIGITS: ((1, 8, 8, 1), (0, 1))}
TOLERANCE = 1e-3
#: What an engine loads whatever the model is; the rest is the model's.
RUNTIME = re.compile(r"\.(js|mjs|wasm|wasm\.gz|wasm\.br)$")


def problem(found: dict[str, Any], reference: np.ndarray) -> str | None:
    """Why an engine's times don't count; None where they do."""
    if "failed" in found:
        return str(found["failed"])
    output = np.asarray(found["output"], np.float64).ravel()
    if output.shape != reference.shape or not np.isfinite(output).all():
        return (
            f"{output.size} numbers, {np.isfinite(output).sum()} of them finite, in place of {reference.size}"
        )
    error = float(np.abs(output - reference).max() / np.ptp(reference))
    found["error"] = error
    return None if error <= TOLERANCE else f"differs by {error:.1e} of the output's range"


def options(browser: MeasuringBrowser, engine: str, shape: tuple[int, ...]) -> dict[str, Any]:
    """What the page is told of an engine."""
    folder = browser.address("model", f"{web_files.FOLDERS[engine]}/")
    return {
        "name": engine,
        "options": {"packages": browser.address("packages"), "model": folder, "shape": shape},
    }


def bytes_of(files: list[tuple[str, Path]]) -> dict[str, dict[str, int]]:
    """Bytes of a visit, of the ``runtime`` and of the ``model``: ``raw``, with ``gzip``, with ``brotli``."""
    paths = sorted({str(path) for _, path in files})
    command = ["node", str(PAGES / "sizes.mjs"), *paths]
    sizes = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    total = {part: {"raw": 0, "gzip": 0, "brotli": 0} for part in ("runtime", "model")}
    for path in paths:
        part = total["runtime" if RUNTIME.search(path) else "model"]
        for how, size in sizes[path].items():
            part[how] += size
    return total


def bench_model(name: str, rounds: int, visits: int) -> dict[str, Any]:
    """Latency, first visits and bytes of one model, with all engines."""
    packages, converter = web_packages.npm_packages(HERE), web_packages.converter_package(HERE)
    model = (
        web_files.digits(HERE / "digits.keras") if name == DIGITS else model_file(name).with_suffix(".keras")
    )
    folder, (shape, limits) = HERE / name, MODELS[name]
    failed = web_files.write(model, folder, packages, converter)
    np.random.default_rng(0).uniform(*limits, shape).astype("<f4").tofile(folder / "sample.bin")
    folders = {"packages": packages, "model": folder}
    engines = [engine for engine in web_files.FOLDERS if engine not in failed]
    with MeasuringBrowser(folders) as browser:
        version = browser.version
        sample = browser.address("model", "sample.bin")
        # One of our bundles a page: they share an engine there, and the one that is loaded second is the quicker one, whichever it is.
        beside = {}
        for bundle in BUNDLES:
            told = [options(browser, engine, shape) for engine in [bundle, *peers(engines)]]
            beside[bundle] = browser.ask("latency", engines=told, sample=sample, rounds=rounds)
    reference = np.asarray(beside[EXACT][EXACT]["output"], np.float64).ravel()
    rows: dict[str, dict[str, Any]] = {}
    for engine in engines:
        found = {bundle: page[engine] for bundle, page in beside.items() if engine in page}
        problems = list(filter(None, (problem(one, reference) for one in found.values())))
        if problems:
            failed[engine] = problems[0]
            continue
        rows[engine] = {
            "times": {bundle: one["times"] for bundle, one in found.items()},
            "error": max(one["error"] for one in found.values()),
            "first": [],
        }
    for _ in range(visits):
        for engine, row in rows.items():
            with MeasuringBrowser(folders) as browser:
                sample = browser.address("model", "sample.bin")
                seen = browser.ask("visit", engine=options(browser, engine, shape), sample=sample)
                row["first"].append(seen["first"])
                row["files"] = [place for address in seen["files"] if (place := browser.file(address))]
    for row in rows.values():
        row["bytes"] = bytes_of(row["files"])
        row["files"] = [f"{where}/{path.name}" for where, path in row["files"]]
    return {"model": name, "browser": version, "engines": rows, "failed": failed}


def ratio(ours: list[float], peers: list[float]) -> float:
    """Median of ours / peer, pair by pair."""
    return median(a / b for a, b in zip(ours, peers, strict=True))


def peers(engines: list[str]) -> list[str]:
    """The engines that are not ours."""
    return [engine for engine in engines if engine not in BUNDLES]


def beside_bundle(result: dict[str, Any], bundle: str, engine: str) -> str:
    """The ratio of a bundle's times to an engine's in the same page, as it is printed."""
    theirs = result["engines"][engine]["times"].get(bundle)
    return f"{ratio(result['engines'][bundle]['times'][bundle], theirs):>11.3f}" if theirs else f"{'-':>11}"


def print_rows(results: list[dict[str, Any]]) -> None:
    """A line a model and engine."""
    head = (
        "ms",
        "float16",
        "float32",
        "error",
        "first ms",
        "ratio",
        "runtime gz",
        "brotli",
        "model gz",
        "brotli",
        "runtime %",
    )
    print(("{:<13}{:<21}" + "{:>11}" * len(head)).format("model", "engine", *head))
    for result in results:
        ours = result["engines"][OURS]
        for engine, row in result["engines"].items():
            runtime, model = row["bytes"]["runtime"], row["bytes"]["model"]
            print(
                f"{result['model']:<13}{engine:<21}{median(next(iter(row['times'].values()))):>11.3f}"
                f"{beside_bundle(result, OURS, engine)}{beside_bundle(result, EXACT, engine)}{row['error']:>11.1e}{median(row['first']):>11.0f}{ratio(ours['first'], row['first']):>11.2f}"
                f"{runtime['gzip'] / 1e6:>11.3f}{runtime['brotli'] / 1e6:>11.3f}{model['gzip'] / 1e6:>11.3f}"
                f"{model['brotli'] / 1e6:>11.3f}{runtime['gzip'] / (runtime['gzip'] + model['gzip']):>11.1%}"
            )
        for engine, why in result["failed"].items():
            print(f"{result['model']:<13}{engine:<21}  {why[:120]}")
    print(f"\nBytes in MB. {results[0]['browser']}")


def main() -> None:
    """Run what the command line names; write the figures beside the models as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--visits", type=int, default=3)
    arguments = parser.parse_args()
    os.environ.update(CUDA_VISIBLE_DEVICES="-1", TF_CPP_MIN_LOG_LEVEL="3")
    results = []
    for name in filter(None, arguments.models.split(",")):
        print(f"… {name}", file=sys.stderr, flush=True)
        results.append(bench_model(name, arguments.rounds, arguments.visits))
        (CACHE / "web.json").write_text(json.dumps(results, indent=1))
    print_rows(results)


if __name__ == "__main__":
    main()
