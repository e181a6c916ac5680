/** Whether an output is the reference's: the same rule that `kexport verify` goes by. */

import type { TypedArray } from "./dtypes";

/** The spacing of float32 at 1. */
const FLOAT32_SPACING = 2 ** -23;

export interface Comparison {
  readonly name: string;
  /** The largest absolute error, and the same relative to the output's range. */
  readonly error: number;
  readonly relativeError: number;
  /** Why it is not the reference's; empty where it is. */
  readonly problem: string;
}

/** Floats are right when every error is at most `tolerance` times the range, and what is not finite is equal; an error below the
 * spacing of float32 at the function's bound always is. Integers and bools are right when they are equal.
 *
 * @param range the length of the interval that holds 0 and all elements of the reference.
 * @param bound the largest magnitude that the output's function can give; 0 where unknown.
 */
export function compare(
  name: string,
  wanted: TypedArray,
  got: TypedArray,
  { tolerance, range, bound }: { tolerance: number; range: number; bound: number },
): Comparison {
  if (wanted.length !== got.length) {
    return { name, error: Infinity, relativeError: Infinity, problem: `${got.length} elements, the reference has ${wanted.length}` };
  }
  const floats = wanted instanceof Float32Array || wanted instanceof Float64Array;
  const allowed = floats ? Math.max(tolerance * range, FLOAT32_SPACING * bound) : 0;
  let error = 0;
  let problem = "";
  for (let index = 0; index < wanted.length; index++) {
    const [exact, computed] = [wanted[index], got[index]];
    if (exact === computed || Object.is(exact, computed)) {
      continue;
    }
    const a = Number(exact);
    const b = Number(computed);
    if (!Number.isFinite(a) || !Number.isFinite(b)) {
      problem ||= `element ${index} is ${b}, the reference has ${a}`;
      continue;
    }
    // Neighbours beyond 2^53 are one number, and not equal all the same.
    error = Math.max(error, Math.abs(a - b) || 1);
  }
  if (!problem && error > allowed) {
    problem = floats
      ? `an element is off by ${error.toPrecision(3)}, ${(error / range).toPrecision(2)} of the output's range; ${tolerance} is allowed`
      : `elements differ, and they are compared exactly`;
  }
  return { name, error, relativeError: error / range, problem };
}
