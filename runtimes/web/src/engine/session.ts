/** A model in an engine's memory, for one accelerator: its signatures are compiled when they are first run. */

import { AcceleratorError, BundleError, messageOf } from "../errors";
import { type ModelFile, readModelFile } from "../tflite/model-file";
import type { Engine, PlacedFile } from "./engine";
import { type Accelerator, CompiledSignature } from "./signature";
import type { Deletable } from "./wasm";

export type { Accelerator } from "./signature";

/** The signature that is the model itself. */
const MODEL = "serving_default";

export class Session implements Deletable {
  private readonly compiled = new Map<string, CompiledSignature>();
  private deleted = false;

  private constructor(
    private readonly engine: Engine,
    readonly accelerator: Accelerator,
    private readonly key: Uint8Array,
    private readonly file: PlacedFile,
  ) {}

  /** Compile the bytes of a .tflite file of kexport.
   *
   * @throws BundleError where they are none.
   * @throws AcceleratorError where the accelerator is not there, or can't hold the whole model.
   */
  static async compile(engine: Engine, bytes: Uint8Array, accelerator: Accelerator): Promise<Session> {
    if (accelerator === "wasm-threads" && !engine.threaded) {
      throw new AcceleratorError("Threads need the headers Cross-Origin-Opener-Policy and Cross-Origin-Embedder-Policy.");
    }
    const session = new Session(engine, accelerator, bytes, placed(engine, bytes));
    try {
      await session.signature(MODEL);
      return session;
    } catch (error) {
      session.delete();
      throw error;
    }
  }

  /** Run a signature.
   *
   * @param inputs bytes by input name.
   * @returns bytes by output name.
   */
  async run(key: string, inputs: Readonly<Record<string, Uint8Array>>): Promise<Record<string, Uint8Array>> {
    if (this.deleted) {
      throw new AcceleratorError("The model was disposed of.");
    }
    return (this.compiled.get(key) ?? (await this.signature(key))).run(inputs);
  }

  /** Threads that compute on the CPU. */
  get threads(): number {
    return this.compiled.get(MODEL)?.threads ?? 1;
  }

  /** Whether the engine has trapped, at this model or at another, or the GPU is gone. */
  get broken(): boolean {
    return this.engine.broken || [...this.compiled.values()].some(({ lost }) => lost);
  }

  delete(): void {
    if (this.deleted) {
      return;
    }
    this.deleted = true;
    for (const one of this.compiled.values()) {
      one.delete();
    }
    this.file.sessions -= 1;
    if (!this.file.sessions) {
      this.engine.files.delete(this.key);
      if (!this.engine.broken) {
        this.engine.wasm._free(this.file.pointer);
      }
    }
  }

  private async signature(key: string): Promise<CompiledSignature> {
    const start = this.file.starts.get(key);
    if (start === undefined) {
      throw new AcceleratorError(`The model has no signature ${key}.`);
    }
    const compile = (accelerator: Accelerator): Promise<CompiledSignature> =>
      CompiledSignature.compile(this.engine, key, this.file.pointer + start, this.file.bytes - start, accelerator);
    let one: CompiledSignature;
    try {
      one = await compile(this.accelerator);
    } catch (error) {
      // A GPU that holds the model may not hold what its layers give: outputs of integers, say.
      if (this.accelerator !== "webgpu" || key === MODEL) {
        throw error;
      }
      one = await compile("wasm");
    }
    this.compiled.set(key, one);
    return one;
  }
}

/** The file in the engine's memory, for one session more. */
function placed(engine: Engine, bytes: Uint8Array): PlacedFile {
  let there = engine.files.get(bytes);
  if (!there) {
    const file = read(bytes);
    const pointer = engine.wasm._malloc(file.bytes);
    if (!pointer) {
      throw new AcceleratorError(`There is no memory for a model of ${file.bytes} bytes.`);
    }
    file.write(engine.wasm.HEAPU8.subarray(pointer, pointer + file.bytes));
    there = { pointer, bytes: file.bytes, starts: file.starts, sessions: 0 };
    engine.files.set(bytes, there);
  }
  there.sessions += 1;
  return there;
}

/** A model that has come in. */
function read(bytes: Uint8Array): ModelFile {
  try {
    return readModelFile(bytes);
  } catch (error) {
    throw new BundleError(`The model is no .tflite file that kexport wrote: ${messageOf(error)}.`);
  }
}
