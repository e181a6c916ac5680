/** The sample that travels with a bundle, and the proof that it is computed right here. */

import type { Bundle } from "./bundle";
import { type Comparison, compare } from "./compare";
import { type Description, type Golden, type Port, sizeOf } from "./description";
import { decode, itemSize } from "./dtypes";
import type { Accelerator } from "./engine/session";
import { WrongResultError } from "./errors";
import type { Runner } from "./runner/runner";

/** Of the error relative to an output's range: what a GPU's other order of sums and quicker functions come to. */
const GPU_TOLERANCE = 1e-3;

export interface Check {
  /** `unchecked`: the bundle was exported without a reference. */
  readonly status: "right" | "wrong" | "unchecked";
  readonly reference: string;
  readonly tolerance: number;
  readonly outputs: readonly Comparison[];
}

/** The golden sample in bytes. */
export interface Sample {
  readonly golden: Golden;
  readonly inputs: Record<string, Uint8Array>;
  readonly outputs: Record<string, Uint8Array>;
}

/** Read a bundle's golden sample; null where it has none. */
export async function readSample(bundle: Bundle, description: Description): Promise<Sample | null> {
  if (!description.golden) {
    return null;
  }
  const bytes = await bundle.bytes(description.golden.file);
  let offset = 0;
  const taken = (ports: readonly Port[]): Record<string, Uint8Array> =>
    Object.fromEntries(
      ports.map((port) => {
        const size = sizeOf(port) * itemSize(port.dtype);
        offset += size;
        return [port.name, bytes.slice(offset - size, offset)];
      }),
    );
  return { golden: description.golden, inputs: taken(description.inputs), outputs: taken(description.outputs) };
}

/** Run the golden sample through a signature, which has the model's outputs among its own, and compare them. */
export async function check(
  runner: Runner,
  accelerator: Accelerator,
  description: Description,
  sample: Sample | null,
  signature = "serving_default",
): Promise<Check> {
  if (!sample) {
    return { status: "unchecked", reference: "", tolerance: 0, outputs: [] };
  }
  const { golden } = sample;
  const tolerance = accelerator === "webgpu" ? Math.max(golden.tolerance, GPU_TOLERANCE) : golden.tolerance;
  const { outputs } = await runner.run(signature, sample.inputs);
  const compared = description.outputs.map((port) =>
    compare(
      port.name,
      decode(port.dtype, sample.outputs[port.name] as Uint8Array),
      decode(port.dtype, outputs[port.name] as Uint8Array),
      { tolerance, range: golden.outputs[port.name]?.range ?? 1, bound: golden.outputs[port.name]?.bound ?? 0 },
    ),
  );
  const status = compared.every((one) => !one.problem) ? "right" : "wrong";
  return { status, reference: golden.reference, tolerance, outputs: compared };
}

/** @throws WrongResultError where a check came out wrong. */
export function requireRight({ status, outputs }: Check, where: string): void {
  if (status === "wrong") {
    const problems = outputs.filter((one) => one.problem).map((one) => `${one.name}: ${one.problem}`);
    throw new WrongResultError(`The golden sample comes out wrong on ${where}. ${problems.join("; ")}.`);
  }
}
