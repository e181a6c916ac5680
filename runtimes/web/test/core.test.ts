/** The core of the engine, and the whole in its place where it lacks something. */

import { createHash } from "node:crypto";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import { readBuild } from "../engine/builds.mjs";
import { coreOf, packed, unpacked } from "../engine/core.mjs";
import { references } from "../engine/instructions.mjs";
import { WasmFile } from "../engine/wasm-file.mjs";
import { KexportModel } from "../src/index";
import { BUNDLES, bundle } from "./bundles";

const CORE = JSON.parse(readFileSync(join(import.meta.dirname, "../engine/core.json"), "utf8"));
const kept = unpacked(CORE.compat.functions);
const wasm = readBuild("compat");

test("numbers are packed and unpacked", () => {
  expect(unpacked(packed([7, 3, 1000000, 0]))).toEqual([0, 3, 7, 1000000]);
});

test("a module that is taken apart and put together is the same", () => {
  expect(Buffer.from(new WasmFile(wasm).bytes()).equals(wasm)).toBe(true);
});

test("a core is valid, asks for what the whole asks for, and offers the same", async () => {
  const [whole, core] = await Promise.all([WebAssembly.compile(wasm as BufferSource), WebAssembly.compile(coreOf(wasm, kept) as BufferSource)]);
  expect(WebAssembly.Module.exports(core)).toEqual(WebAssembly.Module.exports(whole));
  expect(WebAssembly.Module.imports(core)).toEqual(WebAssembly.Module.imports(whole));
});

test("an empty function traps", async () => {
  // (func (export "f") (result i32) i32.const 7)
  const module = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 5, 1, 0x60, 0, 1, 0x7f, 2, 1, 0, 3, 2, 1, 0, 7, 5, 1, 1, 0x66, 0, 0, 0x0a, 6, 1, 4, 0, 0x41, 7, 0x0b]);
  const run = async (bytes: Uint8Array): Promise<() => number> => (await WebAssembly.instantiate(bytes as BufferSource)).instance.exports.f as () => number;
  expect((await run(coreOf(module, [0])))()).toBe(7);
  expect(await run(coreOf(module, []))).toThrow(WebAssembly.RuntimeError);
});

describe.skipIf(!BUNDLES)("in a bundle", () => {
  const temporary = mkdtempSync(join(tmpdir(), "core-"));
  afterAll(() => rmSync(temporary, { recursive: true }));

  /** The bundle of digits with another core, and its prediction. */
  async function predicted(functions: number[] | undefined): Promise<{ part: string; files: string; data: number[] }> {
    const folder = mkdtempSync(join(temporary, "bundle-"));
    cpSync(bundle("digits"), folder, { recursive: true });
    const path = join(folder, "model.json");
    const description = JSON.parse(readFileSync(path, "utf8"));
    if (functions) {
      const bytes = gzipSync(coreOf(wasm, functions));
      const file = { file: "other-core.wasm.gz", bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
      writeFileSync(join(folder, file.file), bytes);
      description.engine.builds.compat.core = { wasm: file };
      writeFileSync(path, JSON.stringify(description));
    }
    const model = await KexportModel.load(folder, { build: "compat" });
    expect(model.check.status).toBe("right");
    const { digit } = await model.predict({ image: model.goldenInputs?.image?.data ?? [] });
    const found = { part: model.engine.part, files: model.files.join(" "), data: [...(digit?.data ?? [])].map(Number) };
    await model.dispose();
    return found;
  }

  test("the core computes what it has, and the whole what it lacks, and the numbers are the same", async () => {
    const core = await predicted(undefined);
    expect(core.part).toBe("core");
    expect(core.files).toMatch(/litert-compat-core-[0-9a-f]{12}\.wasm/);
    // Nothing is there: it traps when it starts.
    const none = await predicted([]);
    expect(none).toMatchObject({ part: "whole", data: core.data });
    expect(none.files).toMatch(/litert-compat-[0-9a-f]{12}\.wasm/);
    // The kernels are not there: it traps when the model is compiled or run.
    const { bodies } = new WasmFile(wasm);
    const withoutKernels = kept.filter((index: number) => {
      const { calls, vectors } = references(bodies[index]);
      return calls || !vectors;
    });
    expect(await predicted(withoutKernels)).toMatchObject({ part: "whole", data: core.data });
  });
});
