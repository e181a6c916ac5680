"""The variables of Keras's layers: their names, order and shapes, by class and arguments.

The order is Keras's own: trainable variables as ``build`` creates them, then the others (keras/src/layers, 3.15).
It decides which array of a file is which, because files name variables by position or not reliably.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kexport.loading.quantized_layout import adapted
from kexport.loading.spec import LayerSpec
from kexport.loading.variables import Dim, Shape, Variable

__all__ = ["Variable", "shape_fits", "variables_of"]

Config = Mapping[str, Any]


def variables_of(layer: LayerSpec) -> list[Variable] | None:
    """The variables of the layer itself, those of models and layers inside it not included; None for unknown classes."""
    rule = _LAYOUTS.get(layer.class_name)
    if layer.module.startswith("keras") and ".ops" in layer.module:
        return []
    if rule is not None:
        return adapted(layer, rule(layer.config))
    return [] if layer.model is not None or layer.children or layer.class_name in WEIGHTLESS else None


def shape_fits(expected: Shape, received: Sequence[int]) -> bool:
    """Whether an array has the shape that a layer's config asks for, as far as it does."""
    if expected is None:
        return True
    return len(expected) == len(received) and all(
        e is None or e == r for e, r in zip(expected, received, strict=True)
    )


def _int(config: Config, key: str) -> Dim:
    value = config.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _times(*factors: Dim) -> Dim:
    product = 1
    for factor in factors:
        if factor is None:
            return None
        product *= factor
    return product


def _window(config: Config, rank: int) -> tuple[Dim, ...]:
    """The kernel's spatial shape: one number stands for all axes."""
    size = config.get("kernel_size")
    if isinstance(size, int) and not isinstance(size, bool):
        return (size,) * rank
    if isinstance(size, list | tuple) and len(size) == rank:
        return tuple(item if isinstance(item, int) else None for item in size)
    return (None,) * rank


def _with_bias(config: Config, variables: list[Variable], bias: Shape) -> list[Variable]:
    return [*variables, Variable("bias", bias)] if config.get("use_bias", True) else variables


def _dense(config: Config) -> list[Variable]:
    units = _int(config, "units")
    return _with_bias(config, [Variable("kernel", (None, units))], (units,))


def _einsum_dense(config: Config) -> list[Variable]:
    kernel = [Variable("kernel")]
    return [*kernel, Variable("bias")] if config.get("bias_axes") is not None else kernel


def _embedding(config: Config) -> list[Variable]:
    return [Variable("embeddings", (_int(config, "input_dim"), _int(config, "output_dim")))]


def _reversible_embedding(config: Config) -> list[Variable]:
    table = _embedding(config)
    if config.get("tie_weights", True):
        return table
    return [*table, Variable("reverse_embeddings", (_int(config, "output_dim"), _int(config, "input_dim")))]


def _conv(rank: int) -> Callable[[Config], list[Variable]]:
    def layout(config: Config) -> list[Variable]:
        filters = _int(config, "filters")
        return _with_bias(config, [Variable("kernel", (*_window(config, rank), None, filters))], (filters,))

    return layout


def _conv_transpose(rank: int) -> Callable[[Config], list[Variable]]:
    def layout(config: Config) -> list[Variable]:
        filters = _int(config, "filters")
        return _with_bias(config, [Variable("kernel", (*_window(config, rank), filters, None))], (filters,))

    return layout


def _depthwise(rank: int) -> Callable[[Config], list[Variable]]:
    def layout(config: Config) -> list[Variable]:
        multiplier = _int(config, "depth_multiplier")
        return _with_bias(config, [Variable("kernel", (*_window(config, rank), None, multiplier))], (None,))

    return layout


def _separable(rank: int) -> Callable[[Config], list[Variable]]:
    def layout(config: Config) -> list[Variable]:
        filters, multiplier = _int(config, "filters"), _int(config, "depth_multiplier")
        kernels = [
            Variable("depthwise_kernel", (*_window(config, rank), None, multiplier)),
            Variable("pointwise_kernel", (*(1,) * rank, None, filters)),
        ]
        return _with_bias(config, kernels, (filters,))

    return layout


def _affine(config: Config) -> list[Variable]:
    """A gamma and a beta, as ``scale`` and ``center`` say."""
    pairs = (("gamma", "scale"), ("beta", "center"))
    return [Variable(name) for name, argument in pairs if config.get(argument, True)]


def _batch_normalization(config: Config) -> list[Variable]:
    """Over several axes, and in virtual batches, Keras 2's variables have the input's rank; with ``renorm`` it has more of them
    (tf_keras/src/layers/normalization/batch_normalization.py, 2.21)."""
    axis = config.get("axis")
    several = isinstance(axis, list | tuple) and len(axis) > 1
    shape = None if several or config.get("virtual_batch_size") is not None else (None,)
    names = ["moving_mean", "moving_variance"]
    if config.get("renorm"):
        names += ["moving_stddev", "renorm_mean", "renorm_stddev"]
    moving = [Variable(name, shape, trainable=False) for name in names]
    return [*(Variable(v.name, shape) for v in _affine(config)), *moving]


def _layer_normalization(config: Config) -> list[Variable]:
    """RMS scaling has a scale and no offset (keras/src/layers/normalization/layer_normalization.py)."""
    if config.get("rms_scaling"):
        return [Variable("gamma")] if config.get("scale", True) or config.get("rms_scaling") else []
    return _affine(config)


def _normalization(config: Config) -> list[Variable]:
    """Statistics given as arguments are no variables."""
    if config.get("mean") is not None:
        return []
    return [
        Variable("mean", trainable=False),
        Variable("variance", trainable=False),
        Variable("count", (), trainable=False),
    ]


def _rnn(gates: int) -> Callable[[Config], list[Variable]]:
    """Kernels of all gates side by side; a GRU with ``reset_after`` has a bias for each of the two kernels."""

    def layout(config: Config) -> list[Variable]:
        units = _int(config, "units")
        width = _times(units, gates)
        kernels = [Variable("kernel", (None, width)), Variable("recurrent_kernel", (units, width))]
        return _with_bias(
            config, kernels, (2, width) if gates == 3 and config.get("reset_after") else (width,)
        )

    return layout


def _cudnn(gates: int, biases: int) -> Callable[[Config], list[Variable]]:
    """CuDNN layers keep the biases of both kernels, one after the other (keras/layers/cudnn_recurrent.py, 2.3.1)."""

    def layout(config: Config) -> list[Variable]:
        units = _int(config, "units")
        width = _times(units, gates)
        return [
            Variable("kernel", (None, width)),
            Variable("recurrent_kernel", (units, width)),
            Variable("bias", (_times(width, biases),)),
        ]

    return layout


def _conv_lstm(rank: int) -> Callable[[Config], list[Variable]]:
    def layout(config: Config) -> list[Variable]:
        filters, window = _int(config, "filters"), _window(config, rank)
        width = _times(filters, 4)
        kernels = [
            Variable("kernel", (*window, None, width)),
            Variable("recurrent_kernel", (*window, filters, width)),
        ]
        return _with_bias(config, kernels, (width,))

    return layout


def _in_cell(layout: Callable[[Config], list[Variable]]) -> Callable[[Config], list[Variable]]:
    """The same variables, which a recurrent layer's cell holds."""

    def held(config: Config) -> list[Variable]:
        return [Variable(v.name, v.shape, v.trainable, holder="cell") for v in layout(config)]

    return held


def _attention(config: Config) -> list[Variable]:
    found = [Variable("scale", ())] if config.get("use_scale") else []
    return [*found, Variable("concat_score_weight", ())] if config.get("score_mode") == "concat" else found


def _additive_attention(config: Config) -> list[Variable]:
    return [Variable("scale", (None,))] if config.get("use_scale", True) else []


def _projections(config: Config, output: str) -> list[Variable]:
    # In the order in which `build` makes them.
    holders = {
        "query": "query_dense",
        "key": "key_dense",
        **({"gate": "gate_dense"} if config.get("use_gate") else {}),
        "value": "value_dense",
        "attention_output": output,
    }
    made = []
    for name, holder in holders.items():
        made.append(Variable(f"{name}/kernel", holder=holder))
        if config.get("use_bias", True):
            made.append(Variable(f"{name}/bias", holder=holder))
    return made


def _multi_head_attention(config: Config) -> list[Variable]:
    return _projections(config, "output_dense")


def _spectral_normalization(config: Config) -> list[Variable]:
    del config
    return [Variable("vector_u", (1, None), trainable=False)]


def _prelu(config: Config) -> list[Variable]:
    del config
    return [Variable("alpha")]


def _rms(config: Config) -> list[Variable]:
    del config
    return [Variable("scale")]


def _maxout(config: Config) -> list[Variable]:
    features, units = _int(config, "nb_feature"), _int(config, "output_dim")
    weights = [Variable("W", (features, None, units))]
    return [*weights, Variable("b", (features, units))] if config.get("bias", True) else weights


def _highway(config: Config) -> list[Variable]:
    weights = [Variable("W"), Variable("W_carry")]
    return [*weights, Variable("b"), Variable("b_carry")] if config.get("bias", True) else weights


def _spectrogram(config: Config) -> list[Variable]:
    mode = config.get("mode", "log")
    real = [Variable("real_kernel")] if mode != "imag" else []
    return [*real, Variable("imag_kernel")] if mode != "real" else real


def _locally_connected(config: Config) -> list[Variable]:
    return _with_bias(config, [Variable("kernel")], None)


_LAYOUTS: dict[str, Callable[[Config], list[Variable]]] = {
    "Dense": _dense,
    "EinsumDense": _einsum_dense,
    "Embedding": _embedding,
    "ReversibleEmbedding": _reversible_embedding,
    **{f"Conv{n}D": _conv(n) for n in (1, 2, 3)},
    **{f"Conv{n}DTranspose": _conv_transpose(n) for n in (1, 2, 3)},
    **{f"DepthwiseConv{n}D": _depthwise(n) for n in (1, 2)},
    **{f"SeparableConv{n}D": _separable(n) for n in (1, 2)},
    **{f"LocallyConnected{n}D": _locally_connected for n in (1, 2)},
    "BatchNormalization": _batch_normalization,
    "LayerNormalization": _layer_normalization,
    "GroupNormalization": _affine,
    "RMSNormalization": _rms,
    "SpectralNormalization": _spectral_normalization,
    "Normalization": _normalization,
    "PReLU": _prelu,
    "SimpleRNN": _in_cell(_rnn(1)),
    "LSTM": _in_cell(_rnn(4)),
    "GRU": _in_cell(_rnn(3)),
    "SimpleRNNCell": _rnn(1),
    "LSTMCell": _rnn(4),
    "GRUCell": _rnn(3),
    "CuDNNLSTM": _cudnn(4, 2),
    "CuDNNGRU": _cudnn(3, 2),
    **{f"ConvLSTM{n}D": _in_cell(_conv_lstm(n)) for n in (1, 2, 3)},
    "Attention": _attention,
    "AdditiveAttention": _additive_attention,
    "MultiHeadAttention": _multi_head_attention,
    "GroupQueryAttention": _multi_head_attention,
    "MaxoutDense": _maxout,
    "Highway": _highway,
    "STFTSpectrogram": _spectrogram,
    "ParametricSoftplus": lambda _: [Variable("alphas"), Variable("betas")],
    "SReLU": lambda _: [Variable(name) for name in ("t_left", "a_left", "t_right", "a_right")],
    "SampleNormalization": _batch_normalization,
    "WholeBatchNormalization": _batch_normalization,
}

WEIGHTLESS = frozenset(
    {
        *(
            "InputLayer",
            "Activation",
            "Dropout",
            "AlphaDropout",
            "GaussianDropout",
            "GaussianNoise",
            "ActivityRegularization",
        ),
        *(f"SpatialDropout{n}D" for n in (1, 2, 3)),
        *(
            f"{kind}Pooling{n}D"
            for kind in ("Max", "Average", "GlobalMax", "GlobalAverage")
            for n in (1, 2, 3)
        ),
        *(f"Adaptive{kind}Pooling{n}D" for kind in ("Max", "Average") for n in (1, 2, 3)),
        *(f"{kind}{n}D" for kind in ("ZeroPadding", "Cropping", "UpSampling") for n in (1, 2, 3)),
        *("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate", "Dot", "Merge"),
        *("Flatten", "Reshape", "Permute", "RepeatVector", "Identity", "Masking", "Lambda"),
        *(
            "ReLU",
            "LeakyReLU",
            "ELU",
            "ThresholdedReLU",
            "Softmax",
            "UnitNormalization",
            "Rescaling",
            "Resizing",
            "CenterCrop",
        ),
        *("CategoryEncoding", "Hashing", "HashedCrossing", "MelSpectrogram"),
        *(
            "TFOpLambda",
            "SlicingOpLambda",
            "TensorFlowOpLayer",
            "ClassMethod",
            "InstanceMethod",
            "InstanceProperty",
        ),
        *(
            "RandomBrightness",
            "RandomContrast",
            "RandomCrop",
            "RandomFlip",
            "RandomRotation",
            "RandomTranslation",
            "RandomZoom",
        ),
        *(
            "RandomHeight",
            "RandomWidth",
            "RandomHue",
            "RandomSaturation",
            "RandomSharpness",
            "RandomShear",
            "RandomGrayscale",
        ),
        *("RandomErasing", "RandomGaussianBlur", "RandomInvert", "RandomPerspective", "RandomPosterization"),
        *(
            "RandomColorDegeneration",
            "RandomColorJitter",
            "RandomElasticTransform",
            "AugMix",
            "AutoContrast",
            "CutMix",
            "MixUp",
        ),
        *("RandAugment", "Equalization", "Solarization", "MaxNumBoundingBoxes"),
    }
)
"""Classes of Keras without variables (random layers keep a seed, which inference does not use)."""
