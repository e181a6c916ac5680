/** What computes: here, or in a worker. Arrays are bytes, in the artifact's types. */

import { type Bundle, type OnProgress } from "../bundle";
import type { BuildName } from "../description";
import type { Engine } from "../engine/engine";
import { bestBuild, hasRelaxedSimd } from "../engine/features";
import { startEngine } from "../engine/load";
import { type Accelerator, Session } from "../engine/session";
import { AcceleratorError, messageOf } from "../errors";

export type Bytes = Record<string, Uint8Array>;

/** What it took to get an accelerator ready, in milliseconds. */
export interface Prepared {
  readonly build: BuildName;
  /** Threads that compute on the CPU. */
  readonly threads: number;
  /** All that was waited for so far: what is there already is not loaded again for another accelerator. */
  readonly downloadMs: number;
  readonly compileMs: number;
}

export interface Ran {
  readonly outputs: Bytes;
  /** The computation, with its inputs and outputs copied, without the way to a worker and back. */
  readonly ms: number;
}

export interface Runner {
  /** Compile the model for an accelerator, which takes the place of an earlier one once it is ready. */
  use(accelerator: Accelerator, build: BuildName | undefined, progress?: OnProgress): Promise<Prepared>;
  run(signature: string, inputs: Bytes): Promise<Ran>;
  dispose(): Promise<void>;
}

/** Computes where it is called. */
export class LocalRunner implements Runner {
  private session: Session | undefined;
  private file: Uint8Array | undefined;
  private downloadMs = 0;

  constructor(private readonly bundle: Bundle) {}

  async use(accelerator: Accelerator, build: BuildName | undefined, progress?: OnProgress): Promise<Prepared> {
    const description = await this.bundle.description();
    const chosen = build ?? bestBuild(Object.keys(description.engine.builds) as BuildName[]);
    if (!chosen) {
      throw new AcceleratorError("The bundle has no build of its engine that runs here.");
    }
    if ((accelerator === "wasm-threads" || chosen !== "compat") && !hasRelaxedSimd()) {
      throw new AcceleratorError("Threads need WebAssembly's relaxed SIMD, which is not here (Chrome and Edge have it from 114 on, Firefox from 145).");
    }
    const start = performance.now();
    const [engine, file] = await Promise.all([
      this.bundle.engine(chosen, progress).then(startEngine),
      this.file ?? this.bundle.bytes(description.model, progress),
    ]);
    this.file = file;
    const loaded = performance.now();
    this.downloadMs += loaded - start;
    const session = await compiled(engine, file, accelerator);
    this.session?.delete();
    this.session = session;
    return {
      build: chosen,
      threads: accelerator === "wasm-threads" ? engine.threads : 1,
      downloadMs: this.downloadMs,
      compileMs: performance.now() - loaded,
    };
  }

  async run(signature: string, inputs: Bytes): Promise<Ran> {
    if (!this.session) {
      throw new AcceleratorError("No accelerator was chosen.");
    }
    const start = performance.now();
    const outputs = await this.session.run(signature, inputs);
    return { outputs, ms: performance.now() - start };
  }

  async dispose(): Promise<void> {
    this.session?.delete();
    this.session = undefined;
    this.file = undefined;
  }
}

async function compiled(engine: Engine, file: Uint8Array, accelerator: Accelerator): Promise<Session> {
  try {
    return await Session.compile(engine, file, accelerator);
  } catch (error) {
    // What the engine says where it has no kernel: lines of its log, or that a part of it is not there.
    if (accelerator === "webgpu" && /^ERROR|Asyncify/.test(messageOf(error))) {
      throw new AcceleratorError(`WebGPU can't compute the whole model. The engine's log: ${messageOf(error)}`);
    }
    throw error;
  }
}
