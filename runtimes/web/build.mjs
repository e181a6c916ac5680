// node build.mjs             what is in the bundles that kexport writes, into targets/kexport_targets/web/static
// node build.mjs --package   the npm package, into dist
//
// The same sources and packages give the same bytes.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { brotliCompress, constants, gzipSync } from "node:zlib";
import * as esbuild from "esbuild";
import { coreOf, unpacked } from "./engine/core.mjs";

const HERE = dirname(fileURLToPath(import.meta.url));
const STATIC = join(HERE, "../../targets/kexport_targets/web/static");
const DIST = join(HERE, "dist");
const require = createRequire(import.meta.url);

/** Our names of the engine's builds, and the package's. */
const BUILDS = { compat: "litert_wasm_compat_internal", simd: "litert_wasm_internal", threads: "litert_wasm_threaded_internal" };

const COMMON = { bundle: true, minify: true, target: "es2022", legalComments: "none", logLevel: "warning", charset: "utf8" };
const NODE = ["node:module", "node:vm", "node:path", "node:fs/promises"];

/** The text of a script for browsers. */
function script(entry) {
  const { outputFiles } = esbuild.buildSync({
    ...COMMON,
    entryPoints: [join(HERE, "src", entry)],
    format: "iife",
    platform: "browser",
    external: NODE,
    write: false,
  });
  return outputFiles[0].contents;
}

function buildPackage() {
  rmSync(DIST, { recursive: true, force: true });
  mkdirSync(DIST, { recursive: true });
  esbuild.buildSync({
    ...COMMON,
    entryPoints: [join(HERE, "src/index.ts")],
    format: "esm",
    platform: "neutral",
    external: NODE,
    outfile: join(DIST, "index.js"),
  });
  writeFileSync(join(DIST, "kexport-web.js"), script("script.ts"));
  const tsc = require.resolve("typescript/bin/tsc");
  execFileSync(process.execPath, [tsc, "--project", join(HERE, "tsconfig.build.json")], { stdio: "inherit" });
  cpSync(join(HERE, "../../LICENSE"), join(HERE, "LICENSE"));
}

async function buildStatic() {
  const part = `${STATIC}.part${process.pid}`;
  rmSync(part, { recursive: true, force: true });
  mkdirSync(part, { recursive: true });
  const put = (name, contents) => writeFileSync(join(part, name), contents);
  put("kexport-web.js", script("script.ts"));
  put("page.js", script("page/main.ts"));
  put("sw.js", script("service-worker.ts"));
  put("page.css", esbuild.buildSync({ ...COMMON, entryPoints: [join(HERE, "src/page/page.css")], write: false }).outputFiles[0].contents);
  put("index.html", readFileSync(join(HERE, "src/page/index.html")));
  const engine = JSON.parse(readFileSync(join(HERE, "node_modules/@litertjs/core/package.json"), "utf8"));
  const folder = join(HERE, "node_modules/@litertjs/core/wasm");
  /** The builds that have a core, with the functions that are in it: `make engine-core` finds them. */
  const cores = JSON.parse(readFileSync(join(HERE, "engine/core.json"), "utf8"));
  const builds = Object.entries(BUILDS).map(async ([build, name]) => {
    const wasm = readFileSync(join(folder, `${name}.wasm`));
    put(`litert-${build}.js`, readFileSync(join(folder, `${name}.js`)));
    const parts = { [`litert-${build}`]: wasm, ...(cores[build] && { [`litert-${build}-core`]: core(build, wasm, cores[build]) }) };
    for (const [part, contents] of Object.entries(parts)) {
      put(`${part}.wasm.gz`, gzipSync(contents, { level: 9 }));
      put(`${part}.wasm.br`, await brotliOnce(contents));
    }
  });
  await Promise.all(builds);
  put("LICENSE-litert.txt", notice(engine) + readFileSync(join(HERE, "../../LICENSE"), "utf8"));
  const files = readdirSync(part).sort();
  const sizes = Object.fromEntries(await Promise.all(files.map(async (file) => [file, await sizesOf(readFileSync(join(part, file)), file)])));
  put("build.json", `${JSON.stringify({ engine: { name: engine.name, version: engine.version }, sizes }, null, 2)}\n`);
  // An export that reads them meanwhile finds the old files or the new ones.
  const old = `${STATIC}.old${process.pid}`;
  rmSync(old, { recursive: true, force: true });
  if (existsSync(STATIC)) {
    renameSync(STATIC, old);
  }
  renameSync(part, STATIC);
  rmSync(old, { recursive: true, force: true });
}

/** A build's core. */
function core(build, wasm, { sha256, functions }) {
  if (createHash("sha256").update(wasm).digest("hex") !== sha256) {
    throw new Error(`engine/core.json is of another version of the engine's build ${build}: run \`make engine-core\`.`);
  }
  return coreOf(wasm, unpacked(functions));
}

/** Bytes as they are, and over the wire. What is packed already goes as it is, whatever the server does. */
async function sizesOf(contents, file) {
  if (/\.(gz|br)$/.test(file)) {
    return { raw: contents.length, gzip: contents.length, brotli: contents.length };
  }
  return { raw: contents.length, gzip: gzipSync(contents, { level: 9 }).length, brotli: (await brotli(contents)).length };
}

/** With brotli at its best, in the largest window that browsers take (RFC 7932: 2^24). */
function brotli(contents) {
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24, [constants.BROTLI_PARAM_SIZE_HINT]: contents.length };
  return promisify(brotliCompress)(contents, { params });
}

/** The same, kept beside the packages: at its best it takes half a minute for a build of the engine. */
async function brotliOnce(contents) {
  const digest = createHash("sha256").update(contents).digest("hex");
  const folder = join(HERE, "node_modules/.cache/kexport-web");
  const kept = join(folder, `${digest}-${process.versions.brotli}.br`);
  if (!existsSync(kept)) {
    mkdirSync(folder, { recursive: true });
    const part = `${kept}.part${process.pid}`;
    writeFileSync(part, await brotli(contents));
    renameSync(part, kept);
  }
  return readFileSync(kept);
}

function notice(engine) {
  return [
    `The files litert-*.js, litert-*.wasm.gz and litert-*.wasm.br are those of LiteRT.js (${engine.name} ${engine.version} on npm),`,
    "but for their names, for gzip and brotli, and for the functions that are empty in litert-*-core.wasm.*. Copyright 2025 Google LLC and",
    "the LiteRT and TensorFlow authors.",
    "LiteRT.js is under the Apache License, Version 2.0, which follows.",
    "",
    "",
  ].join("\n");
}

if (process.argv.includes("--package")) {
  buildPackage();
} else {
  await buildStatic();
}
