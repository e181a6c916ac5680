"""Rules against Keras itself: live models, loaded, lowered and computed in NumPy."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kexport.ir.evaluate import evaluate
from kexport.loading import load
from kexport.lowering import lower
from kexport.lowering.activations import FUNCTIONS
from lowering.live_model import check
from lowering.one_layer import keras
from support.comparing import assert_close


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_activation(name):
    check(lambda layers: layers.Activation(name), (4, 6))


def test_every_function_that_keras_has_is_known():
    from keras.src.activations import ALL_OBJECTS_DICT

    assert set(ALL_OBJECTS_DICT) - set(FUNCTIONS) == {"threshold"}, (
        "threshold needs arguments, which a name has none of"
    )


def test_sparsemax_with_equal_logits():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        x = keras().Input((6,))
        model = keras().Model(x, keras().layers.Activation("sparsemax")(x))
        logits = np.asarray([[1, 1, 0.9, 0.9, 0.2, 0.2], [0, 0, 0, 0, 0, 0], [3, 0, 0, 0, 0, 0]], np.float32)
        wanted = np.asarray(model(logits))
    assert_close(evaluate(lower(load(model), batch=None), [logits])[0], wanted)


CASES = {
    "Dense of integers": (lambda k: k.Dense(4), [(6,)], "int32"),
    "Dense with a layer as activation": (
        lambda k: k.Dense(4, activation=k.LeakyReLU(negative_slope=0.3)),
        [(6,)],
        "float32",
    ),
    "Rescaling of bytes": (lambda k: k.Rescaling(1 / 255, -0.5), [(4, 3)], "uint8"),
    "RandomFlip of bytes": (lambda k: k.RandomFlip(), [(4, 5, 3)], "uint8"),
    "RandomContrast": (lambda k: k.RandomContrast(0.2), [(4, 5, 3)], "float32"),
    "Softmax over two axes": (lambda k: k.Softmax(axis=[1, -1]), [(4, 3, 5)], "float32"),
    "Permute": (lambda k: k.Permute((2, 3, 1)), [(4, None, 5)], "float32"),
    "Flatten channels_first": (lambda k: k.Flatten(data_format="channels_first"), [(4, None, 5)], "float32"),
    "Reshape with an open length": (lambda k: k.Reshape((-1, 2, 2)), [(None, 4)], "float32"),
    "RepeatVector": (lambda k: k.RepeatVector(3), [(4,)], "float32"),
    "BatchNormalization of axis 2": (
        lambda k: k.BatchNormalization(axis=2, epsilon=0.1),
        [(4, 3, 5)],
        "float32",
    ),
    "GroupNormalization of axis 1": (lambda k: k.GroupNormalization(2, axis=1), [(4, 3, 5)], "float32"),
    "GroupNormalization by instance": (lambda k: k.GroupNormalization(-1, scale=False), [(4, 6)], "float32"),
    "RMSNormalization": (lambda k: k.RMSNormalization(axis=-1), [(4, 6)], "float32"),
    "UnitNormalization": (lambda k: k.UnitNormalization(axis=(1, 2)), [(4, 6)], "float32"),
    "Normalization adapted": (lambda k: k.Normalization(axis=-1), [(4, 6)], "float32"),
    "Normalization of two axes": (lambda k: k.Normalization(axis=(1, 2)), [(4, 6)], "float32"),
    "Normalization by scalars": (
        lambda k: k.Normalization(axis=None, mean=0.3, variance=2.0),
        [(4, 6)],
        "float32",
    ),
    "TimeDistributed": (lambda k: k.TimeDistributed(k.Dense(4, activation="relu")), [(None, 6)], "float32"),
    "SpectralNormalization": (lambda k: k.SpectralNormalization(k.Dense(4)), [(6,)], "float32"),
    "Masking": (lambda k: k.Masking(0.0), [(5, 6)], "float32"),
    "Embedding of floats": (lambda k: k.Embedding(9, 4, mask_zero=True), [(6,)], "int64"),
    "CategoryEncoding one_hot": (lambda k: k.CategoryEncoding(8, output_mode="one_hot"), [(1,)], "int32"),
    "CategoryEncoding multi_hot": (lambda k: k.CategoryEncoding(8, output_mode="multi_hot"), [(5,)], "int32"),
    "CategoryEncoding count": (lambda k: k.CategoryEncoding(8, output_mode="count"), [(5,)], "int32"),
    "Discretization": (lambda k: k.Discretization(bin_boundaries=[-1.0, 0.0, 0.5]), [(5,)], "float32"),
    "Average of integers' ranks": (lambda k: k.Average(), [(4, 3), (3,)], "float32"),
    "Multiply of three ranks": (lambda k: k.Multiply(), [(2, 4, 3), (4, 3), (3,)], "float32"),
    "Dot of rank 4": (lambda k: k.Dot(axes=(3, 1)), [(2, 4, 3), (3, 5)], "float32"),
    "EinsumDense": (
        lambda k: k.EinsumDense("abc,cde->abde", (None, 2, 4), bias_axes="de"),
        [(5, 3)],
        "float32",
    ),
    "EinsumDense of two dims": (
        lambda k: k.EinsumDense("abde,dec->abc", (None, 4), bias_axes="c"),
        [(5, 3, 2)],
        "float32",
    ),
    "EinsumDense with dots": (
        lambda k: k.EinsumDense("...x,xy->...y", 4, activation="relu"),
        [(5, 3)],
        "float32",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_layers(case):
    make, shapes, dtype = CASES[case]
    check(make, *shapes, dtype=dtype)


slope = st.sampled_from([0.0, 0.1, 0.5])
limit = st.sampled_from([None, 0.8, 6.0])


@settings(max_examples=20)
@given(slope, limit, st.sampled_from([0.0, 0.4]))
def test_relu_with_any_arguments(negative_slope, max_value, threshold):
    check(
        lambda layers: layers.ReLU(max_value=max_value, negative_slope=negative_slope, threshold=threshold),
        (4, 6),
    )


@settings(max_examples=20)
@given(st.lists(st.integers(1, 4), min_size=2, max_size=4), st.data())
def test_layer_normalization_over_any_axes(shape, data):
    axes = data.draw(st.lists(st.integers(1, len(shape)), min_size=1, unique=True))
    assume(
        np.prod([shape[axis - 1] for axis in axes]) > 1
    )  # of one element alone nothing is left but rounding errors
    scale, center, rms = data.draw(st.booleans()), data.draw(st.booleans()), data.draw(st.booleans())
    check(
        lambda layers: layers.LayerNormalization(
            axis=axes, scale=scale, center=center, rms_scaling=rms, epsilon=0.01
        ),
        tuple(shape),
    )


@settings(max_examples=20)
@given(st.integers(1, 3), st.integers(1, 3), st.booleans(), st.data())
def test_dot_over_any_axes(rank_a, rank_b, normalize, data):
    axes = data.draw(st.integers(1, rank_a)), data.draw(st.integers(1, rank_b))
    a = data.draw(st.lists(st.integers(1, 4), min_size=rank_a, max_size=rank_a))
    b = data.draw(st.lists(st.integers(1, 4), min_size=rank_b, max_size=rank_b))
    b[axes[1] - 1] = a[axes[0] - 1]
    check(lambda layers: layers.Dot(axes=axes, normalize=normalize), tuple(a), tuple(b))


@settings(max_examples=20)
@given(st.sampled_from(["Add", "Multiply", "Average", "Maximum", "Minimum"]), st.data())
def test_merges_of_shapes_that_broadcast(name, data):
    whole = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    shapes = [
        tuple(
            data.draw(st.sampled_from([1, dim])) for dim in whole[data.draw(st.integers(0, len(whole) - 1)) :]
        )
        for _ in range(data.draw(st.integers(2, 4)))
    ]
    # More samples than any dimension has: `add` in keras/src/backend/tensorflow/numpy.py (3.15) takes (3, 1) for a bias of 3
    # features where it is added to (3, 3), and adds it along the wrong axis.
    check(lambda layers: getattr(layers, name)(), *shapes, samples=5)


@settings(max_examples=15)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=3), st.data())
def test_prelu_and_batch_normalization_on_any_axis(shape, data):
    axis = data.draw(st.integers(1, len(shape)))
    shared = data.draw(st.lists(st.integers(1, len(shape)), unique=True))
    check(lambda layers: layers.BatchNormalization(axis=axis), tuple(shape))
    check(lambda layers: layers.PReLU(shared_axes=shared or None), tuple(shape))
