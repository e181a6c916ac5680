"""Layers that do nothing at inference, and those random ones that still do something."""

from __future__ import annotations

from kexport.ir import Value, dims
from kexport.lowering.arguments import integer
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
    "CutMix",
    "RandAugment",
    "RandomElasticTransform",
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
    "AugMix",
    "MixUp",
    "RandomBrightness",
    "RandomColorDegeneration",
    "RandomColorJitter",
    "RandomContrast",
    "RandomErasing",
    "RandomGrayscale",
    "RandomHeight",
    "RandomHue",
    "RandomInvert",
    "RandomPosterization",
    "RandomSaturation",
    "RandomWidth",
)
def lower_augmentation(ctx: Context, x: Value) -> Value:
    """``x``; cast to the compute dtype where Keras does (Keras 2: always)."""
    refuse_training(ctx)
    casts = ctx.layer.class_name in _CASTING or ctx.provenance.keras_major == 2
    return ctx.b.op("cast", x, dtype=ctx.compute_dtype) if casts and x.dtype != ctx.compute_dtype else x


@lowers("RandomCrop")
def lower_random_crop(ctx: Context, x: Value) -> Value:
    """``x``, when it has the cropped size already.

    Otherwise Keras 2 resizes at inference, and Keras 3 returns an image that is not of the size it announces.
    """
    refuse_training(ctx)
    first = ctx.layer.config.get("data_format") == "channels_first"
    size = x.shape[2:4] if first else x.shape[1:3]
    if size != (integer(ctx, "height"), integer(ctx, "width")):
        raise ctx.error(
            f"At inference it is lowered for images of its own size only. Received: {dims.format_shape(x.shape)}",
            hint="Replace it by a Resizing or CenterCrop layer before the model is saved.",
        )
    return ctx.b.op("cast", x, dtype=ctx.compute_dtype) if x.dtype != ctx.compute_dtype else x
