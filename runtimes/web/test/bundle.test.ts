import { brotliCompressSync, createBrotliDecompress, gzipSync } from "node:zlib";
import { Duplex } from "node:stream";
import { afterEach, expect, test, vi } from "vitest";
import type { BundleFile, Description } from "../src/description";

/** The smallest module: a magic number and a version. */
const WASM = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

const file = (name: string, bytes: Uint8Array): BundleFile => ({ file: name, bytes: bytes.byteLength, sha256: "" });
const GZIP = gzipSync(WASM);
const BROTLI = brotliCompressSync(WASM);
const description = {
  engine: { builds: { simd: { script: file("e.js", WASM), wasm: file("e.wasm.gz", GZIP), brotli: file("e.wasm.br", BROTLI) } } },
} as unknown as Description;

/** Streams of a browser that unpacks brotli, or does not; Node learnt it in 24.7. */
function streams(brotli: boolean): unknown {
  const Own = globalThis.DecompressionStream;
  return function DecompressionStream(format: string) {
    if (format !== "brotli") {
      return new Own(format as CompressionFormat);
    }
    if (!brotli) {
      throw new TypeError("Unsupported compression format: 'brotli'");
    }
    return Duplex.toWeb(createBrotliDecompress());
  };
}

/** What a bundle asks for when it loads its WebAssembly from a server that answers so; whether the answer itself was compiled. */
async function loaded(brotli: boolean, body: Uint8Array, headers: Record<string, string> = {}): Promise<{ asked: string; own: boolean; progress: number[] }> {
  vi.resetModules();
  const { UrlBundle } = await import("../src/bundle");
  let asked = "";
  const answer = new Response(body as BodyInit, { headers });
  vi.stubGlobal("DecompressionStream", streams(brotli));
  vi.stubGlobal("fetch", async (url: string) => {
    asked = url;
    return answer;
  });
  const compile = vi.spyOn(WebAssembly, "compileStreaming");
  const progress: number[] = [];
  const engine = await new UrlBundle("http://x/bundle/", description).engine("simd", "whole", (step) => progress.push(step.loaded / step.total));
  expect(await engine.module()).toBeInstanceOf(WebAssembly.Module);
  const own = (await compile.mock.calls[0]?.[0]) === answer;
  return { asked, own, progress };
}

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

test("a browser that unpacks brotli in a page loads that, another gzip", async () => {
  expect(await loaded(true, BROTLI)).toMatchObject({ asked: "http://x/bundle/e.wasm.br", own: false });
  expect(await loaded(false, GZIP)).toMatchObject({ asked: "http://x/bundle/e.wasm.gz", own: false, progress: [0, 1] });
});

test("what the browser unpacked already is compiled as it comes", async () => {
  const headers = { "Content-Encoding": "br", "Content-Type": "application/wasm" };
  expect(await loaded(false, WASM, headers)).toMatchObject({ asked: "http://x/bundle/e.wasm.gz", own: true, progress: [0, 1] });
  // Its headers may be hidden from the page, or name another type.
  expect((await loaded(false, WASM)).own).toBe(false);
  expect((await loaded(true, WASM, { ...headers, "Content-Type": "application/gzip" })).own).toBe(false);
});
