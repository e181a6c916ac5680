"""What a model says of its inputs and outputs: the features of its ``ModelDescription``.

Field numbers: mlmodel/format/Model.proto and FeatureTypes.proto of coremltools 9.0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from kexport_runtimes.coreml import dtypes
from kexport_runtimes.coreml.dtypes import DType
from kexport_runtimes.coreml.errors import PackageError
from kexport_runtimes.coreml.wire import Message

#: ``ArrayFeatureType.ArrayDataType``.
_ARRAY_DTYPES = {65568: "fp32", 65600: "fp64", 131104: "int32", 131080: "int8", 65552: "fp16"}

#: ``ImageFeatureType.ColorSpace``.
_COLORS = {10: "GRAYSCALE", 20: "RGB", 30: "BGR", 40: "GRAYSCALE_FLOAT16"}


@dataclass(frozen=True)
class Range:
    """Sizes that a dimension may have; ``upper`` is None where it is open."""

    lower: int
    upper: int | None

    def __contains__(self, size: int) -> bool:
        return self.lower <= size and (self.upper is None or size <= self.upper)

    def __str__(self) -> str:
        return str(self.lower) if self.lower == self.upper else f"{self.lower}..{self.upper or ''}"


@dataclass(frozen=True)
class ArrayFeature:
    """A tensor. ``shape`` is the default one; ``ranges`` or ``enumerated`` say which others are allowed."""

    name: str
    dtype: DType
    shape: tuple[int, ...]
    ranges: tuple[Range, ...] = ()
    enumerated: tuple[tuple[int, ...], ...] = ()
    optional: bool = False
    default: float | None = None


@dataclass(frozen=True)
class ImageFeature:
    """An image. ``ranges`` (height, width) or ``enumerated`` ones say which other sizes are allowed."""

    name: str
    color: str
    height: int
    width: int
    ranges: tuple[Range, Range] | None = None
    enumerated: tuple[tuple[int, int], ...] = ()
    optional: bool = False


@dataclass(frozen=True)
class OtherFeature:
    """A single number, text or a dictionary: ``kind`` is ``int64``, ``double``, ``string``, ``dictionary`` or ``sequence``."""

    name: str
    kind: str
    optional: bool = False


Feature: TypeAlias = ArrayFeature | ImageFeature | OtherFeature


@dataclass(frozen=True)
class Interface:
    """The features of one function, by name. ``label`` and ``probabilities`` name a classifier's outputs."""

    inputs: Mapping[str, Feature]
    outputs: Mapping[str, Feature]
    states: Mapping[str, Feature]
    label: str = ""
    probabilities: str = ""


@dataclass(frozen=True)
class Description:
    """Interfaces by function, and the metadata that whoever made the model gave it."""

    default_function: str
    interfaces: Mapping[str, Interface]
    metadata: Mapping[str, str] = field(default_factory=dict)


def read_description(message: Message) -> Description:
    """A ``ModelDescription`` message.

    Raises:
        PackageError: a field breaks the format.
    """
    metadata = message.message(100)
    pairs = {entry.text(1): entry.text(2) for entry in metadata.messages(100)}
    default = message.text(21)
    if message.has(20):
        interfaces = {
            function.text(1): _interface(function, inputs=2, outputs=3, states=6, label=4, probabilities=5)
            for function in message.messages(20)
        }
        return Description(default, interfaces, pairs)
    only = _interface(message, inputs=1, outputs=10, states=13, label=11, probabilities=12)
    return Description("main", {"main": only}, pairs)


def _interface(
    message: Message, *, inputs: int, outputs: int, states: int, label: int, probabilities: int
) -> Interface:
    return Interface(
        inputs=_features(message.messages(inputs)),
        outputs=_features(message.messages(outputs)),
        states=_features(message.messages(states)),
        label=message.text(label),
        probabilities=message.text(probabilities),
    )


def _features(messages: Iterable[Message]) -> dict[str, Feature]:
    found: dict[str, Feature] = {}
    for message in messages:
        name = message.text(1)
        if name in found:
            raise PackageError(f"A feature has a name of its own. Received twice: {name!r}")
        found[name] = _feature(name, message.message(3))
    return found


def _feature(name: str, message: Message) -> Feature:
    optional = bool(message.uint(1000))
    match message.first_of((1, 2, 3, 4, 5, 6, 7, 8)):
        case 4:
            return _image(name, message.message(4), optional=optional)
        case 5:
            return _array(name, message.message(5), optional=optional)
        case 8:
            return _array(name, message.message(8).message(1), optional=optional)
        case 1 | 2 | 3 | 6 | 7 as number:
            kind = {1: "int64", 2: "double", 3: "string", 6: "dictionary", 7: "sequence"}[number]
            return OtherFeature(name, kind, optional)
    raise PackageError(f"Feature {name!r} has a type. Received: none")


def _array(name: str, message: Message, *, optional: bool) -> ArrayFeature:
    code = message.uint(2)
    if code not in _ARRAY_DTYPES:
        raise PackageError(
            f"Feature {name!r} is of an array type of {sorted(_ARRAY_DTYPES)}. Received: {code}"
        )
    default: float | None = None
    if message.has(41):
        default = message.sint(41)
    elif message.has(51):
        default = float(message.floats(51)[-1])
    elif message.has(61):
        default = float(message.doubles(61)[-1])
    return ArrayFeature(
        name,
        dtypes.by_name(_ARRAY_DTYPES[code]),
        shape=tuple(message.ints(1)),
        ranges=tuple(_range(size) for size in message.message(31).messages(1)),
        enumerated=tuple(tuple(shape.ints(1)) for shape in message.message(21).messages(1)),
        optional=optional,
        default=default,
    )


def _image(name: str, message: Message, *, optional: bool) -> ImageFeature:
    color = _COLORS.get(message.uint(3))
    if color is None:
        raise PackageError(f"Feature {name!r} has a color space of {_COLORS}. Received: {message.uint(3)}")
    ranges = None
    if message.has(31):
        body = message.message(31)
        ranges = (_range(body.message(2)), _range(body.message(1)))
    sizes = tuple((size.uint(2), size.uint(1)) for size in message.message(21).messages(1))
    return ImageFeature(name, color, message.sint(2), message.sint(1), ranges, sizes, optional)


def _range(message: Message) -> Range:
    """A ``SizeRange``; its upper bound is -1 where it is open."""
    lower, upper = message.sint(1), message.sint(2)
    if lower < 0 or (upper != -1 and upper < lower):
        raise PackageError(f"A range of sizes goes from at least 0 upwards. Received: {lower}..{upper}")
    return Range(lower, None if upper == -1 else upper)
