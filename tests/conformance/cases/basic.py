"""Dense, activations, reshaping, embeddings, and what does nothing at inference."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .case import K3, Case, layer_case


def _dense() -> Iterable[Case]:
    yield layer_case("Dense", "linear", (7,), units=5)
    yield layer_case("Dense", "relu-nobias", (7,), units=5, use_bias=False, activation="relu")
    yield layer_case("Dense", "rank3-softmax", (4, 7), units=5, activation="softmax")
    yield layer_case("Dense", "rank5", (2, 3, 2, 7), units=3, activation="tanh")
    yield layer_case("EinsumDense", "heads", (4, 7), equation="abc,cde->abde", output_shape=(None, 2, 3), bias_axes="de", bias_initializer="random_normal")
    yield layer_case("EinsumDense", "dots-relu", (4, 7), equation="...x,xy->...y", output_shape=5, activation="relu")
    yield layer_case("Dense", "dynamic-time", (None, 7), units=5, activation="gelu")


ACTIVATIONS_BOTH = (
    "linear", "relu", "elu", "selu", "gelu", "softplus", "softsign", "tanh", "sigmoid", "hard_sigmoid", "exponential",
    "softmax", "log_softmax", "mish", "swish", "leaky_relu", "relu6", "silu", "hard_silu", "hard_swish",
)


ACTIVATIONS_K3 = (
    "celu", "glu", "hard_tanh", "hard_shrink", "log_sigmoid", "soft_shrink", "sparse_plus", "sparse_sigmoid", "sparsemax", "squareplus", "tanh_shrink",
)  # fmt: skip


NOT_IN_TF_KERAS = ("log_softmax", "relu6", "silu", "hard_silu", "hard_swish", "leaky_relu")


def _activations() -> Iterable[Case]:
    for name in ACTIVATIONS_BOTH:
        only = K3 if name in NOT_IN_TF_KERAS else ("keras3", "keras2")
        yield layer_case("Activation", name, (5, 6), only=only, activation=name)
    for name in ACTIVATIONS_K3:
        yield layer_case("Activation", name, (5, 6), only=K3, activation=name)
    yield layer_case("ReLU", "plain", (5, 6))
    yield layer_case("ReLU", "all-arguments", (5, 6), max_value=1.5, negative_slope=0.2, threshold=0.3)
    yield layer_case("ReLU", "max6", (5, 6), max_value=6.0)
    yield layer_case("LeakyReLU", "default", (5, 6))
    yield layer_case("ELU", "alpha", (5, 6), alpha=0.7)
    yield layer_case("Softmax", "last", (5, 6))
    yield layer_case("Softmax", "axis1", (5, 6), axis=1)
    yield layer_case("PReLU", "plain", (5, 6), alpha_initializer="random_normal")
    yield layer_case("PReLU", "shared", (5, 4, 6), shared_axes=[1, 2], alpha_initializer="random_normal")
    yield layer_case("ThresholdedReLU", "theta", (5, 6), only=("keras2",), theta=0.4)


def _reshaping() -> Iterable[Case]:
    yield layer_case("Flatten", "default", (3, 4, 2))
    yield layer_case("Flatten", "channels_first", (3, 4, 2), data_format="channels_first")
    yield layer_case("Flatten", "dynamic", (None, 3))
    yield layer_case("Reshape", "static", (12,), target_shape=(3, 4))
    yield layer_case("Reshape", "unknown", (3, 4), target_shape=(-1, 2))
    yield layer_case("Reshape", "dynamic", (None, 4), target_shape=(-1, 2))
    yield layer_case("Permute", "plain", (3, 4, 2), dims=(3, 1, 2))
    yield layer_case("Masking", "masked", (5, 6), mask_value=0.5)
    yield layer_case("RepeatVector", "plain", (5,), n=3)


def _integer(keras: Any, layer: Any, dtype: str = "int32", shape: tuple[int | None, ...] = (6,)) -> Any:
    inputs = keras.Input(shape, dtype=dtype, name="tokens")
    return keras.Model(inputs, layer(inputs))


def _embeddings() -> Iterable[Case]:
    yield Case("Embedding-int32", lambda k: _integer(k, k.layers.Embedding(20, 4, name="layer")), integers={0: 20})
    yield Case("Embedding-int64", lambda k: _integer(k, k.layers.Embedding(20, 4, name="layer"), "int64"), integers={0: 20})
    yield Case("Embedding-uint8", lambda k: _integer(k, k.layers.Embedding(20, 4, name="layer"), "uint8"), integers={0: 20})
    yield Case("Embedding-float-input", lambda k: _integer(k, k.layers.Embedding(20, 4, name="layer"), "float32"), integers={0: 20})
    yield Case("Embedding-dynamic", lambda k: _integer(k, k.layers.Embedding(20, 4, name="layer"), shape=(None,)), integers={0: 20})


def _inference_identities() -> Iterable[Case]:
    yield layer_case("Dropout", "plain", (5, 6), rate=0.5)
    yield layer_case("SpatialDropout1D", "plain", (5, 6), rate=0.5)
    yield layer_case("SpatialDropout2D", "plain", (5, 4, 6), rate=0.5)
    yield layer_case("SpatialDropout3D", "plain", (5, 4, 2, 6), rate=0.5)
    yield layer_case("GaussianNoise", "plain", (5, 6), stddev=0.5)
    yield layer_case("GaussianDropout", "plain", (5, 6), rate=0.5)
    yield layer_case("AlphaDropout", "plain", (5, 6), rate=0.5)
    yield layer_case("ActivityRegularization", "plain", (5, 6), l1=0.1)
    yield layer_case("RandomFlip", "plain", (5, 4, 3))
    yield layer_case("RandomRotation", "plain", (5, 4, 3), factor=0.2)
    yield layer_case("RandomZoom", "plain", (5, 4, 3), height_factor=0.2)
    yield layer_case("RandomContrast", "plain", (5, 4, 3), factor=0.2)
    yield layer_case("RandomTranslation", "plain", (5, 4, 3), height_factor=0.2, width_factor=0.2)
    yield layer_case("RandomBrightness", "plain", (5, 4, 3), formats=(".keras",), factor=0.2)
    yield layer_case("Identity", "plain", (5, 6))


CASES: tuple[Case, ...] = (*_dense(), *_activations(), *_reshaping(), *_embeddings(), *_inference_identities())
