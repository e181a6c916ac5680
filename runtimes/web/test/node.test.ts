import { describe, expect, test } from "vitest";
import { type BundleError, InputError, KexportModel, WrongResultError } from "../src/index";
import { BUNDLES, bundle } from "./bundles";

describe.skipIf(!BUNDLES)("in Node", () => {
  test("a bundle proves itself, predicts, shows its layers", async () => {
    const progress: number[] = [];
    const model = await KexportModel.load(bundle("digits"), { onDownload: ({ loaded }) => progress.push(loaded) });
    expect(model.check.status).toBe("right");
    expect(model.check.reference).toMatch(/^Keras 3/);
    expect(model.accelerator).toBe("wasm");
    expect(progress.length).toBeGreaterThan(0);
    const image = model.goldenInputs?.image;
    const { digit } = await model.predict({ image: image?.data ?? [] });
    expect(digit?.shape).toEqual([1, 10]);
    expect([...(digit?.data ?? [])].map(Number).reduce((a, b) => a + b)).toBeCloseTo(1, 5);
    const layers = await model.layerOutputs({ image: image?.data ?? [] });
    expect(layers.re_lu?.shape).toEqual([1, 8, 8, 16]);
    expect([...(layers.digit?.data ?? [])]).toEqual([...(digit?.data ?? [])]);
    const relu = layers.re_lu?.data as Float32Array;
    const pooled = layers.max_pooling2d?.data as Float32Array;
    expect(Math.max(...[0, 16, 128, 144].map((at) => relu[at] as number))).toBe(pooled[0]);
    await model.dispose();
    await expect(model.predict({ image: image?.data ?? [] })).rejects.toThrow("disposed of");
  });

  test("several samples come one after the other, with their progress", async () => {
    const model = await KexportModel.load(bundle("digits"));
    const events: number[] = [];
    model.addEventListener("predictProgress", (event) => events.push((event as CustomEvent<{ done: number }>).detail.done));
    const one = Float32Array.from({ length: 64 }, (_, index) => (index % 9) / 9);
    const two = Float32Array.from({ length: 64 }, (_, index) => (index % 5) / 5);
    const both = (await model.predict({ image: Float32Array.of(...one, ...two) })).digit;
    expect(both?.shape).toEqual([2, 10]);
    expect(events).toEqual([0, 1, 2]);
    const alone = (await model.predict({ image: two })).digit;
    expect([...(both?.data ?? [])].slice(10)).toEqual([...(alone?.data ?? [])]);
    await expect(model.predict({ picture: one })).rejects.toBeInstanceOf(InputError);
    await model.dispose();
  });

  test("20,000 predictions take no more memory", async () => {
    const model = await KexportModel.load(bundle("digits"));
    const image = new Float32Array(64).fill(0.5);
    const held = (): number => process.memoryUsage().rss;
    // Until then functions are compiled again, for speed, and the heap finds its size.
    for (let run = 0; run < 10000; run++) {
      await model.predict({ image });
    }
    const before = held();
    for (let run = 0; run < 20000; run++) {
      await model.predict({ image });
    }
    expect(held() - before).toBeLessThan(20e6);
    await model.dispose();
  });

  test("a damaged model is told of, and a wrong result is never shown", async () => {
    await expect(KexportModel.load(bundle("broken"))).rejects.toThrow(/model-[0-9a-f]{12}.tflite is not the file that was exported/);
    const failed = KexportModel.load(bundle("wrong"));
    await expect(failed).rejects.toBeInstanceOf(WrongResultError);
    await expect(failed).rejects.toThrow(/golden sample comes out wrong on wasm. digit: an element is off by/);
    await expect(KexportModel.load("/nowhere/at/all")).rejects.toSatisfy((error: BundleError) => error.name === "BundleError");
    await expect(KexportModel.load(bundle("digits"), { accelerator: "webgpu" })).rejects.toThrow(/no WebGPU/);
    await expect(KexportModel.load(bundle("digits"), { accelerator: "wasm-threads" })).rejects.toThrow(/Cross-Origin-Opener-Policy|relaxed SIMD/);
  });
});
