/** Files of numbers: NumPy's .npy, or a text. */

/** The numbers of a file, in the order of its elements.
 *
 * @throws Error that says what is wrong with it.
 */
export async function readNumbers(file: File): Promise<number[]> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  return isNpy(bytes) ? fromNpy(bytes) : fromText(new TextDecoder().decode(bytes));
}

/** Numbers that stand apart by spaces, commas, semicolons or brackets.
 *
 * @throws Error where something else is among them.
 */
export function fromText(text: string): number[] {
  const words = text.split(/[\s,;[\]]+/).filter(Boolean);
  const wrong = words.find((word) => !Number.isFinite(Number(word)));
  if (wrong !== undefined) {
    throw new Error(`“${wrong.slice(0, 40)}” is no number.`);
  }
  return words.map(Number);
}

const READERS: Readonly<Record<string, (view: DataView, at: number) => number>> = {
  f4: (view, at) => view.getFloat32(at, true),
  f8: (view, at) => view.getFloat64(at, true),
  i1: (view, at) => view.getInt8(at),
  i2: (view, at) => view.getInt16(at, true),
  i4: (view, at) => view.getInt32(at, true),
  i8: (view, at) => Number(view.getBigInt64(at, true)),
  u1: (view, at) => view.getUint8(at),
  u2: (view, at) => view.getUint16(at, true),
  u4: (view, at) => view.getUint32(at, true),
  u8: (view, at) => Number(view.getBigUint64(at, true)),
  b1: (view, at) => view.getUint8(at),
};

function isNpy(bytes: Uint8Array): boolean {
  return bytes[0] === 0x93 && String.fromCharCode(...bytes.subarray(1, 6)) === "NUMPY";
}

/** A .npy file: magic, version, length of the header, the header (a Python literal), the elements
 * (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html). */
function fromNpy(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const long = (bytes[6] ?? 0) > 1;
  const start = long ? 12 : 10;
  const data = start + (long ? view.getUint32(8, true) : view.getUint16(8, true));
  const header = new TextDecoder().decode(bytes.subarray(start, data));
  const kind = /'descr': *'[<|=]([a-z]\d)'/.exec(header)?.[1] ?? "";
  const read = READERS[kind];
  if (!read || /'fortran_order': *True/.test(header)) {
    throw new Error(`Its array is of a kind that is not read here: ${header.trim().slice(0, 80)}`);
  }
  const size = Number(kind[1]);
  return Array.from({ length: Math.floor((bytes.byteLength - data) / size) }, (_, index) => read(view, data + index * size));
}
