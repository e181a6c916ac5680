// The builds of the engine that have a core, as @litertjs/core calls them.

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const BUILDS = { simd: "litert_wasm_internal", compat: "litert_wasm_compat_internal" };

/** The WebAssembly of a build. */
export function readBuild(build) {
  return readFileSync(join(dirname(fileURLToPath(import.meta.url)), "../node_modules/@litertjs/core/wasm", `${BUILDS[build]}.wasm`));
}
