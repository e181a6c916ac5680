"""The folder: Manifest.json, the model, the weights. Nothing in it depends on when, where or how often it is written."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from kexport_targets.coreml.program import Block
from kexport_targets.coreml.schema import ARRAY_TYPES, COLOR_SPACES, DEPLOYMENT_TARGETS, FIELDS
from kexport_targets.coreml.write.mil import ProgramWriter
from kexport_targets.coreml.write.weights import WeightFile
from kexport_targets.wire import Message

_DATA: Final = Path("Data")
_BUNDLE: Final = "com.apple.CoreML"
_MODEL: Final = f"{_BUNDLE}/model.mlmodel"
_WEIGHTS: Final = f"{_BUNDLE}/weights"
_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "https://apple.com/coreml/mlpackage")


@dataclass(frozen=True)
class Feature:
    """An input or output, as the model's description has it.

    Attributes:
        name: its name in the program.
        dtype: ``float16``, ``float32`` or ``int32``; ``string`` for a class label, ``probabilities`` for a dictionary.
        shape: what it has unless another one is asked for; None where that is not known.
        ranges: the least and the largest length of each dimension, where some may vary.
        shapes: all shapes that it may have, where they are enumerated; the first one is ``shape``.
        image: the colour space, for an image (1, channels, height, width).
        text: a description.
    """

    name: str
    dtype: str
    shape: tuple[int, ...] | None
    ranges: tuple[tuple[int, int], ...] = ()
    shapes: tuple[tuple[int, ...], ...] = ()
    image: str = ""
    text: str = ""


@dataclass(frozen=True)
class Description:
    """What a model says about itself."""

    inputs: Sequence[Feature]
    outputs: Sequence[Feature]
    text: str = ""
    version: str = ""
    author: str = ""
    license: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    #: The outputs of a classifier: the label, and the probabilities of all labels.
    classifier: tuple[str, str] | None = None


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        main: the package, relative to the folder that it is in.
        files: relative to that folder.
        expanded: how often each operation that expands a constant stands in the program.
    """

    main: Path
    files: tuple[Path, ...]
    expanded: Mapping[str, int]


@dataclass(frozen=True)
class Package:
    """A package for one deployment target."""

    description: Description
    block: Block
    deployment_target: str

    def write(self, folder: Path, name: str) -> Written:
        """Write it as ``name`` into ``folder``, which exists."""
        version, opset = DEPLOYMENT_TARGETS[self.deployment_target]
        main = Path(name)
        data = folder / main / _DATA
        (data / _WEIGHTS).mkdir(parents=True)
        weight_file = data / _WEIGHTS / "weight.bin"
        with weight_file.open("wb") as file:
            weights = WeightFile(file)
            system = int(self.deployment_target.removeprefix("iOS"))
            writer = ProgramWriter(weights, opset=opset, version=system)
            program = writer.program(self.block)
            weights.close()
        fields = FIELDS["Model"]
        model = Message().integer(fields["specificationVersion"], version)
        model.message(fields["description"], _description(self.description))
        model.message(fields["mlProgram"], program)
        with (data / _MODEL).open("wb") as file:
            model.write(file)
        (folder / main / "Manifest.json").write_text(_manifest(), "utf-8")
        files = ("Manifest.json", _DATA / _MODEL, _DATA / _WEIGHTS / "weight.bin")
        return Written(main, tuple(main / file for file in files), writer.expanded)


def _manifest() -> str:
    """Two items: the model, and the folder of its weights. Their ids are the same in every package."""
    rows = {
        _MODEL: ("model.mlmodel", "CoreML Model Specification"),
        _WEIGHTS: ("weights", "CoreML Model Weights"),
    }
    items = {
        str(uuid.uuid5(_NAMESPACE, path)): {
            "author": _BUNDLE,
            "description": text,
            "name": name,
            "path": path,
        }
        for path, (name, text) in rows.items()
    }
    manifest = {
        "fileFormatVersion": "1.0.0",
        "itemInfoEntries": items,
        "rootModelIdentifier": str(uuid.uuid5(_NAMESPACE, _MODEL)),
    }
    return json.dumps(manifest, indent=4, sort_keys=True) + "\n"


def _description(description: Description) -> Message:
    fields, message = FIELDS["ModelDescription"], Message()
    for feature in description.inputs:
        message.message(fields["input"], _feature(feature))
    for feature in description.outputs:
        message.message(fields["output"], _feature(feature))
    if description.classifier is not None:
        label, probabilities = description.classifier
        message.text(fields["predictedFeatureName"], label)
        message.text(fields["predictedProbabilitiesName"], probabilities)
    return message.message(fields["metadata"], _metadata(description))


def _metadata(description: Description) -> Message:
    fields, message = FIELDS["Metadata"], Message()
    texts = {
        "shortDescription": description.text,
        "versionString": description.version,
        "author": description.author,
        "license": description.license,
    }
    for key, text in texts.items():
        if text:
            message.text(fields[key], text)
    for key, text in sorted(description.metadata.items()):
        pair = Message().text(FIELDS["Entry"]["key"], key).text(FIELDS["Entry"]["value"], text)
        message.message(fields["userDefined"], pair)
    return message


def _feature(feature: Feature) -> Message:
    fields = FIELDS["FeatureDescription"]
    message = Message().text(fields["name"], feature.name)
    if feature.text:
        message.text(fields["shortDescription"], feature.text)
    return message.message(fields["type"], _feature_type(feature))


def _feature_type(feature: Feature) -> Message:
    fields = FIELDS["FeatureType"]
    if feature.dtype == "string":
        return Message().message(fields["stringType"], Message())
    if feature.dtype == "probabilities":
        keys = Message().message(FIELDS["DictionaryFeatureType"]["stringKeyType"], Message())
        return Message().message(fields["dictionaryType"], keys)
    if feature.image:
        return Message().message(fields["imageType"], _image(feature))
    return Message().message(fields["multiArrayType"], _array(feature))


def _array(feature: Feature) -> Message:
    fields, message = FIELDS["ArrayFeatureType"], Message()
    if feature.shape is not None:
        message.integers(fields["shape"], feature.shape)
    message.integer(fields["dataType"], ARRAY_TYPES[feature.dtype])
    if feature.shapes:
        listed = Message()
        for shape in feature.shapes:
            one = Message().integers(FIELDS["Shape"]["shape"], shape)
            listed.message(FIELDS["EnumeratedShapes"]["shapes"], one)
        message.message(fields["enumeratedShapes"], listed)
    elif feature.ranges:
        listed = Message()
        for bounds in feature.ranges:
            listed.message(FIELDS["ShapeRange"]["sizeRanges"], _range(*bounds))
        message.message(fields["shapeRange"], listed)
    return message


def _range(low: int, high: int) -> Message:
    fields = FIELDS["SizeRange"]
    return Message().integer(fields["lowerBound"], low).integer(fields["upperBound"], high)


def _image(feature: Feature) -> Message:
    fields = FIELDS["ImageFeatureType"]
    assert feature.shape is not None
    *_, height, width = feature.shape
    message = Message().integer(fields["width"], width).integer(fields["height"], height)
    message.integer(fields["colorSpace"], COLOR_SPACES[feature.image])
    if feature.shapes:
        listed, sizes = Message(), FIELDS["ImageSize"]
        for *_, rows, columns in feature.shapes:
            size = Message().integer(sizes["width"], columns).integer(sizes["height"], rows)
            listed.message(FIELDS["EnumeratedImageSizes"]["sizes"], size)
        message.message(fields["enumeratedSizes"], listed)
    elif feature.ranges:
        *_, rows_range, columns_range = feature.ranges
        ranges = Message().message(FIELDS["ImageSizeRange"]["widthRange"], _range(*columns_range))
        ranges.message(FIELDS["ImageSizeRange"]["heightRange"], _range(*rows_range))
        message.message(fields["imageSizeRange"], ranges)
    return message
