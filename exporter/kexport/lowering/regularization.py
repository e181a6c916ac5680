"""Layers that do nothing at inference, and those random ones that still do something."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kexport.ir import Value
from kexport.lowering.registry import Context, lowers


def refuse_training(ctx: Context) -> None:
    """Raise when the layer is called with ``training=True``: its output is then random or of the batch.

    Keras 3 overrides that with the model's own ``training`` (``operation_fn``, keras/src/models/functional.py, 3.15).
    """
    if ctx.kwargs.get("training") is True and ctx.provenance.keras_major < 3:
        raise ctx.error(
            "It is called with training=True, and an export computes inference",
            hint="Call it without training=True before the model is saved.",
        )


@lowers(
    "ActivityRegularization",
    "AlphaDropout",
    "Dropout",
    "GaussianDropout",
    "GaussianNoise",
    "Identity",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
    "StochasticDepth",
)
def lower_identity(ctx: Context, x: Value) -> Value:
    """``x``."""
    refuse_training(ctx)
    return x


#: They cast their input to the compute dtype before they ask whether they are training; the others leave integers alone
#: (keras/src/layers/preprocessing/image_preprocessing, Keras 3.15).
_CASTING = (
    "AugMix",
    "CutMix",
    "RandAugment",
    "RandomElasticTransform",
    "RandomErasing",
    "RandomFlip",
    "RandomGaussianBlur",
    "RandomPerspective",
    "RandomRotation",
    "RandomSharpness",
    "RandomShear",
    "RandomTranslation",
    "RandomZoom",
    "Solarization",
)


@lowers(
    *_CASTING,
    "Equalization",
    "MaxNumBoundingBoxes",
    "MixUp",
    "RandomBrightness",
    "RandomColorDegeneration",
    "RandomColorJitter",
    "RandomContrast",
    "RandomGrayscale",
    "RandomHeight",
    "RandomHue",
    "RandomInvert",
    "RandomPosterization",
    "RandomSaturation",
    "RandomWidth",
)
def lower_augmentation(ctx: Context, x: Value, *more: Value) -> Value:
    """``x``; cast to the compute dtype where Keras does (Keras 2: always)."""
    images_alone(ctx, more)
    casts = ctx.layer.class_name in _CASTING or ctx.provenance.keras_major == 2
    return ctx.b.op("cast", x, dtype=ctx.compute_dtype) if casts and x.dtype != ctx.compute_dtype else x


def images_alone(ctx: Context, more: Sequence[Value]) -> None:
    """Raise when the layer is called in training, or on a dict of images with labels, masks or boxes."""
    refuse_training(ctx)
    if more or (ctx.args and isinstance(ctx.args[0], Mapping)):
        raise ctx.error(
            "It is lowered for images alone, not for a dict of images with labels, masks or boxes",
            hint="Call it on the images alone, and prepare what goes with them before the model.",
        )
