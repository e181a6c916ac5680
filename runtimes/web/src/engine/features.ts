/** What this browser, worker or Node can do. */

import type { BuildName } from "../description";

/** A module whose one function uses `i8x16.relaxed_swizzle` (WebAssembly relaxed SIMD, opcode 0xfd 0x100). */
const RELAXED_SIMD = [
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00], // magic, version
  ...[0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b], // type: () -> v128
  ...[0x03, 0x02, 0x01, 0x00], // one function of that type
  ...[0x0a, 0x0f, 0x01, 0x0d, 0x00], // its code: 13 bytes, no locals
  ...[0x41, 0x00, 0xfd, 0x0f, 0x41, 0x00, 0xfd, 0x0f], // two vectors of zeros
  ...[0xfd, 0x80, 0x02, 0x0b], // i8x16.relaxed_swizzle, end
];

/** Whether WebAssembly has relaxed SIMD here (Chrome 114, Firefox 145, Node 22). */
export function hasRelaxedSimd(): boolean {
  return WebAssembly.validate(new Uint8Array(RELAXED_SIMD));
}

let workersRefused = false;

/** The page's policy allows no workers, which threads are made of, too. */
export function refuseWorkers(): void {
  workersRefused = true;
}

/** Whether memory can be shared with workers: the page was served with COOP and COEP headers. */
export function hasThreads(): boolean {
  return !workersRefused && globalThis.crossOriginIsolated === true && typeof SharedArrayBuffer === "function" && hasRelaxedSimd();
}

export function hasWebGpu(): boolean {
  return typeof navigator !== "undefined" && !!navigator.gpu;
}

/** The quickest of these builds that runs here; undefined where none does. One that can't compute on threads has a core. */
export function bestBuild(offered: readonly BuildName[], { threads }: { threads: boolean }): BuildName | undefined {
  const running: BuildName[] = [];
  if (threads && hasThreads()) {
    running.push("threads");
  }
  if (hasRelaxedSimd()) {
    running.push("simd");
  }
  return [...running, "compat" as const].find((build) => offered.includes(build));
}
