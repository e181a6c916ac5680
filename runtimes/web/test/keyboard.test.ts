// The page by the keyboard alone, and what a screen reader is told of it.

import { type Browser, type Page, chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BUNDLES, bundle } from "./bundles";
import { type Site, serve } from "./server";

/** What is focused: an element's name as a screen reader says it, or its tag where it has none. */
interface Stop {
  readonly tag: string;
  readonly id: string;
  readonly name: string;
  readonly visible: boolean;
}

describe.skipIf(!BUNDLES)("by the keyboard", () => {
  let browser: Browser;
  let page: Page;
  let site: Site;

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: process.env.KEXPORT_BROWSER ?? "/usr/bin/chromium", args: ["--headless=new", "--no-sandbox"] });
    site = await serve(bundle("digits"));
    page = await browser.newPage();
    await page.goto(site.url);
    await page.waitForSelector(".ranking li", { timeout: 90_000 });
    await page.waitForSelector(".detail canvas");
  });
  afterAll(async () => {
    await browser.close();
    site.close();
  });

  const focused = (): Promise<Stop> =>
    page.evaluate(() => {
      const element = document.activeElement as HTMLInputElement;
      const label = [...(element.labels ?? [])].map((one) => one.textContent).join(" ");
      const name = element.getAttribute("aria-label") ?? (label || element.textContent || "");
      const style = getComputedStyle(element);
      return { tag: element.tagName, id: element.id || element.className, name: name.trim(), visible: style.outlineStyle !== "none" };
    });

  test("every control is reached, has a name, and shows that it has the focus", async () => {
    const stops: Stop[] = [];
    for (let step = 0; step < 40; step++) {
      await page.keyboard.press("Tab");
      const stop = await focused();
      if (stop.tag === "BODY") {
        break;
      }
      stops.push(stop);
    }
    expect(stops.filter(({ name, visible }) => !name || !visible)).toEqual([]);
    const ids = stops.map(({ id }) => id);
    for (const id of ["file-image", "scaling-image", "sample", "measure"]) {
      expect(ids).toContain(id);
    }
    // The diagram is one stop, and so are the accelerators; there is no way into a trap.
    expect(new Set(ids.filter((id) => id.startsWith("use-"))).size).toBe(1);
    expect(ids.filter((id) => id.startsWith("box")).length).toBe(1);
    expect((await focused()).tag).toBe("BODY");
  });

  test("the pad is drawn on with the arrow keys", async () => {
    await page.focus("canvas.sketch");
    const before = await page.locator("canvas.preview").evaluate((canvas) => (canvas as HTMLCanvasElement).toDataURL());
    for (const key of ["Space", "ArrowDown", "ArrowDown", "ArrowDown", "Space", "ArrowRight"]) {
      await page.keyboard.press(key);
    }
    await page.waitForFunction((old) => document.querySelector<HTMLCanvasElement>("canvas.preview")?.toDataURL() !== old, before);
    expect(await page.textContent(".sketch-state")).toMatch(/pen is up/);
  });

  test("landmarks, headings and pictures have names", async () => {
    const found = await page.evaluate(() => ({
      mains: document.querySelectorAll("main").length,
      firstHeadings: document.querySelectorAll("h1").length,
      levels: [...document.querySelectorAll("h1, h2, h3")].map((heading) => Number(heading.tagName[1])),
      unnamedSections: [...document.querySelectorAll("section")].filter((one) => !document.getElementById(one.getAttribute("aria-labelledby") ?? "")?.textContent).length,
      unnamedPictures: [...document.querySelectorAll("canvas, [role=img]")].filter((one) => !one.closest("[aria-label]")).length,
      unlabelled: [...document.querySelectorAll("input, select, textarea")].filter((one) => !(one as HTMLInputElement).labels?.length).length,
      doubledIds: [...document.querySelectorAll("[id]")].map(({ id }) => id).filter((id, index, all) => all.indexOf(id) !== index),
      language: document.documentElement.lang,
    }));
    expect(found).toMatchObject({ mains: 1, firstHeadings: 1, unnamedSections: 0, unnamedPictures: 0, unlabelled: 0, doubledIds: [], language: "en" });
    found.levels.reduce((before, level) => {
      expect(level).toBeLessThanOrEqual(before + 1);
      return level;
    }, 0);
  });

  test.each(["light", "dark"] as const)("texts stand out from their ground in the %s scheme", async (colorScheme) => {
    await page.emulateMedia({ colorScheme });
    // Relative luminance and contrast as WCAG 2.2 defines them; 4.5 is what its level AA asks of texts (1.4.3).
    const poor = await page.evaluate(() => {
      const channels = (colour: string): number[] => (colour.match(/[\d.]+/g) ?? []).map(Number);
      const luminance = (colour: string): number => {
        const [r, g, b] = channels(colour).slice(0, 3).map((value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4)) as [number, number, number];
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const ground = (element: Element | null): string => {
        for (let one = element; one; one = one.parentElement) {
          const { backgroundColor } = getComputedStyle(one);
          if (channels(backgroundColor)[3] !== 0) {
            return backgroundColor;
          }
        }
        return "rgb(255, 255, 255)";
      };
      const texts = [...document.querySelectorAll("main *")].filter((one) => [...one.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent?.trim()));
      return texts
        .map((one) => {
          const [light, dark] = [luminance(getComputedStyle(one).color), luminance(ground(one))].sort((a, b) => b - a) as [number, number];
          return { text: one.textContent?.slice(0, 30), ratio: (light + 0.05) / (dark + 0.05) };
        })
        .filter(({ ratio }) => ratio < 4.5);
    });
    expect(poor).toEqual([]);
  });
});
