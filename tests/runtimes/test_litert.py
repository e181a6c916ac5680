"""The LiteRT runtime, on files that the TF Lite target writes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from kexport.contracts import Runtime
from kexport.ir import Builder, TensorType, Value, dims
from kexport_runtimes.litert import RUNTIME, engines
from kexport_runtimes.litert.quiet import without_info
from kexport_targets.tflite import TARGET
from support.graphs import Body, graph_of
from support.making import made

ROOT = Path(__file__).resolve().parents[2]
BATCH, TIME = dims.symbol("batch"), dims.symbol("time")
KERNEL = np.arange(12, dtype=np.float32).reshape(4, 3) - 5


def emitted(folder: Path, inputs: Mapping[str, TensorType], body: Body) -> Path:
    """The .tflite file of the graph that ``body`` builds."""
    options = {option.name: option.default for option in TARGET.options}
    graph = TARGET.legalize(graph_of(inputs, body), options)
    return folder / TARGET.emit(graph, folder, options).main


def twice(b: Builder, x: Value) -> dict[str, Value]:
    return {"y": b.op("add", x, x)}


def dense(b: Builder, x: Value) -> dict[str, Value]:
    return {"y": b.op("relu", b.op("dense", x, b.constant(KERNEL), None))}


def two(b: Builder, z: Value, a: Value) -> dict[str, Value]:
    return {"sum": b.op("add", z, a), "product": b.op("mul", z, a)}


def changed(model: Path, change: Callable[[Any], None]) -> Path:
    """A copy of a file after ``change`` had its way with its flatbuffer."""
    contents = schema.ModelT.InitFromPackedBuf(model.read_bytes(), 0)
    change(contents)
    builder = flatbuffers.Builder()
    builder.Finish(contents.Pack(builder), b"TFL3")
    copy = model.with_name("changed.tflite")
    copy.write_bytes(builder.Output())
    return copy


@pytest.fixture
def static(tmp_path: Path) -> Path:
    return emitted(tmp_path, {"x": TensorType("float32", (2, 4))}, dense)


@pytest.fixture
def dynamic(tmp_path: Path) -> Path:
    return emitted(tmp_path, {"x": TensorType("float32", (BATCH, 4))}, twice)


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    kind = TensorType("float32", (BATCH, 4))
    return emitted(tmp_path, {"z": kind, "a": kind}, two)


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).normal(size=shape).astype(np.float32)


def test_it_has_the_shape_of_a_runtime() -> None:
    runtime: Runtime = RUNTIME
    assert runtime.name == "litert"
    assert runtime.available() is None
    assert runtime.version().startswith("ai-edge-litert 2.")


# -- what it computes


def test_a_static_shape(static: Path) -> None:
    x = numbers(2, 4)
    (out,) = RUNTIME.run(static, {"x": x}).items()
    assert out[0] == "y"
    np.testing.assert_allclose(out[1], np.maximum(x @ KERNEL, 0), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("batch", [0, 1, 7])
def test_a_dynamic_batch(dynamic: Path, batch: int) -> None:
    x = numbers(batch, 4)
    np.testing.assert_array_equal(RUNTIME.run(dynamic, {"x": x})["y"], 2 * x)


@pytest.mark.parametrize("length", [1, 9])
def test_a_dynamic_length(tmp_path: Path, length: int) -> None:
    model = emitted(tmp_path, {"x": TensorType("float32", (BATCH, TIME, 4))}, twice)
    x = numbers(3, length, 4)
    np.testing.assert_array_equal(RUNTIME.run(model, {"x": x})["y"], 2 * x)


def test_arrays_go_by_name_whatever_the_order(pair: Path) -> None:
    z, a = numbers(3, 4), np.full((3, 4), 2, np.float32)
    out = RUNTIME.run(pair, {"a": a, "z": z})
    assert set(out) == {"sum", "product"}
    np.testing.assert_array_equal(out["sum"], z + a)
    np.testing.assert_array_equal(out["product"], z * a)


def test_names_may_be_any(tmp_path: Path) -> None:
    kind = TensorType("float32", (BATCH, 4))
    model = emitted(
        tmp_path, {"self": kind, "keras/input:0": kind}, lambda b, x, y: {"a b": b.op("add", x, y)}
    )
    x = numbers(1, 4)
    np.testing.assert_array_equal(RUNTIME.run(model, {"self": x, "keras/input:0": x})["a b"], 2 * x)


def test_integers(tmp_path: Path) -> None:
    model = emitted(tmp_path, {"n": TensorType("int32", (BATCH, 3))}, twice)
    n = np.array([[1, -2, 3]], np.int32)
    out = RUNTIME.run(model, {"n": n})["y"]
    assert out.dtype == np.int32
    np.testing.assert_array_equal(out, 2 * n)


def test_half_precision_and_strings(tmp_path: Path) -> None:
    """On a reshape, the one op that takes every type; made out of an addition's file."""

    def reshape(kind: int) -> Callable[[Any], None]:
        def change(model: Any) -> None:
            (code,), (graph,) = model.operatorCodes, model.subgraphs
            code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.EXPAND_DIMS
            code.version = 1
            (node,) = graph.operators
            node.builtinOptionsType, node.builtinOptions = schema.BuiltinOptions.ExpandDimsOptions, None
            for index in (graph.inputs[0], graph.outputs[0]):
                graph.tensors[index].type = kind
            graph.tensors[graph.outputs[0]].shapeSignature = [1, -1, 4]
            graph.tensors[graph.outputs[0]].shape = [1, 1, 4]
            axis = schema.TensorT(shape=[1], type=schema.TensorType.INT32, name=b"axis")
            axis.buffer = len(model.buffers)
            model.buffers.append(schema.BufferT(data=[0, 0, 0, 0]))
            graph.tensors.append(axis)
            node.inputs = [graph.inputs[0], len(graph.tensors) - 1]

        return change

    model = emitted(tmp_path, {"x": TensorType("float32", (BATCH, 4))}, twice)
    half = numbers(2, 4).astype(np.float16)
    out = RUNTIME.run(changed(model, reshape(schema.TensorType.FLOAT16)), {"x": half})["y"]
    assert out.dtype == np.float16
    np.testing.assert_array_equal(out, half[None])

    strings = changed(model, reshape(schema.TensorType.STRING))
    expected = [[[b"a", b"", b"long", "ü".encode()]]]
    for given in (np.array(["a", "", "long", "ü"]), np.array(["a", b"", "long", "ü"], object)):
        assert RUNTIME.run(strings, {"x": given[None]})["y"].tolist() == expected
    with pytest.raises(ValueError, match=r"Input 'x' of changed\.tflite is strings\. Received: float32"):
        RUNTIME.run(strings, {"x": numbers(1, 4)})


def test_the_layout_in_memory_does_not_matter(dynamic: Path) -> None:
    x = np.asfortranarray(numbers(5, 4))
    np.testing.assert_array_equal(RUNTIME.run(dynamic, {"x": x})["y"], 2 * x)


def test_outputs_are_the_callers_own(tmp_path: Path) -> None:
    model = emitted(tmp_path, {"x": TensorType("float32", (BATCH, 4))}, twice)
    out = RUNTIME.run(model, {"x": numbers(2, 4)})["y"]
    assert out.flags.owndata
    assert out.flags.writeable


# -- what it refuses


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"x": np.ones((2, 4))}, "Input 'x' of model.tflite is float32. Received: float64"),
        (
            {"x": np.ones((2, 5), np.float32)},
            "Input 'x' of model.tflite has shape (?, 4). Received: (2, 5)",
        ),
        ({"x": np.ones(4, np.float32)}, "Input 'x' of model.tflite has shape (?, 4). Received: (4)"),
        ({}, "model.tflite takes inputs 'x'; 'x' is missing. Received: none"),
        (
            {"x": np.ones((2, 4), np.float32), "y": np.ones(1)},
            "model.tflite has no input 'y'. It takes: 'x'",
        ),
    ],
)
def test_inputs_that_are_not_the_signatures(dynamic: Path, inputs: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message) + "$"):
        RUNTIME.run(dynamic, inputs)


def test_a_static_batch_is_not_resized(static: Path) -> None:
    with pytest.raises(ValueError, match=r"has shape \(2, 4\)\. Received: \(3, 4\)"):
        RUNTIME.run(static, {"x": numbers(3, 4)})


def test_a_missing_input_is_told_from_the_others(pair: Path) -> None:
    with pytest.raises(ValueError, match=r"takes inputs .*; 'z' is missing\. Received: 'a'"):
        RUNTIME.run(pair, {"a": numbers(1, 4)})


@pytest.mark.parametrize("kept", [0, 30, -20], ids=["empty", "the start", "truncated"])
def test_a_part_of_a_file(static: Path, kept: int) -> None:
    static.write_bytes(static.read_bytes()[:kept])
    with pytest.raises(RuntimeError, match=r"model\.tflite can't be loaded: \S"):
        RUNTIME.run(static, {"x": numbers(2, 4)})


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    other = tmp_path / "model.tflite"
    other.write_bytes(b"PK\3\4 an archive, say" * 9)
    with pytest.raises(RuntimeError, match=r"model\.tflite can't be loaded: The model is not a valid"):
        RUNTIME.run(other, {})
    with pytest.raises(RuntimeError, match=r"absent\.tflite can't be loaded: Could not open"):
        RUNTIME.run(tmp_path / "absent.tflite", {})


def test_an_op_that_the_engine_does_not_have(dynamic: Path) -> None:
    def change(model: Any) -> None:
        (code,) = model.operatorCodes
        code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
        code.customCode = b"Nowhere"
        model.subgraphs[0].operators[0].builtinOptionsType = schema.BuiltinOptions.NONE
        model.subgraphs[0].operators[0].builtinOptions = None

    with pytest.raises(RuntimeError, match=r"changed\.tflite can't be prepared .*: .*Nowhere"):
        RUNTIME.run(changed(dynamic, change), {"x": numbers(1, 4)})


def test_inputs_that_do_not_go_together(pair: Path) -> None:
    with pytest.raises(RuntimeError, match=r"model\.tflite can't be prepared for these inputs: \S"):
        RUNTIME.run(pair, {"z": numbers(2, 4), "a": numbers(3, 4)})


def test_a_kernel_that_fails(tmp_path: Path) -> None:
    kind = TensorType("int32", (BATCH, 2))
    model = emitted(tmp_path, {"x": kind, "y": kind}, lambda b, x, y: {"z": b.op("add", x, y)})

    def change(model: Any) -> None:
        (code,) = model.operatorCodes
        code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.DIV
        model.subgraphs[0].operators[0].builtinOptionsType = schema.BuiltinOptions.DivOptions
        model.subgraphs[0].operators[0].builtinOptions = schema.DivOptionsT()

    zeros = np.zeros((1, 2), np.int32)
    with pytest.raises(RuntimeError, match=r"changed\.tflite can't be computed: \S"):
        RUNTIME.run(changed(model, change), {"x": zeros, "y": zeros})


def test_another_signature(dynamic: Path) -> None:
    def rename(model: Any) -> None:
        model.signatureDefs[0].signatureKey = b"train"

    with pytest.raises(RuntimeError, match=r"no signature 'serving_default' among \['train'\]"):
        RUNTIME.run(changed(dynamic, rename), {"x": numbers(1, 4)})


def test_a_signature_of_another_subgraph(dynamic: Path) -> None:
    def move(model: Any) -> None:
        other = schema.ModelT.InitFromPackedBuf(dynamic.read_bytes(), 0).subgraphs[0]
        other.tensors[other.inputs[0]].name = b"another"
        model.subgraphs.append(other)
        model.signatureDefs[0].subgraphIndex = 1

    with pytest.raises(RuntimeError, match="not that of the first subgraph"):
        RUNTIME.run(changed(dynamic, move), {"x": numbers(1, 4)})


# -- what it prints

SCRIPT = """
import sys
from pathlib import Path
import numpy as np
from kexport_runtimes.litert import RUNTIME
x = np.ones((2, 4), np.float32)
out = RUNTIME.run(Path(sys.argv[1]), {"x": x})["y"]
timed = RUNTIME.benchmark(Path(sys.argv[1]), {"x": x}, runs=2, threads=1)
Path(sys.argv[2]).write_text(f'{{"version": "{RUNTIME.version()}", "y": {out.tolist()}, "runs": {timed["runs"]}}}')
"""


def ran(python: Path | str, model: Path, **environment: str) -> tuple[str, dict[str, Any]]:
    """Whatever a process printed that ran ``model``, and its results."""
    results = model.with_name("results.json")
    command = [str(python), "-c", SCRIPT, str(model), str(results)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=os.environ | environment)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr, json.loads(results.read_text())


def test_nothing_is_printed(static: Path) -> None:
    printed, results = ran(sys.executable, static)
    assert results["version"] == RUNTIME.version()
    assert not printed


def test_all_but_info_is_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    with without_info():
        os.write(2, b"INFO: Created a delegate.\nWARNING: It is old.\n")
        os.write(1, b"INFO: of another kind\n")
        os.write(2, b"no end of line")
    os.write(2, b", and then\n")
    assert capfd.readouterr() == (
        "INFO: of another kind\n",
        "WARNING: It is old.\nno end of line, and then\n",
    )


@without_info()
def refuse() -> None:
    os.write(2, b"ERROR: why\n")
    raise RuntimeError("refused")


def test_stderr_comes_back_after_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    descriptors = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    with pytest.raises(RuntimeError, match="refused"):
        refuse()
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "ERROR: why\nafter\n"
    if descriptors:
        assert len(os.listdir("/proc/self/fd")) == descriptors


def test_a_process_without_stderr(static: Path) -> None:
    code = "import os, sys; os.close(2); sys.stderr = None\n" + SCRIPT
    command = [sys.executable, "-c", code, str(static), str(static.with_name("results.json"))]
    assert subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode == 0


# -- where it runs


def test_loading_it_imports_nothing_heavy() -> None:
    code = (
        "import sys, kexport_runtimes.litert as litert; litert.RUNTIME.available(); litert.RUNTIME.version()\n"
        "print([name for name in ('numpy', 'ai_edge_litert', 'kexport') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def hide(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    found = engines.find_spec
    monkeypatch.setattr(engines, "find_spec", lambda name: None if name in modules else found(name))


def test_without_an_engine(monkeypatch: pytest.MonkeyPatch, static: Path) -> None:
    hide(monkeypatch, "ai_edge_litert", "tflite_runtime")
    why = RUNTIME.available()
    assert why is not None
    assert "pip install 'kexport[litert]'" in why
    with pytest.raises(RuntimeError, match="pip install"):
        RUNTIME.version()
    with pytest.raises(RuntimeError, match="pip install"):
        RUNTIME.run(static, {"x": numbers(2, 4)})


@pytest.mark.parametrize(
    ("numpy", "why"),
    [
        ("1.26.4", None),
        ("2.1.0", "tflite-runtime needs NumPy 1, and NumPy 2.1.0 is installed: pip install 'numpy<2'"),
    ],
)
def test_the_older_engine_needs_the_older_numpy(
    monkeypatch: pytest.MonkeyPatch, numpy: str, why: str | None
) -> None:
    installed = {"numpy": numpy, "tflite-runtime": "2.14.0"}
    monkeypatch.setattr(engines, "find_spec", lambda name: object() if name == "tflite_runtime" else None)
    monkeypatch.setattr(engines.metadata, "version", installed.__getitem__)
    assert RUNTIME.available() == why
    if why is None:
        assert RUNTIME.version() == "tflite-runtime 2.14.0"


def test_a_nightly_build_says_its_own_version(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise engines.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(engines.metadata, "version", absent)
    assert RUNTIME.version().startswith("ai-edge-litert 2.")


def test_an_engine_that_does_not_load(monkeypatch: pytest.MonkeyPatch, static: Path) -> None:
    def broken(name: str) -> None:
        raise ImportError("libstdc++.so.6: version `GLIBCXX_3.4.32' not found")

    monkeypatch.setattr(engines, "import_module", broken)
    with pytest.raises(RuntimeError, match=r"ai-edge-litert is installed but can't be imported: libstdc"):
        RUNTIME.run(static, {"x": numbers(2, 4)})


@pytest.mark.slow
@pytest.mark.skipif(
    sys.version_info[:2] != (3, 11), reason="tflite-runtime 2.14.0 has no wheels after Python 3.11"
)
def test_the_older_engine_runs_our_files(static: Path) -> None:
    install = (
        "import subprocess, sys\n"
        "pip = [sys.argv[1] + '/bin/python', '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check']\n"
        "subprocess.run([*pip, 'tflite-runtime==2.14.0', 'numpy<2'], check=True)"
    )
    venv = made("tflite-runtime-2.14.0", scripts=[], packages=[], commands=[["-m", "venv"], ["-c", install]])
    printed, results = ran(venv / "bin" / "python", static, PYTHONPATH=str(ROOT / "runtimes"))
    assert results["version"] == "tflite-runtime 2.14.0"
    np.testing.assert_allclose(
        results["y"], RUNTIME.run(static, {"x": np.ones((2, 4), np.float32)})["y"], rtol=1e-6
    )
    assert not printed


# -- how fast it is


@pytest.mark.parametrize("threads", [1, 2])
def test_a_benchmark(dynamic: Path, threads: int) -> None:
    timed = RUNTIME.benchmark(dynamic, {"x": numbers(8, 4)}, runs=7, threads=threads)
    assert set(timed) == {"median", "fastest", "runs", "threads"}
    assert timed["runs"] == 7
    assert timed["threads"] == threads
    assert 0 < timed["fastest"] <= timed["median"] < 1


@pytest.mark.parametrize(("runs", "threads"), [(0, 1), (1, 0)])
def test_a_benchmark_of_nothing(dynamic: Path, runs: int, threads: int) -> None:
    with pytest.raises(ValueError, match=f"runs={runs}, threads={threads}"):
        RUNTIME.benchmark(dynamic, {"x": numbers(1, 4)}, runs=runs, threads=threads)


def test_a_benchmark_checks_its_inputs(dynamic: Path) -> None:
    with pytest.raises(ValueError, match="'x' is missing"):
        RUNTIME.benchmark(dynamic, {}, runs=1, threads=1)


def test_bfloat16_goes_in_and_out_as_float32(tmp_path: Path) -> None:
    """In a process of its own: here some test has imported ml_dtypes, without which LiteRT refuses such files."""
    emitted(tmp_path, {"x": TensorType("bfloat16", (1, 4))}, twice)
    script = (
        "import sys, pathlib, numpy as np; from kexport_runtimes.litert import RUNTIME; "
        "out = RUNTIME.run(pathlib.Path(sys.argv[1]), {'x': np.array([[1, 1.00390625, 3e38, -0.1]], np.float32)})['y']; "
        "print(out.dtype, out.tolist())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "model.tflite")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # 1.00390625 is halfway to the next bfloat16 and goes to the even one; twice 3e38 is no bfloat16.
    assert done.stdout.split(maxsplit=1)[0] == "float32"
    assert done.stdout.split(maxsplit=1)[1].strip() == "[[2.0, 2.0, inf, -0.2001953125]]"
