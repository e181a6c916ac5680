/** Arrays as callers give and get them. */

import { type Port, sizeOf } from "./description";
import { type DType, type TypedArray, decode, encode, itemSize } from "./dtypes";
import { InputError } from "./errors";

/** A typed array, an array of numbers, or arrays of arrays. */
export type InputArray = TypedArray | readonly (number | bigint | boolean)[] | readonly NestedArray[];
export interface NestedArray extends ReadonlyArray<NestedArray | number | bigint | boolean> {}

/** An array with its shape, the batch as the first dimension. */
export interface Tensor {
  readonly data: TypedArray;
  readonly shape: readonly number[];
  readonly dtype: DType;
}

/** Inputs as bytes, one record a run, and how many samples they are. */
export interface Chunks {
  readonly runs: readonly Record<string, Uint8Array>[];
  readonly samples: number;
}

/** Cut inputs into runs of the model's batch; the last one is filled up with its last sample.
 *
 * @throws InputError where an input is missing, unknown, or no whole number of samples, or where their numbers differ.
 */
export function chunked(ports: readonly Port[], inputs: Readonly<Record<string, InputArray>>): Chunks {
  requireAll(ports, inputs);
  const batch = ports[0]?.shape[0] ?? 1;
  const whole = ports.map((port) => ({ port, bytes: bytesOf(port, inputs[port.name] as InputArray) }));
  const counts = whole.map(({ port, bytes }) => samplesIn(port, bytes.byteLength));
  const samples = counts[0] ?? 0;
  if (counts.some((count) => count !== samples)) {
    throw new InputError(`All inputs have as many samples. Received: ${ports.map(({ name }, i) => `${name}: ${counts[i]}`).join(", ")}`);
  }
  if (samples === batch) {
    return { runs: [Object.fromEntries(whole.map(({ port, bytes }) => [port.name, bytes]))], samples };
  }
  const runs = Array.from({ length: Math.ceil(samples / batch) }, (_, run) =>
    Object.fromEntries(whole.map(({ port, bytes }) => [port.name, part(bytes, run * batch, batch, samples)])),
  );
  return { runs, samples };
}

function requireAll(ports: readonly Port[], inputs: Readonly<Record<string, InputArray>>): void {
  const given = Object.keys(inputs);
  if (given.length !== ports.length || !ports.every((port) => given.includes(port.name))) {
    const known = ports.map((port) => port.name);
    throw new InputError(`The model takes ${known.join(", ")}. Received: ${given.join(", ") || "nothing"}`);
  }
}

/** Outputs of runs as tensors of `samples` samples, which share no memory with them. */
export function joined(ports: readonly Port[], runs: readonly Record<string, Uint8Array>[], samples: number): Record<string, Tensor> {
  return Object.fromEntries(
    ports.map((port) => {
      const all = new Uint8Array(rowBytes(port) * samples);
      let offset = 0;
      for (const run of runs) {
        const bytes = run[port.name] as Uint8Array;
        all.set(offset + bytes.byteLength > all.byteLength ? bytes.subarray(0, all.byteLength - offset) : bytes, offset);
        offset += bytes.byteLength;
      }
      return [port.name, { data: decode(port.dtype, all), shape: [samples, ...port.shape.slice(1)], dtype: port.dtype }];
    }),
  );
}

function bytesOf(port: Port, array: InputArray): Uint8Array {
  const flat = ArrayBuffer.isView(array) ? (array as TypedArray) : flattened(array as NestedArray);
  try {
    return encode(port.dtype, flat as ArrayLike<number>);
  } catch (error) {
    throw new InputError(`Input ${port.name} is ${port.dtype}. ${String(error)}`);
  }
}

function flattened(array: NestedArray, into: (number | bigint | boolean)[] = []): (number | bigint | boolean)[] {
  for (const item of array) {
    if (typeof item === "object") {
      flattened(item, into);
    } else {
      into.push(item);
    }
  }
  return into;
}

/** Bytes of a sample. */
function rowBytes(port: Port): number {
  return (itemSize(port.dtype) * sizeOf(port)) / Math.max(port.shape[0] ?? 1, 1);
}

function samplesIn(port: Port, bytes: number): number {
  const row = rowBytes(port);
  const samples = row ? bytes / row : 1;
  if (!Number.isInteger(samples) || samples < 1) {
    const shape = `(samples, ${port.shape.slice(1).join(", ")})`;
    throw new InputError(`Input ${port.name} has the shape ${shape}. Received: ${bytes / itemSize(port.dtype)} elements`);
  }
  return samples;
}

function part(bytes: Uint8Array, start: number, batch: number, samples: number): Uint8Array {
  const row = bytes.byteLength / samples;
  if (start + batch <= samples) {
    return bytes.slice(start * row, (start + batch) * row);
  }
  const filled = new Uint8Array(batch * row);
  for (let index = 0; index < batch; index++) {
    const from = Math.min(start + index, samples - 1) * row;
    filled.set(bytes.subarray(from, from + row), index * row);
  }
  return filled;
}
