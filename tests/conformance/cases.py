"""The conformance table: one row a layer case, run on every target.

A row builds a small model in the Keras API that both Keras 3 and tf_keras (Keras 2) share; ``make_models.py`` saves it with
each of them and records its outputs. Rows that only one of them can build say so in ``only``.

This module imports no Keras: a row's ``build`` gets the one to use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

Build = Callable[[Any], Any]


@dataclass(frozen=True)
class Case:
    """A row.

    Attributes:
        id: ``Conv2D-same-stride2``: the class first.
        build: given ``keras`` (or ``tf_keras``), the model.
        only: the writers that can build it: ``keras3``, ``keras2``.
        integers: inputs (by position) that hold integers below the number given.
        lengths: what unknown dimensions but the batch are in the samples.
        formats: the files to save; Keras 3.15 can't write every layer as .h5.
    """

    id: str
    build: Build
    only: tuple[str, ...] = ("keras3", "keras2")
    integers: dict[int, int] = field(default_factory=dict)
    lengths: int = 11
    formats: tuple[str, ...] = (".keras", ".h5")

    @property
    def reference_backend(self) -> str:
        """What computes a Keras 3 row: JAX where TensorFlow has no kernel on a CPU."""
        return "jax" if "channels_first" in self.id else "tensorflow"


def layer_case(class_name: str, label: str, shape: tuple[int | None, ...], only: tuple[str, ...] = ("keras3", "keras2"), formats: tuple[str, ...] = (".keras", ".h5"), **arguments: Any) -> Case:
    """One layer of ``class_name`` on one float32 input of ``shape`` (without the batch)."""

    def build(keras: Any) -> Any:
        inputs = keras.Input(shape, name="x")
        return keras.Model(inputs, getattr(keras.layers, class_name)(**arguments, name="layer")(inputs))

    return Case(f"{class_name}-{label}", build, only, formats=formats)


K3 = ("keras3",)


def _dense() -> Iterable[Case]:
    yield layer_case("Dense", "linear", (7,), units=5)
    yield layer_case("Dense", "relu-nobias", (7,), units=5, use_bias=False, activation="relu")
    yield layer_case("Dense", "rank3-softmax", (4, 7), units=5, activation="softmax")
    yield layer_case("Dense", "rank5", (2, 3, 2, 7), units=3, activation="tanh")
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


def _convolutions() -> Iterable[Case]:
    for rank, shape in ((1, (11, 4)), (2, (9, 8, 4)), (3, (6, 7, 5, 4))):
        name = f"Conv{rank}D"
        last = {"filters": 6, "kernel_size": 3}
        yield layer_case(name, "valid", shape, **last)
        yield layer_case(name, "same", shape, **last, padding="same", activation="relu")
        yield layer_case(name, "same-stride2", shape, **last, padding="same", strides=2, use_bias=False)
        yield layer_case(name, "valid-stride3", shape, filters=3, kernel_size=2, strides=3)
        yield layer_case(name, "dilated", shape, filters=3, kernel_size=2, dilation_rate=2, padding="same")
        yield layer_case(name, "groups", shape, only=K3, filters=6, kernel_size=3, groups=2, padding="same")
        yield layer_case(name, "kernel1", shape, filters=3, kernel_size=1, activation="sigmoid")
        yield layer_case(name, "wide-same", shape, filters=3, kernel_size=4, padding="same", strides=2)
        first = (shape[-1], *shape[:-1])
        yield layer_case(name, "channels_first", first, only=K3, **last, data_format="channels_first", padding="same", strides=2)
        yield layer_case(name, "channels_first-valid", first, only=K3, **last, data_format="channels_first")
        yield layer_case(name, "dynamic", (*(None,) * rank, 4), **last, padding="same", strides=2)
    yield layer_case("Conv1D", "causal", (11, 4), filters=5, kernel_size=3, padding="causal")
    yield layer_case("Conv1D", "causal-dilated", (None, 4), filters=5, kernel_size=3, padding="causal", dilation_rate=4)
    yield layer_case("Conv2D", "uneven", (9, 8, 4), filters=5, kernel_size=(1, 5), strides=(2, 1), padding="same")
    yield layer_case("Conv2D", "uneven-dilation", (9, 12, 4), filters=5, kernel_size=(2, 3), dilation_rate=(1, 3))


def _transposed() -> Iterable[Case]:
    for rank, shape in ((1, (7, 4)), (2, (5, 6, 4)), (3, (3, 4, 3, 4))):
        name = f"Conv{rank}DTranspose"
        yield layer_case(name, "valid", shape, filters=3, kernel_size=3)
        yield layer_case(name, "same-stride2", shape, filters=3, kernel_size=3, strides=2, padding="same", activation="relu")
        yield layer_case(name, "valid-stride2", shape, filters=3, kernel_size=2, strides=2, use_bias=False)
        yield layer_case(name, "valid-stride3", shape, filters=3, kernel_size=2, strides=3)
        yield layer_case(name, "even-kernel", shape, filters=3, kernel_size=4, strides=2, padding="same")
        first = (shape[-1], *shape[:-1])
        yield layer_case(name, "channels_first", first, only=K3, filters=3, kernel_size=3, strides=2, padding="same", data_format="channels_first")
    yield layer_case("Conv2DTranspose", "output_padding", (5, 6, 4), filters=3, kernel_size=3, strides=2, output_padding=1)
    yield layer_case("Conv2DTranspose", "output_padding-same", (5, 6, 4), filters=3, kernel_size=3, strides=(2, 3), padding="same", output_padding=(1, 2))
    yield layer_case("Conv2DTranspose", "dilated", (5, 6, 4), only=K3, filters=3, kernel_size=3, dilation_rate=2)
    yield layer_case("Conv2DTranspose", "dynamic", (None, None, 4), filters=3, kernel_size=3, strides=2, padding="same")


def _depthwise() -> Iterable[Case]:
    for rank, shape in ((1, (11, 4)), (2, (9, 8, 4))):
        depthwise, separable = f"DepthwiseConv{rank}D", f"SeparableConv{rank}D"
        yield layer_case(depthwise, "valid", shape, kernel_size=3)
        yield layer_case(depthwise, "same-stride2-multiplier", shape, kernel_size=3, strides=2, padding="same", depth_multiplier=2, activation="relu")
        yield layer_case(depthwise, "dilated", shape, kernel_size=3, dilation_rate=2, padding="same", use_bias=False)
        yield layer_case(separable, "valid", shape, filters=5, kernel_size=3)
        yield layer_case(separable, "same-stride2-multiplier", shape, filters=5, kernel_size=3, strides=2, padding="same", depth_multiplier=3, activation="tanh")
        yield layer_case(separable, "dilated", shape, filters=5, kernel_size=3, dilation_rate=2)
        first = (shape[-1], *shape[:-1])
        yield layer_case(depthwise, "channels_first", first, only=K3, kernel_size=3, padding="same", data_format="channels_first")
        yield layer_case(separable, "channels_first", first, only=K3, filters=5, kernel_size=3, padding="same", data_format="channels_first")
    yield layer_case("SeparableConv1D", "causal", (11, 4), only=("keras2",), filters=5, kernel_size=3, padding="causal")


def _pools() -> Iterable[Case]:
    for rank, shape in ((1, (11, 4)), (2, (9, 8, 4)), (3, (6, 7, 5, 4))):
        first = (shape[-1], *shape[:-1])
        for kind in ("Max", "Average"):
            name = f"{kind}Pooling{rank}D"
            yield layer_case(name, "default", shape, pool_size=2)
            yield layer_case(name, "same", shape, pool_size=3, strides=2, padding="same")
            yield layer_case(name, "same-stride1", shape, pool_size=2, strides=1, padding="same")
            yield layer_case(name, "valid", shape, pool_size=3, strides=1)
            yield layer_case(name, "channels_first", first, only=K3, pool_size=3, strides=2, padding="same", data_format="channels_first")
            pooled = f"Global{name}"
            yield layer_case(pooled, "default", shape)
            yield layer_case(pooled, "keepdims", shape, keepdims=True)
            yield layer_case(pooled, "channels_first", first, only=K3, data_format="channels_first")
            yield layer_case(pooled, "dynamic", (*(None,) * rank, 4))


def _spatial() -> Iterable[Case]:
    for rank, shape in ((1, (11, 4)), (2, (9, 8, 4)), (3, (6, 7, 5, 4))):
        pair: Any = (1, 2) if rank == 1 else tuple((i, i + 1) for i in range(rank))
        crop: Any = (1, 2) if rank == 1 else tuple((i, 1) for i in range(rank))
        first = (shape[-1], *shape[:-1])
        yield layer_case(f"ZeroPadding{rank}D", "int", shape, padding=2)
        yield layer_case(f"ZeroPadding{rank}D", "pairs", shape, padding=pair)
        yield layer_case(f"Cropping{rank}D", "int", shape, cropping=1)
        yield layer_case(f"Cropping{rank}D", "pairs", shape, cropping=crop)
        yield layer_case(f"UpSampling{rank}D", "default", shape)
        yield layer_case(f"UpSampling{rank}D", "size", shape, size=3 if rank == 1 else tuple(range(1, rank + 1)))
        if rank > 1:
            yield layer_case(f"ZeroPadding{rank}D", "channels_first", first, padding=pair, data_format="channels_first")
            yield layer_case(f"Cropping{rank}D", "channels_first", first, cropping=crop, data_format="channels_first")
            yield layer_case(f"UpSampling{rank}D", "channels_first", first, only=K3, data_format="channels_first")
    yield layer_case("UpSampling2D", "bilinear", (5, 6, 3), size=(2, 3), interpolation="bilinear")
    yield layer_case("UpSampling2D", "dynamic", (None, None, 3), size=2)
    yield layer_case("Resizing", "bilinear", (5, 6, 3), height=8, width=7)
    yield layer_case("Resizing", "nearest", (5, 6, 3), height=3, width=9, interpolation="nearest")
    yield layer_case("CenterCrop", "plain", (9, 8, 3), only=K3, height=4, width=5)


def _normalization() -> Iterable[Case]:
    random = {"beta_initializer": "random_normal", "gamma_initializer": "random_uniform"}
    stats = {"moving_mean_initializer": "random_normal", "moving_variance_initializer": "ones"}
    yield layer_case("BatchNormalization", "default", (9, 4), **random, **stats)
    yield layer_case("BatchNormalization", "axis1", (4, 5, 6), axis=1, **random, **stats)
    yield layer_case("BatchNormalization", "no-scale", (5, 6), scale=False, epsilon=0.1, **stats)
    yield layer_case("BatchNormalization", "no-center", (5, 5, 6), center=False, **stats)
    yield layer_case("LayerNormalization", "default", (5, 6), **random)
    yield layer_case("LayerNormalization", "axes", (5, 3, 6), axis=(1, 3), **random)
    yield layer_case("LayerNormalization", "plain", (5, 6), scale=False, center=False, epsilon=0.01)
    yield layer_case("UnitNormalization", "default", (5, 6))
    yield layer_case("GroupNormalization", "groups", (5, 6), groups=3, **random)
    yield layer_case("RMSNormalization", "default", (5, 6), only=K3)
    yield layer_case("Rescaling", "scale-offset", (5, 6), scale=0.5, offset=-1.0)
    yield layer_case("Rescaling", "lists", (4, 3), scale=[0.5, 2.0, 0.1], offset=[1.0, 0.0, -2.0])
    yield layer_case("Normalization", "given", (4, 3), mean=[0.1, 0.2, 0.3], variance=[1.0, 2.0, 0.5])
    yield layer_case("Normalization", "invert", (4, 3), mean=[0.1, 0.2, 0.3], variance=[1.0, 2.0, 0.5], invert=True)


def _reshaping() -> Iterable[Case]:
    yield layer_case("Flatten", "default", (3, 4, 2))
    yield layer_case("Flatten", "channels_first", (3, 4, 2), data_format="channels_first")
    yield layer_case("Flatten", "dynamic", (None, 3))
    yield layer_case("Reshape", "static", (12,), target_shape=(3, 4))
    yield layer_case("Reshape", "unknown", (3, 4), target_shape=(-1, 2))
    yield layer_case("Reshape", "dynamic", (None, 4), target_shape=(-1, 2))
    yield layer_case("Permute", "plain", (3, 4, 2), dims=(3, 1, 2))
    yield layer_case("RepeatVector", "plain", (5,), n=3)


def merge_case(class_name: str, label: str, shapes: list[tuple[int | None, ...]], **arguments: Any) -> Case:
    """A merge layer on inputs of ``shapes``."""

    def build(keras: Any) -> Any:
        inputs = [keras.Input(shape, name=f"x{index}") for index, shape in enumerate(shapes)]
        return keras.Model(inputs, getattr(keras.layers, class_name)(**arguments, name="layer")(inputs))

    return Case(f"{class_name}-{label}", build)


def _merges() -> Iterable[Case]:
    for name in ("Add", "Multiply", "Average", "Maximum", "Minimum"):
        yield merge_case(name, "three", [(4, 3)] * 3)
        yield merge_case(name, "broadcast", [(4, 3), (1, 3)])
        yield merge_case(name, "ranks", [(4, 3), (3,)] if name == "Add" else [(4, 3), (4, 3)])
    yield merge_case("Subtract", "two", [(4, 3)] * 2)
    yield merge_case("Concatenate", "last", [(4, 3), (4, 5)])
    yield merge_case("Concatenate", "axis1", [(4, 3), (2, 3), (1, 3)], axis=1)
    yield merge_case("Dot", "vectors", [(5,), (5,)], axes=1)
    yield merge_case("Dot", "matrices", [(4, 5), (5, 3)], axes=(2, 1))
    yield merge_case("Dot", "normalize", [(4, 5), (3, 5)], axes=2, normalize=True)


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


def _sequential(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((12, 12, 3)),
            layers.Conv2D(8, 3, padding="same", use_bias=False),
            layers.BatchNormalization(beta_initializer="random_normal", moving_mean_initializer="random_normal"),
            layers.Activation("relu"),
            layers.MaxPooling2D(),
            layers.Dropout(0.3),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )


def _residual(keras: Any, data_format: str, shape: tuple[int, ...]) -> Any:
    layers, axis = keras.layers, 1 if data_format == "channels_first" else -1
    inputs = keras.Input(shape, name="image")
    x = layers.Conv2D(8, 3, padding="same", data_format=data_format)(inputs)
    for _ in range(2):
        y = layers.BatchNormalization(axis=axis, beta_initializer="random_normal")(x)
        y = layers.ReLU()(y)
        y = layers.Conv2D(8, 3, padding="same", data_format=data_format)(y)
        x = layers.Add()([x, y])
    x = layers.AveragePooling2D(2, data_format=data_format)(x)
    x = layers.Concatenate(axis=axis)([x, layers.MaxPooling2D(1, data_format=data_format)(x)])
    x = layers.Flatten(data_format=None if data_format == "channels_last" else "channels_last")(x)
    return keras.Model(inputs, layers.Dense(5)(x))


def _shared(keras: Any) -> Any:
    layers = keras.layers
    a, b = keras.Input((8,), name="a"), keras.Input((8,), name="b")
    branch = keras.Sequential([keras.Input((8,)), layers.Dense(6, activation="relu"), layers.Dense(4)], name="branch")
    left, right = branch(a), branch(b)
    distance = layers.Subtract(name="distance")([left, right])
    return keras.Model([a, b], [layers.Dense(1, name="score")(distance), left])


def _nested(keras: Any) -> Any:
    layers = keras.layers
    inner_in = keras.Input((6, 6, 4))
    x = layers.BatchNormalization(moving_mean_initializer="random_normal")(inner_in)
    x = layers.Conv2D(4, 3, padding="same")(x)
    inner = keras.Model(inner_in, layers.Add()([x, inner_in]), name="block")
    outer_in = keras.Input((6, 6, 4), name="x")
    middle = keras.Sequential([keras.Input((6, 6, 4)), inner, layers.ReLU(), layers.BatchNormalization()], name="middle")
    return keras.Model(outer_in, layers.GlobalAveragePooling2D()(middle(outer_in)))


def recurrent_case(label: str, build: Callable[[Any, Any], Any], shape: tuple[int | None, ...] = (6, 5), only: tuple[str, ...] = ("keras3", "keras2"), **more: Any) -> Case:
    """A recurrent layer on one sequence; weights that training would change are random."""

    def model(keras: Any) -> Any:
        inputs = keras.Input(shape, name="x")
        return keras.Model(inputs, build(keras.layers, inputs))

    return Case(label, model, only, **more)


BIASED = {"bias_initializer": "random_normal"}


def _recurrent() -> Iterable[Case]:
    for name in ("SimpleRNN", "LSTM", "GRU"):
        def layer(layers: Any, x: Any, name: str = name, **arguments: Any) -> Any:
            return getattr(layers, name)(4, **BIASED, **arguments)(x)

        yield recurrent_case(f"{name}-last", layer)
        yield recurrent_case(f"{name}-sequences", partial(layer, return_sequences=True))
        yield recurrent_case(f"{name}-states", partial(layer, return_sequences=True, return_state=True))
        yield recurrent_case(f"{name}-backwards", partial(layer, return_sequences=True, go_backwards=True))
        yield recurrent_case(f"{name}-relu-nobias", lambda layers, x, name=name: getattr(layers, name)(4, activation="relu", use_bias=False)(x))
        yield recurrent_case(f"{name}-dynamic", partial(layer, return_sequences=True), (None, 5))
        yield recurrent_case(f"{name}-unroll", partial(layer, unroll=True))
        yield recurrent_case(f"{name}-stateful-dropout", partial(layer, dropout=0.3, recurrent_dropout=0.2))
        yield recurrent_case(f"{name}-masked", lambda layers, x, layer=layer: layer(layers, layers.Masking(0.5)(x), return_sequences=True))
        yield recurrent_case(f"{name}-masked-last", lambda layers, x, layer=layer: layer(layers, layers.Masking(0.5)(x)))
        yield recurrent_case(f"{name}-embedded", lambda layers, x, layer=layer: layer(layers, layers.Embedding(7, 3, mask_zero=True)(x)), (6,), integers={0: 7})
        yield recurrent_case(f"{name}-stack", lambda layers, x, layer=layer: layer(layers, layer(layers, layers.Masking(0.5)(x), return_sequences=True)))
        for mode in ("concat", "sum", "mul", "ave", None):
            yield recurrent_case(f"Bidirectional-{name}-{mode}", lambda layers, x, name=name, mode=mode: layers.Bidirectional(getattr(layers, name)(3, return_sequences=True, **BIASED), merge_mode=mode)(x))
        yield recurrent_case(f"Bidirectional-{name}-last", lambda layers, x, name=name: layers.Bidirectional(getattr(layers, name)(3, return_state=True, **BIASED))(x))
        yield recurrent_case(f"Bidirectional-{name}-masked", lambda layers, x, name=name: layers.Bidirectional(getattr(layers, name)(3, return_sequences=True, **BIASED))(layers.Embedding(7, 3, mask_zero=True)(x)), (6,), integers={0: 7})
        yield recurrent_case(f"Bidirectional-{name}-masked-last", lambda layers, x, name=name: layers.Bidirectional(getattr(layers, name)(3, **BIASED))(layers.Embedding(7, 3, mask_zero=True)(x)), (6,), integers={0: 7})
        yield recurrent_case(f"RNN-{name}Cell", lambda layers, x, name=name: layers.RNN(getattr(layers, f"{name}Cell")(3, **BIASED), return_sequences=True)(x))
    yield recurrent_case("GRU-reset-before", lambda layers, x: layers.GRU(4, reset_after=False, return_sequences=True, **BIASED)(x))
    yield recurrent_case("LSTM-hard", lambda layers, x: layers.LSTM(4, recurrent_activation="hard_sigmoid", activation="softsign", **BIASED)(x))
    yield recurrent_case("RNN-stacked", lambda layers, x: layers.RNN([layers.LSTMCell(3, **BIASED), layers.GRUCell(4, **BIASED)], return_state=True)(x))
    yield recurrent_case("LSTM-encoder-decoder", _encoder_decoder)
    yield recurrent_case("TimeDistributed-Dense", lambda layers, x: layers.TimeDistributed(layers.Dense(3, activation="relu"))(x))
    yield recurrent_case("GlobalAveragePooling1D-masked", lambda layers, x: layers.GlobalAveragePooling1D()(layers.Embedding(7, 3, mask_zero=True)(x)), (6,), integers={0: 7})
    yield recurrent_case("Concatenate-masked", lambda layers, x: layers.GRU(3)(layers.Concatenate()([layers.Masking(0.5)(x), layers.Dense(2)(layers.Masking(0.5)(x))])))
    yield recurrent_case("Add-masked", lambda layers, x: layers.GRU(3)(layers.Add()([layers.Masking(0.5)(x), layers.Dense(5)(layers.Masking(0.5)(x))])))


def _encoder_decoder(layers: Any, x: Any) -> Any:
    _, h, c = layers.LSTM(4, return_state=True, **BIASED)(x)
    return layers.LSTM(4, return_sequences=True, **BIASED)(x, initial_state=[h, c])


def _conv_lstm() -> Iterable[Case]:
    for rank, shape in ((1, (4, 6, 2)), (2, (4, 5, 6, 2)), (3, (3, 4, 3, 4, 2))):
        name = f"ConvLSTM{rank}D"
        yield layer_case(name, "last", shape, filters=3, kernel_size=3)
        yield layer_case(name, "sequences", shape, filters=3, kernel_size=3, padding="same", return_sequences=True, go_backwards=True)
        yield layer_case(name, "strides", shape, filters=3, kernel_size=2, strides=2, padding="same", use_bias=False)
        yield layer_case(name, "hard", shape, filters=2, kernel_size=2, activation="relu", recurrent_activation="hard_sigmoid")
    yield layer_case("ConvLSTM2D", "dilated-states", (4, 7, 6, 2), filters=3, kernel_size=2, dilation_rate=2, return_state=True)
    yield layer_case("ConvLSTM2D", "channels_first", (4, 2, 5, 6), only=K3, filters=3, kernel_size=3, data_format="channels_first")


def attention_case(label: str, build: Callable[[Any, Any, Any], Any], shapes: tuple[tuple[int | None, ...], ...] = ((5, 8), (6, 8)), only: tuple[str, ...] = ("keras3", "keras2"), **more: Any) -> Case:
    """An attention layer on a query and a value."""

    def model(keras: Any) -> Any:
        query, value = (keras.Input(shape, name=name) for shape, name in zip(shapes, ("q", "v"), strict=True))
        return keras.Model([query, value], build(keras.layers, query, value))

    return Case(label, model, only, **more)


def _attention() -> Iterable[Case]:
    yield attention_case("Attention-dot", lambda layers, q, v: layers.Attention()([q, v]))
    yield attention_case("Attention-key-scores", lambda layers, q, v: layers.Attention()([q, v, layers.Dense(8)(v)], return_attention_scores=True))
    yield attention_case("Attention-scale", lambda layers, q, v: layers.Attention(use_scale=True)([q, v]))
    yield attention_case("Attention-concat", lambda layers, q, v: layers.Attention(score_mode="concat")([q, v]))
    yield attention_case("Attention-concat-scale", lambda layers, q, v: layers.Attention(score_mode="concat", use_scale=True)([q, v]))
    yield attention_case("Attention-causal", lambda layers, q, v: layers.Attention()([q, q], use_causal_mask=True))
    yield attention_case("Attention-dynamic", lambda layers, q, v: layers.Attention()([q, v], use_causal_mask=True), ((None, 8), (None, 8)))
    yield attention_case("Attention-masked", lambda layers, q, v: layers.Attention()([layers.Masking(0.5)(q), layers.Masking(0.5)(v)]))
    yield attention_case("AdditiveAttention-plain", lambda layers, q, v: layers.AdditiveAttention()([q, v]))
    yield attention_case("AdditiveAttention-noscale-masked", lambda layers, q, v: layers.AdditiveAttention(use_scale=False)([layers.Masking(0.5)(q), layers.Masking(0.5)(v)]))
    yield attention_case("MultiHeadAttention-self", lambda layers, q, v: layers.MultiHeadAttention(2, 4, **BIASED)(q, q))
    yield attention_case("MultiHeadAttention-cross", lambda layers, q, v: layers.MultiHeadAttention(2, 3, value_dim=5, output_shape=7, **BIASED)(q, v, layers.Dense(8)(v)))
    yield attention_case("MultiHeadAttention-nobias-scores", lambda layers, q, v: layers.MultiHeadAttention(2, 4, use_bias=False, dropout=0.1)(q, v, return_attention_scores=True))
    yield attention_case("MultiHeadAttention-causal", lambda layers, q, v: layers.MultiHeadAttention(2, 4, **BIASED)(q, q, use_causal_mask=True))
    yield attention_case("MultiHeadAttention-dynamic", lambda layers, q, v: layers.MultiHeadAttention(2, 4, **BIASED)(q, v), ((None, 8), (None, 8)))
    yield attention_case("MultiHeadAttention-masked", lambda layers, q, v: layers.GlobalAveragePooling1D()(layers.MultiHeadAttention(2, 4, **BIASED)(layers.Masking(0.5)(q), layers.Masking(0.5)(v))))
    yield attention_case("GroupQueryAttention-plain", lambda layers, q, v: layers.GroupQueryAttention(4, 4, 2, **BIASED)(q, v), only=K3)
    yield attention_case("GroupQueryAttention-causal", lambda layers, q, v: layers.GroupQueryAttention(4, 4, 2, **BIASED)(q, q, use_causal_mask=True), only=K3)
    yield Case("Functional-transformer", _transformer, integers={0: 9})


def _transformer(keras: Any) -> Any:
    """An encoder block on embedded tokens of which some are padding, then a mean over those that are not."""
    layers = keras.layers
    tokens = keras.Input((7,), dtype="int32", name="tokens")
    x = layers.Embedding(9, 8, mask_zero=True)(tokens)
    y = layers.MultiHeadAttention(2, 4, **BIASED)(x, x)
    x = layers.LayerNormalization(beta_initializer="random_normal")(layers.Add()([x, y]))
    y = layers.Dense(8)(layers.Dense(16, activation="gelu")(x))
    x = layers.LayerNormalization()(layers.Add()([x, y]))
    return keras.Model(tokens, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling1D()(x)))


def _models() -> Iterable[Case]:
    yield Case("Sequential-cnn", _sequential)
    yield Case("Functional-residual", lambda k: _residual(k, "channels_last", (8, 8, 3)))
    yield Case("Functional-residual-channels_first", lambda k: _residual(k, "channels_first", (3, 8, 8)), K3)
    yield Case("Functional-shared-branch", _shared)
    yield Case("Functional-nested", _nested)


FAMILIES = (
    _dense, _activations, _convolutions, _transposed, _depthwise, _pools, _spatial, _normalization, _reshaping, _merges,
    _embeddings, _inference_identities, _recurrent, _conv_lstm, _attention, _models,
)  # fmt: skip

CASES: tuple[Case, ...] = tuple(case for family in FAMILIES for case in family())
