import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { chunked, joined } from "../src/arrays";
import type { Port } from "../src/description";
import { decode, encode } from "../src/dtypes";
import { float16ToFloat32, float32ToFloat16, widenHalves } from "../src/half";
import { sha256, sha256Plain } from "../src/sha256";

const port = (dtype: Port["dtype"], ...shape: number[]): Port => ({ name: "x", dtype, shape });

describe("half precision", () => {
  test("every number of 16 bits comes back", () => {
    const all = Array.from({ length: 0x10000 }, (_, bits) => bits);
    const numbers = all.filter((bits) => (bits & 0x7fff) <= 0x7c00);
    expect(numbers.filter((bits) => float32ToFloat16(float16ToFloat32(bits)) !== bits)).toEqual([]);
    expect(all.filter((bits) => Number.isNaN(float16ToFloat32(bits)) === (bits & 0x7fff) <= 0x7c00).length).toBe(0);
  });

  test("all at once are as one by one", () => {
    const all = Uint16Array.from({ length: 0x10000 }, (_, bits) => bits);
    const found = new Float32Array(all.length);
    widenHalves(all, found);
    expect([...all].filter((bits) => !Object.is(found[bits], float16ToFloat32(bits)))).toEqual([]);
  });

  test("is rounded to the nearest, ties to even", () => {
    expect(float32ToFloat16(1 + 2 ** -11)).toBe(0x3c00);
    expect(float32ToFloat16(1 + 3 * 2 ** -11)).toBe(0x3c02);
    expect(float32ToFloat16(1 + 2 ** -11 + 2 ** -20)).toBe(0x3c01);
    expect(float32ToFloat16(65519)).toBe(0x7bff);
    expect(float32ToFloat16(65520)).toBe(0x7c00);
    expect(float32ToFloat16(2 ** -25)).toBe(0);
    expect(float32ToFloat16(1.5 * 2 ** -25)).toBe(1);
    expect(float32ToFloat16(-1e-30)).toBe(0x8000);
  });

  test("bfloat16 is the upper half of a float32, ties to even", () => {
    const bytes = encode("bfloat16", [1, 1 + 2 ** -8, 1 + 3 * 2 ** -8, Number.NaN]);
    expect([...new Uint16Array(bytes.buffer)].slice(0, 3)).toEqual([0x3f80, 0x3f80, 0x3f82]);
    expect([...decode("bfloat16", bytes)].map(Number)).toEqual([1, 1, 1.015625, Number.NaN]);
  });
});

describe("dtypes", () => {
  test.each([
    ["float32", [1.5, -2]],
    ["float64", [0.1, 1e300]],
    ["int8", [-128, 127]],
    ["uint8", [0, 255]],
    ["int16", [-5, 5]],
    ["int32", [-(2 ** 31), 7]],
    ["uint32", [2 ** 32 - 1]],
  ] as const)("%s", (dtype, values) => {
    expect([...decode(dtype, encode(dtype, values))]).toEqual([...values]);
  });

  test("64 bits are bigints, of numbers too", () => {
    expect([...decode("int64", encode("int64", [-3, 2n ** 62n]))]).toEqual([-3n, 2n ** 62n]);
    expect([...decode("uint64", encode("uint64", [2n ** 63n]))]).toEqual([2n ** 63n]);
    expect(() => encode("int64", [0.5])).toThrow();
  });

  test("bools are 0 and 1", () => {
    expect([...decode("bool", encode("bool", [true, false]))]).toEqual([1, 0]);
  });
});

describe("chunks", () => {
  test("one sample, nested or flat", () => {
    const ports = [port("float32", 1, 2, 2)];
    for (const array of [[[1, 2], [3, 4]], [[[1, 2], [3, 4]]], [1, 2, 3, 4], Float32Array.of(1, 2, 3, 4)]) {
      const { runs, samples } = chunked(ports, { x: array });
      expect(samples).toBe(1);
      expect([...decode("float32", runs[0]?.x as Uint8Array)]).toEqual([1, 2, 3, 4]);
    }
  });

  test("the last run is filled up with the last sample, and cut off again", () => {
    const ports = [port("int32", 2, 1)];
    const { runs, samples } = chunked(ports, { x: [1, 2, 3] });
    expect(samples).toBe(3);
    expect(runs.map((run) => [...decode("int32", run.x as Uint8Array)])).toEqual([[1, 2], [3, 3]]);
    const found = joined(ports, runs, samples).x;
    expect(found?.shape).toEqual([3, 1]);
    expect([...(found?.data ?? [])]).toEqual([1, 2, 3]);
  });

  test("what does not fit is refused, and says what would", () => {
    const ports = [port("float32", 1, 3)];
    expect(() => chunked(ports, { x: [1, 2] })).toThrow("Input x has the shape (samples, 3). Received: 2 elements");
    expect(() => chunked(ports, {})).toThrow("The model takes x. Received: nothing");
    expect(() => chunked(ports, { x: [1, 2, 3], y: [1] })).toThrow("Received: x, y");
    expect(() => chunked([...ports, { ...port("float32", 1, 1), name: "z" }], { x: [1, 2, 3], z: [1, 2] })).toThrow("x: 1, z: 2");
    expect(() => chunked([port("int64", 1, 1)], { x: [0.5] })).toThrow("Input x is int64");
  });
});

test("SHA-256 without the browser is that of the browser and of Node", async () => {
  for (const length of [0, 1, 55, 56, 63, 64, 65, 119, 120, 1000]) {
    const bytes = Uint8Array.from({ length }, (_, index) => (index * 7 + length) & 255);
    const wanted = createHash("sha256").update(bytes).digest("hex");
    expect(sha256Plain(bytes)).toBe(wanted);
    expect(await sha256(bytes)).toBe(wanted);
  }
});
