"""Layers that no target can hold: the error names the layer and says what to do instead."""

from __future__ import annotations

import pytest

from kexport.errors import LoweringError
from kexport.lowering import lower
from lowering.specs import layer, one_layer


@pytest.mark.parametrize("class_name", ["StringLookup", "TextVectorization"])
def test_text_is_to_be_turned_into_numbers_before_the_model(class_name):
    spec = one_layer((None, 4), class_name, input_dtype="string", dtype="string", vocabulary=None)
    with pytest.raises(LoweringError, match=rf"'layer' \({class_name}\).*text") as caught:
        lower(spec)
    assert "layer = model.get_layer('layer'); ids = layer(texts)" in caught.value.hint
    assert "keras.Model(inputs, model.outputs)" in caught.value.hint


@pytest.mark.parametrize(
    ("class_name", "what"),
    [
        ("TFSMLayer", "a SavedModel"),
        ("FlaxLayer", "a Flax module"),
        ("JaxLayer", "a JAX function"),
        ("TorchModuleWrapper", "a PyTorch module"),
    ],
)
def test_other_frameworks_code_is_named(class_name, what):
    with pytest.raises(LoweringError, match=rf"'layer' \({class_name}\): It wraps {what}") as caught:
        lower(one_layer((None, 4), class_name))
    assert "Keras layers" in caught.value.hint


def test_feature_columns_are_to_be_layers():
    with pytest.raises(LoweringError, match=r"'layer' \(DenseFeatures\): Its feature columns") as caught:
        lower(one_layer((None, 4), "DenseFeatures"))
    assert "CategoryEncoding" in caught.value.hint


@pytest.mark.parametrize("dtype", ["string", "bool", "uint64"])
def test_what_cannot_be_hashed_is_to_be_hashed_before_the_model(dtype):
    with pytest.raises(LoweringError, match=rf"'layer' \(Hashing\).*Received: {dtype}") as caught:
        lower(one_layer((None, 4), "Hashing", input_dtype=dtype, num_bins=9, dtype="int64"))
    assert "keras.Model(layer.output, model.outputs)" in caught.value.hint


@pytest.mark.parametrize(
    ("class_name", "arguments", "message"),
    [
        ("Hashing", {"num_bins": 0}, "from 1 to"),
        ("Hashing", {"num_bins": 9, "salt": "x"}, "salt is an integer or two"),
        ("Hashing", {"num_bins": 9, "sparse": True}, "sparse output"),
        ("Hashing", {"num_bins": 9, "output_mode": "tf_idf"}, "output_mode is one of"),
        ("HashedCrossing", {"num_bins": 9}, "two inputs or more"),
        ("IntegerLookup", {"vocabulary": None}, "not in the file"),
        ("IntegerLookup", {"vocabulary": [1, 1]}, "distinct tokens"),
        ("IntegerLookup", {"vocabulary": [1, 2], "output_mode": "tf_idf"}, "idf_weights are not in the file"),
        ("CategoryEncoding", {"num_tokens": 3, "output_mode": "int"}, "output_mode is one of"),
        ("Discretization", {"bin_boundaries": None, "num_bins": 3}, "before it was adapted"),
    ],
)
def test_arguments_of_layers_of_integers_are_checked(class_name, arguments, message):
    dtype = {"dtype": "float32"} if "dtype" not in arguments else {}
    with pytest.raises(LoweringError, match=message):
        lower(one_layer((None, 4), class_name, input_dtype="int64", **dtype, **arguments))


@pytest.mark.parametrize(
    ("class_name", "arguments", "shape", "message"),
    [
        ("STFTSpectrogram", {"mode": "phase"}, (None, 40, 1), "a mode of"),
        (
            "MelSpectrogram",
            {"fft_length": 64, "sequence_stride": 8},
            (None, 32),
            "longer than half of fft_length",
        ),
        ("AutoContrast", {"value_range": (1, 1)}, (None, 4, 4, 3), "a lower and a higher number"),
        (
            "ContrastLimitedAdaptiveHistogramEqualization",
            {"value_range": (0, 255), "tile_grid_size": (0, 2)},
            (None, 4, 4, 3),
            "two positive integers",
        ),
        (
            "ContrastLimitedAdaptiveHistogramEqualization",
            {"value_range": (0, 255), "tile_grid_size": (2, 2)},
            (None, None, 4, 3),
            "known height and width",
        ),
    ],
)
def test_arguments_of_signals_and_images_are_checked(class_name, arguments, shape, message):
    with pytest.raises(LoweringError, match=message):
        lower(one_layer(shape, class_name, **arguments))


def test_a_stack_of_no_cells():
    cell = layer("cell", "StackedRNNCells", path="layer/cell")
    with pytest.raises(LoweringError, match=r"'layer/cell'.*one cell or more"):
        lower(one_layer((None, 3, 4), "RNN", children={"cell": cell}))
