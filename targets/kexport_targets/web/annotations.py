"""What a model's file rarely says: what its outputs are called, and what pixels became before it was trained on them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from kexport.errors import UsageError


class Pixels(NamedTuple):
    """Pixels of 0 to 255 become ``(pixel - mean) * scale``, a number a channel, in this order of channels."""

    channels: str
    mean: tuple[float, float, float]
    scale: tuple[float, float, float]


def _all(value: float) -> tuple[float, float, float]:
    return value, value, value


#: The usual ways, which are those of ``keras.applications`` (imagenet_utils.py, keras 3.15: "tf", "torch" and "caffe") and two plain
#: ones; ``runtimes/web/src/page/preprocess.ts`` has them, too.
PIXELS: Final[Mapping[str, Pixels]] = {
    "unit": Pixels("rgb", _all(0.0), _all(1 / 255)),
    "signed": Pixels("rgb", _all(127.5), _all(1 / 127.5)),
    "raw": Pixels("rgb", _all(0.0), _all(1.0)),
    "torch": Pixels("rgb", (123.675, 116.28, 103.53), (1 / 58.395, 1 / 57.12, 1 / 57.375)),
    "caffe": Pixels("bgr", (103.939, 116.779, 123.68), _all(1.0)),
}

#: Layers that scale pixels themselves: what they read is as it came from the camera.
_SCALES: Final = ("Rescaling", "Normalization")


def pixels_of(name: str | None) -> Pixels | None:
    """The way of that name; None where none is given.

    Raises:
        UsageError: there is none.
    """
    if name is None:
        return None
    if name not in PIXELS:
        raise UsageError(f"Pixels become one of {', '.join(PIXELS)}. Received: {name!r}")
    return PIXELS[name]


def preprocessing(inputs: Sequence[Mapping[str, Any]], pixels: Pixels | None) -> dict[str, Any] | None:
    """What is done to the images that are the first input of such; None where there is none, or nobody said."""
    layouts = ((port["name"], _layout(port["shape"])) for port in inputs)
    image = next(((name, layout) for name, layout in layouts if layout), None)
    if image is None or pixels is None:
        return None
    name, layout = image
    return {"input": name, "layout": layout, **pixels._asdict()}


def own_scaling(description: Mapping[str, Any]) -> dict[str, Any] | None:
    """What is done where the model's first layer scales pixels itself: nothing."""
    inputs = {port["name"] for port in description["inputs"]}
    first = [layer["class"] for layer in description["layers"] if inputs & set(layer["inputs"])]
    scales = bool(first) and all(name in _SCALES for name in first)
    return preprocessing(description["inputs"], PIXELS["raw"]) if scales else None


def _layout(shape: Sequence[int]) -> str | None:
    """Where the channels of images stand; None for what is none."""
    if len(shape) != 4:
        return None
    _, first, middle, last = shape
    if last in (1, 3, 4) and min(first, middle) > 4:
        return "channels_last"
    return "channels_first" if first in (1, 3, 4) and min(middle, last) > 4 else None


def read_labels(path: Path | None, output: Mapping[str, Any]) -> list[str] | None:
    """The lines of a text file, or the list of a JSON file: one for each element along the output's last axis.

    Raises:
        UsageError: the file can't be read, or has more or fewer.
    """
    if path is None:
        return None
    try:
        text = path.read_text("utf-8")
        found = json.loads(text) if path.suffix == ".json" else text.splitlines()
    except (OSError, ValueError) as error:
        raise UsageError(f"The labels in {path.name!r} can't be read: {error}.") from error
    wanted = output["shape"][-1] if len(output["shape"]) > 1 else 1
    if not isinstance(found, list) or len(found) != wanted:
        count = len(found) if isinstance(found, list) else type(found).__name__
        raise UsageError(
            f"The output {output['name']!r} has {wanted} labels. Received: {count} in {path.name!r}"
        )
    return [str(label) for label in found]
