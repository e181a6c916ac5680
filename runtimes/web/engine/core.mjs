// The core of an engine: a build in which the functions that Keras models hardly call are empty, for a quick first prediction.
//
// Every function keeps its number, so that the build's script runs it as it runs the whole one. An empty function traps when it is called;
// whoever loads the core then loads the whole build and begins again (src/runner/runner.ts).

import { WasmFile } from "./wasm-file.mjs";

/** The body of an empty function: no locals, unreachable, end. */
const EMPTY = new Uint8Array([0x00, 0x00, 0x0b]);

/** A build without the functions that are not in `kept`, by their place among the functions that are not imported. */
export function coreOf(wasm, kept) {
  const file = new WasmFile(wasm);
  const stay = new Set(kept);
  file.bodies = file.bodies.map((body, index) => (stay.has(index) ? body : EMPTY));
  return file.bytes();
}

/** Sorted numbers as first, distance, distance, … in one line of text. */
export function packed(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted.map((one, index) => one - (sorted[index - 1] ?? 0)).join(" ");
}

export function unpacked(text) {
  let last = 0;
  return text.split(" ").filter(Boolean).map((distance) => (last += Number(distance)));
}
