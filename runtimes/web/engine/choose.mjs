// node choose.mjs PROFILE...   writes core.json: which functions of each build its core has, from what profile.mjs found
//
// It has those that were called, and the kernels that they choose from: what is called depends on the processor (XNNPACK has kernels of its
// own for x86 and for ARM). A kernel is a function that computes with vectors and calls none; it is chosen by its place in the table.

import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { packed } from "./core.mjs";
import { references } from "./instructions.mjs";
import { BUILDS, readBuild } from "./builds.mjs";
import { WasmFile } from "./wasm-file.mjs";

const HERE = dirname(fileURLToPath(import.meta.url));

/** The kernels among which functions that were called choose. */
function kernels(file, called) {
  const table = file.table();
  const found = new Set();
  for (const index of called) {
    for (const constant of references(file.bodies[index]).constants) {
      const chosen = table.get(constant);
      if (chosen !== undefined && !called.has(chosen)) {
        const { calls, vectors } = references(file.bodies[chosen]);
        if (vectors && !calls) {
          found.add(chosen);
        }
      }
    }
  }
  return found;
}

const profiles = process.argv.slice(2).map((path) => JSON.parse(readFileSync(path, "utf8")));
const core = {};
for (const build of Object.keys(BUILDS)) {
  const wasm = readBuild(build);
  const file = new WasmFile(wasm);
  const called = new Set([...file.bodies.keys()].filter((index) => profiles.some((profile) => profile[build]?.calls[index])));
  const further = kernels(file, called);
  console.log(`${build}: ${called.size} of ${file.bodies.length} functions were called; ${further.size} kernels beside them`);
  core[build] = { sha256: createHash("sha256").update(wasm).digest("hex"), functions: packed([...called, ...further]) };
}
writeFileSync(join(HERE, "core.json"), `${JSON.stringify(core, null, 2)}\n`);
