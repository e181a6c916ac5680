/** A model, compiled for one accelerator. Inputs and outputs are bytes, in the order of the file's signatures. */

import { AcceleratorError, BundleError, messageOf } from "../errors";
import { type ModelFile, widened } from "../tflite/widen";
import type { Engine } from "./engine";
import { download, inputBuffer, upload } from "./gpu";
import { type CompiledModel, type Deletable, type Environment, type LoadedModel, type TensorBuffer, taken } from "./wasm";

export type Accelerator = "webgpu" | "wasm-threads" | "wasm";

/** An input that stays allocated from run to run. */
interface Slot {
  readonly name: string;
  readonly bytes: number;
  readonly buffer: TensorBuffer;
  readonly gpu: { buffer: GPUBuffer; pointer: number } | null;
}

interface Runner {
  readonly index: number;
  readonly inputs: readonly Slot[];
  readonly outputs: readonly string[];
}

export class Session implements Deletable {
  private readonly runners = new Map<string, Runner>();
  private deleted = false;

  private constructor(
    private readonly engine: Engine,
    readonly accelerator: Accelerator,
    private readonly pointer: number,
    private readonly model: LoadedModel,
    private readonly compiled: CompiledModel,
    private readonly environment: Environment,
    private readonly device: GPUDevice | null,
  ) {}

  /** Compile the bytes of a .tflite file.
   *
   * @throws BundleError where they are none.
   * @throws AcceleratorError where the accelerator is not there, or can't hold the whole model.
   */
  static async compile(engine: Engine, file: Uint8Array, accelerator: Accelerator): Promise<Session> {
    const { wasm } = engine;
    if (accelerator === "wasm-threads" && !engine.threaded) {
      throw new AcceleratorError("Threads need the headers Cross-Origin-Opener-Policy and Cross-Origin-Embedder-Policy.");
    }
    engine.errors();
    const gpu = accelerator === "webgpu" ? await engine.gpuEnvironment() : null;
    const environment = gpu?.environment ?? engine.cpuEnvironment;
    const { bytes, write } = read(file);
    const pointer = wasm._malloc(bytes);
    if (!pointer) {
      throw new AcceleratorError(`There is no memory for a model of ${bytes} bytes.`);
    }
    const made: Deletable[] = [];
    try {
      write(wasm.HEAPU8.subarray(pointer, pointer + bytes));
      const model = wasm.loadModel(environment, pointer, bytes);
      made.push(model);
      const compiled = await wasm.compileModel(environment, model, {
        environment: { liteRtEnvironment: environment },
        accelerator: gpu ? "webgpu" : "wasm",
        cpuOptions: { numThreads: accelerator === "wasm-threads" ? engine.threads : 1 },
        gpuOptions: gpu ? { precision: "fp32" } : {},
        webNNOptions: {},
      });
      made.push(compiled);
      if (gpu && !compiled.isFullyAccelerated()) {
        throw new AcceleratorError("WebGPU has no kernel for some of this model's ops.");
      }
      return new Session(engine, accelerator, pointer, model, compiled, environment, gpu?.device ?? null);
    } catch (error) {
      for (const one of made.reverse()) {
        one.delete();
      }
      wasm._free(pointer);
      engine.noteFailure(error);
      throw error instanceof AcceleratorError ? error : new AcceleratorError(told(error, engine.errors()));
    }
  }

  /** Run a signature.
   *
   * @param inputs bytes by input name.
   * @returns bytes by output name.
   */
  async run(signature: string, inputs: Readonly<Record<string, Uint8Array>>): Promise<Record<string, Uint8Array>> {
    if (this.deleted) {
      throw new AcceleratorError("The model was disposed of.");
    }
    const runner = this.runner(signature);
    for (const slot of runner.inputs) {
      this.fill(slot, inputs[slot.name]);
    }
    this.engine.errors();
    let results: TensorBuffer[] = [];
    try {
      results = await this.compiled.run(runner.index, runner.inputs.map((slot) => slot.buffer));
      const read = await this.read(results);
      // An op without a kernel, or one that fails, resolves with whatever was in memory; only the log tells.
      const errors = this.engine.errors();
      if (errors.length) {
        throw new AcceleratorError(told(undefined, errors));
      }
      return Object.fromEntries(runner.outputs.map((name, index) => [name, read[index] as Uint8Array]));
    } catch (error) {
      this.engine.noteFailure(error);
      throw error instanceof AcceleratorError ? error : new AcceleratorError(told(error, this.engine.errors()));
    } finally {
      for (const result of results) {
        result.delete();
      }
    }
  }

  delete(): void {
    if (this.deleted) {
      return;
    }
    this.deleted = true;
    for (const runner of this.runners.values()) {
      for (const { buffer, gpu } of runner.inputs) {
        buffer.delete();
        if (gpu) {
          this.engine.wasm.wgpuBufferRelease(gpu.pointer);
          gpu.buffer.destroy();
        }
      }
    }
    this.compiled.delete();
    this.model.delete();
    this.engine.wasm._free(this.pointer);
  }

  private runner(key: string): Runner {
    const known = this.runners.get(key);
    if (known) {
      return known;
    }
    for (let index = 0; index < this.model.getNumSignatures(); index++) {
      const signature = this.model.getSignature(index);
      try {
        if (signature.key() === key) {
          const inputs = taken(signature.inputNames()).map((name, input) => this.slot(index, input, name));
          const runner = { index, inputs, outputs: taken(signature.outputNames()) };
          this.runners.set(key, runner);
          return runner;
        }
      } finally {
        signature.delete();
      }
    }
    throw new AcceleratorError(`The model has no signature ${key}.`);
  }

  private slot(signature: number, input: number, name: string): Slot {
    const { wasm } = this.engine;
    const type = this.model.getInputTensorType(signature, input);
    const requirements = this.compiled.getInputBufferRequirements(signature, input);
    try {
      const bytes = type.bytes();
      const kinds = taken(requirements.supportedTypes()).map((kind) => kind.value);
      const { HOST_MEMORY, WEB_GPU_BUFFER_PACKED } = wasm.LiteRtTensorBufferType;
      if (!this.device || kinds.includes(HOST_MEMORY.value)) {
        return { name, bytes, buffer: wasm.LiteRtTensorBuffer.createManaged(this.environment, HOST_MEMORY, type, bytes), gpu: null };
      }
      const buffer = inputBuffer(this.device, bytes);
      const pointer = wasm.WebGPU.importJsBuffer(buffer);
      const held = wasm.LiteRtTensorBuffer.createFromWebGpuBuffer(this.environment, type, WEB_GPU_BUFFER_PACKED, pointer, buffer.size);
      return { name, bytes, buffer: held, gpu: { buffer, pointer } };
    } finally {
      requirements.delete();
      type.delete();
    }
  }

  private fill(slot: Slot, bytes: Uint8Array | undefined): void {
    if (bytes?.byteLength !== slot.bytes) {
      throw new AcceleratorError(`Input ${slot.name} takes ${slot.bytes} bytes. Received: ${bytes?.byteLength ?? "none"}`);
    }
    if (slot.gpu && this.device) {
      upload(this.device, slot.gpu.buffer, bytes);
      return;
    }
    const { wasm } = this.engine;
    const pointer = slot.buffer.lock(wasm.LiteRtTensorBufferLockMode.WRITE);
    try {
      wasm.HEAPU8.set(bytes, pointer);
    } finally {
      slot.buffer.unlock();
    }
  }

  private async read(results: readonly TensorBuffer[]): Promise<Uint8Array[]> {
    const { wasm } = this.engine;
    const found: Uint8Array[] = new Array(results.length);
    const onGpu: { index: number; buffer: GPUBuffer; offset: number; bytes: number }[] = [];
    results.forEach((result, index) => {
      const bytes = result.packedSize();
      if (result.isWebGpuMemory()) {
        onGpu.push({ index, buffer: wasm.WebGPU.getJsObject(result.getWebGpuBuffer()), offset: result.offset(), bytes });
        return;
      }
      const pointer = result.lock(wasm.LiteRtTensorBufferLockMode.READ);
      try {
        found[index] = wasm.HEAPU8.slice(pointer, pointer + bytes);
      } finally {
        result.unlock();
      }
    });
    if (onGpu.length && this.device) {
      const read = await download(this.device, onGpu);
      onGpu.forEach(({ index }, position) => {
        found[index] = read[position] as Uint8Array;
      });
    }
    return found;
  }
}

function read(file: Uint8Array): ModelFile {
  try {
    return widened(file);
  } catch (error) {
    throw new BundleError(`The model is no .tflite file that kexport wrote: ${messageOf(error)}.`);
  }
}

/** What went wrong: the exception, and what the engine has logged. */
function told(error: unknown, log: readonly string[]): string {
  return [...(error === undefined ? [] : [messageOf(error)]), ...log].join("; ").slice(0, 1000);
}
