/** A model of a bundle, ready to predict. */

import { type Chunks, type InputArray, type Tensor, chunked, joined } from "./arrays";
import { type Bundle, type OnProgress, UrlBundle, packedWasm } from "./bundle";
import { type BuildName, type Description, type Layer, type Part, type Port, type Preprocessing, type Vocabulary, sizeOf } from "./description";
import { hasThreads, hasWebGpu, refuseWorkers } from "./engine/features";
import type { Accelerator } from "./engine/session";
import { AcceleratorError, BundleError, InputError, messageOf } from "./errors";
import { type Check, type Sample, check, readExamples, readSample, requireRight } from "./golden";
import { FolderBundle } from "./node";
import { RemoteRunner } from "./runner/remote";
import { LocalRunner, type Prepared, type Runner } from "./runner/runner";

export interface LoadOptions {
  /** What computes. `auto`: WebGPU where it computes the golden sample right, else threads where the page allows them, else one. */
  readonly accelerator?: Accelerator | "auto";
  /** Whether to compute in a worker: by default wherever there are workers. */
  readonly worker?: boolean;
  /** A build of the engine, in place of the quickest that runs here. */
  readonly build?: BuildName;
  /** Called while files come in. */
  readonly onDownload?: OnProgress;
}

/** An accelerator that was tried, and why it was not taken (empty: it was). */
export interface Attempt {
  readonly accelerator: Accelerator;
  readonly problem: string;
}

export interface PredictProgress {
  readonly done: number;
  readonly total: number;
}

export interface PredictOptions {
  /** Called before the first sample and after each run. */
  readonly onProgress?: (progress: PredictProgress) => void;
}

/** Milliseconds. */
export interface Timings {
  readonly download: number;
  readonly compile: number;
  /** The golden sample, which is the first thing that is computed; 0 where there is none. */
  readonly check: number;
  /** The last prediction: the computation alone, a sample. */
  readonly predict: number;
}

/** What a computation of one sample shows of its inside. */
export interface Inspection {
  /** By the path of a layer's call. */
  readonly layers: Record<string, Tensor>;
  /** (samples, height, width, classes); null where the architecture has none. */
  readonly activationMap: Tensor | null;
}

export class KexportModel extends EventTarget {
  private constructor(
    private readonly bundle: Bundle,
    private readonly description: Description,
    private readonly runner: Runner,
    private readonly golden: Promise<Sample | null>,
    private readonly options: LoadOptions,
  ) {
    super();
  }

  private last: Promise<unknown> = Promise.resolve();
  private disposed = false;
  private state: { accelerator: Accelerator; check: Check; checkMs: number; layersRight?: boolean } | undefined;
  private sample: Sample | null = null;
  private predictMs = 0;
  private hasListeners = false;
  private readonly tried: Attempt[] = [];
  private others: Promise<Sample[]> | undefined;

  /** Load a bundle.
   *
   * @param source the address of the bundle's folder or its model.json (in Node also a path), or a {@link Bundle}.
   * @throws BundleError where a file is missing or damaged.
   * @throws AcceleratorError where the accelerator that was asked for can't compute the model.
   * @throws WrongResultError where no accelerator computes the golden sample right.
   */
  static async load(source: string | URL | Bundle, options: LoadOptions = {}): Promise<KexportModel> {
    const bundle = opened(source);
    const description = await bundle.description();
    // Nothing waits for the sample but the check: it comes in beside the engine and the model.
    const golden = readSample(bundle, description);
    golden.catch(() => {});
    const runner = await runnerOf(bundle, options);
    const model = new KexportModel(bundle, description, runner, golden, options);
    try {
      await model.choose(options.accelerator ?? "auto");
      return model;
    } catch (error) {
      await model.dispose();
      throw error;
    }
  }

  get name(): string {
    return this.description.name;
  }

  get inputs(): readonly Port[] {
    return this.description.inputs;
  }

  get outputs(): readonly Port[] {
    return this.description.outputs;
  }

  /** The calls of the Keras layers, in the order they are computed. */
  get layers(): readonly Layer[] {
    return this.description.layers;
  }

  /** What the last dimension of the first output counts; null where nobody said. */
  get labels(): readonly string[] | null {
    return this.description.labels;
  }

  get preprocessing(): Preprocessing | null {
    return this.description.preprocessing;
  }

  /** What integers a text becomes; null where nobody said. */
  get vocabulary(): Vocabulary | null {
    return this.description.vocabulary ?? null;
  }

  /** Whether {@link activationMap} has something to show. */
  get hasActivationMap(): boolean {
    return !!this.description.activationMap;
  }

  /** The inputs of the golden sample; null where the bundle has none. */
  get goldenInputs(): Record<string, Tensor> | null {
    const { sample } = this;
    return sample && this.tensorsOf(sample);
  }

  /** How many golden samples there are, the one that proves the bundle among them: it is the first. */
  get exampleCount(): number {
    return this.sample ? 1 + (this.description.golden?.examples?.count ?? 0) : 0;
  }

  /** The inputs of a golden sample (0 is {@link goldenInputs}); all but the first are loaded when they are first asked for.
   *
   * @throws InputError where there is none of that number.
   * @throws BundleError where they can't be loaded.
   */
  async example(index: number): Promise<Record<string, Tensor>> {
    return this.tensorsOf(await this.exampleAt(index));
  }

  /** Compute a golden sample here and now, and compare it with the reference. Its status may be `wrong`.
   *
   * @throws as {@link example} does.
   */
  async checkExample(index: number): Promise<Check> {
    const sample = await this.exampleAt(index);
    return this.queued(() => check(this.runner, this.ready.accelerator, this.description, sample));
  }

  /** What computes now. */
  get accelerator(): Accelerator {
    return this.ready.accelerator;
  }

  /** How the golden sample came out on it. */
  get check(): Check {
    return this.ready.check;
  }

  /** What was tried so far, in order. */
  get attempts(): readonly Attempt[] {
    return this.tried;
  }

  get timings(): Timings {
    const { checkMs } = this.ready;
    const { downloadMs, compileMs } = this.prepared;
    return { download: downloadMs, compile: compileMs, check: checkMs, predict: this.predictMs };
  }

  /** The build of the engine, what was loaded of it, and how many threads compute. */
  get engine(): { build: BuildName; part: Part; threads: number; version: string } {
    const { build, part, threads } = this.prepared;
    return { build, part, threads, version: `${this.description.engine.name} ${this.description.engine.version}` };
  }

  /** The files of the bundle that were loaded, but for model.json. */
  get files(): string[] {
    const { model, script, golden, engine } = this.description;
    const { build: name, part } = this.prepared;
    const build = engine.builds[name];
    return [model, script, ...(golden ? [golden.file] : []), ...(build ? [build.script, packedWasm(build, part)] : [])].map(({ file }) => file);
  }

  /** The accelerators that are worth trying here, the quickest first. */
  static accelerators(): Accelerator[] {
    return [...(hasWebGpu() ? ["webgpu" as const] : []), ...(hasThreads() ? ["wasm-threads" as const] : []), "wasm"];
  }

  /** The outputs for one sample or several, by Keras name. The event `predictProgress` is dispatched meanwhile.
   *
   * @param inputs by Keras name, arrays of whole samples; float16 and bfloat16 are given as numbers.
   * @throws InputError where they don't fit.
   */
  async predict(inputs: Readonly<Record<string, InputArray>>, options: PredictOptions = {}): Promise<Record<string, Tensor>> {
    const chunks = chunked(this.inputs, inputs);
    const runs = await this.queued(() => this.runAll(chunks, options));
    return joined(this.outputs, runs, chunks.samples);
  }

  /** What each layer computes for one sample, by the path of its call, and the model's outputs.
   *
   * @param paths the layers that are wanted; all by default.
   * @throws WrongResultError where the golden sample comes out wrong with the layers shown.
   */
  async layerOutputs(inputs: Readonly<Record<string, InputArray>>, paths?: readonly string[]): Promise<Record<string, Tensor>> {
    if (!this.shown(paths).length) {
      throw new InputError(paths ? `No layer shows its output under ${paths.join(", ")}.` : "The bundle was exported without layer outputs.");
    }
    return (await this.inspect(inputs, paths)).layers;
  }

  /** The class activation map of one sample: how much each place of the last feature map adds to each class of the first output, before
   * the output's activation; (samples, height, width, classes).
   *
   * @throws InputError where the architecture has none (a pool over all places with a dense layer behind it).
   * @throws WrongResultError where the golden sample comes out wrong with the layers shown.
   */
  async activationMap(inputs: Readonly<Record<string, InputArray>>): Promise<Tensor> {
    const { activationMap } = await this.inspect(inputs, []);
    if (!activationMap) {
      throw new InputError("The model has no class activation map: no pool over all places has a dense layer behind it, or layers are not shown.");
    }
    return activationMap;
  }

  /** What {@link layerOutputs} and {@link activationMap} give, of one computation.
   *
   * @param paths the layers that are wanted; all by default. Those that show no output are left out.
   * @throws WrongResultError where the golden sample comes out wrong with the layers shown.
   */
  async inspect(inputs: Readonly<Record<string, InputArray>>, paths?: readonly string[]): Promise<Inspection> {
    const shown = this.shown(paths);
    const map = this.description.activationMap;
    const ports = [...shown.map(({ output }) => output as Port), ...(map ? [map] : [])];
    const outputs = ports.length ? await this.runLayers(inputs, ports) : {};
    return {
      layers: Object.fromEntries(shown.map(({ path, output }) => [path, outputs[(output as Port).name] as Tensor])),
      activationMap: map ? (outputs[map.name] as Tensor) : null,
    };
  }

  /** Compute on another accelerator from now on. Where that can't be, or computes the golden sample wrong, all stays as it is.
   *
   * @throws AcceleratorError, WrongResultError
   */
  async use(accelerator: Accelerator | "auto"): Promise<void> {
    const before = this.state?.accelerator;
    try {
      await this.choose(accelerator);
    } catch (error) {
      if (before) {
        await this.attempt(before);
      }
      throw error;
    }
  }

  /** Milliseconds of single predictions of the golden sample, or of zeros where there is none. */
  async benchmark(runs = 20): Promise<number[]> {
    const inputs = this.sample?.inputs ?? zeros(this.inputs);
    const times: number[] = [];
    for (let run = 0; run < runs; run++) {
      times.push((await this.queued(() => this.runner.run("serving_default", inputs))).ms);
    }
    return times;
  }

  /** Give back what the model holds; it can't be used any more. */
  async dispose(): Promise<void> {
    this.disposed = true;
    await this.runner.dispose();
  }

  private shown(paths: readonly string[] | undefined): readonly Layer[] {
    return this.layers.filter((layer) => layer.output && (!paths || paths.includes(layer.path)));
  }

  private async exampleAt(index: number): Promise<Sample> {
    if (index > 0 && index < this.exampleCount) {
      this.others ??= readExamples(this.bundle, this.description);
      // What failed for want of a network may do the next time.
      this.others.catch(() => {
        this.others = undefined;
      });
    }
    const sample = index === 0 ? this.sample : (await this.others)?.[index - 1];
    if (!sample) {
      throw new InputError(`The bundle has ${this.exampleCount} golden samples. Received: number ${index}`);
    }
    return sample;
  }

  private tensorsOf(sample: Sample): Record<string, Tensor> {
    return joined(this.inputs, [sample.inputs], this.inputs[0]?.shape[0] ?? 1);
  }

  /** Outputs of the signature of layers, for one run. */
  private async runLayers(inputs: Readonly<Record<string, InputArray>>, ports: readonly Port[]): Promise<Record<string, Tensor>> {
    const { runs, samples } = chunked(this.inputs, inputs);
    if (runs.length !== 1) {
      throw new InputError(`Layer outputs are for ${this.inputs[0]?.shape[0] ?? 1} sample at a time. Received: ${samples}`);
    }
    const ran = await this.queued(async () => {
      await this.checkLayers();
      return this.runner.run("layers", runs[0] as Record<string, Uint8Array>);
    });
    return joined(ports, [ran.outputs], samples);
  }

  private get ready() {
    return this.state ?? noAccelerator();
  }

  /** What computes may change at any run: where the core of the engine can't, the whole does. */
  private get prepared(): Prepared {
    return (this.state && this.runner.prepared) ?? noAccelerator();
  }

  private async choose(accelerator: Accelerator | "auto"): Promise<void> {
    const candidates = accelerator === "auto" ? KexportModel.accelerators() : [accelerator];
    let failure: unknown;
    for (const candidate of candidates) {
      try {
        await this.attempt(candidate);
        return;
      } catch (error) {
        failure = error;
        this.tried.push({ accelerator: candidate, problem: messageOf(error) });
        if (error instanceof BundleError) {
          break; // another accelerator reads the same files
        }
      }
    }
    throw failure;
  }

  private attempt(accelerator: Accelerator): Promise<void> {
    return this.queued(async () => {
      await this.runner.use(accelerator, this.options.build, this.options.onDownload);
      this.sample = await this.golden;
      const start = performance.now();
      const found = await check(this.runner, accelerator, this.description, this.sample);
      if (found.status === "wrong") {
        this.state = undefined;
      }
      requireRight(found, accelerator);
      const checkMs = this.sample ? performance.now() - start : 0;
      this.state = { accelerator, check: found, checkMs };
      this.tried.push({ accelerator, problem: "" });
    });
  }

  /** The signature of layers proves itself, too, the first time that an accelerator runs it. */
  private async checkLayers(): Promise<void> {
    const { ready } = this;
    if (!ready.layersRight) {
      requireRight(await check(this.runner, ready.accelerator, this.description, this.sample, "layers"), `${ready.accelerator}, with its layers shown`);
      ready.layersRight = true;
    }
  }

  private async runAll({ runs, samples }: Chunks, { onProgress }: PredictOptions): Promise<Record<string, Uint8Array>[]> {
    const found: Record<string, Uint8Array>[] = [];
    const batch = this.inputs[0]?.shape[0] ?? 1;
    const tell = (done: number): void => {
      const progress = { done: Math.min(samples, done * batch), total: samples };
      onProgress?.(progress);
      // An event that nobody waits for costs a tenth of a small model's prediction.
      if (this.hasListeners) {
        this.dispatchEvent(new CustomEvent("predictProgress", { detail: progress }));
      }
    };
    tell(0);
    let ms = 0;
    for (const [index, inputs] of runs.entries()) {
      const ran = await this.runner.run("serving_default", inputs);
      ms += ran.ms;
      found.push(ran.outputs);
      tell(index + 1);
    }
    this.predictMs = ms / samples;
    return found;
  }

  override addEventListener(...given: Parameters<EventTarget["addEventListener"]>): void {
    this.hasListeners = true;
    super.addEventListener(...given);
  }

  /** One thing after the other: inputs stay in the engine from one run to the next. */
  private queued<T>(action: () => Promise<T>): Promise<T> {
    const next = this.last.then(() => {
      if (this.disposed) {
        throw new AcceleratorError("The model was disposed of.");
      }
      return action();
    });
    this.last = next.catch(() => {});
    return next;
  }
}

function noAccelerator(): never {
  throw new AcceleratorError("The model has no accelerator.");
}

function opened(source: string | URL | Bundle): Bundle {
  if (typeof source === "object" && !(source instanceof URL)) {
    return source;
  }
  const text = String(source);
  const node = typeof process !== "undefined" && !!process.versions?.node && typeof document === "undefined";
  if (node && !/^https?:/.test(text)) {
    return new FolderBundle(text.startsWith("file:") ? decodeURIComponent(new URL(text).pathname) : text);
  }
  return new UrlBundle(typeof location === "undefined" ? text : new URL(text, location.href).href);
}

async function runnerOf(bundle: Bundle, options: LoadOptions): Promise<Runner> {
  const script = options.worker === false || typeof Worker === "undefined" ? null : await bundle.workerScript();
  if (script && typeof location !== "undefined" && new URL(script).origin === location.origin) {
    try {
      return await RemoteRunner.started(script, bundle.address, await bundle.description());
    } catch {
      // A policy that allows no workers (worker-src 'none'): the page computes by itself.
      refuseWorkers();
    }
  }
  return new LocalRunner(bundle);
}

function zeros(ports: readonly Port[]): Record<string, Uint8Array> {
  const { runs } = chunked(ports, Object.fromEntries(ports.map((port) => [port.name, new Array(sizeOf(port)).fill(0)])));
  return runs[0] as Record<string, Uint8Array>;
}
