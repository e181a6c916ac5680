/** The engine: one WebAssembly instance, which any number of models share. */

import { gpuDevice } from "./gpu";
import type { Environment, WasmModule } from "./wasm";

export class Engine {
  /** It has trapped: its memory is not to be trusted. */
  broken = false;
  private gpu: { device: GPUDevice; environment: Environment } | undefined;
  private readonly cpu: Environment;

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
