"""Inputs and outputs as members of Swift structures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from kexport_targets.coreml.schema import COLOR_SPACES
from kexport_targets.coreml.write import Description, Feature
from kexport_targets.coreml.xcode.names import identifiers, shown

#: The scalars that arrays are read and written as. Core ML converts to and from float16, which Macs with Intel's processors have no type
#: for in Swift; coremltools 9.0 hands float32 to inputs of float16, too (``_update_float16_multiarray_input_to_float32``).
_SCALARS: Final = {"float16": "Float", "float32": "Float", "int32": "Int32"}


@dataclass(frozen=True)
class Member:
    """A member of ``Input`` or ``Output``.

    Attributes:
        name: what the model calls it.
        identifier: what Swift calls it.
        feature: as the model's description has it.
        golden: whether golden vectors have it: a classifier's label and probabilities they have not.
    """

    name: str
    identifier: str
    feature: Feature
    golden: bool = True

    @property
    def scalar(self) -> str:
        """``Float`` or ``Int32``; empty for what is no array."""
        return "" if self.feature.image else _SCALARS.get(self.feature.dtype, "")

    @property
    def type(self) -> str:
        """Its type in Swift."""
        if self.feature.image:
            return "CVPixelBuffer"
        return {"string": "String", "probabilities": "[String: Double]"}.get(
            self.feature.dtype, f"MLShapedArray<{self.scalar}>"
        )

    @property
    def comment(self) -> str:
        """A line about it."""
        if self.feature.image:
            *_, height, width = self.feature.shape or ()
            return f"{shown(self.name)}: an image of {width} × {height} pixels, {self.feature.image}."
        if not self.scalar:
            return {
                "string": "The most probable class.",
                "probabilities": "The probability of every class.",
            }[self.feature.dtype]
        return f"{shown(self.name)}: {_lengths(self.feature)}."


def members(
    description: Description, inputs: Sequence[str], outputs: Sequence[str]
) -> tuple[list[Member], list[Member]]:
    """Inputs and outputs of a description, by the model's names for its own; a classifier's come first."""
    classes = list(description.classifier or ())
    names = [*classes, *outputs]
    return (
        [
            Member(name, given, feature)
            for name, given, feature in zip(inputs, identifiers(inputs), description.inputs, strict=True)
        ],
        [
            Member(name, given, feature, golden=index >= len(classes))
            for index, (name, given, feature) in enumerate(
                zip(names, identifiers(names), description.outputs, strict=True)
            )
        ],
    )


def to_json(side: Sequence[Member]) -> list[dict[str, Any]]:
    """All that :func:`from_json` makes the same members of."""
    return [{"name": m.name, "golden": m.golden, "feature": asdict(m.feature)} for m in side]


def from_json(entries: Sequence[Mapping[str, Any]]) -> tuple[Member, ...]:
    """What :func:`to_json` gave, read back. Of a file of anybody's no text gets into a source but as a literal: identifiers are made
    anew, and colours are those that there are.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    given = identifiers([str(entry["name"]) for entry in entries])
    return tuple(
        Member(str(entry["name"]), name, _feature(entry["feature"]), bool(entry["golden"]))
        for name, entry in zip(given, entries, strict=True)
    )


def _feature(entry: Mapping[str, Any]) -> Feature:
    if entry["image"] not in ("", *COLOR_SPACES):
        raise ValueError(f"a color of {', '.join(COLOR_SPACES)}. Received: {entry['image']!r}")
    return Feature(
        str(entry["name"]),
        str(entry["dtype"]),
        None if entry["shape"] is None else tuple(map(int, entry["shape"])),
        tuple((int(low), int(high)) for low, high in entry["ranges"]),
        tuple(tuple(map(int, shape)) for shape in entry["shapes"]),
        entry["image"],
    )


def _lengths(feature: Feature) -> str:
    """``1 × 8``, ``1 × 1–512 × 8``, or all of some shapes."""
    if feature.shapes:
        shapes = [" × ".join(map(str, shape)) for shape in feature.shapes]
        return " or ".join(shapes[:8]) + (f", or one of {len(shapes) - 8} more" if len(shapes) > 8 else "")
    if feature.ranges:
        return " × ".join(str(low) if low == high else f"{low}–{high}" for low, high in feature.ranges)
    if feature.shape is None:
        return "its shape follows from the inputs'"
    return " × ".join(map(str, feature.shape))
