/** What computes: here, or in a worker. Arrays are bytes, in the artifact's types. */

import type { Bundle, OnProgress } from "../bundle";
import type { BuildName, Part } from "../description";
import type { Engine } from "../engine/engine";
import { bestBuild, hasRelaxedSimd } from "../engine/features";
import { gpuAdapter } from "../engine/gpu";
import { startEngine } from "../engine/load";
import { type Accelerator, Session } from "../engine/session";
import { AcceleratorError, messageOf } from "../errors";

export type Bytes = Record<string, Uint8Array>;

/** What it took to get an accelerator ready, in milliseconds. */
export interface Prepared {
  readonly build: BuildName;
  readonly part: Part;
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
  /** What computed it. */
  readonly prepared: Prepared;
}

export interface Runner {
  /** What computes now. */
  readonly prepared: Prepared | undefined;
  /** Compile the model for an accelerator, which takes the place of an earlier one once it is ready. */
  use(accelerator: Accelerator, build: BuildName | undefined, progress?: OnProgress): Promise<Prepared>;
  run(signature: string, inputs: Bytes): Promise<Ran>;
  dispose(): Promise<void>;
}

interface Ready {
  readonly accelerator: Accelerator;
  readonly session: Session;
  readonly prepared: Prepared;
}

/** Computes where it is called.
 *
 * On the CPU the core of the engine begins. Whatever it fails at, be it the start, the model or an input, is asked again of the whole engine,
 * which stays from then on: the core lacks functions, and says nothing but that it has trapped.
 */
export class LocalRunner implements Runner {
  /** The model is compiled for an accelerator once: switching back takes no time, and no further threads (Engine.takeThreads). */
  private readonly compiled = new Map<Accelerator, Ready>();
  private ready: Ready | undefined;
  private file: Uint8Array | undefined;
  private downloadMs = 0;
  /** The build of which the whole is there, or needed. */
  private whole: BuildName | undefined;

  constructor(private readonly bundle: Bundle) {}

  get prepared(): Prepared | undefined {
    return this.ready?.prepared;
  }

  async use(accelerator: Accelerator, build: BuildName | undefined, progress?: OnProgress): Promise<Prepared> {
    const { engine } = await this.bundle.description();
    const there = this.compiled.get(accelerator);
    if (there && !there.session.broken && (!build || build === there.prepared.build)) {
      this.ready = there;
      return there.prepared;
    }
    const chosen = build ?? this.bestBuild(accelerator, Object.keys(engine.builds) as BuildName[]);
    if (!chosen) {
      throw new AcceleratorError("The bundle has no build of its engine that runs here.");
    }
    if ((accelerator === "wasm-threads" || chosen !== "compat") && !hasRelaxedSimd()) {
      throw new AcceleratorError("Threads need WebAssembly's relaxed SIMD, which is not here (Chrome and Edge have it from 114 on, Firefox from 145).");
    }
    if (accelerator === "webgpu") {
      await gpuAdapter(); // without one nothing is loaded
    }
    if (accelerator === "wasm" && chosen !== this.whole && engine.builds[chosen]?.core) {
      try {
        return await this.prepare(accelerator, chosen, "core", progress);
      } catch {
        // The whole engine says what is wrong, if it is not the core.
      }
    }
    return this.prepare(accelerator, chosen, "whole", progress);
  }

  async run(signature: string, inputs: Bytes): Promise<Ran> {
    const { ready } = this;
    if (!ready) {
      throw new AcceleratorError("No accelerator was chosen.");
    }
    const { accelerator, prepared } = ready;
    if (!ready.session.broken) {
      try {
        return await this.ran(signature, inputs);
      } catch (error) {
        if (prepared.part === "whole") {
          throw error;
        }
      }
    }
    await this.prepare(accelerator, prepared.build, "whole");
    return this.ran(signature, inputs);
  }

  async dispose(): Promise<void> {
    for (const { session } of this.compiled.values()) {
      session.delete();
    }
    this.compiled.clear();
    this.ready = undefined;
    this.file = undefined;
  }

  /** One thread computes on what is there already, or else on a build that is loaded sooner. */
  private bestBuild(accelerator: Accelerator, offered: readonly BuildName[]): BuildName | undefined {
    return (accelerator === "wasm" ? this.whole : undefined) ?? bestBuild(offered, { threads: accelerator !== "wasm" });
  }

  private async prepare(accelerator: Accelerator, build: BuildName, part: Part, progress?: OnProgress): Promise<Prepared> {
    if (part === "whole") {
      this.whole = build;
    }
    const start = performance.now();
    const [engine, file] = await Promise.all([
      this.bundle.engine(build, part, progress).then(startEngine),
      this.file ?? this.bundle.bytes((await this.bundle.description()).model, progress),
    ]);
    this.file = file;
    const loaded = performance.now();
    this.downloadMs += loaded - start;
    const session = await compiled(engine, file, accelerator);
    this.compiled.get(accelerator)?.session.delete();
    const prepared = {
      build,
      part,
      threads: session.threads,
      downloadMs: this.downloadMs,
      compileMs: performance.now() - loaded,
    };
    this.ready = { accelerator, session, prepared };
    this.compiled.set(accelerator, this.ready);
    return prepared;
  }

  private async ran(signature: string, inputs: Bytes): Promise<Ran> {
    const { session, prepared } = this.ready as Ready;
    const start = performance.now();
    const outputs = await session.run(signature, inputs);
    return { outputs, ms: performance.now() - start, prepared };
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
