"""The driver: order, shared and nested models, names of dimensions, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kexport.errors import LoweringError, UnknownLayerError, UsageError
from kexport.ir import symbol
from kexport.ir.evaluate import evaluate
from kexport.loading.spec import CallSpec, TensorRef
from kexport.lowering import lower
from kexport.lowering.driver import lowered_so_far
from kexport.lowering.order import by_depth, in_order
from lowering.specs import KERAS2, input_layer, layer, model, one_layer

X = TensorRef("x")


def dense(name, *calls, weight=2.0, **more):
    return layer(
        name,
        "Dense",
        *calls,
        weights={"kernel": [[weight]]},
        units=1,
        use_bias=False,
        activation="linear",
        **more,
    )


def test_layers_are_lowered_in_the_order_of_their_tensors_whatever_order_they_stand_in():
    spec = model(
        [dense("last", TensorRef("first")), dense("first", X, weight=5.0), input_layer("x", (None, 1))],
        ["x"],
        ["last"],
    )
    graph = lower(spec)
    assert [node.origin for node in graph.nodes] == ["first", "last"]
    np.testing.assert_allclose(evaluate(graph, [np.ones((1, 1), np.float32)])[0], [[10.0]])


def test_a_shared_layer_has_an_output_a_call_and_its_weights_once():
    shared = dense("shared", X, TensorRef("shared"), TensorRef("shared", 1))
    graph = lower(model([input_layer("x", (None, 1)), shared], ["x"], [TensorRef("shared", 2)]))
    assert list(graph.layer_outputs) == ["shared", "shared:1", "shared:2"]
    assert len(list(graph.constants())) == 1
    np.testing.assert_allclose(evaluate(graph, [np.ones((1, 1), np.float32)])[0], [[8.0]])


def test_what_comes_before_a_layer_that_is_not_known_is_known() -> None:
    layers = [
        input_layer("x", (None, 1)),
        dense("first", X),
        layer("strange", "Telepathy", TensorRef("first")),
        dense("last", TensorRef("strange")),
    ]
    inputs, outputs = lowered_so_far(model(layers, ["x"], ["last"]), batch=None)
    assert [value.shape for value in inputs] == [(symbol("batch"), 1)]
    assert {name: value.shape for name, value in outputs.items()} == {"first": (symbol("batch"), 1)}


@pytest.mark.parametrize(
    ("ref", "problem"), [(TensorRef("first", 0, 3), "no output 3"), (TensorRef("last"), "its own output")]
)
def test_a_tensor_comes_from_an_earlier_call(ref: TensorRef, problem: str) -> None:
    layers = [input_layer("x", (None, 1)), dense("first", X), dense("last", ref)]
    with pytest.raises(LoweringError, match=problem):
        lower(model(layers, ["x"], ["last"]))


def test_a_nested_model_called_twice_numbers_its_layers_calls():
    inner = model([input_layer("y", (None, 1)), dense("d", TensorRef("y"), path="inner/d")], ["y"], ["d"])
    outer = model(
        [input_layer("x", (None, 1)), layer("inner", "Functional", X, TensorRef("inner"), model=inner)],
        ["x"],
        [TensorRef("inner", 1)],
    )
    graph = lower(outer)
    assert list(graph.layer_outputs) == ["inner/d", "inner", "inner/d:1", "inner:1"]
    assert {node.origin for node in graph.nodes} == {"inner/d"}


def test_a_nested_model_casts_to_its_inputs_dtype_and_fits_the_rank():
    inner = model(
        [input_layer("y", (None, 3, 1)), layer("i", "Identity", TensorRef("y"), path="inner/i")], ["y"], ["i"]
    )
    spec = model(
        [input_layer("x", (None, 3), "int32"), layer("inner", "Functional", X, model=inner)], ["x"], ["inner"]
    )
    assert str(lower(spec).outputs[0].type) == "float32(1, 3, 1)"


def test_layers_that_no_output_needs_are_not_lowered():
    spec = model(
        [input_layer("x", (None, 1)), dense("used", X), layer("odd", "NoSuchLayer", X)], ["x"], ["used"]
    )
    assert list(lower(spec).layer_outputs) == ["used"]


def test_a_model_of_5000_layers_is_lowered():
    layers = [dense(f"d{i}", TensorRef(f"d{i - 1}") if i else X) for i in range(5000)]
    graph = lower(model([input_layer("x", (None, 1)), *reversed(layers)], ["x"], ["d4999"]))
    assert len(graph.nodes) == 5000


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((None, None, 4), (1, symbol("time"), 4)),
        ((None, None, None, 3), (1, symbol("height"), symbol("width"), 3)),
        ((None, 3, None, None), (1, 3, symbol("height"), symbol("width"))),
        ((None, None), (1, symbol("dim1"))),
        ((7, None, 4), (7, symbol("time"), 4)),
    ],
)
def test_open_dimensions_have_names(shape, expected):
    assert lower(one_layer(shape, "Identity")).inputs[0].shape == expected


def test_open_dimensions_are_bound_and_made_unique():
    layers = [input_layer("x", (None, None, 4)), input_layer("y", (None, None, 4))]
    add = layer("add", "Concatenate", [X, TensorRef("y")], axis=1)
    graph = lower(model([*layers, add], ["x", "y"], ["add"]), batch=None, dimensions={"time_1": 9})
    assert [value.shape for value in graph.inputs] == [
        (symbol("batch"), symbol("time"), 4),
        (symbol("batch"), 9, 4),
    ]


def test_a_length_for_a_dimension_that_is_not_open_is_refused():
    with pytest.raises(UsageError, match="time"):
        lower(one_layer((None, 4), "Identity"), dimensions={"time": 3})


@pytest.mark.parametrize("wrong", [0, -1, True, 1.5])
def test_a_batch_is_a_positive_integer(wrong):
    with pytest.raises(UsageError, match="positive integer"):
        lower(one_layer((None, 4), "Identity"), batch=wrong)


def test_an_unknown_layer_is_named_with_the_known_ones():
    with pytest.raises(
        UnknownLayerError, match=r"(?s)'layer' is a 'Dens'.*kexport layers.*Similar: Dense.*--custom-objects"
    ):
        lower(one_layer((None, 4), "Dens"))


def test_an_operation_is_not_taken_for_the_layer_of_its_name():
    with pytest.raises(UnknownLayerError, match=r"ops\.Dropout"):
        lower(one_layer((None, 4), "Dropout", module="keras.src.ops.nn"))


@pytest.mark.parametrize(
    ("class_name", "arguments", "message"),
    [
        ("Lambda", {}, "no code from a model file is run"),
        ("Activation", {"activation": "<lambda>"}, "--custom-object '<lambda>=relu"),
        ("Activation", {"activation": "my_swish"}, r"(?s)'my_swish'.*Similar: .*swish"),
        ("Dense", {"units": 2, "use_bias": False}, "'kernel' is missing"),
        ("Dense", {"units": 2, "weights": {"kernel": np.ones((3, 2))}}, "last dimension of its input is 3"),
        ("Reshape", {"target_shape": (3, -1)}, "holds the elements"),
        ("Permute", {"dims": (1, 3)}, r"permutation of 1\.\.1"),
        ("Softmax", {"axis": 2}, "from -2 to 1"),
        ("Concatenate", {"axis": 5}, "An axis"),
        ("LeakyReLU", {"negative_slope": "x"}, "is a number"),
        ("Identity", {"dtype": "int8_from_float32"}, "plain or mixed dtype policy"),
        ("Cropping1D", {"cropping": (1, 1)}, "'layer'"),
    ],
)
def test_what_cannot_be_lowered_is_an_error_that_names_the_layer(class_name, arguments, message):
    with pytest.raises(LoweringError, match=message) as caught:
        lower(one_layer((None, 4), class_name, **arguments))
    assert "'layer'" in caught.value.message


def test_a_tensor_that_no_call_makes_is_an_error():
    with pytest.raises(LoweringError, match="call 3 of 'd'"):
        lower(model([input_layer("x", (None, 1)), dense("d", X)], ["x"], [TensorRef("d", 3)]))
    with pytest.raises(LoweringError, match="no output 1"):
        lower(
            model(
                [input_layer("x", (None, 1)), dense("d", X), dense("e", TensorRef("d", 0, 1))], ["x"], ["e"]
            )
        )


def test_a_cycle_is_an_error():
    with pytest.raises(LoweringError, match="its own output"):
        lower(
            model(
                [input_layer("x", (None, 1)), dense("a", TensorRef("b")), dense("b", TensorRef("a"))],
                ["x"],
                ["b"],
            )
        )


def test_training_true_is_refused_where_the_writer_obeys_it():
    call = CallSpec((X,), {"training": True})

    def spec(provenance):
        layers = [input_layer("x", (None, 4)), layer("drop", "Dropout", call, rate=0.5)]
        return model(layers, ["x"], ["drop"], *provenance)

    with pytest.raises(LoweringError, match="training=True"):
        lower(spec([KERAS2]))
    lower(spec([]))


def embedding(reader, **arguments):
    layers = [
        input_layer("x", (None, 5), "int32"),
        layer(
            "e",
            "Embedding",
            X,
            weights={"embeddings": np.ones((3, 2))},
            input_dim=3,
            output_dim=2,
            mask_zero=True,
        ),
        layer("r", reader, TensorRef("e"), **arguments),
    ]
    return model(layers, ["x"], ["r"])


def test_a_mask_is_refused_only_where_a_layer_reads_it():
    with pytest.raises(LoweringError, match="Its mask broadcasts to its input"):
        lower(embedding("Softmax", axis=-1))
    lower(embedding("Flatten"))


def test_a_mean_over_steps_is_that_of_the_steps_that_count():
    graph = lower(embedding("GlobalAveragePooling1D", data_format="channels_last", keepdims=False))
    assert "not_equal" in [node.op for node in graph.nodes]
    (mean,) = evaluate(graph, [np.array([[1, 2, 0, 0, 0]], np.int32)])
    np.testing.assert_array_equal(mean, np.ones((1, 2)))


def test_float_policies_cast_as_keras_does():
    spec = one_layer((None, 4), "ReLU", dtype="float32")
    assert lower(spec).outputs[0].dtype == "float32"
    mixed = model(
        [
            input_layer("x", (None, 4)),
            layer(
                "d",
                "Dense",
                X,
                weights={"kernel": np.ones((4, 2)), "bias": np.zeros(2)},
                dtype={"class_name": "DTypePolicy", "config": {"name": "mixed_float16"}},
            ),
        ],
        ["x"],
        ["d"],
    )
    graph = lower(mixed)
    assert [node.op for node in graph.nodes] == ["cast", "dense"]
    assert graph.outputs[0].dtype == "float16"
    np.testing.assert_array_equal(evaluate(graph, [np.ones((1, 4), np.float32)])[0], [[4, 4]])


def test_a_kernel_of_other_units_than_the_config_says_is_refused():
    spec = model(
        [
            input_layer("x", (None, 1)),
            dense("d", X),
        ],
        ["x"],
        ["d"],
    )
    wrong = {**spec.layer("d").config, "units": -4}
    layers = [spec.layers[0], replace(spec.layer("d"), config=wrong)]
    with pytest.raises(LoweringError, match="units=-4"):
        lower(replace(spec, layers=tuple(layers)))


def test_calls_run_from_the_inputs_on_and_one_of_another_depth_keeps_its_layer_s() -> None:
    """As Keras 3 runs them: what is two calls away from an output comes before what is one away."""
    layers = [
        input_layer("x", (None, 1)),
        dense("near", X),
        dense("far", X),
        dense("end", TensorRef("far")),
    ]
    spec = model(layers, ["x"], ["near", "end"])
    table = {layer.name: layer for layer in spec.layers}
    calls = in_order(spec, table, set(spec.inputs))
    assert [name for name, _ in calls] == ["near", "far", "end"]
    assert [name for name, _ in by_depth(calls, table, set(spec.inputs))] == ["far", "end", "near"]
