"""The file: where its buffers lie, its names and shapes, its bytes, half precision, and beyond 2 GB."""

from __future__ import annotations

import itertools
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as generated

from kexport.errors import UnsupportedOpError
from kexport.ir import Builder, Constant, TensorType, Value, symbol
from kexport_targets.tflite import writer
from support.graphs import expected, graph_from, graph_of
from targets.tflite.running import Model, emit, outputs_of

BATCH, TIME = symbol("batch"), symbol("time")


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def network(b: Builder, x: Value) -> list[Value]:
    """Weights of every kind: large, small, of odd sizes, equal ones, ints."""
    y = b.op("gather", b.constant(numbers(11, 7)), x)
    y = b.op("dense", y, b.constant(numbers(7, 130, seed=1)), b.constant(numbers(130, seed=2)))
    y = b.op("dense", y, b.constant(numbers(130, 33, seed=3)), None)
    y = b.op("add", y, b.constant(numbers(33, seed=4)))
    y = b.op("mul", y, b.op("tanh", b.op("add", y, b.constant(numbers(33, seed=4)))))
    total = b.op("cumsum", b.op("cast", x, dtype="int64"), axis=1)
    return [y, b.op("add", total, b.constant(np.arange(5), "int64"))]


TYPES = {"words": ("int32", (BATCH, 5))}


def table(path: Path) -> Any:
    """The file as ai-edge-litert's schema reads it."""
    return generated.ModelT.InitFromPackedBuf(path.read_bytes())


def places(path: Path) -> list[tuple[int, int]]:
    """(position in the file, bytes) of each buffer that holds something."""
    raw = path.read_bytes()
    model = generated.Model.GetRootAs(raw, 0)
    found = []
    for index in range(model.BuffersLength()):
        buffer = model.Buffers(index)
        if not buffer.DataIsNone():
            found.append((buffer._tab.Vector(buffer._tab.Offset(4)), buffer.DataLength()))
    return found


def test_every_buffer_is_aligned(tmp_path):
    found = places(emit(graph_from(TYPES, network), tmp_path))
    assert len(found) == 8
    for position, size in found:
        assert position % writer.ALIGNMENT == 0, (position, size)
    assert writer.ALIGNMENT % 16 == 0


def test_buffers_neither_overlap_nor_reach_beyond_the_file(tmp_path):
    path = emit(graph_from(TYPES, network), tmp_path)
    found = sorted(set(places(path)))
    for (position, size), (following, _) in itertools.pairwise(found):
        assert position + size <= following - 4
    assert sum(found[-1]) == path.stat().st_size


def test_the_first_buffer_is_empty_and_no_tensor_that_is_computed_has_another(tmp_path):
    model = table(emit(graph_from(TYPES, network), tmp_path))
    assert model.buffers[0].data is None
    (graph,) = model.subgraphs
    computed = {index for operator in graph.operators for index in operator.outputs} | set(graph.inputs)
    assert {graph.tensors[index].buffer for index in computed} == {0}
    for index, tensor in enumerate(graph.tensors):
        assert (tensor.buffer == 0) == (index in computed)


def test_two_emissions_have_the_same_bytes(tmp_path):
    for half in (False, True):
        one = emit(graph_from(TYPES, network), tmp_path / "one", float16=half).read_bytes()
        two = emit(graph_from(TYPES, network), tmp_path / "two", float16=half).read_bytes()
        assert one == two


def test_equal_constants_are_stored_once(tmp_path):
    def body(b: Builder, x: Value) -> Value:
        for _ in range(3):
            x = b.op("relu", b.op("dense", x, b.constant(numbers(64, 64)), None))
        return x

    path = emit(graph_from({"x": ("float32", (1, 64))}, body), tmp_path)
    assert 64 * 64 * 4 < path.stat().st_size < 64 * 64 * 4 * 1.5
    graph = graph_from({"x": ("float32", (1, 64))}, body)
    wanted = expected(graph, [numbers(1, 64)])
    np.testing.assert_allclose(outputs_of(graph, [numbers(1, 64)])[0][0], wanted[0], rtol=1e-4, atol=1e-3)


def test_names_and_their_order(tmp_path):
    def body(b: Builder, *values: Value) -> list[Value]:
        zeta, alpha, mid = values
        return [b.op("sub", alpha, zeta), b.op("add", mid, zeta), b.op("mul", alpha, mid)]

    graph = graph_from(dict.fromkeys(("zeta", "alpha/with:signs", "Größe"), ("float32", (2,))), body)
    graph.output_names[:] = ["third", "first", "second"]
    path = emit(graph, tmp_path)
    model = table(path)
    (signature,) = model.signatureDefs
    assert signature.signatureKey == b"serving_default"
    assert [entry.name.decode() for entry in signature.inputs] == ["zeta", "alpha/with:signs", "Größe"]
    assert [entry.name.decode() for entry in signature.outputs] == ["third", "first", "second"]
    (main,) = model.subgraphs
    assert [entry.tensorIndex for entry in signature.inputs] == list(main.inputs)
    assert [entry.tensorIndex for entry in signature.outputs] == list(main.outputs)
    zeta, alpha, size = numbers(2, seed=1), numbers(2, seed=2), numbers(2, seed=3)
    outputs = Model(path)({"zeta": zeta, "alpha/with:signs": alpha, "Größe": size})
    np.testing.assert_array_equal(outputs["third"], alpha - zeta)
    np.testing.assert_array_equal(outputs["first"], size + zeta)
    np.testing.assert_array_equal(outputs["second"], alpha * size)


def test_unknown_lengths_in_the_signature(tmp_path):
    types = {"x": ("float32", (BATCH, 3, TIME)), "y": ("float32", (2, 3, 1))}
    path = emit(graph_from(types, lambda b, x, y: b.op("relu", b.op("reduce_sum", x, axes=(1,)))), tmp_path)
    tensors = {tensor["name"]: tensor for tensor in Model(path).tensors()}
    assert list(tensors["x"]["shape"]) == [1, 3, 1]
    assert list(tensors["x"]["shape_signature"]) == [-1, 3, -1]
    assert list(tensors["y"]["shape_signature"]) == list(tensors["y"]["shape"]) == [2, 3, 1]
    (main,) = table(path).subgraphs
    assert [list(main.tensors[index].shapeSignature) for index in main.outputs] == [[-1, -1]]


def test_a_name_a_tensor(tmp_path):
    (main,) = table(emit(graph_from(TYPES, network), tmp_path)).subgraphs
    names = [
        main.tensors[index].name for index in range(len(main.tensors)) if main.tensors[index].buffer == 0
    ]
    assert len(set(names)) == len(names)


def test_what_reads_nothing_and_outputs_that_are_inputs():
    """An input handed on, twice, and a constant."""
    x = numbers(2, 3)
    graph = graph_from(
        {"x": ("float32", (BATCH, 3)), "unused": ("int32", (4,))},
        lambda b, v, _: [v, b.op("relu", v), v, b.constant(np.float32([1, 2]))],
    )
    first, second, third, fourth = outputs_of(graph, [x, np.zeros(4, np.int32)])[0]
    np.testing.assert_array_equal(first, x)
    np.testing.assert_array_equal(second, np.maximum(x, 0))
    np.testing.assert_array_equal(third, x)
    np.testing.assert_array_equal(fourth, [1, 2])


@pytest.mark.parametrize(
    "dtype",
    [
        "float16",
        "float32",
        "float64",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "bool",
        "bfloat16",
    ],
)
def test_constants_of_every_dtype(dtype):
    held = np.asarray([0, 1, 3, 100])
    graph = graph_from({"x": ("int32", (1,))}, lambda b, x: [x, b.constant(held, dtype)])
    computed = outputs_of(graph, [np.zeros(1, np.int32)])[0][1]
    in_file = graph.outputs[1].dtype
    assert computed.dtype == (ml_dtypes.bfloat16 if in_file == "bfloat16" else in_file)
    np.testing.assert_array_equal(computed.astype(np.float64), held.astype(bool) if dtype == "bool" else held)


def test_bfloat16_is_rounded_to_even():
    held = np.float32([1.00390625, 1.01171875, -1.0039063, 3.4e38, 1e-40, np.inf, -np.inf, np.nan, -0.0])
    stored = np.frombuffer(writer.contents(Constant.of(held, "bfloat16")), ml_dtypes.bfloat16)
    with np.errstate(over="ignore"):
        rounded = held.astype(ml_dtypes.bfloat16)
    np.testing.assert_array_equal(stored.astype(np.float32), rounded.astype(np.float32))


def test_an_empty_constant():
    empty = np.zeros((0, 3), np.float32)
    graph = graph_from({"x": ("float32", (2, 3))}, lambda b, x: b.op("concat", x, b.constant(empty), axis=0))
    np.testing.assert_array_equal(outputs_of(graph, [numbers(2, 3)])[0][0], numbers(2, 3))


# Half precision.


def wide_network(b: Builder, x: Value) -> Value:
    for seed in range(3):
        x = b.op(
            "relu", b.op("dense", x, b.constant(numbers(256, 256, seed=seed) / 16), b.constant(numbers(256)))
        )
    image = b.op("reshape", x, shape=(BATCH, 16, 16, 1))
    window = {"strides": (1, 1), "padding": "same", "dilations": (1, 1)}
    image = b.op("conv", image, b.constant(numbers(3, 3, 1, 32)), b.constant(numbers(32)), **window)
    return b.op("depthwise_conv", image, b.constant(numbers(3, 3, 32, 1)), None, **window)


def test_float16_takes_half_and_computes_nearly_the_same(tmp_path):
    types = {"x": ("float32", (BATCH, 256))}
    whole, half = (
        emit(graph_from(types, wide_network), tmp_path / str(on), float16=on) for on in (False, True)
    )
    assert half.stat().st_size < 0.52 * whole.stat().st_size
    x = numbers(3, 256)
    wanted = Model(whole)({"x": x})["y0"]
    computed = Model(half)({"x": x})["y0"]
    assert np.abs(computed - wanted).max() <= 5e-3 * np.ptp(wanted)
    assert np.abs(computed - wanted).max() > 0


def test_float16_leaves_small_constants_and_integers_alone(tmp_path):
    (main,) = table(emit(graph_from(TYPES, network), tmp_path, float16=True)).subgraphs
    kinds = {name: number for name, number in vars(generated.TensorType).items() if name.isupper()}
    held = [tensor for tensor in main.tensors if tensor.buffer]
    for tensor in held:
        large = np.prod(tensor.shape) > 64
        assert (tensor.type == kinds["FLOAT16"]) == (
            large and tensor.type not in (kinds["INT32"], kinds["INT64"])
        )


@pytest.mark.parametrize("greatest", [70000.0, -1e30, np.inf])
def test_weights_that_float16_cannot_hold_are_refused(greatest, tmp_path):
    kernel = numbers(16, 16)
    kernel[3, 4] = greatest
    graph = graph_from(
        {"x": ("float32", (1, 16))}, lambda b, x: b.op("dense", x, b.constant(kernel, name="kernel"), None)
    )
    with pytest.raises(UnsupportedOpError, match=r"'kernel' holds .*, more than float16 can") as caught:
        emit(graph, tmp_path, float16=True)
    assert "without float16" in caught.value.hint


# Models beyond 2 GB.


def lazy(rows: int, columns: int, index: int) -> Constant:
    """A table whose row r holds r + index * 1e6, made when it is asked for."""

    def read() -> np.ndarray:
        first = np.arange(rows, dtype=np.float32)[:, None] + np.float32(index * 1e6)
        return np.repeat(first, columns, axis=1)

    return Constant.lazy("float32", (rows, columns), read)


def tables(rows: int, columns: int, count: int):
    def body(b: Builder, x: Value) -> list[Value]:
        return [
            b.op("gather", b.constant(lazy(rows, columns, index), name=f"table{index}"), x)
            for index in range(count)
        ]

    return graph_from({"x": ("int32", (3,))}, body)


def check_tables(path: Path, rows: int, columns: int, count: int) -> None:
    x = np.asarray([0, 7, rows - 1], np.int32)
    outputs = Model(path)({"x": x})
    for index in range(count):
        wanted = np.repeat(x.astype(np.float32)[:, None] + np.float32(index * 1e6), columns, axis=1)
        np.testing.assert_array_equal(outputs[f"y{index}"], wanted)


def test_contents_outside_of_the_flatbuffer(tmp_path, monkeypatch):
    """What models beyond 2 GB do, in a small one."""
    monkeypatch.setattr(writer, "FLATBUFFER_LIMIT", 1000)
    path = emit(tables(100, 8, 5), tmp_path)
    model = generated.Model.GetRootAs(path.read_bytes(), 0)
    for index in range(1, model.BuffersLength()):
        buffer = model.Buffers(index)
        assert buffer.DataIsNone()
        assert buffer.Offset() % writer.ALIGNMENT == 0
        assert buffer.Size() == 100 * 8 * 4 or buffer.Size() <= 64
    check_tables(path, 100, 8, 5)
    assert path.read_bytes() == emit(tables(100, 8, 5), tmp_path / "again").read_bytes()


def test_fields_that_are_filled_in_later(tmp_path):
    path = emit(tables(100, 8, 2), tmp_path)
    raw = path.read_bytes()
    found = sorted(set(places(path)))
    for position, size in found:
        assert struct.unpack_from("<I", raw, position - 4) == (size,)


@pytest.mark.slow
def test_a_model_of_more_than_2_gb(tmp_path):
    rows, columns, count = 250_000, 128, 18
    graph = tables(rows, columns, count)
    tracemalloc.start()
    try:
        path = emit(graph, tmp_path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    try:
        assert path.stat().st_size > 2**31
        assert peak < 3 * rows * columns * 4
        check_tables(path, rows, columns, count)
    finally:
        path.unlink()


def test_several_signatures_share_their_weights(tmp_path):
    from ai_edge_litert.interpreter import Interpreter

    from kexport_targets.tflite.emit import emit_program
    from kexport_targets.tflite.legalize import legalize

    def body(b: Builder, x: Value) -> dict[str, Value]:
        b.origin = "first"
        y = b.op("tanh", b.op("dense", x, b.constant(numbers(5, 400)), b.constant(numbers(400, seed=1))))
        b.origin = "second"
        return {"y": b.op("dense", y, b.constant(numbers(400, 3, seed=2)), None)}

    graph = legalize(graph_of({"x": TensorType("float32", (1, 5))}, body, ["first"]), {})
    inside = graph.copy()
    inside.outputs.append(inside.layer_outputs["first"])
    inside.output_names.append("first")
    one, two = tmp_path / "one.tflite", tmp_path / "two.tflite"
    writer.write(emit_program(graph), one)
    writer.write(emit_program(graph, also={"inside": inside}), two)
    assert two.stat().st_size - one.stat().st_size < 2000
    interpreter = Interpreter(str(two), num_threads=1)
    assert set(interpreter.get_signature_list()) == {"inside", "serving_default"}
    x = numbers(1, 5, seed=3)
    both = interpreter.get_signature_runner("inside")(x=x)
    alone = interpreter.get_signature_runner("serving_default")(x=x)
    assert both.keys() == {"y", "first"}
    np.testing.assert_array_equal(both["y"], alone["y"])
    hidden = np.tanh(x @ numbers(5, 400) + numbers(400, seed=1))
    np.testing.assert_allclose(both["first"], hidden, atol=1e-5)
