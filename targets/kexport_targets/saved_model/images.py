"""The signature that takes encoded images: its options, and which input of the model it fills."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from kexport.contracts import TargetOption
from kexport.errors import UsageError

if TYPE_CHECKING:
    from kexport.ir import TensorType

#: Methods of ``tf.image.resize``.
METHODS: Final = (
    *("bilinear", "nearest", "bicubic", "area"),
    *("lanczos3", "lanczos5", "gaussian", "mitchellcubic"),
)
#: Those that it smooths with, on demand.
SMOOTHED: Final = (*(name for name in METHODS if name not in ("nearest", "area")),)
COLORS: Final = ("RGB", "BGR", "GRAYSCALE")

#: What images are decoded to.
CHANNELS: Final = (1, 3, 4)

OPTIONS: Final = (
    TargetOption("signature", str, "", "Add a signature of this name that takes encoded images (JPEG, PNG)."),
    TargetOption("image_input", str, "", "The input that images go into, where the model has several."),
    TargetOption("image_resize", str, "bilinear", f"How images are resized: {', '.join(METHODS)}."),
    TargetOption("image_antialias", bool, False, "Smooth images that are made smaller, as Pillow does."),
    TargetOption("image_color", str, "RGB", "The order of its channels: RGB, BGR or GRAYSCALE."),
    TargetOption("image_scale", float, 1.0, "The model's numbers are scale * pixel + bias."),
    TargetOption("image_bias", str, "0", "One number, or one a channel in the model's order: -1,-1,-1."),
    TargetOption("image_mean", str, "", "What is subtracted then: a number, or one a channel (A,B,C)."),
    TargetOption("image_std", str, "", "What it is divided by at last: a number, or one a channel."),
)


@dataclass(frozen=True)
class ImageSignature:
    """What becomes of an encoded image on its way into the model.

    It is decoded, resized to ``height`` × ``width``, its channels put into the order of ``color``; then ``(x * scale + bias - mean)
    / std``, with one bias, mean and std a channel of that order, or none.
    """

    name: str
    input_name: str
    input: TensorType
    height: int
    width: int
    channels: int
    channels_first: bool
    resize: str
    antialias: bool
    color: str
    scale: float
    bias: tuple[float, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def key(self) -> str:
        """The input's name in the signature. TF Serving takes strings of such names for bytes."""
        return f"{self.input_name}_bytes"

    @property
    def described(self) -> dict[str, Any]:
        """Plain data: all but the input's type, and :attr:`key`."""
        fields = {key: value for key, value in asdict(self).items() if key != "input"}
        return fields | {"key": self.key}


def image_signature(inputs: Mapping[str, TensorType], options: Mapping[str, Any]) -> ImageSignature | None:
    """The signature that the options ask for; None where they ask for none.

    Args:
        inputs: the model's, by name.
        options: at least :data:`OPTIONS`.

    Raises:
        UsageError: an option can't be what it is, or no input of the model takes images.
    """
    name = options["signature"]
    if not name:
        for option in OPTIONS:
            if options[option.name] != option.default:
                raise UsageError(
                    f"--{option.name.replace('_', '-')} is of a signature that takes encoded images.",
                    hint="Name it with --signature NAME.",
                )
        return None
    if name in ("serving_default", "serve"):
        raise UsageError(f"Every SavedModel has a signature {name!r}: choose another name for --signature.")
    input_name = _input(inputs, options["image_input"])
    layout = _layout(inputs[input_name])
    if layout is None:
        raise UsageError(
            f"Images of any size can't be a batch: the height and width of input {input_name!r} must be known, with 1, 3 or 4 "
            f"channels. Received: {inputs[input_name]}",
            hint="Fix them with --input-shape or --dim, or name another input with --image-input.",
        )
    height, width, channels, channels_first = layout
    resize = _one_of(options, "image_resize", METHODS)
    if options["image_antialias"] and resize not in SMOOTHED:
        raise UsageError(f"--image-antialias goes with {', '.join(SMOOTHED)}. Received: {resize!r}")
    color = _one_of(options, "image_color", COLORS)
    if (color == "BGR" and channels == 1) or (color == "GRAYSCALE" and channels != 1):
        raise UsageError(
            f"--image-color goes with the channels of input {input_name!r}, {channels}. Received: {color!r}"
        )
    std = _per_channel(options, "image_std", channels)
    if 0 in std:
        raise UsageError(f"--image-std divides, and can't be 0. Received: {options['image_std']!r}")
    return ImageSignature(
        *(name, input_name, inputs[input_name], height, width, channels, channels_first),
        *(resize, options["image_antialias"], color, options["image_scale"]),
        *(_per_channel(options, "image_bias", channels), _per_channel(options, "image_mean", channels), std),
    )


def _input(inputs: Mapping[str, TensorType], wanted: str) -> str:
    if wanted:
        if wanted not in inputs:
            raise UsageError(f"The model has no input {wanted!r}.", hint=f"Its inputs: {', '.join(inputs)}.")
        return wanted
    found = [name for name, kind in inputs.items() if _layout(kind) is not None]
    if len(inputs) > 1 and len(found) != 1:
        raise UsageError(
            f"Which of the model's inputs takes the images? {', '.join(found or inputs)}.",
            hint="Name it with --image-input.",
        )
    return found[0] if found else next(iter(inputs))


def _layout(kind: TensorType) -> tuple[int, int, int, bool] | None:
    """Height, width, channels and whether these come first; None where it can't be an image of a known size."""
    sizes = [dim if isinstance(dim, int) else None for dim in kind.shape[1:]]
    if kind.dtype in ("string", "bool") or None in sizes:
        return None
    match sizes:
        case [int(height), int(width)]:
            return height, width, 1, False
        case [int(height), int(width), int(channels)] if channels in CHANNELS:
            return height, width, channels, False
        case [int(channels), int(height), int(width)] if channels in CHANNELS:
            return height, width, channels, True
    return None


def _one_of(options: Mapping[str, Any], name: str, known: tuple[str, ...]) -> str:
    value = str(options[name])
    if value not in known:
        raise UsageError(
            f"--{name.replace('_', '-')} is one of {', '.join(known)}. Received: {options[name]!r}"
        )
    return value


def _per_channel(options: Mapping[str, Any], name: str, channels: int) -> tuple[float, ...]:
    text = options[name]
    if not text:
        return ()
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) not in (1, channels) or not all(abs(number) < float("inf") for number in numbers):
        raise UsageError(
            f"--{name.replace('_', '-')} is a number, or {channels} with commas between them. Received: {text!r}"
        )
    return numbers if len(numbers) == channels else numbers * channels
