"""Every operator set: the checker and strict shape inference pass, and ONNX Runtime computes what the graph means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from kexport.errors import UnsupportedOpError
from kexport.ir import Graph, dims
from kexport_runtimes.onnxruntime import RUNTIME
from kexport_targets.onnx import schema
from support.graphs import expected, graph_from
from support.op_cases import CASES, arrays_of, compare, op_of
from targets.onnx.complete import emitted
from targets.onnx.test_kernels_by_dtype import refused_before

OPSETS = sorted(schema.IR_VERSIONS)

#: Operators that changed between operator sets, and those that most models are made of.
REPRESENTATIVE = (
    *("reduce_mean", "reduce_sum", "layer_norm", "rms_norm", "attention", "gelu", "hard_swish", "pad", "split", "resize", "softmax", "avg_pool"),
    *("max_pool", "conv", "conv_transpose", "depthwise_conv", "dense", "matmul", "cumsum", "top_k", "gather", "select"),
    *("reshape", "slice", "squeeze", "expand_dims", "cast to int32", "clip", "mod", "equal", "argmax as int64", "isinf"),
)  # fmt: skip


def check_file(path: Path, opset: int) -> None:
    """The official checker's full check, and inference that stops at what does not fit, values of shapes followed, too."""
    model = onnx.load(path)
    assert model.opset_import[0].version == opset
    onnx.checker.check_model(model, full_check=True)
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)


def check_case(name: str, dtype: str, opset: int, folder: Path) -> None:
    case = CASES[name]
    graph = graph_from({f"x{i}": (dtype, case.shape) for i in range(case.inputs)}, case.body)
    arrays = arrays_of(case, dtype)
    truth = expected(graph, arrays)
    path = emitted(graph, folder, opset=opset).main
    check_file(path, opset)
    outputs = RUNTIME.run(path, {f"x{i}": array for i, array in enumerate(arrays)})
    for index, array in enumerate(truth):
        compare(outputs[f"y{index}"], array, dtype, case.slack)


@pytest.mark.parametrize("opset", OPSETS)
def test_representative_operators(opset: int, tmp_path: Path) -> None:
    for name in REPRESENTATIVE:
        check_case(name, "float32", opset, tmp_path / name.replace(" ", "_"))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "int32", "int64", "float16", "bool"])
@pytest.mark.parametrize("opset", OPSETS)
def test_all_operators(opset: int, dtype: str, tmp_path: Path) -> None:
    for index, (name, case) in enumerate(CASES.items()):
        if dtype in case.dtypes and not refused_before(name, dtype, opset):
            check_case(name, dtype, opset, tmp_path / str(index))


def _optimized(path: Path) -> set[str]:
    """The operators that ONNX Runtime computes."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(path.with_suffix(".optimized.onnx"))
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(path), options)
    return {node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node}


@pytest.mark.parametrize("opset", [13, 17, 18, 20, 23])
def test_what_an_operator_set_lacks_is_one_kernel_in_onnx_runtime_all_the_same(
    opset: int, tmp_path: Path
) -> None:
    def body(b: Any, x: Any) -> Any:
        scale, offset = (b.constant(np.linspace(low, 1, 8, dtype=np.float32)) for low in (0.5, -1))
        normal = b.op("layer_norm", x, scale, offset, axes=(2,), epsilon=1e-3)
        return b.op("rms_norm", b.op("gelu", normal), scale, axes=(2,), epsilon=1e-6)

    graph: Graph = graph_from({"x": ("float32", (dims.symbol("batch"), 3, 8))}, body)
    computed = _optimized(emitted(graph, tmp_path, opset=opset).main)
    root_mean_square = "RMSNormalization" if opset >= 23 else "SimplifiedLayerNormalization"
    assert computed == {"LayerNormalization", "Gelu", root_mean_square}


@pytest.mark.parametrize("opset", [22, 23, 24, 25])
def test_attention_where_there_is_a_kernel(opset: int, tmp_path: Path) -> None:
    case, dtype = CASES["attention"], "float32"
    graph = graph_from({f"x{i}": (dtype, case.shape) for i in range(case.inputs)}, case.body)
    counted = emitted(graph, tmp_path, opset=opset).details["ops"].get("Attention", 0)
    assert counted == (len(graph.outputs) if opset in (23, 24) else 0)
    check_case("attention", dtype, opset, tmp_path / "run")


@pytest.mark.parametrize(
    ("name", "dtype", "first"), [("bitwise_xor", "int32", 18), ("bitcast to int32", "float32", 26)]
)
def test_what_only_later_operator_sets_have(name: str, dtype: str, first: int, tmp_path: Path) -> None:
    case = CASES[name]

    def graph() -> Graph:
        return graph_from({f"x{i}": (dtype, case.shape) for i in range(case.inputs)}, case.body)

    for asked, taken in ((None, first), (first + 1, first + 1), ("latest", schema.NEWEST_OPSET)):
        artifact = emitted(graph(), tmp_path / str(asked), opset=asked)
        assert artifact.details["opset"] == taken
        check_file(artifact.main, taken)
    text = rf"(?s)from {first} on.*Received: opset {first - 1}.*--opset {first}"
    with pytest.raises(UnsupportedOpError, match=text):
        emitted(graph(), tmp_path / "early", opset=first - 1)
    assert refused_before(name, dtype, first - 1)
    assert op_of(name) == name.split(" ", maxsplit=1)[0]
