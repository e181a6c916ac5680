"""Preprocessing of images and numbers at inference: resizing, contrast, what only training does, pipelines."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .case import K3, Case, layer_case

BOTH = ("keras3", "keras2")


def bytes_case(class_name: str, label: str, shape: tuple[int | None, ...], only: tuple[str, ...] = BOTH, formats: tuple[str, ...] = (".keras", ".h5"), **arguments: Any) -> Case:
    """A layer on images of bytes."""

    def build(keras: Any) -> Any:
        inputs = keras.Input(shape, dtype="uint8", name="x")
        return keras.Model(inputs, getattr(keras.layers, class_name)(**arguments, name="layer")(inputs))

    return Case(f"{class_name}-{label}", build, only, integers={0: 256}, formats=formats)


def model_case(label: str, build: Callable[[Any, Any], Any], shape: tuple[int | None, ...], only: tuple[str, ...] = BOTH, formats: tuple[str, ...] = (".keras", ".h5"), **more: Any) -> Case:
    """A model on one input."""

    def model(keras: Any) -> Any:
        inputs = keras.Input(shape, name="x")
        return keras.Model(inputs, build(keras.layers, inputs))

    return Case(label, model, only, formats=formats, **more)


#: Class → arguments, of Keras 3; at inference they do nothing.
RANDOM: dict[str, dict[str, Any]] = {
    "AugMix": {}, "CutMix": {}, "MixUp": {}, "RandAugment": {}, "RandomBrightness": {"factor": 0.2}, "RandomColorDegeneration": {"factor": 0.3},
    "RandomColorJitter": {"brightness_factor": 0.2}, "RandomContrast": {"factor": 0.2}, "RandomElasticTransform": {}, "RandomErasing": {},
    "RandomFlip": {}, "RandomGaussianBlur": {}, "RandomGrayscale": {}, "RandomHue": {"factor": 0.2}, "RandomInvert": {}, "RandomPerspective": {},
    "RandomPosterization": {"factor": 4}, "RandomRotation": {"factor": 0.2}, "RandomSaturation": {"factor": 0.2}, "RandomSharpness": {"factor": 0.2},
    "RandomShear": {"x_factor": 0.2}, "RandomTranslation": {"height_factor": 0.1, "width_factor": 0.1}, "RandomZoom": {"height_factor": 0.1},
    "Solarization": {}, "MaxNumBoundingBoxes": {"max_number": 3},
}  # fmt: skip

#: Keras 3.15 can't write these as .h5: it copies their configs, which hold a module.
KERAS_ONLY = ("RandomBrightness", "RandomColorDegeneration", "RandomPosterization", "RandomSaturation", "RandomSharpness", "Solarization")

IN_BOTH = ("RandomContrast", "RandomFlip", "RandomRotation", "RandomTranslation", "RandomZoom")


def _random() -> Iterable[Case]:
    for name, arguments in RANDOM.items():
        only = BOTH if name in IN_BOTH else K3
        formats = (".keras",) if name in KERAS_ONLY else (".keras", ".h5")
        yield layer_case(name, "inference", (9, 8, 3), only=only, formats=formats, **arguments)
        yield bytes_case(name, "inference-bytes", (9, 8, 3), only=only, formats=formats, **arguments)
    yield layer_case("RandomBrightness", "keras2", (9, 8, 3), only=("keras2",), factor=0.2)
    for name in ("RandomHeight", "RandomWidth"):
        yield layer_case(name, "inference", (9, 8, 3), only=("keras2",), factor=0.2)
    yield layer_case("RandomFlip", "channels_first", (3, 9, 8), only=K3, data_format="channels_first")
    for label, shape in (("smaller", (9, 8, 3)), ("wide", (9, 20, 3)), ("tall", (17, 6, 3)), ("larger", (3, 4, 3)), ("same", (5, 7, 3))):
        yield layer_case("RandomCrop", label, shape, height=5, width=7)
    yield bytes_case("RandomCrop", "bytes", (9, 8, 3), height=5, width=7)
    yield layer_case("RandomCrop", "channels_first", (3, 9, 8), only=K3, height=5, width=7, data_format="channels_first")


def _resizing() -> Iterable[Case]:
    name = "Resizing"
    for method in ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5", "area", "gaussian", "mitchellcubic"):
        only = BOTH if method in ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5") else ("keras2",)
        yield layer_case(name, f"{method}-up", (5, 6, 3), only=only, height=11, width=13, interpolation=method)
        yield layer_case(name, f"{method}-down", (13, 11, 3), only=only, height=4, width=5, interpolation=method)
    for method in ("bilinear", "bicubic", "lanczos3", "lanczos5"):
        yield layer_case(name, f"{method}-antialias", (13, 11, 3), only=K3, height=4, width=14, interpolation=method, antialias=True)
    yield layer_case(name, "crop", (9, 14, 3), height=4, width=4, crop_to_aspect_ratio=True)
    yield layer_case(name, "crop-tall", (14, 5, 3), height=7, width=9, interpolation="nearest", crop_to_aspect_ratio=True)
    yield layer_case(name, "pad", (9, 14, 3), only=K3, height=4, width=4, pad_to_aspect_ratio=True)
    yield layer_case(name, "pad-value", (14, 5, 3), only=K3, height=7, width=9, pad_to_aspect_ratio=True, fill_mode="constant", fill_value=2.5)
    yield layer_case(name, "channels_first", (3, 9, 14), only=K3, height=4, width=5, data_format="channels_first")
    yield layer_case(name, "channels_first-pad", (3, 9, 14), only=K3, height=4, width=5, pad_to_aspect_ratio=True, data_format="channels_first")
    yield bytes_case(name, "bytes", (5, 6, 3), height=8, width=7)
    yield bytes_case(name, "bytes-lanczos", (9, 7, 3), height=4, width=5, interpolation="lanczos3")
    yield layer_case(name, "dynamic", (None, None, 3), height=4, width=5)
    for label, shape in (("wide", (9, 20, 3)), ("larger", (3, 4, 3)), ("one-larger", (12, 4, 3)), ("odd", (8, 11, 3))):
        yield layer_case("CenterCrop", label, shape, height=5, width=7)
    yield bytes_case("CenterCrop", "bytes", (9, 8, 3), height=5, width=7)
    yield layer_case("CenterCrop", "channels_first", (3, 9, 8), only=K3, height=5, width=7, data_format="channels_first")


def _contrast() -> Iterable[Case]:
    name, clahe = "AutoContrast", "ContrastLimitedAdaptiveHistogramEqualization"
    yield layer_case(name, "unit", (9, 8, 3), only=K3, value_range=(-6, 6))
    yield bytes_case(name, "bytes", (9, 8, 3), only=K3)
    yield bytes_case(name, "flat", (1, 1, 3), only=K3)
    yield bytes_case(name, "channels_first", (3, 9, 8), only=K3, data_format="channels_first")
    yield layer_case(clahe, "unit", (12, 10, 3), only=K3, value_range=(-6, 6), tile_grid_size=(3, 2))
    yield bytes_case(clahe, "bytes", (32, 32, 3), only=K3)
    yield bytes_case(clahe, "padded", (19, 23, 1), only=K3, clip_limit=1.5, tile_grid_size=(4, 3))
    yield bytes_case(clahe, "unclipped", (16, 16, 2), only=K3, clip_limit=0.0, tile_grid_size=(2, 2))
    # In floats: JAX, which computes the row, contracts products and sums, and a byte lies on one side or the other.
    yield layer_case(clahe, "channels_first", (3, 16, 12), only=K3, value_range=(-6, 6), tile_grid_size=(2, 2), data_format="channels_first")


def _adapted(keras_layers: Any, **arguments: Any) -> Any:
    import numpy as np

    layer = keras_layers.Normalization(**arguments, name="layer")
    layer.adapt(np.random.default_rng(3).normal(2.0, 3.0, (64, 4, 3)).astype("float32"))
    return layer


def _normalization() -> Iterable[Case]:
    for label, arguments in (("last", {}), ("none", {"axis": None}), ("two", {"axis": (1, 2)}), ("second", {"axis": 1}), ("inverse", {"invert": True})):
        yield model_case(f"Normalization-adapted-{label}", lambda layers, x, arguments=arguments: _adapted(layers, **arguments)(x), (4, 3))
    yield layer_case("Normalization", "numbers", (4, 3), axis=None, mean=0.5, variance=2.0)
    yield bytes_case("Rescaling", "bytes", (4, 3), scale=1 / 127.5, offset=-1)
    yield layer_case("Rescaling", "channels_first", (3, 4, 5), scale=[[[0.5]], [[2.0]], [[0.1]]], offset=0.25)


def _pipelines() -> Iterable[Case]:
    # Keras 3.15 can't build a model with Equalization outside a Pipeline: it returns its symbolic input itself.
    yield model_case("Pipeline-augmentation", lambda layers, x: layers.Pipeline([layers.RandomFlip(), layers.Equalization(), layers.Rescaling(0.5, 1.0)])(x), (9, 8, 3), K3)
    yield model_case("Equalization-inference", lambda layers, x: layers.Pipeline([layers.Equalization(value_range=(0, 1), bins=16)])(x), (9, 8, 3), K3)
    yield model_case("Pipeline-weights", _weighted_pipelines, (4, 3), K3)
    # tf_keras 2.21 takes its own InputSpec for another's.
    yield model_case("SpectralNormalization-dense", lambda layers, x: layers.SpectralNormalization(layers.Dense(4, bias_initializer="random_normal"), power_iterations=2)(x), (6,), K3)
    yield model_case("SpectralNormalization-conv", lambda layers, x: layers.SpectralNormalization(layers.Conv2D(4, 3))(x), (6, 5, 3), K3)


def _weighted_pipelines(layers: Any, x: Any) -> Any:
    """Two pipelines of layers with weights, of which two are of one class."""
    random = {"bias_initializer": "random_normal"}
    y = layers.Pipeline([layers.Dense(4, **random), _adapted_to(layers, 4), layers.Dense(3, **random)])(x)
    return layers.Pipeline([layers.Dense(2, **random), layers.Rescaling(2.0)])(y)


def _adapted_to(layers: Any, width: int) -> Any:
    import numpy as np

    layer = layers.Normalization()
    layer.adapt(np.random.default_rng(5).normal(1.0, 2.0, (32, width)).astype("float32"))
    return layer


CASES: tuple[Case, ...] = (*_random(), *_resizing(), *_contrast(), *_normalization(), *_pipelines())
