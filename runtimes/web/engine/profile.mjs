// node profile.mjs FOLDER OUT   which functions of each build of the engine the bundles in FOLDER call, into OUT
//
// Each bundle's folder has `inputs.json` beside it: by input name, the elements of one sample. Every function of the build notes that it was
// called; the rest is kexport-web as it is. `node build.mjs --package` makes that. The answer: by build, by function, how many bundles
// called it; and by bundle what went wrong.

import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { BUILDS, readBuild } from "./builds.mjs";
import { atInstructions } from "./instructions.mjs";
import { Reader, SECTIONS, WasmFile, extended, joined, signed, unsigned } from "./wasm-file.mjs";

const MARK = "called";

/** The build, in which each function sets a variable of its own when it is called. */
function instrumented(wasm) {
  const file = new WasmFile(wasm);
  const globals = file.section(SECTIONS.global);
  const first = file.imported.global + new Reader(globals).unsigned();
  const variable = [0x7f, 0x01, 0x41, 0x00, 0x0b]; // i32, mutable, i32.const 0, end
  file.replace(SECTIONS.global, extended(globals, file.bodies.map(() => variable)));
  const names = file.bodies.map((_, index) => {
    const name = new TextEncoder().encode(`${MARK}${index}`);
    return joined([unsigned(name.length), name, [0x03], unsigned(first + index)]);
  });
  file.replace(SECTIONS.export, extended(file.section(SECTIONS.export), names));
  file.bodies = file.bodies.map((body, index) => {
    const { at } = atInstructions(body);
    return joined([body.subarray(0, at), [0x41, ...signed(1), 0x24, ...unsigned(first + index)], body.subarray(at)]);
  });
  return { bytes: file.bytes(), functions: file.bodies.length };
}

async function profiled(build, folder) {
  const { KexportModel } = await import(`../dist/index.js?${build}`);
  const { bytes, functions } = instrumented(readBuild(build));
  const module = await WebAssembly.compile(bytes);
  let marks = [];
  const instantiate = WebAssembly.instantiate;
  WebAssembly.compileStreaming = async () => module;
  WebAssembly.instantiate = async (...given) => {
    const instance = await instantiate(...given);
    if (given[0] === module) {
      marks = Array.from({ length: functions }, (_, index) => instance.exports[`${MARK}${index}`]);
    }
    return instance;
  };
  const calls = new Array(functions).fill(0);
  const failed = {};
  for (const name of readdirSync(folder).sort()) {
    try {
      const inputs = JSON.parse(readFileSync(join(folder, name, "inputs.json"), "utf8"));
      const model = await KexportModel.load(join(folder, name), { build });
      const integers = new Set(model.inputs.filter(({ dtype }) => /int64/.test(dtype)).map((port) => port.name));
      const given = Object.fromEntries(Object.entries(inputs).map(([key, values]) => [key, integers.has(key) ? values.map(BigInt) : values]));
      await model.predict(given);
      if (model.layers.some(({ output }) => output)) {
        await model.inspect(given);
      }
      await model.dispose();
    } catch (error) {
      failed[name] = `${error.name}: ${error.message}`;
    }
    marks.forEach((mark, index) => {
      calls[index] += mark.value;
      mark.value = 0;
    });
  }
  return { calls, failed };
}

// Node 20 has relaxed SIMD behind a flag.
setFlagsFromString("--experimental-wasm-relaxed-simd");
const [folder, out] = process.argv.slice(2);
const found = {};
for (const build of Object.keys(BUILDS)) {
  found[build] = await profiled(build, folder);
}
writeFileSync(out, JSON.stringify(found));
