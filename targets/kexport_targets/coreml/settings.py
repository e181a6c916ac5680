"""What the options of an export come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kexport.contracts import Pixels
from kexport.errors import UnsupportedOpError, UsageError
from kexport.ir import Graph, Shape
from kexport.ir.ops.loop import bodies
from kexport_targets.coreml.schema import COLOR_SPACES, DEPLOYMENT_TARGETS

#: Labels take no more bytes than this.
_MOST_LABELS: Final = 1 << 24


def version(options: Mapping[str, Any]) -> int:
    """16 for iOS16.

    Raises:
        UsageError: there is no such deployment target.
    """
    given = options["deployment_target"]
    if given not in DEPLOYMENT_TARGETS:
        raise UsageError(
            f"The deployment target is one of {', '.join(DEPLOYMENT_TARGETS)}. Received: {given!r}"
        )
    return int(given.removeprefix("iOS"))


def layers(options: Mapping[str, Any]) -> frozenset[str]:
    """The layers that are to compute in float32."""
    return frozenset(name.strip() for name in options["float32_layers"].split(",") if name.strip())


def half(options: Mapping[str, Any], graph: Graph) -> frozenset[str] | None:
    """None for float32 throughout; for half precision the layers that are not to compute in it.

    Raises:
        UsageError: the model has no such layers, or all is float32.
    """
    if options["float32_layers"] and not options["float16"]:
        raise UsageError("--float32-layers says what is left out of half precision: give it with --float16.")
    asked = layers(options)
    unknown = sorted(asked - _origins(graph))
    if unknown:
        raise UsageError(
            f"--float32-layers names layers of the model. Received: {', '.join(map(repr, unknown))}",
            hint="`kexport inspect` lists them; layers in others have paths (encoder/dense).",
        )
    return asked if options["float16"] else None


def _origins(graph: Graph) -> set[str]:
    """The layers that nodes are of."""
    found = {node.origin for node in graph.nodes}
    for node in graph.nodes:
        for body in bodies(node.attrs):
            found |= _origins(body)
    return found


@dataclass(frozen=True)
class Image:
    """An input that is an image: ``scale * pixel + bias``, its channels in the order of ``color``."""

    name: str
    color: str
    scale: float
    bias: tuple[float, ...]

    def pixels(self, shape: Shape) -> Pixels:
        """How the images of an input of that shape become its numbers.

        Raises:
            UnsupportedOpError: it is none of images.
        """
        wanted = 1 if self.color == "GRAYSCALE" else 3
        axis = next((axis for axis in (3, 1) if len(shape) == 4 and shape[axis] == wanted), None)
        if axis is None or shape[0] != 1:
            raise UnsupportedOpError(
                f"The input {self.name!r} is no {self.color} image: one has the shape (1, height, width, {wanted}). Received: {shape}.",
                hint="Leave out --image-input, or give --batch 1 and --image-color.",
            )
        return Pixels(self.scale, self.bias, axis, self.color == "BGR")


def image(options: Mapping[str, Any]) -> Image | None:
    """The input that is an image, where one is.

    Raises:
        UsageError: its color or bias is none.
    """
    name, color = options["image_input"], options["image_color"]
    if not name:
        return None
    bias = _numbers(options["image_bias"])
    channels = 1 if color == "GRAYSCALE" else 3
    if (
        color not in COLOR_SPACES
        or bias is None
        or len(bias) not in (1, channels)
        or not options["image_scale"]
    ):
        raise UsageError(
            f"An image has a color of {', '.join(COLOR_SPACES)}, a scale that is not 0, and a bias, or one a channel (-1,-1,-1). Received: "
            f"{color!r}, {options['image_scale']!r}, {options['image_bias']!r}"
        )
    return Image(name, color, float(options["image_scale"]), bias)


def _numbers(text: str) -> tuple[float, ...] | None:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        return None


def labels(options: Mapping[str, Any], graph: Graph) -> tuple[str, ...]:
    """The labels of a classifier, one a line of the file; none where there is no file.

    Raises:
        UsageError: the file can't be read, or has not as many different ones as the model has classes.
    """
    if not options["labels"]:
        return ()
    path = Path(options["labels"])
    try:
        if path.stat().st_size > _MOST_LABELS:
            raise UsageError(f"{path} is no file of labels: it takes more than {_MOST_LABELS} bytes.")
        found = tuple(line.strip() for line in path.read_text("utf-8").splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The labels can't be read from {path}: {error}") from error
    shapes = [value.shape for value in graph.outputs]
    if shapes != [(1, len(found))] or len(set(found)) != len(found):
        raise UsageError(
            f"A classifier has one output of the shape (1, classes), and a label for each class. Received: outputs of {_shown(shapes)}, "
            f"{len(set(found))} different labels in {path}.",
            hint="Give --batch 1, and a file with a label a line.",
        )
    return found


def _shown(shapes: Sequence[Shape]) -> str:
    return ", ".join(str(tuple(map(str, shape))) for shape in shapes)
