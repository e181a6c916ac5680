"""Class names and arguments of Keras 1 and 2 in Keras 3's words."""

from __future__ import annotations

from typing import Any

from kexport.loading import keras1, keras2
from kexport.loading.configs import plain_config
from kexport.loading.context import Context
from kexport.loading.defaults import KERAS3, with_defaults

Config = dict[str, Any]

_KERAS_MODULES = ("keras", "tf_keras", "tensorflow.python.keras", "tensorflow.keras", "builtins")

ALIASES = {
    **{f"Convolution{n}D": f"Conv{n}D" for n in (1, 2, 3)},
    **{f"Convolution{n}DTranspose": f"Conv{n}DTranspose" for n in (1, 2, 3)},
    **{f"SeparableConvolution{n}D": f"SeparableConv{n}D" for n in (1, 2)},
    **{f"MaxPool{n}D": f"MaxPooling{n}D" for n in (1, 2, 3)},
    **{f"AvgPool{n}D": f"AveragePooling{n}D" for n in (1, 2, 3)},
    **{f"GlobalMaxPool{n}D": f"GlobalMaxPooling{n}D" for n in (1, 2, 3)},
    **{f"GlobalAvgPool{n}D": f"GlobalAveragePooling{n}D" for n in (1, 2, 3)},
    "Deconvolution2D": "Conv2DTranspose",
    "Deconvolution3D": "Conv3DTranspose",
    "Convolution2DTranspose": "Conv2DTranspose",
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "SyncBatchNormalization": "BatchNormalization",
    "CuDNNLSTM": "CuDNNLSTM",
    "CuDNNGRU": "CuDNNGRU",
    "GroupedQueryAttention": "GroupQueryAttention",
    "Model": "Functional",
}


def translate(class_name: str, config: Config, ctx: Context, where: str) -> tuple[str, Config]:
    """The class and the complete config of a layer in Keras 3's vocabulary.

    Args:
        class_name, config: as the file has them; ``config`` without training-only arguments is what remains.
        where: the layer's path, for errors.
    """
    config = plain_config(config)
    major = ctx.provenance.keras_major
    if major == 1:
        class_name, config = keras1.translate(class_name, config, ctx, where)
    class_name = ALIASES.get(class_name, class_name)
    if major < 3:
        class_name, config = keras2.translate(class_name, config)
    return class_name, with_defaults(class_name, config, ctx.provenance)


def public_class(class_name: str, module: str, registered_name: str) -> str:
    """The class name under which a layer is looked up.

    A custom class that is called like one of Keras's keeps its package (``my_package>Dense``), so that no rule for
    Keras's class takes it.
    """
    if (
        not module
        or module.partition(".")[0] in {"keras", "tf_keras", "builtins"}
        or module.startswith(_KERAS_MODULES)
    ):
        return class_name
    if class_name not in KERAS3 and class_name not in ALIASES:
        return class_name
    return registered_name if ">" in registered_name else f"{module}>{class_name}"
