import { describe, expect, test } from "vitest";
import { placed } from "../src/page/layers";
import { SCALINGS, fromPixels, imageShape } from "../src/page/preprocess";

describe("images", () => {
  test("are known by their shape", () => {
    expect(imageShape([1, 28, 28, 1])).toEqual({ height: 28, width: 28, channels: 1, layout: "channels_last" });
    expect(imageShape([1, 3, 32, 48])).toEqual({ height: 32, width: 48, channels: 3, layout: "channels_first" });
    expect(imageShape([1, 10, 3])).toBeNull();
    expect(imageShape([1, 7, 7, 512])).toBeNull();
  });

  test("become numbers as each model was trained", () => {
    const pixels = Uint8ClampedArray.of(255, 0, 0, 255, 0, 128, 255, 255);
    const shape = { height: 1, width: 2, channels: 3, layout: "channels_last" } as const;
    expect([...fromPixels(pixels, shape, SCALINGS.raw)]).toEqual([255, 0, 0, 0, 128, 255]);
    expect([...fromPixels(pixels, shape, SCALINGS.signed)].map((value) => Math.fround(value))).toEqual([1, -1, -1, -1, Math.fround(0.5 / 127.5), 1]);
    const first = fromPixels(pixels, { ...shape, layout: "channels_first" }, SCALINGS.raw);
    expect([...first]).toEqual([255, 0, 0, 128, 0, 255]);
    const caffe = fromPixels(pixels, shape, SCALINGS.caffe);
    expect(caffe[2]).toBeCloseTo(255 - 123.68, 4);
    const grey = fromPixels(pixels, { ...shape, channels: 1 }, SCALINGS.raw);
    expect(grey[0]).toBeCloseTo(76.245, 3);
  });
});

test("a layer stands below all that it reads", () => {
  const layer = (path: string, ...inputs: string[]) => ({ path, class: "", output: null, inputs });
  const found = placed(["x"], [layer("a", "x"), layer("b", "x"), layer("c", "a"), layer("sum", "b", "c")]);
  expect(found.map(({ name, row, column }) => [name, row, column])).toEqual([["x", 0, 0], ["a", 1, 0], ["b", 1, 1], ["c", 2, 0], ["sum", 3, 0]]);
});
