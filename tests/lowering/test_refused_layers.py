"""Layers that no target can hold: the error names the layer and says what to do instead."""

from __future__ import annotations

import pytest

from kexport import plugins
from kexport.errors import LoweringError, UnsupportedOpError
from kexport.lowering import lower
from lowering.specs import layer, one_layer


@pytest.mark.parametrize(
    ("class_name", "arguments", "shape", "message"),
    [
        ("StringLookup", {"vocabulary": None}, (None, 4), "not in the file"),
        ("StringLookup", {"vocabulary": "/etc/words.txt"}, (None, 4), "a file beside the model.*words.txt"),
        ("StringLookup", {"vocabulary": ["a", 3]}, (None, 4), "is text. Received: 3"),
        ("StringLookup", {"vocabulary": ["a", "a"]}, (None, 4), "distinct tokens"),
        ("StringLookup", {"vocabulary": ["a"], "output_mode": "tf_idf"}, (None, 4), "idf_weights are not in"),
        ("StringLookup", {"vocabulary": ["a"], "output_mode": "count", "sparse": True}, (None, 4), "sparse"),
        ("TextVectorization", {"vocabulary": None}, (None, 1), "not in the file"),
        ("TextVectorization", {"vocabulary": "words.txt"}, (None, 1), "a file beside the model"),
        ("TextVectorization", {"ragged": True}, (None, 1), "ragged output"),
        ("TextVectorization", {"split": "whitespace"}, (None, 4), r"texts of shape \(batch,\)"),
        ("TextVectorization", {"output_sequence_length": 0}, (None, 1), "positive integer"),
        ("TextVectorization", {"ngrams": [2, 0]}, (None, 1), "ngrams is None"),
        ("TextVectorization", {"ngrams": 3, "split": None}, (None, 2), None),
        ("TextVectorization", {"ngrams": [3], "split": None}, (None, 2), "no 3 neighbours"),
        (
            "TextVectorization",
            {"split": None, "output_sequence_length": 3},
            (None,),
            "no axis of known length",
        ),
    ],
)
def test_arguments_of_layers_of_text_are_checked(class_name, arguments, shape, message):
    config = (
        {"vocabulary": ["a"], "split": "whitespace", **arguments}
        if class_name == "TextVectorization"
        else arguments
    )
    spec = one_layer(shape, class_name, input_dtype="string", **config)
    if message is None:
        lower(spec)
        return
    with pytest.raises(LoweringError, match=rf"(?s)'layer' \({class_name}\).*{message}"):
        lower(spec)


@pytest.mark.parametrize("argument", ["standardize", "split"])
def test_functions_of_text_are_to_be_run_before_the_model(argument):
    function = {
        "module": "builtins",
        "class_name": "function",
        "config": "own_way",
        "registered_name": "own>own_way",
    }
    config = {"vocabulary": ["a"], argument: function}
    with pytest.raises(LoweringError, match=f"'layer' .*Its {argument} is the function 'own_way'") as caught:
        lower(one_layer((None, 1), "TextVectorization", input_dtype="string", **config))
    assert f"before the model, and make the layer with {argument}=None" in caught.value.hint


@pytest.mark.parametrize("class_name", ["StringLookup", "TextVectorization"])
def test_text_layers_take_text(class_name):
    with pytest.raises(LoweringError, match=r"'layer'.*Received: float32"):
        lower(one_layer((None, 1), class_name, vocabulary=["a"]))


@pytest.mark.parametrize("target", ["tflite", "coreml", "web"])
@pytest.mark.parametrize(
    ("class_name", "arguments", "message"),
    [
        (
            "StringLookup",
            {"vocabulary": ["a", "b", "c", "d", "e"]},
            r"\(its vocabulary has 5 words: 'a', 'b', 'c', 'd', …\)",
        ),
        ("StringLookup", {"vocabulary": ["a"], "invert": True}, r"\(its vocabulary has 1 word: 'a'\)"),
        ("Hashing", {"num_bins": 9, "dtype": "int64"}, "computes with text,"),
    ],
)
def test_targets_of_numbers_say_what_to_do_before_the_model(target, class_name, arguments, message):
    kind = "int64" if arguments.get("invert") else "string"
    graph = lower(one_layer((None, 4), class_name, input_dtype=kind, **arguments))
    found = plugins.target(target)
    options = {option.name: option.default for option in found.options}
    with pytest.raises(UnsupportedOpError, match=rf"Layer 'layer' .*{message}.*numbers alone") as caught:
        found.legalize(graph, options)
    assert caught.value.exit_code == 4
    assert "layer = model.get_layer('layer'); ids = layer(texts)" in caught.value.hint
    assert "keras.Model(inputs, model.outputs)" in caught.value.hint
    assert "saved_model" in caught.value.hint


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


@pytest.mark.parametrize("dtype", ["bool", "uint64"])
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
