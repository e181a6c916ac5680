"""Keras's own quantized layers, and LoRAs.

Weights that quantization makes from zeros would not show, so every float weight is random before ``quantize``. Keras 3.15 can't save
all of them in both formats: it merges a LoRA into the levels of a ``.keras`` file, which rounds anew; it can't write int8 and int4
layers with a map of policies there, and leaves the zeros of GPTQ and AWQ layers out of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .case import K3, Case

Make = Callable[[Any, Any], Any]


def randomise(model: Any, seed: int = 3) -> None:
    """Give every float weight random contents."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if "float" in str(weight.dtype):
            weight.assign(rng.normal(0, 0.5, weight.shape))


def quantized(
    label: str,
    make: Make,
    mode: str,
    config: Callable[[Any], Any] = lambda _: None,
    *,
    shape: tuple[int | None, ...] = (20,),
    tokens: int = 0,
    formats: tuple[str, ...] = (".keras", ".h5"),
) -> Case:
    """A model of ``make(layers, x)`` on one input, quantized; ``tokens``: integers below that are its input."""

    def build(keras: Any) -> Any:
        x = keras.Input(shape, dtype="int32" if tokens else "float32", name="x")
        model = keras.Model(x, make(keras.layers, x))
        randomise(model)
        model.quantize(mode, config=config(keras.quantizers))
        return model

    return Case(label, build, K3, {0: tokens} if tokens else {}, formats=formats)


def weight_only_int8(q: Any) -> Any:
    return q.Int8QuantizationConfig(activation_quantizer=None)


def int4(block: int | None, *, inputs: bool = False) -> Callable[[Any], Any]:
    """A config of blocks of ``block`` rows, None for whole columns, with quantized ``inputs``."""
    return lambda q: q.Int4QuantizationConfig(
        block_size=block, activation_quantizer=q.AbsMaxQuantizer() if inputs else None
    )


MODES: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
    ("int8", "int8", lambda _: None),
    ("int8-weights", "int8", weight_only_int8),
    ("int4", "int4", lambda _: None),
    ("int4-column", "int4", int4(None)),
    ("int4-column-inputs", "int4", int4(None, inputs=True)),
    ("int4-block8", "int4", int4(8)),
    ("float8", "float8", lambda _: None),
)


def _dense() -> Iterable[Case]:
    for label, mode, config in MODES:
        yield quantized(f"Dense-{label}", lambda layers, x: layers.Dense(9, activation="tanh", name="layer")(x), mode, config)
        yield quantized(f"Dense-{label}-rank3-nobias", lambda layers, x: layers.Dense(8, use_bias=False, name="layer")(x), mode, config, shape=(3, 20))
    narrow = lambda q: q.Int8QuantizationConfig(activation_quantizer=q.AbsMaxQuantizer(value_range=(-31, 31)))  # noqa: E731
    yield quantized("Dense-int8-levels31", lambda layers, x: layers.Dense(9, name="layer")(x), "int8", narrow)
    yield quantized("Dense-int8-large", lambda layers, x: layers.Dense(130, name="layer")(x), "int8", shape=(120,))
    yield quantized("Dense-int4-large", lambda layers, x: layers.Dense(131, name="layer")(x), "int4", int4(32), shape=(120,))
    yield quantized("Dense-int8-dynamic", lambda layers, x: layers.Dense(9, name="layer")(x), "int8", shape=(None, 20))
    yield quantized("Dense-int4-dynamic", lambda layers, x: layers.Dense(9, name="layer")(x), "int4", int4(6), shape=(None, 20))


EQUATIONS = (
    ("project", "abc,cd->abd", (4, 6), (None, 9), "d"),
    ("heads", "abc,cde->abde", (4, 6), (None, 3, 5), "de"),
    ("merge", "abcd,cde->abe", (4, 3, 6), (None, 7), "e"),
    ("ellipsis", "...x,xy->...y", (4, 20), 5, "y"),
    ("kernel-turned", "ab,cb->ac", (20,), 5, "c"),
    ("result-turned", "abc,cd->adb", (4, 6), (9, None), None),
)


def _einsum() -> Iterable[Case]:
    for name, equation, shape, output, bias in EQUATIONS:
        for label, mode, config in MODES:
            if name == "ellipsis" and mode != "float8":
                continue  # Keras 3.15 builds its scales for an input whose rank is not known and fails

            def make(layers: Any, x: Any, equation: str = equation, output: Any = output, bias: Any = bias) -> Any:
                return layers.EinsumDense(equation, output, bias_axes=bias, name="layer")(x)

            yield quantized(f"EinsumDense-{name}-{label}", make, mode, config, shape=shape)


def _embeddings() -> Iterable[Case]:
    for label, mode, config in (("int8", "int8", lambda _: None), ("int4", "int4", lambda _: None), ("int4-column", "int4", int4(None)), ("int4-block3", "int4", int4(3))):
        yield quantized(f"Embedding-{label}", lambda layers, x: layers.Embedding(30, 7, name="layer")(x), mode, config, shape=(6,), tokens=30)
    yield quantized("Embedding-int4-even", lambda layers, x: layers.Embedding(300, 8, name="layer")(x), "int4", int4(4), shape=(6,), tokens=300)


def reversible_case(label: str, mode: str, config: Callable[[Any], Any], **arguments: Any) -> Case:
    """Tokens to vectors and back by one layer."""

    def build(keras: Any) -> Any:
        x = keras.Input((6,), dtype="int32", name="x")
        layer = keras.layers.ReversibleEmbedding(30, 7, name="layer", **arguments)
        between = keras.layers.Dense(7, activation="tanh", name="dense")(layer(x))
        model = keras.Model(x, layer(between, reverse=True))
        randomise(model)
        if mode:
            layer.quantize(mode, config=config(keras.quantizers))
        return model

    return Case(f"ReversibleEmbedding-{label}", build, K3, {0: 30})


def _reversible() -> Iterable[Case]:
    modes = (("plain", "", lambda _: None), ("int4-block3", "int4", int4(3)), *((label, mode, config) for label, mode, config in MODES if mode in ("int8", "int4")))
    for label, mode, config in modes:
        yield reversible_case(f"{label}-tied", mode, config)
        yield reversible_case(f"{label}-untied-capped", mode, config, tie_weights=False, logit_soft_cap=2.0)
    yield reversible_case("plain-masked", "", lambda _: None, mask_zero=True)
    yield reversible_case("plain-float16", "", lambda _: None, reverse_dtype="float16")


def calibrated_case(label: str, policy: str, bits: int, groups: int) -> Case:
    """A Dense(9) on 20 features as GPTQ or AWQ leave it: random levels, scales and zeros in groups."""

    def build(keras: Any) -> Any:
        x = keras.Input((20,), name="x")
        layer = keras.layers.Dense(9, name="layer", dtype=policy)
        layer.build((None, 20))
        layer.is_gptq_calibrated = policy.startswith("gptq")
        layer.is_awq_calibrated = policy.startswith("awq")
        rng = np.random.default_rng(5)
        layer.quantized_kernel.assign(rng.integers(0, 256, layer.quantized_kernel.shape))
        layer.kernel_scale.assign(rng.uniform(0.01, 0.1, layer.kernel_scale.shape))
        layer.kernel_zero.assign(rng.integers(0, 2**bits, layer.kernel_zero.shape))
        layer.g_idx.assign(np.arange(20) * groups // 20 if "shuffled" not in label else rng.permutation(20) * groups // 20)
        layer.bias.assign(rng.normal(size=9))
        if policy.startswith("awq"):
            layer.awq_scales.assign(rng.uniform(0.5, 2, 20))
        return keras.Model(x, layer(x))

    return Case(label, build, K3, formats=(".h5",))


def _calibrated() -> Iterable[Case]:
    yield calibrated_case("Dense-gptq4", "gptq/4/-1_from_float32", 4, 1)
    yield calibrated_case("Dense-gptq4-groups", "gptq/4/5_from_float32", 4, 4)
    yield calibrated_case("Dense-gptq4-shuffled", "gptq/4/5_from_float32", 4, 4)
    yield calibrated_case("Dense-gptq8", "gptq/8/-1_from_float32", 8, 1)
    yield calibrated_case("Dense-awq4", "awq/4/-1_from_float32", 4, 1)
    yield calibrated_case("Dense-awq4-groups", "awq/4/5_from_float32", 4, 4)


def lora_case(label: str, make: Make, mode: str = "", shape: tuple[int, ...] = (20,), tokens: int = 0) -> Case:
    """A layer with a LoRA, quantized before it is enabled where there is a ``mode``."""

    def build(keras: Any) -> Any:
        x = keras.Input(shape, dtype="int32" if tokens else "float32", name="x")
        layer, y = make(keras.layers, x)
        model = keras.Model(x, y)
        if mode:
            randomise(model)
            model.quantize(mode)
        layer.enable_lora(3, lora_alpha=2)
        rng = np.random.default_rng(4)
        for weight in layer.weights:
            if "lora" in weight.name:
                weight.assign(rng.normal(0, 0.5, weight.shape))
        return model

    return Case(label, build, K3, {0: tokens} if tokens else {}, formats=(".h5",) if mode else (".keras", ".h5"))


def _loras() -> Iterable[Case]:
    def dense(layers: Any, x: Any) -> Any:
        layer = layers.Dense(9, name="layer", bias_initializer="random_normal")
        return layer, layer(x)

    def einsum(layers: Any, x: Any) -> Any:
        layer = layers.EinsumDense("abc,cde->abde", (None, 3, 5), bias_axes="e", name="layer", bias_initializer="random_normal")
        return layer, layer(x)

    def embedding(layers: Any, x: Any) -> Any:
        layer = layers.Embedding(30, 7, name="layer")
        return layer, layer(x)

    for mode in ("", "int8", "int4"):
        name = f"-{mode}" if mode else ""
        yield lora_case(f"Dense-lora{name}", dense, mode)
        yield lora_case(f"EinsumDense-lora{name}", einsum, mode, (4, 6))
        if mode != "int4":
            yield lora_case(f"Embedding-lora{name}", embedding, mode, (6,), 30)


PROJECTIONS = ("query", "key", "value", "attention_output")


def with_quantized_attention(label: str, mode: str, make: Callable[[Any, Any, Any], Any], formats: tuple[str, ...], shape: tuple[int, ...] = (5, 8), tokens: int = 0, quantize: bool = False) -> Case:
    """A model whose attention layer has projections of ``mode``, by a map of policies: that is how Keras can load them again.

    Their levels are those of a model that was quantized.
    """

    def build(keras: Any) -> Any:
        def model(policy: Any) -> Any:
            x = keras.Input(shape, dtype="int32" if tokens else "float32", name="x")
            return keras.Model(x, make(keras.layers, x, policy))

        source = model("float32")
        randomise(source)
        source.quantize(mode)
        policies = keras.dtype_policies.DTypePolicyMap(default_policy="float32")
        block = "/128" if mode == "int4" else ""
        for name in PROJECTIONS:
            policies[f"attention/{name}"] = f"{mode}{block}_from_float32"
        made = model(policies)
        if quantize:
            for layer in made.layers:
                if type(layer).__name__ in ("Dense", "EinsumDense", "Embedding"):
                    layer.quantize(mode)
        found = {weight.path: weight for weight in source.weights}
        for weight in made.weights:
            weight.assign(found[weight.path])
        return made

    return Case(label, build, K3, {0: tokens} if tokens else {}, formats=formats)


def _attention() -> Iterable[Case]:
    def attention(layers: Any, x: Any, policy: Any) -> Any:
        return layers.MultiHeadAttention(2, 4, name="attention", dtype=policy)(x, x)

    def grouped(layers: Any, x: Any, policy: Any) -> Any:
        return layers.GroupQueryAttention(4, 4, 2, name="attention", dtype=policy)(x, x)

    yield with_quantized_attention("MultiHeadAttention-int8", "int8", attention, (".h5",))
    yield with_quantized_attention("MultiHeadAttention-int4", "int4", attention, (".h5",))
    yield with_quantized_attention("MultiHeadAttention-float8", "float8", attention, (".keras", ".h5"))
    yield with_quantized_attention("GroupQueryAttention-int8", "int8", grouped, (".h5",))


def _models() -> Iterable[Case]:
    def mlp(layers: Any, x: Any) -> Any:
        y = layers.Dense(40, activation="relu", name="one")(x)
        y = layers.Dense(30, activation="gelu", name="two")(y)
        return layers.Dense(7, activation="softmax", name="three")(y)

    def block(layers: Any, x: Any, policy: Any) -> Any:
        y = layers.Embedding(40, 16, name="embedding")(x)
        y = layers.Add(name="add")([y, layers.MultiHeadAttention(2, 8, name="attention", dtype=policy)(y, y)])
        y = layers.LayerNormalization(name="norm")(y)
        z = layers.Dense(32, activation="gelu", name="up")(y)
        z = layers.EinsumDense("abc,cd->abd", (None, 16), bias_axes="d", name="down")(z)
        return layers.LayerNormalization(name="norm2")(layers.Add(name="add2")([y, z]))

    for label, mode, config in MODES:
        yield quantized(f"model-mlp-{label}", mlp, mode, config)
    for mode in ("int8", "int4"):
        yield with_quantized_attention(f"model-block-{mode}", mode, block, (".h5",), (6,), 40, quantize=True)


CASES: tuple[Case, ...] = (
    *_dense(),
    *_einsum(),
    *_embeddings(),
    *_reversible(),
    *_calibrated(),
    *_loras(),
    *_attention(),
    *_models(),
)
