"""The float32 model that the runtime makes of a bundle's model.tflite: what TF Lite reads and computes of it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from kexport.ir import Builder, Constant, Graph, Value
from kexport_targets.tflite.emit import emit_program
from kexport_targets.tflite.legalize import legalize
from kexport_targets.tflite.writer import write
from support.graphs import graph_from
from targets.web.making import emitted

WEB = Path(__file__).resolve().parents[3] / "runtimes" / "web"

#: Bundles the module, and writes what it makes of a file: ``node widen.mjs FILE INTO``; prints why it can't.
PROGRAM = """
import { readFileSync, writeFileSync } from "node:fs";
import { buildSync } from "esbuild";
const { outputFiles } = buildSync({ entryPoints: ["src/tflite/widen.ts"], bundle: true, format: "esm", write: false });
const { widened } = await import("data:text/javascript;base64," + Buffer.from(outputFiles[0].contents).toString("base64"));
try {
  const { bytes, write } = widened(new Uint8Array(readFileSync(process.argv[1])));
  const made = new Uint8Array(bytes).fill(85);
  write(made);
  writeFileSync(process.argv[2], made);
} catch (error) {
  console.log(error.name);
}
"""


def widened(file: Path) -> Path:
    made = file.with_name(f"wide-{file.name}")
    command = ["node", "--input-type=module", "--eval", PROGRAM, str(file), str(made)]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run(command, cwd=WEB, env=environment, check=True, capture_output=True, text=True)
    assert done.stdout == "", done.stdout
    return made


def written(folder: Path, graph: Graph) -> Path:
    file = folder / "model.tflite"
    write(emit_program(legalize(graph, {}, states=False), float16=True), file)
    return file


def ops(file: Path) -> list[str]:
    interpreter = Interpreter(str(file), num_threads=1)
    return [op["op_name"] for op in interpreter._get_ops_details() if op["op_name"] != "DELEGATE"]


def outputs(file: Path, signature: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return dict(Interpreter(str(file), num_threads=1).get_signature_runner(signature)(**inputs))


def check_same(narrow: Path, wide: Path, inputs: Mapping[str, Any]) -> None:
    for signature in Interpreter(str(narrow)).get_signature_list():
        before, after = outputs(narrow, signature, inputs), outputs(wide, signature, inputs)
        assert before.keys() == after.keys()
        for name, values in before.items():
            np.testing.assert_array_equal(values, after[name])


def test_both_signatures_compute_the_same_without_widening(tmp_path):
    emitted(tmp_path)
    narrow = tmp_path / json.loads((tmp_path / "model.json").read_text("utf-8"))["model"]["file"]
    wide = widened(narrow)
    check_same(narrow, wide, {"image": np.linspace(0, 1, 64, dtype=np.float32).reshape(1, 8, 8, 1)})


def dense(b: Builder, x: Value, kernel: np.ndarray, narrow: str | None = None) -> Value:
    return b.op("dense", x, b.constant(Constant.of(kernel).known_as(narrow)), None)


@pytest.mark.parametrize("narrow", [None, "int8", "int4"])
@pytest.mark.parametrize("units", [16, 15])
def test_weights_of_every_width_become_the_numbers_that_they_are(tmp_path, narrow, units):
    generator = np.random.default_rng(1)
    kernel = generator.integers(-8, 8, (9, units)).astype(np.float32)
    if narrow is None:
        # Subnormal halves, the greatest, negative zeros.
        kernel = generator.normal(size=(9, units)).astype(np.float32) * np.float32(2.0) ** generator.integers(
            -22, 12, (9, units)
        )
        kernel = np.where(kernel < -1, np.float32(-0.0), kernel).astype(np.float32)
        kernel[0, :2] = [65504, 2**-24]

    def body(b: Builder, x: Value) -> list[Value]:
        return [dense(b, x, kernel, narrow)]

    file = written(tmp_path, graph_from({"x": ("float32", (9, 9))}, body))
    wide = widened(file)
    assert "DEQUANTIZE" in ops(file)
    assert "DEQUANTIZE" not in ops(wide)
    x = np.eye(9, dtype=np.float32)
    found = outputs(wide, "serving_default", {"x": x})["y0"]
    np.testing.assert_array_equal(found, kernel.astype(np.float16).astype(np.float32))
    check_same(file, wide, {"x": x})


def test_what_is_read_as_it_is_stays_as_it_is(tmp_path):
    kernel = np.arange(128, dtype=np.float32).reshape(8, 16)

    def body(b: Builder, x: Value, half: Value) -> list[Value]:
        return [dense(b, x, kernel), b.op("concat", half, b.constant(kernel.astype(np.float16)), axis=0)]

    file = written(tmp_path, graph_from({"x": ("float32", (2, 8)), "half": ("float16", (1, 16))}, body))
    wide = widened(file)
    check_same(file, wide, {"x": np.ones((2, 8), np.float32), "half": np.ones((1, 16), np.float16)})


def test_a_model_without_weights_or_with_small_ones_stays_as_it_is(tmp_path):
    file = written(tmp_path, graph_from({"x": ("float32", (2, 3))}, lambda b, x: b.op("relu", x)))
    assert widened(file).read_bytes() == file.read_bytes()


def test_what_is_no_model_is_told_of(tmp_path):
    emitted(tmp_path / "bundle")
    (model,) = (tmp_path / "bundle").glob("model-*.tflite")
    raw = model.read_bytes()
    for contents in (b"", b"\xff" * 100, raw[:200], raw[:8] + b"\xff" * (len(raw) - 8)):
        file = tmp_path / "model.tflite"
        file.write_bytes(contents)
        with pytest.raises(AssertionError, match="RangeError"):
            widened(file)
