"""What TensorFlow itself says, in a process of its own.

``python tensorflow_side.py numbers`` prints, as JSON, the numbers of protobuf fields and dtypes and the dtypes of kernels;
``python tensorflow_side.py load FOLDER INPUTS OUTPUTS`` runs a SavedModel as TensorFlow 2 loads it, on the arrays of an .npz.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework import kernels, op_def_registry

MODULES = {
    "tensorflow.core.protobuf.saved_model_pb2": ["SavedModel"],
    "tensorflow.core.protobuf.meta_graph_pb2": [
        "MetaGraphDef",
        "MetaGraphDef.MetaInfoDef",
        "SignatureDef",
        "TensorInfo",
        "CollectionDef",
        "CollectionDef.NodeList",
        "CollectionDef.BytesList",
    ],
    "tensorflow.core.protobuf.saver_pb2": ["SaverDef"],
    "tensorflow.core.protobuf.tensor_bundle_pb2": ["BundleHeaderProto", "BundleEntryProto"],
    "tensorflow.core.framework.variable_pb2": ["VariableDef"],
    "tensorflow_serving.apis.prediction_log_pb2": ["PredictionLog", "PredictLog"],
    "tensorflow_serving.apis.predict_pb2": ["PredictRequest"],
    "tensorflow_serving.apis.model_pb2": ["ModelSpec"],
    "tensorflow.core.framework.graph_pb2": ["GraphDef"],
    "tensorflow.core.framework.versions_pb2": ["VersionDef"],
    "tensorflow.core.framework.node_def_pb2": ["NodeDef"],
    "tensorflow.core.framework.attr_value_pb2": ["AttrValue", "AttrValue.ListValue"],
    "tensorflow.core.framework.tensor_pb2": ["TensorProto"],
    "tensorflow.core.framework.tensor_shape_pb2": ["TensorShapeProto", "TensorShapeProto.Dim"],
}


def fields() -> dict[str, dict[str, int]]:
    found = {}
    for module, names in MODULES.items():
        for name in names:
            message: Any = importlib.import_module(module)
            for part in name.split("."):
                message = getattr(message, part)
            found[name.rpartition(".")[2]] = {field.name: field.number for field in message.DESCRIPTOR.fields}
    entry = importlib.import_module("tensorflow.core.framework.node_def_pb2").NodeDef.AttrEntry.DESCRIPTOR
    return found | {"Entry": {field.name: field.number for field in entry.fields}}


def dtypes_of(operator: str) -> list[str]:
    """The dtypes of ``T`` that the operator is defined for and has kernels for on a CPU."""
    definition = op_def_registry.get(operator)
    (allowed,) = (item for item in definition.attr if item.name == "T")
    known: set[int] = set()
    for kernel in kernels.get_registered_kernels_for_op(operator).kernel:
        if kernel.device_type in ("CPU", "DEFAULT"):
            for constraint in kernel.constraint:
                if constraint.name == "T":
                    known.update(constraint.allowed_values.list.type)
    defined = set(allowed.allowed_values.list.type) or known
    return sorted(tf.dtypes.as_dtype(number).name for number in known & defined)


def numbers(operators: list[str]) -> dict[str, Any]:
    types = {name: tf.dtypes.as_dtype(name).as_datatype_enum for name in ("float32", "bfloat16")}
    for name in (
        "resource",
        "variant",
        "string",
        "bool",
        *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    ):
        types[name] = tf.dtypes.as_dtype(name).as_datatype_enum
    for name in ("float16", "float64"):
        types[name] = tf.dtypes.as_dtype(name).as_datatype_enum
    return {
        "fields": fields(),
        "types": types,
        "kernels": {operator: dtypes_of(operator) for operator in operators},
        "version": tf.version.GRAPH_DEF_VERSION,
    }


def load(folder: str, inputs: str, outputs: str) -> None:
    function = tf.saved_model.load(folder).signatures["serving_default"]
    with np.load(inputs) as arrays:
        computed = function(**{name: tf.constant(arrays[name]) for name in arrays.files})
    np.savez(outputs, **{name: np.asarray(value) for name, value in computed.items()})


if __name__ == "__main__":
    if sys.argv[1] == "numbers":
        print(json.dumps(numbers(sys.argv[2:])))
    else:
        load(*sys.argv[2:])
