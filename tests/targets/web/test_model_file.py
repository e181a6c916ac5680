"""What the runtime of bundles makes of a model.tflite: a float32 model for each signature, as TF Lite reads and computes it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from kexport.ir import Builder, Constant, Graph, TensorType, Value
from kexport_targets.tflite.emit import emit_program
from kexport_targets.tflite.legalize import legalize
from kexport_targets.tflite.writer import write
from support.graphs import graph_from
from targets.web.making import emitted

WEB = Path(__file__).resolve().parents[3] / "runtimes" / "web"

#: Reads a file, and writes the model of each signature beside another one; prints why it can't. Memory is not zero before.
PROGRAM = """
import { readFileSync, writeFileSync } from "node:fs";
import { buildSync } from "esbuild";
const { outputFiles } = buildSync({ entryPoints: ["src/tflite/model-file.ts"], bundle: true, format: "esm", write: false });
const { readModelFile } = await import("data:text/javascript;base64," + Buffer.from(outputFiles[0].contents).toString("base64"));
try {
  const { bytes, starts, write } = readModelFile(new Uint8Array(readFileSync(process.argv[1])));
  const made = new Uint8Array(bytes).fill(85);
  write(made);
  for (const [key, start] of starts) {
    writeFileSync(`${process.argv[2]}.${key}`, made.subarray(start));
  }
} catch (error) {
  console.log(error.name);
}
"""


def read(file: Path) -> dict[str, Path]:
    """What is made of a file, by signature."""
    command = ["node", "--input-type=module", "--eval", PROGRAM, str(file), str(file.with_name("made"))]
    done = subprocess.run(command, cwd=WEB, check=True, capture_output=True, text=True)
    assert done.stdout == "", done.stdout
    return {path.suffix[1:]: path for path in file.parent.glob("made.*")}


def written(folder: Path, graph: Graph, also: Mapping[str, Graph] | None = None) -> Path:
    file = folder / "model.tflite"
    others = {key: legalize(one, {}, states=False) for key, one in (also or {}).items()}
    write(emit_program(legalize(graph, {}, states=False), float16=True, also=others), file)
    return file


def ops(file: Path) -> list[str]:
    interpreter = Interpreter(str(file), num_threads=1)
    return [op["op_name"] for op in interpreter._get_ops_details() if op["op_name"] != "DELEGATE"]


def outputs(file: Path, signature: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return dict(Interpreter(str(file), num_threads=1).get_signature_runner(signature)(**inputs))


def check_same(file: Path, inputs: Mapping[str, Any]) -> dict[str, Path]:
    """Each model that is made computes its signature as the file does, to the bit."""
    made = read(file)
    assert made.keys() == Interpreter(str(file)).get_signature_list().keys()
    for signature, path in made.items():
        wanted, found = outputs(file, signature, inputs), outputs(path, signature, inputs)
        assert wanted.keys() == found.keys()
        for name, values in wanted.items():
            np.testing.assert_array_equal(values, found[name])
    return made


def dense(b: Builder, x: Value, kernel: np.ndarray, narrow: str | None = None) -> Value:
    return b.op("dense", x, b.constant(Constant.of(kernel).known_as(narrow)), None)


def test_each_signature_is_a_model_of_its_own(tmp_path):
    emitted(tmp_path)
    file = tmp_path / json.loads((tmp_path / "model.json").read_text("utf-8"))["model"]["file"]
    made = check_same(file, {"image": np.linspace(0, 1, 64, dtype=np.float32).reshape(1, 8, 8, 1)})
    for signature, path in made.items():
        assert list(Interpreter(str(path)).get_signature_list()) == [signature]


@pytest.mark.parametrize("narrow", [None, "int8", "int4"])
@pytest.mark.parametrize("units", [16, 15])
def test_weights_of_every_width_become_the_numbers_that_they_are(tmp_path, narrow, units):
    generator = np.random.default_rng(1)
    kernel = generator.integers(-8, 8, (9, units)).astype(np.float32)
    if narrow is None:
        # Subnormal halves, the greatest and the smallest, negative zeros.
        kernel = generator.normal(size=(9, units)) * 2.0 ** generator.integers(-22, 12, (9, units))
        kernel = np.where(kernel < -1, -0.0, kernel).astype(np.float32)
        kernel[0, :2] = [65504, 2**-24]

    def body(b: Builder, x: Value) -> list[Value]:
        return [dense(b, x, kernel, narrow)]

    file = written(tmp_path, graph_from({"x": ("float32", (9, 9))}, body))
    x = np.eye(9, dtype=np.float32)
    made = check_same(file, {"x": x})["serving_default"]
    assert "DEQUANTIZE" in ops(file)
    assert "DEQUANTIZE" not in ops(made)
    found = outputs(made, "serving_default", {"x": x})["y0"]
    np.testing.assert_array_equal(found, kernel.astype(np.float16).astype(np.float32))


def test_what_is_read_as_it_is_stays_as_it_is(tmp_path):
    kernel = np.arange(128, dtype=np.float32).reshape(8, 16)

    def body(b: Builder, x: Value, half: Value) -> list[Value]:
        return [dense(b, x, kernel), b.op("concat", half, b.constant(kernel.astype(np.float16)), axis=0)]

    file = written(tmp_path, graph_from({"x": ("float32", (2, 8)), "half": ("float16", (1, 16))}, body))
    check_same(file, {"x": np.ones((2, 8), np.float32), "half": np.ones((1, 16), np.float16)})


@pytest.mark.parametrize("loop_first", [True, False])
@pytest.mark.parametrize("loop_second", [True, False])
def test_loops_stay_with_their_signature(tmp_path, loop_first, loop_second):
    kernel = np.random.default_rng(2).normal(size=(8, 8)).astype(np.float32)

    def loop(b: Builder, x: Value) -> Value:
        inside = Builder(b.names)
        row = TensorType("float32", (2, 8))
        step, before = inside.input("step", row), inside.input("before", row)
        after = inside.op("tanh", inside.op("add", step, dense(inside, before, kernel)))
        body = Graph("body", [step, before], [after], inside.nodes, ["step", "before"], ["after"])
        start = b.constant(np.zeros((2, 8), np.float32))
        return b.ops("scan", x, start, body=body, sequences=1, states=1)[0]

    def model(looping: bool) -> Graph:
        def body(b: Builder, x: Value) -> list[Value]:
            return [loop(b, x) if looping else dense(b, b.op("reshape", x, shape=(80, 8)), kernel)]

        return graph_from({"x": ("float32", (40, 2, 8))}, body)

    file = written(tmp_path, model(loop_first), {"layers": model(loop_second)})
    assert ("WHILE" in ops(file)) == loop_first
    check_same(file, {"x": np.linspace(-1, 1, 640, dtype=np.float32).reshape(40, 2, 8)})


def test_a_model_without_weights_stays_as_it_is(tmp_path):
    file = written(tmp_path, graph_from({"x": ("float32", (2, 3))}, lambda b, x: b.op("relu", x)))
    raw, made = file.read_bytes(), read(file)["serving_default"].read_bytes()
    assert made == raw + bytes(len(made) - len(raw))


def test_what_is_no_model_is_told_of(tmp_path):
    emitted(tmp_path / "bundle")
    (model,) = (tmp_path / "bundle").glob("model-*.tflite")
    raw = model.read_bytes()
    for contents in (b"", b"\xff" * 100, raw[:200], raw[:8] + b"\xff" * (len(raw) - 8)):
        file = tmp_path / "model.tflite"
        file.write_bytes(contents)
        with pytest.raises(AssertionError, match="RangeError"):
            read(file)
