"""Reads packages with coremltools, in a process of its own: ``python coremltools_side.py``, paths on stdin, JSON on stdout.

TensorFlow and PyTorch, which coremltools imports where they are installed, are hidden from it. Its reader builds every operation anew,
with all its checks of dtypes and shapes, and holds what it infers against what the program declares.
"""

import hashlib
import json
import logging
import sys
from pathlib import Path

for name in ("tensorflow", "torch", "sklearn", "xgboost", "libsvm"):
    sys.modules[name] = None
logging.disable(logging.CRITICAL)

import coremltools as ct  # noqa: E402
from coremltools import proto  # noqa: E402
from coremltools.converters.mil.frontend.milproto.load import load  # noqa: E402


def read(package: Path, spec: object) -> dict:
    """What its reader has against a package; without problems, the hashes of the constants that operations expand."""
    try:
        program = load(spec, spec.specificationVersion, str(package / "Data/com.apple.CoreML/weights"))
        found = [
            hashlib.sha256(operation.materialized_val_inference().tobytes()).hexdigest()
            for function in program.functions.values()
            for operation in function.operations
            if operation.op_type.startswith("constexpr_")
        ]
    except Exception as error:  # noqa: BLE001 - whatever it is
        return {"problems": f"{type(error).__name__}: {error}", "expanded": []}
    return {"problems": "", "expanded": found}


def feature(found: object) -> dict:
    """A feature, as plain data."""
    kind = found.type.WhichOneof("Type")
    told = {"kind": kind}
    if kind == "multiArrayType":
        array = found.type.multiArrayType
        told |= {
            "dtype": proto.FeatureTypes_pb2.ArrayFeatureType.ArrayDataType.Name(array.dataType),
            "shape": list(array.shape),
            "ranges": [[size.lowerBound, size.upperBound] for size in array.shapeRange.sizeRanges],
            "shapes": [list(shape.shape) for shape in array.enumeratedShapes.shapes],
        }
    if kind == "imageType":
        image = found.type.imageType
        color = proto.FeatureTypes_pb2.ImageFeatureType.ColorSpace.Name(image.colorSpace)
        told |= {"color": color, "height": image.height, "width": image.width}
    return told


def about(package: Path) -> dict:
    """A package, as plain data."""
    spec = proto.Model_pb2.Model()
    spec.ParseFromString((package / "Data/com.apple.CoreML/model.mlmodel").read_bytes())
    description = spec.description
    model = ct.models.MLModel(str(package), skip_model_load=True)
    return {
        **read(package, spec),
        "version": spec.specificationVersion,
        "opset": spec.mlProgram.functions["main"].opset,
        "inputs": {found.name: feature(found) for found in description.input},
        "outputs": {found.name: feature(found) for found in description.output},
        "author": model.author,
        "license": model.license,
        "text": model.short_description,
        "model_version": model.version,
        "metadata": dict(model.user_defined_metadata),
        "classifier": [description.predictedFeatureName, description.predictedProbabilitiesName],
    }


def numbers() -> dict:
    """The numbers of the format."""
    arrays = proto.FeatureTypes_pb2.ArrayFeatureType
    images = proto.FeatureTypes_pb2.ImageFeatureType
    messages = {}
    for module in (proto.Model_pb2, proto.FeatureTypes_pb2, proto.MIL_pb2):
        stack = list(module.DESCRIPTOR.message_types_by_name.values())
        while stack:
            message = stack.pop()
            messages.setdefault(message.name, {field.name: field.number for field in message.fields})
            stack += message.nested_types
    return {
        "messages": messages,
        "data": dict(proto.MIL_pb2.DataType.items()),
        "arrays": dict(arrays.ArrayDataType.items()),
        "colors": dict(images.ColorSpace.items()),
        "opsets": {str(version): name for version, name in ct._OPSET.items()},
    }


def main() -> None:
    """Answer what is asked."""
    paths = [Path(line) for line in sys.stdin.read().splitlines()]
    answer = {"numbers": numbers(), "packages": {str(path): about(path) for path in paths}}
    hidden = ("tensorflow", "torch")
    assert all(sys.modules[name] is None for name in hidden)
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
