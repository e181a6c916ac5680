import { describe, expect, test } from "vitest";
import { compare } from "../src/compare";

const LIMITS = { tolerance: 1e-5, range: 2, bound: 0 };

describe("floats", () => {
  test("are right to the tolerance of the range", () => {
    const wanted = Float32Array.of(-1, 0, 1);
    expect(compare("y", wanted, Float32Array.of(-1, 1.5e-5, 1), LIMITS).problem).toBe("");
    const wrong = compare("y", wanted, Float32Array.of(-1, 3e-5, 1), LIMITS);
    expect(wrong.problem).toMatch(/off by 0.0000300, 0.000015 of the output's range; 0.00001 is allowed/);
    expect(wrong.relativeError).toBeCloseTo(1.5e-5, 9);
  });

  test("have NaN and infinities at the same places", () => {
    const wanted = Float32Array.of(Number.NaN, Infinity, 0);
    expect(compare("y", wanted, Float32Array.of(Number.NaN, Infinity, 0), LIMITS).problem).toBe("");
    expect(compare("y", wanted, Float32Array.of(0, Infinity, 0), LIMITS).problem).toMatch(/element 0 is 0/);
    expect(compare("y", wanted, Float32Array.of(Number.NaN, -Infinity, 0), LIMITS).problem).toMatch(/element 1 is -Infinity/);
    expect(compare("y", Float32Array.of(1), Float32Array.of(Number.NaN), LIMITS).problem).toMatch(/element 0 is NaN/);
  });

  test("are right below the spacing of float32 at the bound", () => {
    const saturated = { tolerance: 1e-5, range: 1e-30, bound: 1 };
    expect(compare("y", Float32Array.of(1e-30), Float32Array.of(1e-8), saturated).problem).toBe("");
    expect(compare("y", Float32Array.of(1e-30), Float32Array.of(1e-6), saturated).problem).not.toBe("");
  });
});

describe("integers", () => {
  test("are right when they are equal", () => {
    expect(compare("y", Int32Array.of(3, -4), Int32Array.of(3, -4), LIMITS).problem).toBe("");
    expect(compare("y", Int32Array.of(300000, 1), Int32Array.of(300001, 1), { ...LIMITS, range: 1e9 }).problem).toMatch(/exactly/);
  });

  test("of 64 bits are told apart where numbers are not", () => {
    const large = 2n ** 60n;
    expect(compare("y", BigInt64Array.of(large), BigInt64Array.of(large), LIMITS).problem).toBe("");
    expect(compare("y", BigInt64Array.of(large), BigInt64Array.of(large + 1n), LIMITS).problem).toMatch(/exactly/);
  });
});

test("another number of elements is wrong", () => {
  expect(compare("y", Float32Array.of(1), Float32Array.of(1, 2), LIMITS).problem).toBe("2 elements, the reference has 1");
});
