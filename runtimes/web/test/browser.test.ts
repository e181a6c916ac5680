import { join } from "node:path";
import { type Browser, type BrowserContext, type Page, chromium } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { KexportModel } from "../src/index";
import { BUNDLES, bundle } from "./bundles";
import { ISOLATED, STRICT, type Site, serve } from "./server";

const FLAGS = [
  ...["--headless=new", "--no-sandbox", "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--use-angle=swiftshader"],
  ...["--enable-unsafe-swiftshader", "--enable-features=Vulkan", "--ignore-gpu-blocklist"],
];

declare const model: KexportModel;
declare const kexport: typeof import("../src/index");

describe.skipIf(!BUNDLES)("in a browser", () => {
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let site: Site | undefined;
  let problems: string[] = [];

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: process.env.KEXPORT_BROWSER ?? "/usr/bin/chromium", args: FLAGS });
  });
  afterAll(() => browser.close());
  afterEach(async () => {
    await context?.close();
    site?.close();
    site = undefined;
  });

  async function open(url: string, before?: () => unknown): Promise<void> {
    context = await browser.newContext({ viewport: { width: 390, height: 844 } });
    if (before) {
      await context.addInitScript(before);
    }
    page = await context.newPage();
    problems = [];
    page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
    page.on("pageerror", (error) => problems.push(error.message));
    await page.goto(url);
    await page.waitForSelector("#badge", { timeout: 90_000 });
  }

  const status = (): Promise<string | null> => page.getAttribute("#badge", "data-status");

  test("a page beneath a path, with a strict policy, proves itself and shows results, layers and times", async () => {
    site = await serve(bundle("digits"), { ...ISOLATED, ...STRICT });
    await open(site.url);
    expect(await status()).toBe("right");
    expect(await page.textContent("#badge")).toMatch(/as in Keras 3/);
    await page.waitForSelector(".ranking li");
    expect(await page.locator(".ranking li").count()).toBe(5);
    await page.click('[data-layer="max_pooling2d"]');
    await page.waitForSelector('h3:has-text("max_pooling2d")');
    expect(await page.locator(".detail canvas.map").count()).toBe(16);
    await page.keyboard.press("ArrowDown");
    expect(await page.evaluate(() => (document.activeElement as HTMLElement).dataset.layer)).toBe("conv2d_1");
    for (const accelerator of ["wasm-threads", "wasm"]) {
      await page.check(`#use-${accelerator}`);
      await page.waitForFunction((wanted) => model.accelerator === wanted, accelerator);
      expect(await status()).toBe("right");
    }
    expect(problems).toEqual([]);
    // Nothing is asked of anybody else, and of the engine's builds only the one that runs here.
    expect(new Set(site.asked.filter((path) => path.includes("litert")).map((path) => /litert-(\w+)/.exec(path)?.[1]))).toEqual(new Set(["threads"]));
  });

  test("without the headers of threads one thread computes", async () => {
    site = await serve(bundle("digits"));
    await open(site.url);
    expect(await status()).toBe("right");
    expect(await page.locator("#use-wasm-threads").count()).toBe(0);
    expect(await page.evaluate(() => model.engine.build)).toBe("simd");
  });

  test("threads are shared by all models of a page, and switching back and forth takes no more of them", async () => {
    site = await serve(bundle("digits"), ISOLATED);
    await open(site.url);
    const found = await page.evaluate(async () => {
      const cores = navigator.hardwareConcurrency;
      for (const accelerator of ["wasm-threads", "wasm", "wasm-threads", "webgpu", "wasm-threads", "wasm", "wasm-threads"] as const) {
        await model.use(accelerator);
        await model.predict({ image: new Float32Array(64) });
      }
      const first = model.engine.threads;
      const others: number[] = [];
      for (let count = 0; count < 3; count++) {
        const other = await kexport.KexportModel.load(location.href, { worker: false, accelerator: "wasm-threads" });
        await other.layerOutputs({ image: new Float32Array(64) });
        others.push(other.engine.threads);
      }
      return { cores, first, others };
    });
    // Workers' models have threads of their own; those of the page take turns.
    expect(found.first).toBe(found.cores);
    expect(found.others[0]).toBe(found.cores);
    expect(found.others[2]).toBe(1);
  });

  test("without a GPU the core of the engine is all that is loaded of it", async () => {
    site = await serve(bundle("digits"));
    await open(site.url, () => Object.defineProperty(Navigator.prototype, "gpu", { value: undefined }));
    expect(await status()).toBe("right");
    expect(await page.evaluate(() => [model.accelerator, model.engine.part])).toEqual(["wasm", "core"]);
    await page.click('[data-layer="max_pooling2d"]');
    await page.waitForSelector(".detail canvas.map");
    const asked = new Set(site.asked.filter((path) => path.includes("wasm")));
    expect([...asked]).toEqual([expect.stringMatching(/litert-simd-core-[0-9a-f]{12}\.wasm/)]);
  });

  test("a sketched digit is recognised", async () => {
    site = await serve(bundle("digits"));
    await open(site.url);
    await page.locator("canvas.sketch").scrollIntoViewIfNeeded();
    const pad = await page.locator("canvas.sketch").boundingBox();
    const move = (x: number, y: number): Promise<void> => page.mouse.move((pad?.x ?? 0) + x * (pad?.width ?? 0), (pad?.y ?? 0) + y * (pad?.height ?? 0));
    await move(0.5, 0.12);
    await page.mouse.down();
    for (let step = 0; step <= 24; step++) {
      const turn = (step / 24) * 2 * Math.PI;
      await move(0.5 + 0.2 * Math.sin(turn), 0.5 - 0.36 * Math.cos(turn));
    }
    await page.mouse.up();
    await page.waitForFunction(() => document.querySelector<HTMLElement>(".ranking li")?.dataset.index === "0", null, { timeout: 20_000 });
  });

  test("a page that was loaded once works offline", async () => {
    site = await serve(bundle("digits"), ISOLATED);
    await open(site.url);
    // Files may be cached a moment before the worker answers for the page.
    await page.waitForFunction(() => navigator.serviceWorker.controller !== null);
    await page.waitForFunction(async () => {
      const links = [...document.querySelectorAll<HTMLElement>("script[src], link[rel=stylesheet]")].map((one) => one.getAttribute("src") ?? one.getAttribute("href") ?? "");
      const wanted = ["", "model.json", ...model.files, ...links].map((file) => new URL(file, location.href).href);
      return (await Promise.all(wanted.map((url) => caches.match(url, { ignoreVary: true })))).every(Boolean);
    });
    site.close();
    await context.setOffline(true);
    await page.reload();
    await page.waitForSelector("#badge", { timeout: 90_000 });
    expect(await status()).toBe("right");
  });

  test("a single file works when it is double-clicked", async () => {
    await open(`file://${join(bundle("single"), "index.html")}`);
    expect(await status()).toBe("right");
    await page.waitForSelector(".ranking li");
    expect(problems).toEqual([]);
  });

  test.each([
    ["broken", "is not the file that was exported"],
    ["wrong", "The golden sample comes out wrong"],
  ])("a %s bundle shows an error and no numbers", async (name, message) => {
    site = await serve(bundle(name));
    await open(site.url);
    expect(await status()).toBe("failed");
    expect(await page.textContent("#badge")).toContain(message);
    expect(await page.locator("#output, .ranking, canvas").count()).toBe(0);
  });

  test.each([
    [/^model\.json/, false, /model\.json can't be fetched: the server answers 404/],
    [/^model-/, true, /model-\w+\.tflite is not the file that was exported/],
    [/^litert-\w+-\w+\.js/, false, /engine's script .*litert-\w+-\w+\.js can't be loaded .* Is the whole bundle there/],
    [/^litert-.*wasm/, true, /litert-.*wasm\.\w+ can't be compiled.* Is it the file that was exported/],
  ])("a server without %s (a page in its place: %s) is told of", async (file, html, message) => {
    site = await serve(bundle("digits"), ISOLATED, { file, html });
    await open(site.url);
    expect(await status()).toBe("failed");
    expect(await page.textContent("#badge")).toMatch(message);
  });

  test.each([/^kexport-web/, /^page-.*js/])("without the script %s the page says what is missing", async (file) => {
    site = await serve(bundle("digits"), {}, { file });
    context = await browser.newContext();
    page = await context.newPage();
    await page.goto(site.url);
    expect(await page.textContent("#loading")).toMatch(/has not run kexport-web-\w+\.js or page-\w+\.js: is the whole bundle on the server/);
  });

  test("where no workers are allowed, the page computes by itself", async () => {
    site = await serve(bundle("digits"), { ...ISOLATED, "Content-Security-Policy": "default-src 'self' data:; script-src 'self' 'wasm-unsafe-eval'; worker-src 'none'" });
    await open(site.url);
    expect(await status()).toBe("right");
    expect(await page.evaluate(() => model.engine)).toMatchObject({ build: "simd", threads: 1 });
  });

  test("a policy that allows no WebAssembly is told of", async () => {
    site = await serve(bundle("digits"), { "Content-Security-Policy": "default-src 'self' data:" });
    await open(site.url);
    expect(await page.textContent("#badge")).toContain("needs script-src 'wasm-unsafe-eval'");
  });

  test("every golden sample can be shown, and is held against the reference", async () => {
    site = await serve(bundle("digits"), ISOLATED);
    await open(site.url);
    await page.waitForSelector(".ranking li");
    const count = await page.evaluate(() => model.exampleCount);
    expect(count).toBe(4);
    expect(await page.locator(".samples button").count()).toBe(count);
    const seen = (): Promise<string> => page.locator("canvas.preview").evaluate((canvas) => (canvas as HTMLCanvasElement).toDataURL());
    const first = await seen();
    expect(site.asked.some((path) => path.includes("examples-"))).toBe(false);
    await page.click("#sample-3");
    await page.waitForFunction(() => /Comes out as in Keras/.test(document.querySelector("#agreement")?.textContent ?? ""));
    expect(await seen()).not.toBe(first);
    expect(await page.getAttribute("#sample-3", "aria-pressed")).toBe("true");
    await page.click("text=Clear the drawing");
    expect(await page.getAttribute("#sample-3", "aria-pressed")).toBe("false");
    expect(await page.textContent("#agreement")).toBe("");
  });

  test("what the GPU can't compute falls back, and says so", async () => {
    site = await serve(bundle("lstm"), ISOLATED);
    await open(site.url);
    expect(await status()).toBe("right");
    const { accelerator, attempts } = await page.evaluate(() => ({ accelerator: model.accelerator, attempts: model.attempts }));
    expect(attempts.at(-1)).toEqual({ accelerator, problem: "" });
    expect(attempts[0]?.accelerator).toBe("webgpu");
    expect(accelerator === "webgpu" || attempts[0]?.problem !== "").toBe(true);
  });
});
