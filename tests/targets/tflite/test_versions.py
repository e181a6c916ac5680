"""The versions of operators: those that old runtimes know."""

from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as generated

from kexport.ir import Builder, Value, symbol
from kexport_targets.tflite import schema, versions
from support.graphs import graph_from
from targets.tflite.running import emit

#: (lowest, highest) version that tflite-runtime 2.14.0 registers, the last release of it; builtins not named have one. Seen by
#: loading a model of each version there, and as in tensorflow/lite/core/kernels/register.cc of TensorFlow 2.14.
REGISTERED = {
    "ABS": (1, 5), "ADD": (1, 5), "ARG_MAX": (1, 3), "ARG_MIN": (1, 3), "AVERAGE_POOL_2D": (1, 3), "BATCH_MATMUL": (1, 4),
    "BROADCAST_TO": (2, 3), "CAST": (1, 5), "CONCATENATION": (1, 4), "CONV_2D": (1, 7), "DEPTHWISE_CONV_2D": (1, 7),
    "DEQUANTIZE": (1, 5), "DIV": (1, 2), "EQUAL": (1, 4), "EXP": (1, 2), "FLOOR_DIV": (1, 3), "FLOOR_MOD": (1, 2),
    "FULLY_CONNECTED": (1, 10), "GATHER": (1, 6), "GELU": (1, 2), "GREATER": (1, 2), "GREATER_EQUAL": (1, 3),
    "LEAKY_RELU": (1, 2), "LESS": (1, 3), "LESS_EQUAL": (1, 2), "LOGISTIC": (1, 3), "LOG_SOFTMAX": (1, 2),
    "MAXIMUM": (1, 4), "MAX_POOL_2D": (1, 3), "MEAN": (1, 3), "MINIMUM": (1, 4), "MIRROR_PAD": (1, 3), "MUL": (1, 7),
    "NOT_EQUAL": (1, 3), "PACK": (1, 4), "PAD": (1, 4), "PADV2": (1, 4), "REDUCE_MAX": (1, 3), "REDUCE_MIN": (1, 3),
    "REDUCE_PROD": (1, 2), "RELU": (1, 3), "RELU6": (1, 3), "RESIZE_BILINEAR": (1, 4), "RESIZE_NEAREST_NEIGHBOR": (1, 4),
    "REVERSE_V2": (1, 3), "RSQRT": (1, 2), "SELECT_V2": (1, 2), "SIGN": (1, 2), "SLICE": (1, 6), "SOFTMAX": (1, 3),
    "SPLIT": (1, 4), "SPLIT_V": (1, 2), "SQUARED_DIFFERENCE": (1, 2), "SQUEEZE": (1, 2), "STRIDED_SLICE": (1, 8),
    "SUB": (1, 5), "SUM": (1, 2), "TANH": (1, 3), "TILE": (1, 3), "TRANSPOSE": (1, 6), "TRANSPOSE_CONV": (1, 4), "TOPK_V2": (1, 2),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (1, 4),
}  # fmt: skip
NAMES = {number: name for name, number in schema.BUILTINS.items()}


def written(path) -> dict[str, int]:
    """The highest version of each builtin in the file."""
    model = generated.ModelT.InitFromPackedBuf(path.read_bytes())
    found: dict[str, int] = {}
    for code in model.operatorCodes:
        name = NAMES[code.builtinCode]
        found[name] = max(found.get(name, 0), code.version)
        assert code.deprecatedBuiltinCode == min(code.builtinCode, 127)
    return found


def assert_known(found: dict[str, int]) -> None:
    for name, version in found.items():
        low, high = REGISTERED.get(name, (1, 1))
        assert low <= version <= high, f"{name} {version}"


@pytest.mark.parametrize("table", ["_BY_DTYPE", "_BY_RANK", "_BROADCAST_RANK", "_LEAST"])
def test_tables_name_builtins(table):
    assert getattr(versions, table).keys() <= schema.BUILTINS.keys()


def test_tables_hold_no_version_that_is_not_registered():
    # uint32 is newer than 2.14 in some; so is bfloat16.
    for name, kinds in versions._BY_DTYPE.items():
        for dtype, version in kinds.items():
            if dtype not in ("uint32", "string"):
                assert version <= REGISTERED.get(name, (1, 1))[1], (name, dtype)


def image_model(b: Builder, x: Value) -> list[Value]:
    def weights(*shape: int) -> Value:
        return b.constant(np.ones(shape, np.float32))

    window = {"strides": (1, 1), "padding": "same", "dilations": (1, 1)}
    y = b.op("relu", b.op("conv", x, weights(3, 3, 4, 8), weights(8), **window))
    y = b.op("depthwise_conv", y, weights(3, 3, 8, 1), weights(8), **{**window, "dilations": (2, 2)})
    y = b.op("conv", y, weights(1, 1, 4, 8), weights(8), groups=2, **window)
    y = b.op("max_pool", y, window=(2, 2), strides=(2, 2), padding="same")
    y = b.op("avg_pool", y, window=(3, 3), strides=(1, 1), padding=((1, 1), (1, 1)))
    crops = {"strides": (2, 2), "crops": ((0, 1), (0, 1)), "dilations": (1, 1)}
    y = b.op("conv_transpose", y, weights(3, 3, 8, 8), weights(8), **crops)
    y = b.op("resize", y, size=(8, 8), method="bilinear")
    y = b.op("resize", y, size=(16, 16), method="nearest")
    y = b.op("pad", y, pads=((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    y = b.op("gelu", b.op("leaky_relu", b.op("hard_swish", b.op("elu", y)), alpha=0.1))
    y = b.op("reduce_mean", y, axes=(1, 2))
    y = b.op("dense", y, weights(8, 12), weights(12), activation="relu")
    return [b.op("softmax", y, axis=1), b.op("argmax", y, axis=1, dtype="int64")]


def sequence_model(b: Builder, x: Value) -> list[Value]:
    y = b.op("gather", b.constant(np.ones((20, 8), np.float32)), x)
    normal = b.op("layer_norm", y, axes=(2,), epsilon=1e-5)
    split = b.op("reshape", normal, shape=(*x.shape, 2, 4))
    heads = b.op("transpose", split, perm=(0, 2, 1, 3))
    scores = b.op("matmul", heads, heads, transpose_b=True)
    mask = b.op("not_equal", x, b.constant(np.int32(0)))
    reached = b.op(
        "select",
        b.op("reshape", mask, shape=(x.shape[0], 1, 1, x.shape[1])),
        scores,
        b.constant(np.float32(-1e9)),
    )
    mixed = b.op("matmul", b.op("softmax", reached, axis=3), heads)
    dense = b.op("dense", mixed, b.constant(np.ones((4, 6), np.float32)), None)
    last = b.op("slice", dense, begin=(0, 0, -1, 0), end=(None,) * 4, strides=(1, 1, 1, 1))
    total = b.op("cumsum", b.op("cast", mask, dtype="int32"), axis=1)
    joined = b.op("concat", last, b.op("reverse", last, axes=(1,)), axis=1)
    return [
        joined,
        total,
        b.op("one_hot", x, depth=5),
        *b.ops("split", b.op("tile", joined, multiples=(1, 1, 2, 1)), axis=3, sizes=(2, 4)),
    ]


@pytest.mark.parametrize("float16", [False, True])
@pytest.mark.parametrize("batch", [1, symbol("batch")])
def test_models_hold_operators_that_every_runtime_knows(batch, float16, tmp_path):
    images = graph_from({"x": ("float32", (batch, 16, 16, 4))}, image_model)
    assert_known(written(emit(images, tmp_path / "images", float16=float16)))
    texts = graph_from({"x": ("int32", (batch, symbol("time")))}, sequence_model)
    assert_known(written(emit(texts, tmp_path / "texts", float16=float16)))


def test_each_version_is_the_lowest_of_its_use(tmp_path):
    found = written(emit(graph_from({"x": ("float32", (1, 16, 16, 4))}, image_model), tmp_path))
    # op_version.cc of TensorFlow: dilation is 2, groups 6, a bias of TRANSPOSE_CONV 3, half-pixel centres 3.
    assert found["DEPTHWISE_CONV_2D"] == 2
    assert found["CONV_2D"] == 6
    assert found["TRANSPOSE_CONV"] == 3
    assert found["RESIZE_BILINEAR"] == found["RESIZE_NEAREST_NEIGHBOR"] == 3
    assert found["FULLY_CONNECTED"] == found["SOFTMAX"] == found["MEAN"] == found["MAX_POOL_2D"] == 1


@pytest.mark.parametrize(
    ("op", "dtype", "builtin", "version"),
    [
        ("add", "int64", "ADD", 4), ("sub", "int64", "SUB", 4), ("mul", "int64", "MUL", 5), ("mul", "float32", "MUL", 1),
        ("maximum", "int32", "MAXIMUM", 1), ("equal", "bool", "EQUAL", 1), ("floor_div", "int32", "FLOOR_DIV", 1),
    ],
)  # fmt: skip
def test_versions_by_dtype(op, dtype, builtin, version, tmp_path):
    graph = graph_from({"a": (dtype, (2, 3)), "b": (dtype, (3,))}, lambda b, x, y: b.op(op, x, y))
    assert written(emit(graph, tmp_path)) == {builtin: version}
