"""Artifacts run on golden samples, in the artifact's batch."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import pytest

from kexport.errors import MissingDependencyError, UsageError, VerificationError
from kexport.ir import Builder, Graph, TensorType, Value, symbol
from kexport.ir.evaluate import evaluate
from kexport.reference import Golden
from kexport.verification import verify
from kexport.verification.bounds import output_bounds, reference_tolerance
from support.graphs import graph_of
from support.numpy_runtime import NumpyRuntime

META = {"keras": "3.0", "backend": "numpy", "library": "keras"}


def model(batch: object, dtype: str = "float32") -> Graph:
    def body(b: Builder, x: Value, ids: Value) -> Mapping[str, Value]:
        kernel = b.constant(np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3))
        hidden = b.op("dense", x, kernel)
        return {
            "probabilities": b.op("softmax", hidden, axis=1),
            "double": b.op("add", ids, ids),
        }

    shapes = {"x": TensorType("float32", (batch, 4)), "ids": TensorType(dtype, (batch, 2))}
    return graph_of(shapes, body)


def golden(samples: int = 5) -> Golden:
    random = np.random.RandomState(0)
    x = random.standard_normal((samples, 4)).astype(np.float32)
    ids = random.randint(0, 9, (samples, 2)).astype(np.int32)
    outputs = evaluate(model(symbol("batch")), [x, ids])
    return Golden(
        {"x": x, "ids": ids}, dict(zip(("probabilities", "double"), outputs, strict=True)), {}, META
    )


@pytest.mark.parametrize(
    ("batch", "expected"), [(1, [1, 1, 1, 1, 1]), (2, [2, 2, 2]), (8, [8]), (symbol("batch"), [5])]
)
def test_samples_run_in_chunks_of_the_artifacts_batch(batch: object, expected: list[int]) -> None:
    runtime = NumpyRuntime()
    verdict = verify(runtime.build(model(batch)), runtime, golden(), tolerance=1e-6)
    assert runtime.batches == expected
    assert verdict.passed
    assert [row.name for row in verdict.rows] == ["probabilities", "double"]
    assert verdict.samples == 5
    assert (verdict.runtime, verdict.reference) == ("numpy 0", "Keras 3.0 (numpy)")


def test_a_wrong_artifact_does_not_pass() -> None:
    def scale(graph: Graph) -> None:
        constant = graph.nodes[0].inputs[1]
        assert constant is not None
        assert constant.constant is not None
        constant.constant = constant.constant.map(lambda array: array * np.float32(1.001))

    runtime = NumpyRuntime(scale)
    verdict = verify(runtime.build(model(1)), runtime, golden(), tolerance=1e-5)
    assert not verdict.passed
    assert verdict.worst.name == "probabilities"
    assert verdict.rows[1].passed
    assert "of the output's range" in verdict.problems[0]
    assert len(verdict.problems) == 1
    assert json.loads(json.dumps(verdict.to_dict(), allow_nan=False))["passed"] is False


def test_the_worst_sample_is_the_one_that_is_wrong() -> None:
    given = golden()
    given.outputs["probabilities"][3] += np.float32(0.01)
    runtime = NumpyRuntime()
    verdict = verify(runtime.build(model(1)), runtime, given, tolerance=1e-5)
    assert verdict.worst.worst_sample == 3


def test_infinite_errors_are_null_in_the_manifest() -> None:
    given = golden()
    wrong = Golden(
        given.inputs, {**given.outputs, "probabilities": given.outputs["probabilities"][:, :2]}, {}, META
    )
    runtime = NumpyRuntime()
    verdict = verify(runtime.build(model(1)), runtime, wrong, tolerance=1e-5)
    assert not verdict.passed
    assert verdict.to_dict()["outputs"][0]["max_abs_error"] is None
    json.dumps(verdict.to_dict(), allow_nan=False)


def test_warnings_name_nan_outputs() -> None:
    given = golden()
    x = given.inputs["x"].copy()
    x[0] = np.nan
    outputs = dict(
        zip(given.outputs, evaluate(model(symbol("batch")), [x, given.inputs["ids"]]), strict=True)
    )
    runtime = NumpyRuntime()
    verdict = verify(
        runtime.build(model(1)), runtime, Golden({**given.inputs, "x": x}, outputs, {}, META), tolerance=1e-5
    )
    assert verdict.passed
    assert "'probabilities' is NaN in 3 elements" in verdict.warnings[0]


def test_integers_are_cast_when_nothing_is_lost() -> None:
    runtime = NumpyRuntime()
    assert verify(runtime.build(model(1, "int64")), runtime, golden(), tolerance=1e-6).passed
    large = Golden({**golden().inputs, "ids": np.full((5, 2), 300)}, golden().outputs, {}, META)
    with pytest.raises(UsageError, match="'ids' of the artifact is int8"):
        verify(runtime.build(model(1, "int8")), runtime, large, tolerance=1e-6)


def test_golden_vectors_of_another_model_are_refused() -> None:
    runtime = NumpyRuntime()
    artifact = runtime.build(model(1))
    given = golden()
    with pytest.raises(UsageError, match=r"its inputs are x, ids\. Received: x$"):
        verify(artifact, runtime, Golden({"x": given.inputs["x"]}, given.outputs), tolerance=1)
    with pytest.raises(UsageError, match=r"shape \(1, 4\)"):
        verify(artifact, runtime, Golden({**given.inputs, "x": np.zeros((5, 7))}, given.outputs), tolerance=1)
    with pytest.raises(UsageError, match=r"its outputs are probabilities, double\. Received: probabilities$"):
        verify(
            artifact,
            runtime,
            Golden(given.inputs, {"probabilities": given.outputs["probabilities"]}),
            tolerance=1,
        )


def test_golden_vectors_under_other_names_are_taken_by_position() -> None:
    given = golden()
    other = Golden(
        {"input_1": given.inputs["x"], "input_2": given.inputs["ids"]},
        {"dense_1": given.outputs["probabilities"], "add_1": given.outputs["double"]},
    )
    runtime = NumpyRuntime()
    verdict = verify(runtime.build(model(1)), runtime, other, tolerance=1e-6)
    assert verdict.passed
    assert [row.name for row in verdict.rows] == ["probabilities", "double"]
    half = Golden({"x": given.inputs["x"], "input_2": given.inputs["ids"]}, given.outputs)
    with pytest.raises(UsageError, match="another model"):
        verify(runtime.build(model(1)), runtime, half, tolerance=1e-6)


def test_golden_vectors_in_another_order_are_taken_by_name() -> None:
    given = golden()
    turned = Golden(dict(reversed(given.inputs.items())), dict(reversed(given.outputs.items())))
    runtime = NumpyRuntime()
    assert verify(runtime.build(model(1)), runtime, turned, tolerance=1e-6).passed


def test_a_missing_runtime_says_what_to_install() -> None:
    runtime = NumpyRuntime()
    artifact = runtime.build(model(1))
    runtime.missing = "pip install it"
    with pytest.raises(MissingDependencyError, match="pip install it"):
        verify(artifact, runtime, golden(), tolerance=1)


def test_a_runtime_that_refuses_the_artifact_fails_the_export() -> None:
    class Refusing(NumpyRuntime):
        def run(self, artifact: object, inputs: object) -> dict[str, np.ndarray]:
            raise RuntimeError("op 77 is not there")

    runtime = Refusing()
    with pytest.raises(VerificationError, match="op 77"):
        verify(runtime.build(model(1)), runtime, golden(), tolerance=1)


def test_an_artifact_without_an_output_fails_the_export() -> None:
    class Forgetting(NumpyRuntime):
        def run(self, artifact: object, inputs: object) -> dict[str, np.ndarray]:
            return {"probabilities": np.zeros((1, 3))}

    runtime = Forgetting()
    with pytest.raises(VerificationError, match="double is missing"):
        verify(runtime.build(model(1)), runtime, golden(), tolerance=1)


def test_bounded_outputs_are_known() -> None:
    assert output_bounds(model(1)) == {"probabilities": 1.0}


def test_a_reference_in_half_precision_is_no_more_exact_than_that() -> None:
    def model(dtype: str) -> Graph:
        return graph_of({"x": TensorType(dtype, (2,))}, lambda b, x: {"y": b.op("tanh", x)})

    assert reference_tolerance(model("float32")) == 0
    assert reference_tolerance(model("float16")) == 5e-3
    assert reference_tolerance(model("bfloat16")) == 4e-2


def test_inputs_that_are_quantized_may_fall_to_the_next_level() -> None:
    def model(*ops: str) -> Graph:
        def body(b: Builder, x: Value) -> dict[str, Value]:
            for op in ops:
                x = b.ops(op, x, axes=(1,))[0] if op == "absmax_quantize" else b.op(op, x)
            return {"y": x}

        return graph_of({"x": TensorType("float32", (2, 3))}, body)

    assert reference_tolerance(model("tanh", "absmax_quantize")) == 1 / 127
    assert reference_tolerance(model("tanh", "round_float8")) == 2**-4
    # The model's own inputs are the same on both sides, to the bit.
    assert reference_tolerance(model("absmax_quantize", "tanh")) == 0
    assert reference_tolerance(model("identity", "round_float8")) == 0
