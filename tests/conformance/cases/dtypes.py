"""Dtype policies, and inputs of every dtype.

What a policy computes in its dtype is computed in float32 by an artifact, so that these rows are held to what rounding in that dtype
leaves of the reference (``reference_tolerance``); the dtypes of all outputs are exact. (An orthogonal initializer, recurrent
layers' default, has no kernel in bfloat16.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .case import K3, Case

Make = Callable[[Any, Any], Any]

POLICIES = ("float16", "bfloat16", "float64", "mixed_float16", "mixed_bfloat16")


def randomise(model: Any) -> None:
    """Give every float weight random contents; variances are above 0."""
    rng = np.random.default_rng(3)
    found = []
    for weight in model.weights:
        name, shape = weight.name, tuple(weight.shape)
        drawn = rng.uniform(0.5, 1.5, shape) if "variance" in name or "gamma" in name else rng.normal(0, 0.3, shape)
        found.append(drawn)
    model.set_weights(found)


def policy_case(label: str, policy: str, make: Make, shape: tuple[int | None, ...], *, only: tuple[str, ...] = ("keras3", "keras2"), tokens: int = 0, input_dtype: str = "float32") -> Case:
    """``make(layers, x)`` in a model whose layers all have the policy, as a global one gives it to them."""

    def build(keras: Any) -> Any:
        mixed = keras.mixed_precision
        config = getattr(keras, "config", None)
        modern = hasattr(config, "set_dtype_policy")
        (config.set_dtype_policy if modern else mixed.set_global_policy)(policy)
        try:
            x = keras.Input(shape, dtype="int32" if tokens else input_dtype, name="x")
            model = keras.Model(x, make(keras.layers, x))
        finally:
            (config.set_dtype_policy if modern else mixed.set_global_policy)("float32")
        randomise(model)
        return model

    return Case(f"{label}-{policy}", build, only, {0: tokens} if tokens else {})


def _image(layers: Any, x: Any) -> Any:
    y = layers.Conv2D(5, 3, padding="same", activation="relu", name="conv")(x)
    y = layers.BatchNormalization(name="norm")(y)
    y = layers.DepthwiseConv2D(3, name="depthwise")(y)
    y = layers.MaxPooling2D(name="pool")(y)
    y = layers.AveragePooling2D(2, padding="same", name="average")(y)
    y = layers.GlobalAveragePooling2D(name="global")(y)
    return layers.Dense(4, activation="softmax", name="scores")(y)


def _sequence(layers: Any, x: Any) -> Any:
    y = layers.Embedding(20, 6, name="embedding")(x)
    y = layers.LSTM(5, return_sequences=True, recurrent_initializer="random_normal", name="lstm")(y)
    y = layers.Bidirectional(layers.GRU(4, return_sequences=True, recurrent_initializer="random_normal", name="gru"), name="both")(y)
    return layers.Dense(3, activation="tanh", name="dense")(y)


def _attention(layers: Any, x: Any) -> Any:
    y = layers.Dense(8, name="dense")(x)
    y = layers.Add(name="add")([y, layers.MultiHeadAttention(2, 4, name="attention")(y, y)])
    y = layers.LayerNormalization(name="norm")(y)
    return layers.Softmax(name="softmax")(layers.Activation("gelu", name="gelu")(y))


SINGLE: tuple[tuple[str, tuple[int | None, ...], Make], ...] = (
    ("Dense", (7,), lambda layers, x: layers.Dense(5, activation="sigmoid", name="layer")(x)),
    ("Conv1D", (9, 4), lambda layers, x: layers.Conv1D(5, 3, name="layer")(x)),
    ("Conv2DTranspose", (4, 4, 3), lambda layers, x: layers.Conv2DTranspose(2, 3, strides=2, name="layer")(x)),
    ("LayerNormalization", (5, 6), lambda layers, x: layers.LayerNormalization(name="layer")(x)),
    ("GroupNormalization", (5, 6), lambda layers, x: layers.GroupNormalization(3, name="layer")(x)),
    ("UnitNormalization", (5, 6), lambda layers, x: layers.UnitNormalization(name="layer")(x)),
    ("BatchNormalization", (5, 6), lambda layers, x: layers.BatchNormalization(name="layer")(x)),
    ("Softmax", (5, 6), lambda layers, x: layers.Softmax(name="layer")(x)),
    ("Rescaling", (5, 6), lambda layers, x: layers.Rescaling(0.3, 0.1, name="layer")(x)),
    ("UpSampling2D", (3, 4, 2), lambda layers, x: layers.UpSampling2D(2, interpolation="bilinear", name="layer")(x)),
    ("Attention", (5, 6), lambda layers, x: layers.Attention(name="layer")([x, x])),
    ("SimpleRNN", (6, 5), lambda layers, x: layers.SimpleRNN(4, return_sequences=True, recurrent_initializer="random_normal", name="layer")(x)),
    ("PReLU", (5, 6), lambda layers, x: layers.PReLU(name="layer")(x)),
)


def _policies() -> Iterable[Case]:
    for policy in POLICIES:
        yield policy_case("policy-image", policy, _image, (10, 8, 3))
        yield policy_case("policy-sequence", policy, _sequence, (6,), tokens=20)
        yield policy_case("policy-attention", policy, _attention, (5, 6))
        for name, shape, make in SINGLE if policy in ("float16", "mixed_bfloat16", "float64") else ():
            yield policy_case(f"{name}-policy", policy, make, shape)
        own = policy.removeprefix("mixed_")
        yield policy_case(f"Dense-input-{own}", policy, SINGLE[0][2], (7,), input_dtype=own)


def _per_layer() -> Iterable[Case]:
    """Layers of several policies in one model."""

    def several(keras: Any) -> Any:
        layers = keras.layers
        x = keras.Input((7,), name="x")
        y = layers.Dense(6, dtype="float16", name="half")(x)
        y = layers.Dense(6, dtype="mixed_bfloat16", name="mixed")(y)
        z = layers.Dense(6, dtype="float64", name="double")(x)
        y = layers.Add(dtype="float32", name="add")([y, z])
        return keras.Model(x, [layers.Dense(4, name="dense")(y), z])

    def objects(keras: Any) -> Any:
        layers, policies = keras.layers, keras.dtype_policies
        x = keras.Input((5, 6), name="x")
        by_path = policies.DTypePolicyMap(default_policy="float32")
        by_path["attention/query"] = "mixed_float16"
        y = layers.Dense(6, dtype=policies.DTypePolicy("mixed_float16"), name="dense")(x)
        y = layers.MultiHeadAttention(2, 4, dtype=by_path, name="attention")(y, y)
        return keras.Model(x, layers.Dense(3, dtype=policies.FloatDTypePolicy("float16"), name="last")(y))

    yield Case("policies-several", several)
    yield Case("policies-objects", objects, K3, formats=(".keras",))


#: Pairs of dtypes that merge layers meet.
PAIRS = (
    ("float16", "float32"), ("bfloat16", "float16"), ("float32", "float64"), ("int32", "float32"), ("int8", "uint8"),
    ("int32", "int64"), ("uint8", "int32"), ("int16", "float16"), ("bool", "int32"), ("uint16", "uint32"), ("bool", "float32"),
)  # fmt: skip


def merge_case(class_name: str, left: str, right: str) -> Case:
    """A merge layer on inputs of two dtypes."""

    def build(keras: Any) -> Any:
        inputs = [keras.Input((4, 3), dtype=dtype, name=name) for name, dtype in (("a", left), ("b", right))]
        return keras.Model(inputs, getattr(keras.layers, class_name)(name="layer")(inputs))

    whole = {index: 2 if dtype == "bool" else 100 for index, dtype in enumerate((left, right)) if "float" not in dtype}
    return Case(f"{class_name}-{left}-{right}", build, K3, whole)


def _merges() -> Iterable[Case]:
    for left, right in PAIRS:
        yield merge_case("Concatenate", left, right)
        for name in ("Add", "Multiply", "Maximum"):
            yield merge_case(name, left, right)
        if any("float" in dtype for dtype in (left, right)):
            # Of two integers it is float64 on TensorFlow alone, whatever Keras declares.
            yield merge_case("Average", left, right)


DTYPES = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "bfloat16", "float32", "float64")


def _inputs() -> Iterable[Case]:
    """Inputs of every dtype: moved, rescaled, embedded, multiplied by a kernel, cast."""
    for dtype in DTYPES:
        whole = {} if "float" in dtype else {0: 2 if dtype == "bool" else 20}

        def moved(keras: Any, dtype: str = dtype) -> Any:
            x = keras.Input((4, 3), dtype=dtype, name="x")
            y = keras.layers.Permute((2, 1), name="permute")(x)
            return keras.Model(x, keras.layers.Flatten(name="layer")(y))

        def rescaled(keras: Any, dtype: str = dtype) -> Any:
            x = keras.Input((4, 3), dtype=dtype, name="x")
            return keras.Model(x, keras.layers.Dense(5, name="layer")(keras.layers.Rescaling(1 / 20, name="scale")(x)))

        def multiplied(keras: Any, dtype: str = dtype) -> Any:
            x = keras.Input((4, 3), dtype=dtype, name="x")
            return keras.Model(x, keras.layers.Dense(5, name="layer")(x))

        def cast(keras: Any, dtype: str = dtype) -> Any:
            x = keras.Input((4, 3), dtype=dtype, name="x")
            return keras.Model(x, [keras.ops.cast(x, to) for to in ("float32", "int32", "bool", "float16")])

        yield Case(f"Flatten-{dtype}", moved, integers=whole)
        yield Case(f"Rescaling-{dtype}", rescaled, integers=whole)
        yield Case(f"Dense-on-{dtype}", multiplied, K3, integers=whole)
        yield Case(f"cast-from-{dtype}", cast, K3, integers=whole)
        if whole and dtype != "bool":
            yield Case(f"Embedding-on-{dtype}", lambda k, d=dtype: k.Model(x := k.Input((6,), dtype=d, name="x"), k.layers.Embedding(20, 4, name="layer")(x)), integers=whole)


CASES: tuple[Case, ...] = (*_policies(), *_per_layer(), *_merges(), *_inputs())
