// What `make demos` builds, in a browser: KEXPORT_DEMOS is its folder, KEXPORT_SCREENSHOTS one for pictures of the pages.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Browser, type Page, chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ISOLATED, STRICT, type Site, serve } from "./server";

const DEMOS = process.env.KEXPORT_DEMOS ?? "";
const SCREENSHOTS = process.env.KEXPORT_SCREENSHOTS;

describe.skipIf(!DEMOS)("demos", () => {
  let browser: Browser;
  let page: Page;
  let site: Site;
  const problems: string[] = [];

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: process.env.KEXPORT_BROWSER ?? "/usr/bin/chromium", args: ["--headless=new", "--no-sandbox"] });
    site = await serve(DEMOS, { ...ISOLATED, ...STRICT });
    page = await browser.newPage({ viewport: { width: 1000, height: 700 }, colorScheme: "light" });
    page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
    page.on("pageerror", (error) => problems.push(error.message));
  });
  afterAll(async () => {
    expect(problems).toEqual([]);
    await browser.close();
    site.close();
  });

  async function open(name: string): Promise<void> {
    await page.goto(site.url);
    await page.click(`a[href="${name}/index.html"]`);
    await page.waitForSelector('#badge[data-status="right"]', { timeout: 90_000 });
    await page.waitForSelector(".result");
  }

  /** A picture of the page's top. */
  async function picture(name: string, height: number): Promise<void> {
    if (SCREENSHOTS) {
      await page.setViewportSize({ width: 1000, height });
      await page.evaluate(() => scrollTo(0, 0));
      await page.waitForTimeout(500);
      await page.screenshot({ path: join(SCREENSHOTS, `web-${name}.png`) });
    }
  }

  const built = (name: string): boolean => existsSync(join(DEMOS, name, "index.html"));
  const first = (): Promise<string | null> => page.textContent(".ranking li .label");

  test.skipIf(!built("digits"))("a sketched one is recognised by its stroke", async () => {
    await open("digits");
    const pad = await page.locator("canvas.sketch").boundingBox();
    const at = (x: number, y: number): [number, number] => [(pad?.x ?? 0) + x * (pad?.width ?? 0), (pad?.y ?? 0) + y * (pad?.height ?? 0)];
    await page.mouse.move(...at(0.5, 0.1));
    await page.mouse.down();
    await page.mouse.move(...at(0.5, 0.9), { steps: 10 });
    await page.mouse.up();
    await page.waitForFunction(() => document.querySelector(".ranking li .label")?.textContent === "1", null, { timeout: 20_000 });
    await page.waitForFunction(() => document.querySelector<HTMLSelectElement>("#evidence-class")?.value === "1");
    const told = (await page.getAttribute("canvas.heat", "aria-label")) ?? "";
    expect(told).toMatch(/^Evidence for 1 over the image: most in row \d of 8, column \d of 8$/);
    await page.selectOption("#evidence-class", { index: 1 });
    expect(await page.getAttribute("canvas.heat", "aria-label")).not.toBe(told);
    await page.selectOption("#evidence-class", { index: 0 });
    await picture("digits", 940);
  });

  test.skipIf(!built("autoencoder"))("an image comes back as a picture", async () => {
    await open("autoencoder");
    await page.waitForSelector("canvas.output-image");
    await page.click('[data-layer="code"]');
    await page.waitForSelector('h3:has-text("code")');
    expect(await page.locator(".detail canvas.bars").count()).toBe(1);
    await picture("autoencoder", 1100);
  });

  test.skipIf(!built("generator"))("sliders change the picture, within what the model knows", async () => {
    await open("generator");
    const shown = (): Promise<string> => page.locator("canvas.output-image").evaluate((canvas) => (canvas as HTMLCanvasElement).toDataURL());
    expect(await page.locator("#digit-0").evaluate((slider) => [(slider as HTMLInputElement).min, (slider as HTMLInputElement).max])).toEqual(["0", "9"]);
    await page.fill("#digit-0", "3");
    await page.waitForTimeout(500);
    const before = await shown();
    await page.focus("#style-0");
    for (let step = 0; step < 12; step++) {
      await page.keyboard.press("ArrowRight");
    }
    await page.waitForTimeout(500);
    expect(await shown()).not.toBe(before);
    await picture("generator", 700);
  });

  test.skipIf(!built("lines"))("a written line is read", async () => {
    await open("lines");
    for (const [line, kind] of [
      ["def __init__(self, name=None):", "Python"],
      ["#define PyList_SIZE(op) (((PyVarObject *)(op))->ob_size)", "C"],
      ["The data set contains the measurements of flowers.", "English"],
    ] as const) {
      await page.fill("textarea", line);
      await page.waitForFunction((wanted) => document.querySelector(".ranking li .label")?.textContent === wanted, kind, { timeout: 20_000 });
    }
    expect(await first()).toBe("English");
    await picture("lines", 700);
  });

  test.skipIf(!built("mobilenet"))("a large model computes, and is measured", async () => {
    await open("mobilenet");
    await page.waitForSelector("canvas.heat");
    expect(await page.locator(".ranking li").count()).toBe(5);
    await page.click("#measure");
    await page.waitForFunction(() => /ms|s$/.test(document.querySelector('[data-time="wasm"]')?.textContent ?? ""), null, { timeout: 100_000 });
  });
});
