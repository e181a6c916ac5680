/** A model.tflite as it is put into the engine's memory: with float32 weights, and one model for each signature, which share them.
 *
 * What is known of the file is how kexport's TF Lite target writes it: all tables, then all contents, each of which starts at a multiple of
 * 64 bytes. So do those that are made here: the tables of one signature after the other, then the contents of all.
 */

import { BUFFER, MODEL } from "./schema";
import { keepSignature, signatureKeys } from "./signatures";
import { Tables } from "./tables";
import { type Narrow, change, widenable } from "./widen";

const ALIGNMENT = 64;

/** The contents of buffers: where they are in the file, and where they will be. */
interface Contents {
  readonly from: number;
  readonly length: number;
  readonly to: number;
  readonly wide: number;
  readonly narrow: Narrow | undefined;
}

export interface ModelFile {
  /** What {@link write} needs. */
  readonly bytes: number;
  /** Where the model of a signature starts in that; it reaches to the end. */
  readonly starts: ReadonlyMap<string, number>;
  /** Write it to memory that starts at a multiple of 4 bytes. */
  write(into: Uint8Array): void;
}

/** Read a .tflite file of kexport.
 *
 * @throws RangeError where it is none.
 */
export function readModelFile(file: Uint8Array): ModelFile {
  const whole = new Tables(file);
  const buffers = whole.tables(whole.root, MODEL.buffers);
  const vectors = buffers.map((buffer) => whole.at(buffer, BUFFER.data));
  const end = Math.min(file.byteLength, ...vectors.filter((vector) => vector !== null));
  if (buffers.some((buffer) => whole.field(buffer, BUFFER.offset) !== null)) {
    throw new RangeError("weights beyond 2 GB, for which WebAssembly has no memory");
  }
  const sizes = vectors.map((vector) => (vector === null ? null : whole.length(vector)));
  const tables = new Tables(file.slice(0, end));
  const widenings = widenable(tables, sizes);
  change(tables, widenings);
  const parts = signatureKeys(tables).map((key, index) => {
    const part = new Tables(tables.bytes.slice());
    keepSignature(part, index);
    return { key, tables: part, start: index * upTo(end) };
  });
  const byBuffer = new Map(widenings.map((widening) => [widening.buffer, widening]));
  const contents = new Map<string, Contents>();
  let bytes = parts.length * upTo(end);
  for (const [index, vector] of vectors.entries()) {
    if (vector === null) {
      continue;
    }
    const widening = byBuffer.get(index);
    // Several buffers may have the same contents.
    const key = `${vector} ${widening?.narrow.bits ?? 0} ${widening?.elements ?? 0}`;
    const length = sizes[index] as number;
    const wide = widening ? 4 * widening.elements : length;
    const one = contents.get(key) ?? { from: vector + 4, length, to: upTo(bytes + 4), wide, narrow: widening?.narrow };
    contents.set(key, one);
    bytes = Math.max(bytes, one.to + one.wide);
    const place = tables.field(buffers[index] as number, BUFFER.data) as number;
    for (const part of parts) {
      part.tables.point(place, one.to - 4 - part.start);
    }
  }
  return {
    bytes,
    starts: new Map(parts.map(({ key, start }) => [key, start])),
    write: (into) => {
      into.fill(0, 0, parts.length * upTo(end));
      for (const part of parts) {
        into.set(part.tables.bytes, part.start);
      }
      writeContents([...contents.values()], file, parts.length * upTo(end), into);
    },
  };
}

function upTo(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

/** Write them in their order, and zeros between them from `end` on. */
function writeContents(contents: readonly Contents[], file: Uint8Array, end: number, into: Uint8Array): void {
  const view = new DataView(into.buffer, into.byteOffset, into.byteLength);
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
