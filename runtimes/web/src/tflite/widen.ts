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
 */

import { widenHalves } from "../half";
import { DEQUANTIZE, FLOAT32, MODEL, OPERATOR, OPERATOR_CODE, QUANTIZATION, SUBGRAPH, TENSOR } from "./schema";
import type { Tables } from "./tables";

/** A type of weights that are widened. */
export interface Narrow {
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

/** A DEQUANTIZE that is left out. */
export interface Widening {
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

/** The DEQUANTIZEs whose constants can be float32: nothing else reads them, here or in another subgraph.
 *
 * @param sizes of the buffers; null for those without contents.
 */
export function widenable(tables: Tables, sizes: readonly (number | null)[]): Widening[] {
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

/** Have the tables say that the narrow constants are float32, and are what the operators computed, which are taken out. */
export function change(tables: Tables, widenings: readonly Widening[]): void {
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
