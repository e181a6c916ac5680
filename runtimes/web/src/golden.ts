/** The samples that travel with a bundle, and the proof that it is computed right here. */

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
  const { golden } = description;
  return golden && (cut(await bundle.bytes(golden.file), description, golden, 1)[0] ?? null);
}

/** Read the samples that a bundle has beside it. */
export async function readExamples(bundle: Bundle, description: Description): Promise<Sample[]> {
  const { golden } = description;
  return golden?.examples ? cut(await bundle.bytes(golden.examples.file), description, golden, golden.examples.count) : [];
}

/** Samples that lie one behind the other: inputs before outputs, in the signature's order. */
function cut(bytes: Uint8Array, { inputs, outputs }: Description, golden: Golden, count: number): Sample[] {
  let offset = 0;
  const taken = (ports: readonly Port[]): Record<string, Uint8Array> =>
    Object.fromEntries(
      ports.map((port) => {
        const size = sizeOf(port) * itemSize(port.dtype);
        offset += size;
        return [port.name, bytes.slice(offset - size, offset)];
      }),
    );
  return Array.from({ length: count }, () => ({ golden, inputs: taken(inputs), outputs: taken(outputs) }));
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
