/** The part of LiteRT's WebAssembly module that is used here.
 *
 * These are the bindings beneath `@litertjs/core` 2.5.3 (its `dist/index.d.ts` declares them). Its own JavaScript stands between
 * them and a caller for three element types alone (float32, int32, uint8), for one instance a page, and for pages and classic
 * workers only; models of Keras have more types, and Node and double-clicked files are no such pages. The version is pinned, and
 * every use of these bindings is tested in a browser.
 */

export interface Deletable {
  delete(): void;
}

export interface Vector<T> extends Deletable {
  size(): number;
  get(index: number): T;
}

export interface EnumValue {
  readonly value: number;
}

export interface TensorType extends Deletable {
  elementType(): EnumValue;
  layout(): Deletable & { dimensions(): Vector<number> };
  bytes(): number;
}

export interface TensorBuffer extends Deletable {
  lock(mode: EnumValue): number;
  unlock(): void;
  bufferType(): EnumValue;
  isWebGpuMemory(): boolean;
  getWebGpuBuffer(): number;
  size(): number;
  packedSize(): number;
  offset(): number;
}

export interface LoadedModel extends Deletable {
  getNumSignatures(): number;
  getSignature(index: number): Deletable & { key(): string; inputNames(): Vector<string>; outputNames(): Vector<string> };
  getInputTensorType(signature: number, input: number): TensorType;
  getOutputTensorType(signature: number, output: number): TensorType;
}

export interface CompiledModel extends Deletable {
  getInputBufferRequirements(signature: number, input: number): Deletable & { supportedTypes(): Vector<EnumValue> };
  run(signature: number, inputs: TensorBuffer[]): TensorBuffer[] | Promise<TensorBuffer[]>;
  isFullyAccelerated(): boolean;
}

export type Environment = Deletable;

export interface CompileOptions {
  environment: { liteRtEnvironment: Environment };
  accelerator: "wasm" | "webgpu";
  cpuOptions: { numThreads: number };
  gpuOptions: { precision?: "fp16" | "fp32" };
  webNNOptions: object;
}

export interface WasmModule {
  HEAPU8: Uint8Array;
  _malloc(bytes: number): number;
  _free(pointer: number): void;
  setupLogging(): void;
  getThreadCount(): number;
  loadModel(environment: Environment, pointer: number, bytes: number): LoadedModel;
  compileModel(environment: Environment, model: LoadedModel, options: CompileOptions): CompiledModel | Promise<CompiledModel>;
  wgpuBufferRelease(pointer: number): void;
  LiteRtEnvironment: { create(device: GPUDevice | null): Environment };
  LiteRtTensorBuffer: {
    createManaged(environment: Environment, kind: EnumValue, type: TensorType, bytes: number): TensorBuffer;
    createFromWebGpuBuffer(environment: Environment, type: TensorType, kind: EnumValue, pointer: number, bytes: number): TensorBuffer;
  };
  LiteRtTensorBufferType: { HOST_MEMORY: EnumValue; WEB_GPU_BUFFER_PACKED: EnumValue };
  LiteRtTensorBufferLockMode: { READ: EnumValue; WRITE: EnumValue };
  WebGPU: { getJsObject(id: number): GPUBuffer; importJsBuffer(buffer: GPUBuffer): number };
}

/** The elements of a vector, which is deleted. */
export function taken<T>(vector: Vector<T>): T[] {
  const found = Array.from({ length: vector.size() }, (_, index) => vector.get(index));
  vector.delete();
  return found;
}
