"""Vocabularies that layers learned: in the archive's assets, or in a live layer's table."""

from __future__ import annotations

import io
import json
import warnings
import zipfile

import h5py
import numpy as np
import pytest

from kexport.errors import LoweringError, ModelReadError
from kexport.ir.evaluate import evaluate
from kexport.loading import load
from kexport.lowering import lower
from lowering.one_layer import keras


def lookup(name, **config):
    return {
        "class_name": "IntegerLookup",
        "module": "keras.layers",
        "registered_name": None,
        "config": {"name": name, "output_mode": "int", "vocabulary": None, **config},
    }


def archive(path, layers, texts, weights=None):
    """A .keras file of a Sequential model, its assets and its weights by dataset path."""
    inputs = {
        "class_name": "InputLayer",
        "module": "keras.layers",
        "config": {"name": "x", "batch_shape": [None, 3], "dtype": "int64"},
    }
    config = {
        "class_name": "Sequential",
        "module": "keras",
        "config": {"name": "m", "layers": [inputs, *layers]},
    }
    held = io.BytesIO()
    with h5py.File(held, "w") as file:
        file.create_group("layers")
        for name, array in (weights or {}).items():
            file[name] = array
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("config.json", json.dumps(config))
        file.writestr("metadata.json", json.dumps({"keras_version": "3.15.1"}))
        file.writestr("model.weights.h5", held.getvalue())
        for place, text in texts.items():
            file.writestr(f"assets/{place}/vocabulary.txt", text)
    return path


def computed(path, x):
    return evaluate(lower(load(path), batch=None), [np.asarray(x, np.int64)])[0].tolist()


def test_each_layer_has_the_vocabulary_at_its_place(tmp_path):
    texts = {"layers/integer_lookup": "-1\n7\n9", "layers/integer_lookup_1": "-1\n2\n1\n0\n"}
    path = archive(tmp_path / "m.keras", [lookup("first"), lookup("second")], texts)
    assert load(path).layer("second").config["vocabulary"] == [-1, 2, 1, 0]
    assert computed(path, [[7, 9, 8]]) == [[2, 1, 3]]


def test_weights_of_tokens_stand_beside_the_model_weights(tmp_path):
    weights = {"layers/integer_lookup/vars/idf_weights": np.asarray([0.5, 2.0, 3.0], np.float32)}
    layers = [lookup("first", output_mode="tf_idf")]
    path = archive(tmp_path / "m.keras", layers, {"layers/integer_lookup": "-1\n7\n9"}, weights)
    assert computed(path, [[7, 7, 8]]) == [[0.5, 4.0, 0.0]]


@pytest.mark.parametrize("text", ["-1\nseven", "-1\n\n7", "-1\n1e3", "-1\n" + "9" * 30, "-1\n7.0", "\u0661"])
def test_a_line_that_is_no_integer_is_an_error(tmp_path, text):
    path = archive(tmp_path / "m.keras", [lookup("first")], {"layers/integer_lookup": text})
    with pytest.raises(ModelReadError, match="'first' has an integer a line"):
        load(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "not in the file"),
        ("", "not in the file"),
        ("-1", "one at least"),
        ("-1\n7\n7", "distinct"),
        (f"{2**63}\n1", "64 bits"),
    ],
)
def test_a_vocabulary_that_says_nothing_is_an_error_of_its_layer(tmp_path, text, message):
    texts = {} if text is None else {"layers/integer_lookup": text}
    path = archive(tmp_path / "m.keras", [lookup("first")], texts)
    with pytest.raises(LoweringError, match=f"'first'.*{message}"):
        lower(load(path))


def test_a_live_layer_says_what_it_learned():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        layers = keras().layers
        learned = layers.IntegerLookup(output_mode="tf_idf", name="learned")
        learned.adapt(np.asarray([[4, 4, 8], [4, 9, 9]]))
        inner = keras().Sequential([keras().Input((3,), dtype="int64"), learned])
        x = keras().Input((3,), dtype="int64")
        model = keras().Model(x, inner(x))
        data = np.asarray([[4, 9, 1], [8, 8, 4]])
        wanted = np.asarray(model(data))
    (found,) = evaluate(lower(load(model), batch=None), [data])
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
