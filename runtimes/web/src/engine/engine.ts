/** The engine: one WebAssembly instance, which any number of models share. */

import { gpuDevice } from "./gpu";
import type { Environment, WasmModule } from "./wasm";

/** How long a thread that has ended may take to be there again for another model. */
const THREAD_RETURNS_MS = 1000;

/** A model's file in the engine's memory, which its sessions share. */
export interface PlacedFile {
  readonly pointer: number;
  readonly bytes: number;
  readonly starts: ReadonlyMap<string, number>;
  sessions: number;
}

export class Engine {
  /** It has trapped: its memory is not to be trusted. */
  broken = false;
  private gpu: { device: GPUDevice; environment: Environment } | undefined;
  private readonly cpu: Environment;
  /** By the bytes of a file as it came. */
  readonly files = new Map<Uint8Array, PlacedFile>();
  /** Threads that models have, beside the one that asks. */
  private busyThreads = 0;

  /**
   * @param log what the engine has said since it was asked last: its errors are lines there, not exceptions.
   * @param onBroken called when it has trapped: its memory is not to be trusted then, and the next model needs a new one.
   */
  constructor(
    readonly wasm: WasmModule,
    readonly threaded: boolean,
    private readonly log: string[],
    private readonly onBroken: () => void,
  ) {
    wasm.setupLogging();
    this.cpu = wasm.LiteRtEnvironment.create(null);
  }

  /** How many threads compute at most. */
  get threads(): number {
    if (!this.threaded) {
      return 1;
    }
    return Math.max(1, Math.min(this.wasm.getThreadCount(), globalThis.navigator?.hardwareConcurrency ?? 1));
  }

  /** Threads for a model to compute on, its own until they are given back: all of {@link threads}, or those that other models leave.
   *
   * The engine's script starts as many workers as the processor has cores. A model that needed more would wait for ever, since none starts
   * while the engine waits.
   */
  takeThreads(): number {
    const count = Math.min(this.threads, 1 + Math.max(0, this.threads - this.busyThreads));
    this.busyThreads += count - 1;
    return count;
  }

  giveBackThreads(count: number): void {
    if (count > 1) {
      setTimeout(() => {
        this.busyThreads -= count - 1;
      }, THREAD_RETURNS_MS);
    }
  }

  /** Where models are compiled for the CPU. */
  get cpuEnvironment(): Environment {
    return this.cpu;
  }

  /** The GPU and where models are compiled for it; a device that was lost is replaced.
   *
   * @throws AcceleratorError where there is none.
   */
  async gpuEnvironment(): Promise<{ device: GPUDevice; environment: Environment }> {
    if (!this.gpu) {
      const device = await gpuDevice();
      const made = { device, environment: this.wasm.LiteRtEnvironment.create(device) };
      this.gpu = made;
      void device.lost.then(() => {
        if (this.gpu === made) {
          this.gpu = undefined;
        }
      });
    }
    return this.gpu;
  }

  /** The errors that the engine has reported since it was asked last. */
  errors(): string[] {
    if (!this.log.length) {
      return [];
    }
    return this.log.splice(0).filter((line) => /^(ERROR|FATAL)\b/.test(line));
  }

  /** Look at what was thrown: after a trap the engine is not used for further models. */
  noteFailure(error: unknown): void {
    if (error instanceof WebAssembly.RuntimeError || error instanceof RangeError) {
      this.broken = true;
      this.onBroken();
    }
  }
}
