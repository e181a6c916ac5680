"""Numbers of the format, as the .proto files of TensorFlow 2.21 have them; a test holds them against the installed package."""

from __future__ import annotations

from typing import Final

#: ``DataType`` (tensorflow/core/framework/types.proto).
TENSOR_TYPES: Final = {
    "float32": 1,
    "float64": 2,
    "int32": 3,
    "uint8": 4,
    "int16": 5,
    "int8": 6,
    "string": 7,
    "int64": 9,
    "bool": 10,
    "bfloat16": 14,
    "uint16": 17,
    "float16": 19,
    "resource": 20,
    "variant": 21,
    "uint32": 22,
    "uint64": 23,
}

#: Message → field → number, of the fields that are written (tensorflow/core/framework/{graph,node_def,attr_value,tensor,
#: tensor_shape,versions}.proto, tensorflow/core/protobuf/{saved_model,meta_graph,saver,tensor_bundle}.proto, variable.proto of core/framework, and
#: tensorflow_serving/apis/{prediction_log,predict,model}.proto of TensorFlow Serving 2.20).
FIELDS: Final[dict[str, dict[str, int]]] = {
    "SavedModel": {"saved_model_schema_version": 1, "meta_graphs": 2},
    "MetaGraphDef": {
        "meta_info_def": 1,
        "graph_def": 2,
        "saver_def": 3,
        "collection_def": 4,
        "signature_def": 5,
    },
    "MetaInfoDef": {"tags": 4, "tensorflow_version": 5, "stripped_default_attrs": 7},
    "SignatureDef": {"inputs": 1, "outputs": 2, "method_name": 3},
    "TensorInfo": {"name": 1, "dtype": 2, "tensor_shape": 3},
    "GraphDef": {"node": 1, "versions": 4},
    "VersionDef": {"producer": 1},
    "NodeDef": {"name": 1, "op": 2, "input": 3, "attr": 5},
    "AttrValue": {"list": 1, "s": 2, "i": 3, "f": 4, "b": 5, "type": 6, "shape": 7, "tensor": 8},
    "ListValue": {"s": 2, "i": 3, "type": 6},
    "TensorProto": {"dtype": 1, "tensor_shape": 2, "tensor_content": 4, "string_val": 8},
    "TensorShapeProto": {"dim": 2},
    "Dim": {"size": 1},
    "Entry": {"key": 1, "value": 2},
    "SaverDef": {"filename_tensor_name": 1, "save_tensor_name": 2, "restore_op_name": 3, "version": 7},
    "CollectionDef": {"node_list": 1, "bytes_list": 2},
    "NodeList": {"value": 1},
    "BytesList": {"value": 1},
    "VariableDef": {"variable_name": 1, "initializer_name": 2, "snapshot_name": 3, "is_resource": 5},
    "PredictionLog": {"predict_log": 6},
    "PredictLog": {"request": 1},
    "PredictRequest": {"model_spec": 1, "inputs": 2},
    "ModelSpec": {"signature_name": 3},
    "BundleHeaderProto": {"num_shards": 1, "version": 3},
    "BundleEntryProto": {"dtype": 1, "shape": 2, "offset": 4, "size": 5, "crc32c": 6},
}

#: ``kTensorBundleVersion`` (tensorflow/core/util/tensor_bundle/tensor_bundle.h).
BUNDLE_VERSION: Final = 1

#: The version of graphs that the operators' meaning is of: TensorFlow 2.12's (``TF_GRAPH_DEF_VERSION``, tensorflow/core/public/version.h),
#: which has all of them, as has every later one.
GRAPH_VERSION: Final = 1395

#: Attributes that name a dtype, and which input has it, for operators where that is not ``T`` of the first.
TYPE_ATTRIBUTES: Final[dict[str, dict[str, int]]] = {
    **{op: {"T": 0, "Tidx": 1} for op in ("Sum", "Mean", "Max", "Min", "Prod", "ArgMax", "ArgMin")},
    **{op: {"T": 0, "Tidx": 1} for op in ("Cumsum", "ReverseV2", "BroadcastTo")},
    **{op: {"T": 0, "Tpaddings": 1} for op in ("Pad", "PadV2", "MirrorPad")},
    **{op: {"Tidx": 1} for op in ("Any", "All")},
    **{op: {} for op in ("LogicalNot", "LogicalAnd", "LogicalOr", "LoopCond", "TensorListStack")},
    **{
        op: {}
        for op in ("StringToHashBucketFast", "StringToHashBucketStrong", "StringLower", "StaticRegexReplace")
    },
    **{
        op: {}
        for op in (
            "StringSplitV2",
            "UnicodeDecode",
            "UnicodeEncode",
            "StringNGrams",
            "SparseCross",
            "HashTableV2",
        )
    },
    **{op: {"Tin": 1, "Tout": 2} for op in ("LookupTableImportV2", "LookupTableFindV2")},
    "RaggedTensorToTensor": {"Tshape": 0, "T": 1, "Tindex": 3},
    "DenseBincount": {"Tidx": 0, "T": 2},
    "Cast": {"SrcT": 0},
    "Reshape": {"T": 0, "Tshape": 1},
    "ExpandDims": {"T": 0, "Tdim": 1},
    "Transpose": {"T": 0, "Tperm": 1},
    "ConcatV2": {"T": 0, "Tidx": -1},
    "Split": {"T": 1},
    "SplitV": {"T": 0, "Tlen": 1},
    "StridedSlice": {"T": 0, "Index": 1},
    "Tile": {"T": 0, "Tmultiples": 1},
    "GatherV2": {"Tparams": 0, "Tindices": 1, "Taxis": 2},
    "TopKV2": {"T": 0},
    "SelectV2": {"T": 1},
    "OneHot": {"TI": 0, "T": 2},
    "Conv2DBackpropInput": {"T": 1},
    "Conv3DBackpropInputV2": {"T": 1, "Tshape": 0},
    "Range": {"Tidx": 0},
    "Fill": {"T": 1, "index_type": 0},
    "TensorListReserve": {"shape_type": 0},
    "TensorListSetItem": {"element_dtype": 2},
    "ResizeBilinear": {"T": 0},
    "DecodeImage": {},
}
