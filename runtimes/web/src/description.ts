/** `model.json` of a bundle: what the model takes and gives, and which files it is made of. */

import { type DType, isDType } from "./dtypes";
import { BundleError } from "./errors";

/** An input, output or layer output, with its batch as the first dimension. */
export interface Port {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Of an input: the rows of the table that its integers are looked up in; they are below that. */
  readonly rows?: number;
  /** Of an output: whether its numbers are shares of 1 (a softmax or a sigmoid makes it). */
  readonly shares?: boolean;
}

/** A call of a Keras layer. */
export interface Layer {
  /** The path of the layer in the model; `path:1` is its second call. */
  readonly path: string;
  /** The Keras class. */
  readonly class: string;
  /** What it computes; null where it is computed together with a later layer. */
  readonly output: Port | null;
  /** The paths of the layers whose outputs it reads. */
  readonly inputs: readonly string[];
}

/** A file of the bundle, relative to model.json. */
export interface BundleFile {
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** WebAssembly with gzip and with brotli, one of which is loaded. */
export interface PackedWasm {
  readonly wasm: BundleFile;
  readonly brotli?: BundleFile;
}

/** A build of the engine: its script, the whole of its WebAssembly, and its core. */
export interface EngineBuild extends PackedWasm {
  readonly script: BundleFile;
  readonly core?: PackedWasm;
}

/** What is loaded of a build: `core` is a fifth of it, has what most models need on the CPU, and traps where it lacks something. */
export type Part = "core" | "whole";

/** The builds: for every browser; with relaxed SIMD; with threads as well. */
export type BuildName = "compat" | "simd" | "threads";

/** One sample with the reference's outputs, and how far a right result may be off. */
export interface Golden {
  readonly file: BundleFile;
  /** What computed the outputs: `Keras 3.15.1 (tensorflow 2.21.0)`. */
  readonly reference: string;
  /** Of the error relative to an output's range. */
  readonly tolerance: number;
  /** By output: the length of the interval that holds 0 and all reference elements, and the function's bound (0: none). */
  readonly outputs: Readonly<Record<string, { readonly range: number; readonly bound: number }>>;
  /** Further samples, one behind the other as the first one is. */
  readonly examples?: { readonly file: BundleFile; readonly count: number } | null;
}

/** How pixels become the numbers that the model was trained with: `(pixel - mean) * scale` for pixels of 0 to 255. */
export interface Preprocessing {
  readonly input: string;
  readonly channels: "rgb" | "bgr" | "gray";
  readonly mean: readonly number[];
  readonly scale: readonly number[];
  readonly layout: "channels_last" | "channels_first";
}

/** What integers a text becomes. */
export interface Vocabulary {
  readonly input: string;
  readonly unit: "word" | "character";
  /** Where the zeros of a short text stand, and what of a long one is left out. */
  readonly padding: "pre" | "post";
  /** What an unknown word becomes; null: it is left out. */
  readonly unknown: number | null;
  readonly words: Readonly<Record<string, number>>;
}

export interface Description {
  readonly format: 1;
  readonly kexport: string;
  readonly name: string;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly layers: readonly Layer[];
  /** The first output's class activation map (samples, height, width, classes); null where the architecture has none. */
  readonly activationMap?: Port | null;
  readonly vocabulary?: Vocabulary | null;
  readonly labels: readonly string[] | null;
  readonly preprocessing: Preprocessing | null;
  readonly model: BundleFile;
  readonly script: BundleFile;
  readonly engine: {
    readonly name: string;
    readonly version: string;
    readonly builds: Readonly<Partial<Record<BuildName, EngineBuild>>>;
  };
  readonly golden: Golden | null;
}

/** Read what `model.json` holds.
 *
 * @throws BundleError where it is none, or one of another version.
 */
export function parseDescription(text: string, where: string): Description {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch (error) {
    throw new BundleError(`${where} is not JSON (${String(error)}).`, "Is the address that of a kexport bundle?");
  }
  const description = data as Description;
  if (description?.format !== 1) {
    throw new BundleError(`This kexport-web reads bundles of format 1. ${where} has format ${String(description?.format)}.`);
  }
  const { inputs, outputs, layers, model, script, engine } = description;
  const whole = [inputs, outputs, layers].every(Array.isArray) && model?.sha256 && script?.file && engine?.builds;
  if (!whole) {
    throw new BundleError(`${where} is not whole.`, "Copy the bundle again.");
  }
  for (const port of [...inputs, ...outputs]) {
    if (!isDType(port.dtype) || !port.shape.every((size) => Number.isInteger(size) && size >= 0)) {
      throw new BundleError(`${where}: ${port.name} has a type that is not known here: ${port.dtype}(${port.shape.join(", ")}).`);
    }
  }
  return description;
}

/** Elements of a tensor. */
export function sizeOf(port: Port): number {
  return port.shape.reduce((product, size) => product * size, 1);
}
