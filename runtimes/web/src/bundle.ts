/** Where a bundle's files come from: a web server, this very page, or the file system of Node. */

import { type BundleFile, type BuildName, type Description, type EngineBuild, type PackedWasm, type Part, parseDescription } from "./description";
import type { EngineSource } from "./engine/load";
import { BundleError, messageOf } from "./errors";
import { sha256 } from "./sha256";

/** Bytes that have come in, of all that will. */
export interface DownloadProgress {
  readonly file: string;
  readonly loaded: number;
  readonly total: number;
}

export type OnProgress = (progress: DownloadProgress) => void;

export interface Bundle {
  description(): Promise<Description>;
  /** A file whose SHA-256 is that of the export.
   *
   * @throws BundleError where it is another.
   */
  bytes(file: BundleFile, progress?: OnProgress): Promise<Uint8Array>;
  engine(build: BuildName, part: Part, progress?: OnProgress): Promise<EngineSource>;
  /** The address of the script that a worker runs; null where it has none. */
  workerScript(): Promise<string | null>;
  /** What a worker opens the same bundle with. */
  readonly address: string;
}

let brotli: boolean | undefined;

/** Whether brotli can be unpacked here (Safari 18.4, Node 24.7); else gzip. */
function hasBrotli(): boolean {
  if (brotli === undefined) {
    try {
      brotli = !!new DecompressionStream("brotli" as CompressionFormat);
    } catch {
      brotli = false;
    }
  }
  return brotli;
}

/** Which of the forms of a part of a build is loaded here. */
export function packedWasm(build: EngineBuild, part: Part): BundleFile {
  const { wasm, brotli } = partOf(build, part);
  return brotli && hasBrotli() ? brotli : wasm;
}

/** A part of a build; a build without a core has the whole alone. */
export function partOf(build: EngineBuild, part: Part): PackedWasm {
  return (part === "core" && build.core) || build;
}

/** A stream of WebAssembly: unpacked, where it is packed (a server may have said so, and the browser unpacked it already). */
async function unpacked(stream: ReadableStream<Uint8Array>): Promise<ReadableStream<Uint8Array>> {
  const reader = stream.getReader();
  const first = await reader.read();
  const whole = new ReadableStream<Uint8Array>({
    start(controller) {
      if (first.value) {
        controller.enqueue(first.value);
      }
    },
    async pull(controller) {
      const { done, value } = await reader.read();
      if (done) {
        controller.close();
      } else {
        controller.enqueue(value);
      }
    },
    cancel: (reason) => reader.cancel(reason),
  });
  const start = first.value ? String.fromCharCode(...first.value.subarray(0, 4)) : "";
  if (start === "\0asm") {
    return whole;
  }
  // brotli has no signature.
  const format = start.startsWith("\x1f\x8b") ? "gzip" : ("brotli" as CompressionFormat);
  return whole.pipeThrough(new DecompressionStream(format) as ReadableWritablePair<Uint8Array, Uint8Array>);
}

/** Compile WebAssembly from a stream, while it comes in.
 *
 * @throws BundleError where the file holds none, or the page's policy allows none.
 */
export async function compiled(file: BundleFile, stream: ReadableStream<Uint8Array>): Promise<WebAssembly.Module> {
  const headers = { "Content-Type": "application/wasm" };
  try {
    return await WebAssembly.compileStreaming(new Response((await unpacked(stream)) as unknown as BodyInit, { headers }));
  } catch (error) {
    const refused = /Content.Security.Policy|unsafe-eval|blocked by CSP/i.test(messageOf(error));
    throw new BundleError(
      `${file.file} can't be compiled: ${messageOf(error).replace(/\.$/, "")}.`,
      refused ? "The page's Content-Security-Policy needs script-src 'wasm-unsafe-eval'." : "Is it the file that was exported? Copy the bundle again, and reload without the cache.",
    );
  }
}

/** The bytes, once they are those of the export. */
export async function checked(file: BundleFile, bytes: Uint8Array): Promise<Uint8Array> {
  if (bytes.byteLength !== file.bytes || (await sha256(bytes)) !== file.sha256) {
    throw new BundleError(
      `${file.file} is not the file that was exported: ${bytes.byteLength} bytes, ${file.bytes} expected, or other contents.`,
      "Copy the bundle again, and reload without the cache.",
    );
  }
  return bytes;
}

/** A bundle on a web server. */
export class UrlBundle implements Bundle {
  readonly address: string;
  private found: Promise<Description> | undefined;

  /** @param url of the bundle's folder or its model.json.
   * @param description what model.json holds, where that is known. */
  constructor(url: string, description?: Description) {
    this.found = description && Promise.resolve(description);
    this.address = url.endsWith(".json") ? url : new URL("model.json", url.endsWith("/") ? url : `${url}/`).href;
  }

  description(): Promise<Description> {
    this.found ??= this.readDescription();
    return this.found;
  }

  async bytes(file: BundleFile, progress?: OnProgress): Promise<Uint8Array> {
    const stream = await this.open(file, progress);
    return checked(file, new Uint8Array(await new Response(stream as unknown as BodyInit).arrayBuffer()));
  }

  async engine(build: BuildName, part: Part, progress?: OnProgress): Promise<EngineSource> {
    const found = buildOf(await this.description(), build);
    return {
      build,
      identity: identityOf(found, part),
      script: this.resolved(found.script.file),
      module: () => this.module(packedWasm(found, part), progress),
    };
  }

  async workerScript(): Promise<string> {
    return this.resolved((await this.description()).script.file);
  }

  private async readDescription(): Promise<Description> {
    const response = await fetched(this.address, { cache: "no-cache" });
    return parseDescription(await response.text(), this.address);
  }

  private resolved(file: string): string {
    return new URL(file, this.address).href;
  }

  /** WebAssembly, compiled while it comes in. */
  private async module(file: BundleFile, progress?: OnProgress): Promise<WebAssembly.Module> {
    const response = await fetched(this.resolved(file.file));
    if (response.headers.get("Content-Encoding") === null || response.headers.get("Content-Type") !== "application/wasm") {
      return compiled(file, streamOf(file, response, progress));
    }
    // The browser unpacks it, and keeps what it compiled for the next visit, which it does with its own responses alone.
    progress?.({ file: file.file, loaded: 0, total: file.bytes });
    const module = await WebAssembly.compileStreaming(response);
    progress?.({ file: file.file, loaded: file.bytes, total: file.bytes });
    return module;
  }

  private async open(file: BundleFile, progress?: OnProgress): Promise<ReadableStream<Uint8Array>> {
    return streamOf(file, await fetched(this.resolved(file.file)), progress);
  }
}

/** What a server answers with, counted as it comes in. */
function streamOf(file: BundleFile, response: Response, progress?: OnProgress): ReadableStream<Uint8Array> {
  const body = response.body as ReadableStream<Uint8Array> | null;
  if (!body) {
    throw new BundleError(`${file.file} came without contents.`);
  }
  return progress ? body.pipeThrough(counting(file, progress)) : body;
}

function counting(file: BundleFile, progress: OnProgress): TransformStream<Uint8Array, Uint8Array> {
  let loaded = 0;
  progress({ file: file.file, loaded, total: file.bytes });
  return new TransformStream({
    transform(chunk, controller) {
      loaded += chunk.byteLength;
      progress({ file: file.file, loaded, total: file.bytes });
      controller.enqueue(chunk);
    },
  });
}

async function fetched(url: string, options?: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, options);
  } catch (error) {
    throw new BundleError(`${url} can't be fetched (${messageOf(error)}).`, "Is the server there, and does it allow this page?");
  }
  if (!response.ok) {
    throw new BundleError(`${url} can't be fetched: the server answers ${response.status}.`, "Is the whole bundle there?");
  }
  return response;
}

/** The build's files.
 *
 * @throws BundleError where the bundle is without it.
 */
export function buildOf(description: Description, build: BuildName): EngineBuild {
  const found = description.engine.builds[build];
  if (!found) {
    throw new BundleError(`The bundle has no build ${build} of the engine.`, `It has: ${Object.keys(description.engine.builds).join(", ")}.`);
  }
  return found;
}

/** What tells engines apart: their contents. */
export function identityOf(build: EngineBuild, part: Part): string {
  return `${build.script.sha256} ${partOf(build, part).wasm.sha256}`;
}
