"""The parts of the TFLite schema that kexport writes, as tables.

Source: tensorflow/lite/schema/schema.fbs (schema version 3; as in TensorFlow 2.21). A test holds every number here against
the schema that ai-edge-litert ships. Importing the generated schema instead would take 0.3 s of each export.
"""

from __future__ import annotations

from typing import Final

FILE_IDENTIFIER: Final = b"TFL3"
SCHEMA_VERSION: Final = 3

#: enum TensorType
TENSOR_TYPES: Final = {
    "float32": 0, "float16": 1, "int32": 2, "uint8": 3, "int64": 4, "string": 5, "bool": 6, "int16": 7, "int8": 9,
    "float64": 10, "uint64": 12, "uint32": 15, "uint16": 16, "int4": 17, "bfloat16": 18,
}  # fmt: skip

#: enum Padding
PADDINGS: Final = {"same": 0, "valid": 1}

#: enum ActivationFunctionType
ACTIVATIONS: Final = {"none": 0, "relu": 1, "relu_n1_to_1": 2, "relu6": 3, "tanh": 4}

#: enum MirrorPadMode
MIRROR_MODES: Final = {"reflect": 0, "symmetric": 1}

#: enum BuiltinOperator
BUILTINS: Final = {
    "ADD": 0, "AVERAGE_POOL_2D": 1, "CONCATENATION": 2, "CONV_2D": 3, "DEPTHWISE_CONV_2D": 4, "DEQUANTIZE": 6, "FLOOR": 8,
    "FULLY_CONNECTED": 9, "LOGISTIC": 14, "MAX_POOL_2D": 17, "MUL": 18, "RELU": 19, "RELU_N1_TO_1": 20, "RELU6": 21,
    "RESHAPE": 22, "RESIZE_BILINEAR": 23, "SOFTMAX": 25, "TANH": 28, "PAD": 34, "GATHER": 36, "TRANSPOSE": 39, "MEAN": 40,
    "SUB": 41, "DIV": 42, "SQUEEZE": 43, "STRIDED_SLICE": 45, "EXP": 47, "SPLIT": 49, "LOG_SOFTMAX": 50, "CAST": 53,
    "PRELU": 54, "MAXIMUM": 55, "ARG_MAX": 56, "MINIMUM": 57, "LESS": 58, "NEG": 59, "PADV2": 60, "GREATER": 61,
    "GREATER_EQUAL": 62, "LESS_EQUAL": 63, "SLICE": 65, "SIN": 66, "TRANSPOSE_CONV": 67, "TILE": 69, "EXPAND_DIMS": 70,
    "EQUAL": 71, "NOT_EQUAL": 72, "LOG": 73, "SUM": 74, "SQRT": 75, "RSQRT": 76, "SHAPE": 77, "POW": 78, "ARG_MIN": 79,
    "REDUCE_PROD": 81, "REDUCE_MAX": 82, "PACK": 83, "LOGICAL_OR": 84, "ONE_HOT": 85, "LOGICAL_AND": 86,
    "LOGICAL_NOT": 87, "REDUCE_MIN": 89, "FLOOR_DIV": 90, "REDUCE_ANY": 91, "SQUARE": 92, "FLOOR_MOD": 95,
    "RESIZE_NEAREST_NEIGHBOR": 97, "LEAKY_RELU": 98, "SQUARED_DIFFERENCE": 99, "MIRROR_PAD": 100, "ABS": 101,
    "SPLIT_V": 102, "CEIL": 104, "REVERSE_V2": 105, "COS": 108, "ELU": 111, "ROUND": 116, "HARD_SWISH": 117,
    "SELECT_V2": 123, "BATCH_MATMUL": 126, "CUMSUM": 128, "BROADCAST_TO": 130, "CONV_3D": 132, "CONV_3D_TRANSPOSE": 141,
    "REDUCE_ALL": 140, "GELU": 150, "ATAN2": 156, "SIGN": 158, "BITWISE_XOR": 160, "RIGHT_SHIFT": 161, "WHILE": 119,
    "DYNAMIC_UPDATE_SLICE": 151, "UNIDIRECTIONAL_SEQUENCE_LSTM": 44, "TOPK_V2": 48, "BITCAST": 159,
}  # fmt: skip

#: An option field: (slot, flatbuffers scalar type, default). ``ints`` is a vector of int32.
Field = tuple[int, str, object]

#: union BuiltinOptions: table name → (number in the union, field name → field)
OPTIONS: Final[dict[str, tuple[int, dict[str, Field]]]] = {
    "Conv2DOptions": (1, {
        "padding": (0, "Int8", 0), "stride_w": (1, "Int32", 0), "stride_h": (2, "Int32", 0), "activation": (3, "Int8", 0),
        "dilation_w": (4, "Int32", 1), "dilation_h": (5, "Int32", 1),
    }),
    "DepthwiseConv2DOptions": (2, {
        "padding": (0, "Int8", 0), "stride_w": (1, "Int32", 0), "stride_h": (2, "Int32", 0),
        "depth_multiplier": (3, "Int32", 0), "activation": (4, "Int8", 0), "dilation_w": (5, "Int32", 1),
        "dilation_h": (6, "Int32", 1),
    }),
    "Pool2DOptions": (5, {
        "padding": (0, "Int8", 0), "stride_w": (1, "Int32", 0), "stride_h": (2, "Int32", 0), "filter_width": (3, "Int32", 0),
        "filter_height": (4, "Int32", 0), "activation": (5, "Int8", 0),
    }),
    "FullyConnectedOptions": (8, {"activation": (0, "Int8", 0), "keep_num_dims": (2, "Bool", 0)}),
    "SoftmaxOptions": (9, {"beta": (0, "Float32", 0.0)}),
    "ConcatenationOptions": (10, {"axis": (0, "Int32", 0), "activation": (1, "Int8", 0)}),
    "AddOptions": (11, {"activation": (0, "Int8", 0)}),
    "ResizeBilinearOptions": (15, {"align_corners": (2, "Bool", 0), "half_pixel_centers": (3, "Bool", 0)}),
    "ReshapeOptions": (17, {"new_shape": (0, "ints", None)}),
    "MulOptions": (21, {"activation": (0, "Int8", 0)}),
    "PadOptions": (22, {}),
    "GatherOptions": (23, {"axis": (0, "Int32", 0), "batch_dims": (1, "Int32", 0)}),
    "TransposeOptions": (26, {}),
    "ReducerOptions": (27, {"keep_dims": (0, "Bool", 0)}),
    "SubOptions": (28, {"activation": (0, "Int8", 0)}),
    "DivOptions": (29, {"activation": (0, "Int8", 0)}),
    "SqueezeOptions": (30, {"squeeze_dims": (0, "ints", None)}),
    "StridedSliceOptions": (32, {"begin_mask": (0, "Int32", 0), "end_mask": (1, "Int32", 0), "shrink_axis_mask": (4, "Int32", 0)}),
    "ExpOptions": (33, {}),
    "TopKV2Options": (34, {}),
    "SplitOptions": (35, {"num_splits": (0, "Int32", 0)}),
    "LogSoftmaxOptions": (36, {}),
    "CastOptions": (37, {"in_data_type": (0, "Int8", 0), "out_data_type": (1, "Int8", 0)}),
    "DequantizeOptions": (38, {}),
    "MaximumMinimumOptions": (39, {}),
    "ArgMaxOptions": (40, {"output_type": (0, "Int8", 0)}),
    "LessOptions": (41, {}),
    "NegOptions": (42, {}),
    "PadV2Options": (43, {}),
    "GreaterOptions": (44, {}),
    "GreaterEqualOptions": (45, {}),
    "LessEqualOptions": (46, {}),
    "TransposeConvOptions": (49, {
        "padding": (0, "Int8", 0), "stride_w": (1, "Int32", 0), "stride_h": (2, "Int32", 0), "activation": (3, "Int8", 0),
    }),
    "TileOptions": (51, {}),
    "ExpandDimsOptions": (52, {}),
    "EqualOptions": (53, {}),
    "NotEqualOptions": (54, {}),
    "ShapeOptions": (55, {"out_type": (0, "Int8", 0)}),
    "PowOptions": (56, {}),
    "ArgMinOptions": (57, {"output_type": (0, "Int8", 0)}),
    "PackOptions": (59, {"values_count": (0, "Int32", 0), "axis": (1, "Int32", 0)}),
    "LogicalOrOptions": (60, {}),
    "OneHotOptions": (61, {"axis": (0, "Int32", 0)}),
    "LogicalAndOptions": (62, {}),
    "LogicalNotOptions": (63, {}),
    "FloorDivOptions": (65, {}),
    "SquareOptions": (66, {}),
    "FloorModOptions": (72, {}),
    "ResizeNearestNeighborOptions": (74, {"align_corners": (0, "Bool", 0), "half_pixel_centers": (1, "Bool", 0)}),
    "LeakyReluOptions": (75, {"alpha": (0, "Float32", 0.0)}),
    "SquaredDifferenceOptions": (76, {}),
    "MirrorPadOptions": (77, {"mode": (0, "Int8", 0)}),
    "AbsOptions": (78, {}),
    "SplitVOptions": (79, {"num_splits": (0, "Int32", 0)}),
    "ReverseV2Options": (81, {}),
    "CosOptions": (84, {}),
    "UnidirectionalSequenceLSTMOptions": (71, {
        "activation": (0, "Int8", 0), "cell_clip": (1, "Float32", 0.0), "proj_clip": (2, "Float32", 0.0),
        "time_major": (3, "Bool", 0),
    }),
    "HardSwishOptions": (91, {}),
    "WhileOptions": (93, {"cond_subgraph_index": (0, "Int32", 0), "body_subgraph_index": (1, "Int32", 0)}),
    "SelectV2Options": (98, {}),
    "BatchMatMulOptions": (101, {"adj_x": (0, "Bool", 0), "adj_y": (1, "Bool", 0)}),
    "CumsumOptions": (102, {"exclusive": (0, "Bool", 0), "reverse": (1, "Bool", 0)}),
    "BroadcastToOptions": (104, {}),
    "Conv3DOptions": (106, {
        "padding": (0, "Int8", 0), "stride_d": (1, "Int32", 0), "stride_w": (2, "Int32", 0), "stride_h": (3, "Int32", 0),
        "activation": (4, "Int8", 0), "dilation_d": (5, "Int32", 1), "dilation_w": (6, "Int32", 1), "dilation_h": (7, "Int32", 1),
    }),
    "GeluOptions": (116, {"approximate": (0, "Bool", 0)}),
    "DynamicUpdateSliceOptions": (117, {}),
    "ATan2Options": (122, {}),
    "SignOptions": (123, {}),
    "BitcastOptions": (124, {}),
    "BitwiseXorOptions": (125, {}),
    "RightShiftOptions": (126, {}),
}  # fmt: skip
