/** A signature of a model, compiled for one accelerator. Inputs and outputs are bytes. */

import { AcceleratorError, messageOf } from "../errors";
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

export class CompiledSignature implements Deletable {
  private readonly index: number;
  private readonly inputs: readonly Slot[];
  private readonly buffers: TensorBuffer[];
  private readonly outputs: readonly string[];
  /** The GPU's device is gone, and all that was on it. */
  lost = false;

  private constructor(
    private readonly engine: Engine,
    key: string,
    private readonly model: LoadedModel,
    private readonly compiled: CompiledModel,
    private readonly environment: Environment,
    private readonly device: GPUDevice | null,
    readonly threads: number,
  ) {
    const { index, inputs, outputs } = found(model, key);
    this.index = index;
    this.inputs = inputs.map((name, input) => this.slot(input, name));
    this.buffers = this.inputs.map((slot) => slot.buffer);
    this.outputs = outputs;
    void device?.lost.then(() => {
      this.lost = true;
    });
  }

  /** Compile a signature of the model that lies in the engine's memory, and stays there as long as this does.
   *
   * @throws AcceleratorError where the accelerator is not there, or can't hold all of it.
   */
  static async compile(engine: Engine, key: string, pointer: number, bytes: number, accelerator: Accelerator): Promise<CompiledSignature> {
    const { wasm } = engine;
    engine.errors();
    const gpu = accelerator === "webgpu" ? await engine.gpuEnvironment() : null;
    const environment = gpu?.environment ?? engine.cpuEnvironment;
    const threads = accelerator === "wasm-threads" ? engine.takeThreads() : 1;
    const made: Deletable[] = [];
    try {
      const model = wasm.loadModel(environment, pointer, bytes);
      made.push(model);
      const compiled = await wasm.compileModel(environment, model, {
        environment: { liteRtEnvironment: environment },
        accelerator: gpu ? "webgpu" : "wasm",
        cpuOptions: { numThreads: threads },
        gpuOptions: gpu ? { precision: "fp32" } : {},
        webNNOptions: {},
      });
      made.push(compiled);
      if (gpu && !compiled.isFullyAccelerated()) {
        throw new AcceleratorError("WebGPU has no kernel for some of this model's ops.");
      }
      return new CompiledSignature(engine, key, model, compiled, environment, gpu?.device ?? null, threads);
    } catch (error) {
      engine.noteFailure(error);
      deleteAll(engine, made.reverse());
      engine.giveBackThreads(threads);
      throw error instanceof AcceleratorError ? error : new AcceleratorError(told(error, engine.errors()));
    }
  }

  /** @param inputs bytes by input name.
   * @returns bytes by output name.
   */
  async run(inputs: Readonly<Record<string, Uint8Array>>): Promise<Record<string, Uint8Array>> {
    let results: TensorBuffer[] = [];
    try {
      for (const slot of this.inputs) {
        this.fill(slot, inputs[slot.name]);
      }
      this.engine.errors();
      const running = this.compiled.run(this.index, this.buffers);
      // What is computed already is not waited for: in small models that is noticed.
      results = running instanceof Promise ? await running : running;
      const read = this.device ? await this.downloaded(results, this.device) : results.map((result) => this.copied(result));
      // An op without a kernel, or one that fails, resolves with whatever was in memory; only the log tells.
      const errors = this.engine.errors();
      if (errors.length) {
        throw new AcceleratorError(told(undefined, errors));
      }
      return Object.fromEntries(this.outputs.map((name, index) => [name, read[index] as Uint8Array]));
    } catch (error) {
      this.engine.noteFailure(error);
      throw error instanceof AcceleratorError ? error : new AcceleratorError(told(error, this.engine.errors()));
    } finally {
      deleteAll(this.engine, results);
    }
  }

  delete(): void {
    if (this.engine.broken) {
      return;
    }
    for (const { buffer, gpu } of this.inputs) {
      buffer.delete();
      if (gpu) {
        this.engine.wasm.wgpuBufferRelease(gpu.pointer);
        gpu.buffer.destroy();
      }
    }
    this.compiled.delete();
    this.model.delete();
    this.engine.giveBackThreads(this.threads);
  }

  private slot(input: number, name: string): Slot {
    const { wasm } = this.engine;
    const type = this.model.getInputTensorType(this.index, input);
    const requirements = this.compiled.getInputBufferRequirements(this.index, input);
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

  /** The bytes of results; those on the GPU come in one go. */
  private async downloaded(results: readonly TensorBuffer[], device: GPUDevice): Promise<Uint8Array[]> {
    const { wasm } = this.engine;
    const read: Uint8Array[] = new Array(results.length);
    const onGpu: { index: number; buffer: GPUBuffer; offset: number; bytes: number }[] = [];
    results.forEach((result, index) => {
      if (result.isWebGpuMemory()) {
        const buffer = wasm.WebGPU.getJsObject(result.getWebGpuBuffer());
        onGpu.push({ index, buffer, offset: result.offset(), bytes: result.packedSize() });
      } else {
        read[index] = this.copied(result);
      }
    });
    if (onGpu.length) {
      const come = await download(device, onGpu);
      onGpu.forEach(({ index }, position) => {
        read[index] = come[position] as Uint8Array;
      });
    }
    return read;
  }

  /** A copy of a result that lies in the engine's memory. */
  private copied(result: TensorBuffer): Uint8Array {
    const { wasm } = this.engine;
    const pointer = result.lock(wasm.LiteRtTensorBufferLockMode.READ);
    try {
      return wasm.HEAPU8.slice(pointer, pointer + result.packedSize());
    } finally {
      result.unlock();
    }
  }
}

/** Give back what an engine holds, unless it has trapped: it is asked for nothing then. */
function deleteAll(engine: Engine, held: readonly Deletable[]): void {
  if (!engine.broken) {
    for (const one of held) {
      one.delete();
    }
  }
}

/** The number of a signature in a model, and the names of its inputs and outputs. */
function found(model: LoadedModel, key: string): { index: number; inputs: string[]; outputs: string[] } {
  for (let index = 0; index < model.getNumSignatures(); index++) {
    const signature = model.getSignature(index);
    try {
      if (signature.key() === key) {
        return { index, inputs: taken(signature.inputNames()), outputs: taken(signature.outputNames()) };
      }
    } finally {
      signature.delete();
    }
  }
  throw new AcceleratorError(`The model has no signature ${key}.`);
}

/** What went wrong: the exception, and what the engine has logged. */
function told(error: unknown, log: readonly string[]): string {
  return [...(error === undefined ? [] : [messageOf(error)]), ...log].join("; ").slice(0, 1000);
}
