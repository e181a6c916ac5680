/** Starts an engine: its script, and its WebAssembly compiled while it comes in. */

import type { BuildName } from "../description";
import { BundleError, messageOf } from "../errors";
import { Engine } from "./engine";
import type { WasmModule } from "./wasm";

/** Where a build comes from. */
export interface EngineSource {
  readonly build: BuildName;
  /** The same for the same script and WebAssembly, wherever they lie. */
  readonly identity: string;
  /** The script's address; in a page and a worker it is loaded from there, in Node it is a path. Empty: the page has run it already. */
  readonly script: string;
  /** The script's text where it has no address that can be loaded (a single file, Node). */
  scriptText?(): Promise<string>;
  /** The WebAssembly module, compiled. */
  module(): Promise<WebAssembly.Module>;
}

type Factory = (options: Record<string, unknown>) => Promise<WasmModule>;

const running = new Map<string, Promise<Engine>>();

/** The engine of a source; one instance serves all models of a page or worker. */
export function startEngine(source: EngineSource): Promise<Engine> {
  const key = source.identity;
  let engine = running.get(key);
  if (!engine) {
    engine = start(source, () => running.delete(key));
    engine.catch(() => running.delete(key));
    running.set(key, engine);
  }
  return engine;
}

async function start(source: EngineSource, onBroken: () => void): Promise<Engine> {
  // In this order: a worker stands still while its script comes in, and the WebAssembly comes in meanwhile.
  const [module, factory] = await Promise.all([source.module(), factoryOf(source)]);
  const log: string[] = [];
  const note = (line: unknown): void => {
    log.push(String(line));
    if (log.length > 1000) {
      log.splice(0, 500);
    }
  };
  try {
    const wasm = await factory({
      print: note,
      printErr: note,
      // Workers of the threaded build start with the same script, wherever this code itself came from.
      mainScriptUrlOrBlob: source.script,
      instantiateWasm: (imports: WebAssembly.Imports, done: (instance: WebAssembly.Instance, module: WebAssembly.Module) => void) => {
        void WebAssembly.instantiate(module, imports).then((instance) => done(instance, module));
        return {};
      },
    });
    return new Engine(wasm, source.build === "threads", log, onBroken);
  } catch (error) {
    throw new BundleError(`The engine does not start: ${messageOf(error)}.`);
  }
}

const scope = globalThis as unknown as {
  ModuleFactory?: Factory | undefined;
  importScripts?: (url: string) => void;
  self?: unknown;
};

/** That of a page whose engine's script lies in it, and has run. */
let inPageFactory: Factory | undefined;

/** The engine's script defines the global `ModuleFactory`; it is taken from there. */
async function factoryOf(source: EngineSource): Promise<Factory> {
  if (source.scriptText) {
    await evaluated(await source.scriptText(), source.script);
  } else if (!source.script) {
    scope.ModuleFactory ??= inPageFactory;
  } else if (typeof scope.importScripts === "function") {
    inWorker(scope.importScripts, source.script);
  } else {
    await inPage(source.script);
  }
  const factory = scope.ModuleFactory;
  scope.ModuleFactory = undefined;
  if (!source.script) {
    inPageFactory = factory;
  }
  if (!factory) {
    throw new BundleError(`The engine's script ${source.script} defines no ModuleFactory.`);
  }
  return factory;
}

function inWorker(load: (url: string) => void, url: string): void {
  try {
    load.call(globalThis, url);
  } catch (error) {
    throw unloadable(url, messageOf(error));
  }
}

function inPage(url: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = url;
    script.onload = () => resolve();
    script.onerror = () => reject(unloadable(url, "the browser does not say why"));
    document.head.append(script);
  });
}

function unloadable(url: string, why: string): BundleError {
  return new BundleError(`The engine's script ${url} can't be loaded (${why}).`, "Is the whole bundle there, and does the server send JavaScript as text/javascript?");
}

/** In Node: the script expects CommonJS's names, and `self`. */
async function evaluated(text: string, path: string): Promise<void> {
  const { createRequire } = await import("node:module");
  const vm = await import("node:vm");
  const { dirname } = await import("node:path");
  scope.self ??= globalThis;
  const wrapped = `(function (require, __filename, __dirname) { ${text}\n; return ModuleFactory; })`;
  const run = vm.runInThisContext(wrapped, { filename: path }) as (...args: unknown[]) => Factory;
  scope.ModuleFactory = run(createRequire(path), path, dirname(path));
}
