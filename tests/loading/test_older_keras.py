"""Keras 1 and 2 files of Theano, MXNet and CuDNN layers, made by hand: their words and weights become Keras 3's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from kexport.errors import ModelReadError
from kexport.loading import LayerSpec, load

RANDOM = np.random.default_rng(1)


def array(*shape: int) -> np.ndarray:
    return RANDOM.random(shape, "float32")


def write(
    path: Path,
    layers: Any,
    weights: dict[str, list[np.ndarray]],
    *,
    version: str = "1.2.2",
    backend: str | None = None,
) -> Path:
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = np.bytes_(version)
        if backend:
            file.attrs["backend"] = np.bytes_(backend)
        file.attrs["model_config"] = np.bytes_(json.dumps({"class_name": "Sequential", "config": layers}))
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [name.encode() for name in weights]
        for name, arrays in weights.items():
            layer = group.create_group(name)
            layer.attrs["weight_names"] = [f"{name}_param_{i}".encode() for i in range(len(arrays))]
            for i, value in enumerate(arrays):
                layer[f"{name}_param_{i}"] = value
    return path


def one(
    path: Path, class_name: str, shape: list[int | None], arrays: list[np.ndarray], **options: Any
) -> LayerSpec:
    """The one layer of a Sequential model."""
    saved = {key: options.pop(key) for key in ("version", "backend") if key in options}
    trained_on = options.pop("trained_on", None)
    config = {"name": "layer", "batch_input_shape": shape, **options}
    write(path, [{"class_name": class_name, "config": config}], {"layer": arrays}, **saved)
    return load(path, trained_on=trained_on).layer("layer")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "m.h5"


CONV = {
    "nb_filter": 5,
    "nb_row": 3,
    "nb_col": 2,
    "border_mode": "same",
    "subsample": [2, 1],
    "bias": True,
    "activation": "relu",
}


def test_a_th_convolution_gets_the_kernel_order_of_keras_3(path: Path) -> None:
    kernel, bias = array(5, 4, 3, 2), array(5)
    layer = one(path, "Convolution2D", [None, 4, 9, 9], [kernel, bias], dim_ordering="th", **CONV)
    assert layer.class_name == "Conv2D"
    expected = {
        "filters": 5,
        "kernel_size": [3, 2],
        "strides": [2, 1],
        "padding": "same",
        "data_format": "channels_first",
    }
    assert expected.items() <= layer.config.items()
    assert {"dilation_rate": [1, 1], "groups": 1, "use_bias": True}.items() <= layer.config.items()
    np.testing.assert_array_equal(layer.weights["kernel"].numpy(), kernel.transpose(2, 3, 1, 0))
    np.testing.assert_array_equal(layer.weights["bias"].numpy(), bias)


def test_a_model_trained_on_theano_gets_its_kernels_mirrored(path: Path) -> None:
    kernel = array(3, 2, 4, 5)
    layer = one(
        path,
        "Convolution2D",
        [None, 9, 9, 4],
        [kernel, array(5)],
        dim_ordering="tf",
        trained_on="theano",
        **CONV,
    )
    np.testing.assert_array_equal(layer.weights["kernel"].numpy(), kernel[::-1, ::-1])
    config = {"filters": 5, "kernel_size": [3, 2], "data_format": "channels_first"}
    layer = one(
        path, "Conv2D", [None, 4, 9, 9], [kernel, array(5)], version="2.3.1", backend="theano", **config
    )
    np.testing.assert_array_equal(layer.weights["kernel"].numpy(), kernel[::-1, ::-1])


def test_a_keras_1_convolution_without_a_backend_asks_for_it(path: Path) -> None:
    one(path, "Convolution2D", [None, 9, 9, 4], [array(3, 2, 4, 5), array(5)], dim_ordering="tf", **CONV)
    assert any("trained-on theano" in note for note in load(path).notes)
    assert load(path, trained_on="tensorflow").notes == ()


def test_theano_does_not_mirror_depthwise_kernels(path: Path) -> None:
    kernel = array(3, 3, 4, 2)
    layer = one(
        path,
        "DepthwiseConv2D",
        [None, 9, 9, 4],
        [kernel, array(8)],
        version="2.3.1",
        backend="theano",
        kernel_size=[3, 3],
        depth_multiplier=2,
    )
    np.testing.assert_array_equal(layer.weights["kernel"].numpy(), kernel)


def test_mxnet_keeps_channels_first_kernels_as_out_in_height_width(path: Path) -> None:
    kernel = array(5, 4, 3, 2)
    config = {"filters": 5, "kernel_size": [3, 2], "data_format": "channels_first"}
    layer = one(
        path, "Conv2D", [None, 4, 9, 9], [kernel, array(5)], version="2.2.4.3", backend="mxnet", **config
    )
    np.testing.assert_array_equal(layer.weights["kernel"].numpy(), kernel.transpose(2, 3, 1, 0))


@pytest.mark.parametrize("old", [False, True])
def test_conv1d_kernels_of_keras_1_had_four_axes(path: Path, old: bool) -> None:
    kernel = array(3, 1, 4, 5)
    stored = kernel.transpose(3, 2, 0, 1) if old else kernel
    layer = one(
        path,
        "Convolution1D",
        [None, 9, 4],
        [stored, array(5)],
        nb_filter=5,
        filter_length=3,
        subsample_length=2,
        border_mode="valid",
    )
    assert layer.config["strides"] == 2
    np.testing.assert_array_equal(layer.weights["kernel"].numpy(), kernel[:, 0])


def test_lstm_gates_are_joined_in_the_order_i_f_c_o(path: Path) -> None:
    parts = {gate: [array(4, 3), array(3, 3), array(3)] for gate in "icfo"}
    arrays = [value for gate in "icfo" for value in parts[gate]]
    layer = one(
        path, "LSTM", [None, 9, 4], arrays, output_dim=3, inner_activation="hard_sigmoid", activation="tanh"
    )
    assert (layer.config["units"], layer.config["recurrent_activation"]) == (3, "hard_sigmoid")
    for index, name in enumerate(("kernel", "recurrent_kernel", "bias")):
        expected = np.concatenate([parts[gate][index] for gate in "ifco"], axis=-1)
        np.testing.assert_array_equal(layer.weights[name].numpy(), expected)


def test_gru_gates_are_joined_and_reset_before(path: Path) -> None:
    parts = [[array(4, 3), array(3, 3), array(3)] for _ in "zrh"]
    layer = one(path, "GRU", [None, 9, 4], [value for part in parts for value in part], output_dim=3)
    assert layer.config["reset_after"] is False
    np.testing.assert_array_equal(
        layer.weights["kernel"].numpy(), np.concatenate([part[0] for part in parts], axis=-1)
    )


def test_joined_gates_of_keras_1_are_taken_as_they_are(path: Path) -> None:
    arrays = [array(4, 12), array(3, 12), array(12)]
    layer = one(path, "LSTM", [None, 9, 4], arrays, output_dim=3, consume_less="gpu")
    np.testing.assert_array_equal(layer.weights["kernel"].numpy(), arrays[0])


@pytest.mark.parametrize(
    ("mode", "class_name"), [("concat", "Concatenate"), ("sum", "Add"), ("cos", "Merge")]
)
def test_a_sequential_model_that_merges_models_is_functional(path: Path, mode: str, class_name: str) -> None:
    def branch(name: str) -> dict[str, Any]:
        dense = {
            "class_name": "Dense",
            "config": {"name": f"{name}_dense", "output_dim": 2, "batch_input_shape": [None, 3]},
        }
        return {"class_name": "Sequential", "config": [dense]}

    merge = {
        "class_name": "Merge",
        "config": {
            "name": "merge",
            "mode": mode,
            "concat_axis": 1,
            "dot_axes": -1,
            "layers": [branch("a"), branch("b")],
        },
    }
    layers = [merge, {"class_name": "Activation", "config": {"name": "act", "activation": "relu"}}]
    weights = {"a_dense": [array(3, 2), array(2)], "b_dense": [array(3, 2), array(2)], "merge": [], "act": []}
    model = load(write(path, layers, weights))
    assert model.input_names == ("a_dense_input", "b_dense_input")
    assert model.layer("merge").class_name == class_name
    assert [ref.layer for ref in model.layer("merge").calls[0].tensors()] == ["a_dense", "b_dense"]
    np.testing.assert_array_equal(model.layer("b_dense").weights["kernel"].numpy(), weights["b_dense"][0])


def test_merging_with_a_function_is_refused(path: Path) -> None:
    with pytest.raises(ModelReadError, match="function of the user's"):
        one(path, "Merge", [None, 3], [], mode="code", mode_type="lambda")


def test_batch_normalization_keeps_its_variance(path: Path) -> None:
    arrays = [array(4) for _ in range(4)]
    layer = one(path, "BatchNormalization", [None, 4], arrays, epsilon=1e-5, mode=0, axis=-1)
    assert list(layer.weights) == ["gamma", "beta", "moving_mean", "moving_variance"]
    np.testing.assert_array_equal(layer.weights["moving_variance"].numpy(), arrays[3])


@pytest.mark.parametrize(
    ("mode", "class_name"), [(1, "SampleNormalization"), (2, "WholeBatchNormalization"), (3, None)]
)
def test_batch_normalizations_of_other_modes_are_other_layers(
    path: Path, mode: int, class_name: str | None
) -> None:
    arrays = [array(4) for _ in range(4)]
    if class_name is None:
        with pytest.raises(ModelReadError, match="not 0, 1 or 2"):
            one(path, "BatchNormalization", [None, 4], arrays, mode=mode)
    else:
        assert one(path, "BatchNormalization", [None, 4], arrays, mode=mode).class_name == class_name


@pytest.mark.parametrize(("version", "divisor"), [("1.0.7", "deviation"), ("1.0.8", "variance")])
def test_theano_added_epsilon_to_the_deviation_until_1_0_7(path: Path, version: str, divisor: str) -> None:
    arrays = [array(4) for _ in range(4)]
    layer = one(path, "BatchNormalization", [None, 4], arrays, version=version, epsilon=0.1, mode=0)
    stored = arrays[3].astype("float64")
    expected = np.sqrt(stored) + 0.1 if divisor == "deviation" else np.sqrt(stored + 0.1)
    found = np.sqrt(layer.weights["moving_variance"].numpy() + 0.1)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_an_ordering_that_a_layer_does_not_save_is_that_of_the_others(path: Path) -> None:
    def model(*orderings: str) -> Path:
        layers = [
            {
                "class_name": "Convolution2D",
                "config": {**CONV, "name": f"c{i}", "dim_ordering": o, "batch_input_shape": [None, 4, 9, 9]},
            }
            for i, o in enumerate(orderings)
        ]
        padding = {"name": "pad", "padding": [1, 1], "batch_input_shape": [None, 4, 9, 9]}
        layers.append({"class_name": "ZeroPadding2D", "config": padding})
        weights = {
            f"c{i}": [array(5, 4, 3, 2) if o == "th" else array(3, 2, 4, 5), array(5)]
            for i, o in enumerate(orderings)
        }
        return write(path, layers, weights)

    assert load(model("th")).layer("pad").config["data_format"] == "channels_first"
    assert load(model("tf")).layer("pad").config["data_format"] == "channels_last"
    assert not any("channels last" in note for note in load(model("tf")).notes)
    assert any("channels last" in note for note in load(model()).notes)
    with pytest.raises(ModelReadError, match="Received: tf, th"):
        load(model("tf", "th"))


def untwist(matrix: np.ndarray, gates: int) -> np.ndarray:
    """Keras's own formula: every gate's matrix transposed, read in Fortran order."""
    return np.hstack([part.T.reshape(part.shape, order="F") for part in np.hsplit(matrix, gates)])


@pytest.mark.parametrize(("class_name", "gates"), [("CuDNNLSTM", 4), ("CuDNNGRU", 3)])
def test_cudnn_layers_become_plain_ones(path: Path, class_name: str, gates: int) -> None:
    kernel, recurrent, bias = array(5, 3 * gates), array(3, 3 * gates), array(6 * gates)
    layer = one(
        path,
        class_name,
        [None, 9, 5],
        [kernel, recurrent, bias],
        version="2.2.4",
        backend="tensorflow",
        units=3,
    )
    assert layer.class_name == class_name.removeprefix("CuDNN")
    assert layer.config["recurrent_activation"] == "sigmoid"
    np.testing.assert_array_equal(layer.weights["kernel"].numpy(), untwist(kernel, gates))
    expected = np.hstack([part.T for part in np.hsplit(recurrent, gates)])
    np.testing.assert_array_equal(layer.weights["recurrent_kernel"].numpy(), expected)
    pair = bias.reshape(2, -1)
    np.testing.assert_allclose(layer.weights["bias"].numpy(), pair.sum(0) if gates == 4 else pair, rtol=1e-6)


@pytest.mark.parametrize(("class_name", "gates"), [("LSTM", 4), ("GRU", 3)])
def test_cudnn_weights_in_a_plain_layer_and_the_other_way_round(
    path: Path, class_name: str, gates: int
) -> None:
    options: dict[str, Any] = {"version": "2.2.4", "backend": "tensorflow", "units": 3}
    cudnn = [array(5, 3 * gates), array(3, 3 * gates), array(6 * gates)]
    expected = one(path, f"CuDNN{class_name}", [None, 9, 5], cudnn, **options)
    plain = [weight.numpy() for weight in expected.weights.values()]
    more = {"recurrent_activation": "sigmoid", "reset_after": True}
    for name, arrays in ((class_name, cudnn), (class_name, plain), (f"CuDNN{class_name}", plain)):
        layer = one(path, name, [None, 9, 5], arrays, **options, **more)
        assert layer.class_name == class_name
        assert layer.config["recurrent_activation"] == "sigmoid"
        for found, wanted in zip(layer.weights.values(), plain, strict=True):
            np.testing.assert_array_equal(found.numpy(), wanted)
    if class_name == "GRU":
        with pytest.raises(ModelReadError, match="bias must have the shape"):
            one(path, "GRU", [None, 9, 5], cudnn, **options)


def test_long_lists_of_names_are_in_several_attributes(path: Path) -> None:
    """``save_attributes_to_hdf5_group`` in keras/engine/saving.py, 2.3.1."""
    names = [f"dense_{index}" for index in range(7)]
    config = [{"class_name": "Dense", "config": {"name": name, "units": 3}} for name in names]
    config[0]["config"]["batch_input_shape"] = [None, 3]
    weights = {name: [array(3, 3), array(3)] for name in names}
    write(path, config, weights, version="2.3.1", backend="tensorflow")
    with h5py.File(path, "r+") as file:
        for group, key in (
            (file["model_weights"], "layer_names"),
            (file["model_weights/dense_3"], "weight_names"),
        ):
            whole = [np.bytes_(name) for name in group.attrs[key]]
            del group.attrs[key]
            for index, part in enumerate(np.array_split(whole, 3 if len(whole) > 2 else 2)):
                group.attrs[f"{key}{index}"] = part
    model = load(path)
    for name in names:
        np.testing.assert_array_equal(model.layer(name).weights["kernel"].numpy(), weights[name][0])
