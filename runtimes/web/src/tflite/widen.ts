/** Weights that came in fewer bits become float32 weights, before the engine reads them.
 *
 * Given:
 *
 *     weights = DEQUANTIZE(constant of float16, or of whole numbers in 8 or 4 bits)
 *     y = CONV_2D(x, weights)
 *
 * Result:
 *
 *     y = CONV_2D(x, constant of float32)
 *
 * Elsewhere TF Lite's kernels do that once. LiteRT.js 2.5.3 does it at every run, and packs such weights anew at every run. The numbers are
 * the same: each float16 is a float32, and so is each of these integers.
 *
 * What is known of the file is how kexport's TF Lite target writes it: all tables, then all contents, each of which starts at a multiple of
 * 64 bytes. Slots and numbers are those of TF Lite's schema (schema.fbs, LiteRT 2.1).
 */

import { widenHalves } from "../half";
import { Tables } from "./tables";

const ALIGNMENT = 64;
const DEQUANTIZE = 6;
const FLOAT32 = 0;

const MODEL = { operatorCodes: 1, subgraphs: 2, buffers: 4 };
const OPERATOR_CODE = { deprecated: 0, builtin: 3 };
const SUBGRAPH = { tensors: 0, inputs: 1, outputs: 2, operators: 3 };
const TENSOR = { shape: 0, type: 1, buffer: 2, quantization: 4 };
const OPERATOR = { code: 0, inputs: 1, outputs: 2 };
const BUFFER = { data: 0, offset: 1 };
const QUANTIZATION = { scale: 2, zeroPoint: 3 };

/** A type of weights that are widened. */
interface Narrow {
  /** Bits of an element. */
  readonly bits: number;
  widen(from: Uint8Array, into: Float32Array): void;
}

/** By the schema's number of the type. */
const NARROW: Readonly<Record<number, Narrow>> = {
  1: { bits: 16, widen: (from, into) => widenHalves(halvesIn(from), into) },
  9: { bits: 8, widen: (from, into) => into.set(new Int8Array(from.buffer, from.byteOffset, from.byteLength)) },
  17: { bits: 4, widen: widenFourBits },
};

/** A .tflite file that is still to be written. */
export interface ModelFile {
  readonly bytes: number;
  /** Write it to memory that starts at a multiple of 4 bytes. */
  write(into: Uint8Array): void;
}

/** A DEQUANTIZE that is left out. */
interface Widening {
  readonly subgraph: number;
  readonly operator: number;
  /** Of the tensor that it reads. */
  readonly table: number;
  readonly buffer: number;
  readonly narrow: Narrow;
  readonly elements: number;
  /** Where the tensor that it computes is listed. */
  readonly place: number;
}

/** The contents of buffers: where they are in the file, and where they will be. */
interface Contents {
  readonly from: number;
  readonly length: number;
  readonly to: number;
  readonly wide: number;
  readonly narrow: Narrow | undefined;
}

/** The model with float32 weights.
 *
 * @param file a .tflite file of kexport.
 * @throws RangeError where it is none.
 */
export function widened(file: Uint8Array): ModelFile {
  const whole = new Tables(file);
  const buffers = whole.tables(whole.root, MODEL.buffers);
  const vectors = buffers.map((buffer) => whole.at(buffer, BUFFER.data));
  const end = Math.min(...vectors.filter((vector) => vector !== null));
  const lieOutside = buffers.some((buffer) => whole.field(buffer, BUFFER.offset) !== null);
  if (lieOutside || !Number.isFinite(end)) {
    return { bytes: file.byteLength, write: (into) => into.set(file) };
  }
  const tables = new Tables(file.slice(0, end));
  const sizes = vectors.map((vector) => (vector === null ? null : whole.length(vector)));
  const widenings = widenable(tables, sizes);
  change(tables, widenings);
  const byBuffer = new Map(widenings.map((widening) => [widening.buffer, widening]));
  const contents = new Map<string, Contents>();
  let bytes = end;
  for (const [index, vector] of vectors.entries()) {
    if (vector === null) {
      continue;
    }
    const widening = byBuffer.get(index);
    // Several buffers may have the same contents.
    const key = `${vector} ${widening?.narrow.bits ?? 0} ${widening?.elements ?? 0}`;
    const length = sizes[index] as number;
    const wide = widening ? 4 * widening.elements : length;
    const to = Math.ceil((bytes + 4) / ALIGNMENT) * ALIGNMENT;
    const one = contents.get(key) ?? { from: vector + 4, length, to, wide, narrow: widening?.narrow };
    contents.set(key, one);
    bytes = Math.max(bytes, one.to + one.wide);
    tables.point(tables.field(buffers[index] as number, BUFFER.data) as number, one.to - 4);
  }
  return { bytes, write: (into) => write(tables.bytes, file, [...contents.values()], into) };
}

/** Have the tables say that the narrow constants are float32, and are what the operators computed, which are taken out. */
function change(tables: Tables, widenings: readonly Widening[]): void {
  for (const { table, place } of widenings) {
    tables.point(place, table);
    tables.setByte(tables.field(table, TENSOR.type) as number, FLOAT32);
  }
  const left = new Map<number, Set<number>>();
  for (const { subgraph, operator } of widenings) {
    left.set(subgraph, (left.get(subgraph) ?? new Set()).add(operator));
  }
  for (const [subgraph, gone] of left) {
    const vector = tables.at(subgraph, SUBGRAPH.operators) as number;
    const places = tables.places(subgraph, SUBGRAPH.operators);
    const stay = places.map((place) => tables.pointed(place)).filter((_, index) => !gone.has(index));
    stay.forEach((operator, index) => tables.point(places[index] as number, operator));
    tables.setLength(vector, stay.length);
  }
}

function write(tables: Uint8Array, file: Uint8Array, contents: readonly Contents[], into: Uint8Array): void {
  into.set(tables);
  const view = new DataView(into.buffer, into.byteOffset, into.byteLength);
  let end = tables.byteLength;
  for (const { from, length, to, wide, narrow } of contents) {
    into.fill(0, end, to - 4);
    view.setUint32(to - 4, wide, true);
    const source = file.subarray(from, from + length);
    if (narrow) {
      narrow.widen(source, new Float32Array(into.buffer, into.byteOffset + to, wide / 4));
    } else {
      into.set(source, to);
    }
    end = to + wide;
  }
}

/** The DEQUANTIZEs whose constants can be float32: nothing else reads them, here or in another subgraph.
 *
 * @param sizes of the buffers; null for those without contents.
 */
function widenable(tables: Tables, sizes: readonly (number | null)[]): Widening[] {
  const codes = tables
    .tables(tables.root, MODEL.operatorCodes)
    .map((code) => Math.max(tables.byte(code, OPERATOR_CODE.deprecated), tables.int(code, OPERATOR_CODE.builtin)));
  const found: Widening[] = [];
  const staying = new Set<number>();
  for (const subgraph of tables.tables(tables.root, MODEL.subgraphs)) {
    const rows = tables.tables(subgraph, SUBGRAPH.tensors);
    const kept = new Set([...tables.ints(subgraph, SUBGRAPH.inputs), ...tables.ints(subgraph, SUBGRAPH.outputs)]);
    const read = new Set<number>();
    for (const [index, operator] of tables.tables(subgraph, SUBGRAPH.operators).entries()) {
      const inputs = tables.ints(operator, OPERATOR.inputs);
      const widens = codes[tables.int(operator, OPERATOR.code)] === DEQUANTIZE;
      const one = widens ? widening(tables, subgraph, index, operator, sizes) : null;
      if (one) {
        found.push(one);
      }
      for (const input of inputs) {
        (one ? read : kept).add(input);
      }
    }
    for (const [index, table] of rows.entries()) {
      if (kept.has(index) || !read.has(index)) {
        staying.add(tables.int(table, TENSOR.buffer));
      }
    }
  }
  return found.filter(({ buffer }) => !staying.has(buffer));
}

/** What becomes of a DEQUANTIZE by itself; null where it stays. */
function widening(tables: Tables, subgraph: number, index: number, operator: number, sizes: readonly (number | null)[]): Widening | null {
  const [input = -1] = tables.ints(operator, OPERATOR.inputs);
  const [output = -1] = tables.ints(operator, OPERATOR.outputs);
  const [from, place] = [tables.place(subgraph, SUBGRAPH.tensors, input), tables.place(subgraph, SUBGRAPH.tensors, output)];
  if (from === null || place === null || tables.ints(subgraph, SUBGRAPH.outputs).includes(output)) {
    return null;
  }
  const table = tables.pointed(from);
  const narrow = NARROW[tables.byte(table, TENSOR.type)];
  const buffer = tables.int(table, TENSOR.buffer);
  const elements = tables.ints(table, TENSOR.shape).reduce((product, size) => product * size, 1);
  const whole = narrow && Math.ceil((elements * narrow.bits) / 8) === sizes[buffer];
  // Offsets point to what lies behind them.
  const fits = table > place && tables.byte(tables.pointed(place), TENSOR.type) === FLOAT32;
  return whole && fits && countsOnes(tables, table) ? { subgraph, operator: index, table, buffer, narrow, elements, place } : null;
}

/** Whether a tensor's integers count ones from zero, where it has integers. */
function countsOnes(tables: Tables, table: number): boolean {
  const quantization = tables.at(table, TENSOR.quantization);
  if (quantization === null) {
    return true;
  }
  const scales = tables.places(quantization, QUANTIZATION.scale);
  const zeros = tables.at(quantization, QUANTIZATION.zeroPoint);
  // Zero points are 64 bits wide.
  const zeroBytes = zeros === null ? [] : [...tables.bytes.subarray(zeros + 4, zeros + 4 + 8 * tables.length(zeros))];
  return scales.every((place) => tables.float(place) === 1) && zeroBytes.every((byte) => byte === 0);
}

/** Two numbers of 4 bits in a byte, the first in the low half. */
function widenFourBits(from: Uint8Array, into: Float32Array): void {
  for (let index = 0; index < into.length; index++) {
    const byte = from[index >> 1] as number;
    into[index] = ((index & 1 ? byte >> 4 : byte & 15) << 28) >> 28;
  }
}

/** float16 as it lies in bytes; a copy where they start at an odd place. */
function halvesIn(bytes: Uint8Array): Uint16Array {
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % 2 ? bytes.slice() : bytes;
  return new Uint16Array(buffer, byteOffset, byteLength / 2);
}
