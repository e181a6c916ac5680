/** Element types as Keras names them, and how their bytes (little-endian) become typed arrays. */

import { float16ToFloat32, float32ToFloat16 } from "./half";

export type DType =
  | "float32" | "float64" | "float16" | "bfloat16"
  | "int8" | "int16" | "int32" | "int64"
  | "uint8" | "uint16" | "uint32" | "uint64"
  | "bool";

export type TypedArray =
  | Float32Array | Float64Array
  | Int8Array | Int16Array | Int32Array | BigInt64Array
  | Uint8Array | Uint16Array | Uint32Array | BigUint64Array;

interface Kind {
  /** Bytes of an element in the artifact. */
  bytes: number;
  /** Elements as a caller sees them, from bytes that start at a multiple of theirs. */
  decode(buffer: ArrayBuffer, offset: number, length: number): TypedArray;
  /** The bytes of elements that a caller gave. */
  encode(values: ArrayLike<number | bigint | boolean>): Uint8Array;
}

type Constructor = {
  new (length: number): TypedArray;
  new (buffer: ArrayBuffer, offset: number, length: number): TypedArray;
  readonly BYTES_PER_ELEMENT: number;
};

function plain(constructor: Constructor): Kind {
  return {
    bytes: constructor.BYTES_PER_ELEMENT,
    decode: (buffer, offset, length) => new constructor(buffer, offset, length),
    encode: (values) => bytesOf(filled(new constructor(values.length), values, Number)),
  };
}

function wide(constructor: Constructor): Kind {
  return { ...plain(constructor), encode: (values) => bytesOf(filled(new constructor(values.length), values, BigInt)) };
}

/** JavaScript has no array of these everywhere: callers see float32. */
function half(widen: (bits: number) => number, narrow: (value: number) => number): Kind {
  return {
    bytes: 2,
    decode: (buffer, offset, length) => Float32Array.from(new Uint16Array(buffer, offset, length), widen),
    encode: (values) => bytesOf(filled(new Uint16Array(values.length), values, (value) => narrow(Number(value)))),
  };
}

const KINDS: Record<DType, Kind> = {
  float32: plain(Float32Array),
  float64: plain(Float64Array),
  float16: half(float16ToFloat32, float32ToFloat16),
  bfloat16: half(bfloat16ToFloat32, float32ToBfloat16),
  int8: plain(Int8Array),
  int16: plain(Int16Array),
  int32: plain(Int32Array),
  int64: wide(BigInt64Array),
  uint8: plain(Uint8Array),
  uint16: plain(Uint16Array),
  uint32: plain(Uint32Array),
  uint64: wide(BigUint64Array),
  bool: plain(Uint8Array),
};

/** Whether `name` is a type that models in the browser can have. */
export function isDType(name: unknown): name is DType {
  return typeof name === "string" && Object.hasOwn(KINDS, name);
}

/** Bytes of an element. */
export function itemSize(dtype: DType): number {
  return KINDS[dtype].bytes;
}

/** The elements that `bytes` hold, in their memory where it allows that. float16 and bfloat16 come as float32, bool as 0 and 1, 64-bit integers as bigint. */
export function decode(dtype: DType, bytes: Uint8Array): TypedArray {
  const kind = KINDS[dtype];
  const own = bytes.byteOffset % kind.bytes ? new Uint8Array(bytes) : bytes;
  return kind.decode(own.buffer as ArrayBuffer, own.byteOffset, own.byteLength / kind.bytes);
}

/** The bytes of elements; numbers are rounded as typed arrays round them, fractions of bigint types are refused. */
export function encode(dtype: DType, values: ArrayLike<number | bigint | boolean>): Uint8Array {
  return KINDS[dtype].encode(values);
}

function filled<T extends number | bigint>(
  array: TypedArray,
  values: ArrayLike<number | bigint | boolean>,
  convert: (value: number | bigint | boolean) => T,
): TypedArray {
  if (ArrayBuffer.isView(values) && values.constructor === array.constructor) {
    (array as Uint8Array).set(values as unknown as Uint8Array);
    return array;
  }
  const target = array as unknown as { [index: number]: T };
  for (let index = 0; index < values.length; index++) {
    target[index] = convert(values[index] as number);
  }
  return array;
}

function bytesOf(array: TypedArray): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

const scratch = new Float32Array(1);
const scratchBits = new Uint32Array(scratch.buffer);

/** bfloat16 is the upper half of a float32's bits. */
function bfloat16ToFloat32(bits: number): number {
  scratchBits[0] = bits << 16;
  return scratch[0] as number;
}

/** Rounded to the nearest, ties to even; a NaN stays one. */
function float32ToBfloat16(value: number): number {
  scratch[0] = value;
  const bits = scratchBits[0] as number;
  if (Number.isNaN(value)) {
    return (bits >>> 16) | 0x40;
  }
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}
