/** Slots and numbers of TF Lite's schema (LiteRT 2.1, schema.fbs), as far as they are read here. */

export const MODEL = { operatorCodes: 1, subgraphs: 2, buffers: 4, signatures: 7 };
export const OPERATOR_CODE = { deprecated: 0, builtin: 3 };
export const SUBGRAPH = { tensors: 0, inputs: 1, outputs: 2, operators: 3 };
export const TENSOR = { shape: 0, type: 1, buffer: 2, quantization: 4 };
export const OPERATOR = { code: 0, inputs: 1, outputs: 2 };
export const BUFFER = { data: 0, offset: 1 };
export const QUANTIZATION = { scale: 2, zeroPoint: 3 };
export const SIGNATURE = { key: 2, subgraph: 4 };

/** BuiltinOperator. */
export const DEQUANTIZE = 6;
/** TensorType. */
export const FLOAT32 = 0;
