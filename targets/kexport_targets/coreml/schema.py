"""Numbers of the format: Core ML's Model.proto, FeatureTypes.proto and MIL.proto, as coremltools 9.0 compiles them
(``coremltools/proto``); a test holds them against that package."""

from __future__ import annotations

from typing import Final

#: Deployment target → specification version and name of the operator set (``_OPSET`` in coremltools/__init__.py, 9.0).
DEPLOYMENT_TARGETS: Final = {
    "iOS15": (6, "CoreML5"),
    "iOS16": (7, "CoreML6"),
    "iOS17": (8, "CoreML7"),
    "iOS18": (9, "CoreML8"),
}
DEFAULT_DEPLOYMENT_TARGET: Final = "iOS16"

#: ``DataType`` of MIL.proto.
DATA_TYPES: Final = {
    "bool": 1,
    "string": 2,
    "float16": 10,
    "float32": 11,
    "float64": 12,
    "int8": 21,
    "int16": 22,
    "int32": 23,
    "int64": 24,
    "int4": 25,
    "uint8": 31,
    "uint16": 32,
    "uint32": 33,
    "uint4": 35,
    "uint2": 36,
    "uint1": 37,
    "uint6": 38,
    "uint3": 39,
}

#: ``ArrayFeatureType.ArrayDataType`` of FeatureTypes.proto: what inputs and outputs can be.
ARRAY_TYPES: Final = {"float16": 0x10010, "float32": 0x10020, "int32": 0x20020}

#: ``ImageFeatureType.ColorSpace``.
COLOR_SPACES: Final = {"GRAYSCALE": 10, "RGB": 20, "BGR": 30}

#: ``BlobDataType`` of weight.bin (mlmodel/src/MILBlob/Blob/BlobDataType.hpp in coremltools, 9.0).
BLOB_TYPES: Final = {
    "float16": 1, "float32": 2, "uint8": 3, "int8": 4, "int4": 8, "uint1": 9, "uint2": 10, "uint4": 11,
    "uint3": 12, "uint6": 13, "int32": 14,
}  # fmt: skip

#: The dtypes of weight.bin, before iOS18 and since (``should_use_weight_file`` in coremltools' backend/mil/load.py, 9.0).
STORED: Final = {15: ("float16", "float32", "int8", "uint8"), 18: tuple(BLOB_TYPES)}

#: The most dimensions that a tensor of an ML program has.
MOST_DIMENSIONS: Final = 5

#: Words that no name in a program can be (``NameSanitizer`` in coremltools' passes/defs/preprocess.py, 9.0).
RESERVED: Final = frozenset(
    [
        *["any", "bool", "program", "func", "tensor", "list", "dict", "tuple", "true", "false", "string", "state"],
        *["bf16", "fp16", "fp32", "fp64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"],
    ]
)  # fmt: skip

#: Message → field → number.
FIELDS: Final[dict[str, dict[str, int]]] = {
    "Entry": {"key": 1, "value": 2},
    "Model": {"specificationVersion": 1, "description": 2, "mlProgram": 502},
    "ModelDescription": {
        "input": 1,
        "output": 10,
        "predictedFeatureName": 11,
        "predictedProbabilitiesName": 12,
        "metadata": 100,
    },
    "FeatureDescription": {"name": 1, "shortDescription": 2, "type": 3},
    "FeatureType": {
        "int64Type": 1,
        "stringType": 3,
        "imageType": 4,
        "multiArrayType": 5,
        "dictionaryType": 6,
    },
    "DictionaryFeatureType": {"int64KeyType": 1, "stringKeyType": 2},
    "ArrayFeatureType": {"shape": 1, "dataType": 2, "enumeratedShapes": 21, "shapeRange": 31},
    "EnumeratedShapes": {"shapes": 1},
    "Shape": {"shape": 1},
    "ShapeRange": {"sizeRanges": 1},
    "SizeRange": {"lowerBound": 1, "upperBound": 2},
    "ImageFeatureType": {
        "width": 1,
        "height": 2,
        "colorSpace": 3,
        "enumeratedSizes": 21,
        "imageSizeRange": 31,
    },
    "EnumeratedImageSizes": {"sizes": 1},
    "ImageSize": {"width": 1, "height": 2},
    "ImageSizeRange": {"widthRange": 1, "heightRange": 2},
    "Metadata": {
        "shortDescription": 1,
        "versionString": 2,
        "author": 3,
        "license": 4,
        "userDefined": 100,
    },
    "Program": {"version": 1, "functions": 2},
    "Function": {"inputs": 1, "opset": 2, "block_specializations": 3},
    "Block": {"inputs": 1, "outputs": 2, "operations": 3},
    "Operation": {"type": 1, "inputs": 2, "outputs": 3, "blocks": 4, "attributes": 5},
    "Argument": {"arguments": 1},
    "Binding": {"name": 1, "value": 2},
    "NamedValueType": {"name": 1, "type": 2},
    "ValueType": {"tensorType": 1, "listType": 2, "dictionaryType": 4},
    "TensorType": {"dataType": 1, "rank": 2, "dimensions": 3},
    "ListType": {"type": 1, "length": 2},
    "DictionaryType": {"keyType": 1, "valueType": 2},
    "Dimension": {"constant": 1, "unknown": 2},
    "ConstantDimension": {"size": 1},
    "Value": {"type": 2, "immediateValue": 3, "blobFileValue": 5},
    "ImmediateValue": {"tensor": 1, "list": 3},
    "ListValue": {"values": 1},
    "BlobFileValue": {"fileName": 1, "offset": 2},
    "TensorValue": {"floats": 1, "ints": 2, "bools": 3, "strings": 4, "longInts": 5, "bytes": 7},
    "Repeated": {"values": 1},
}
