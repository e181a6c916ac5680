/** Where in the image the evidence for a class stands. */

import type { Tensor } from "../arrays";
import { messageOf } from "../errors";
import type { KexportModel } from "../model";
import { h } from "./dom";

const SIZE = 224;
/** Classes to choose from: the greatest outputs. */
const CHOICES = 5;

/** One class's map, 0 where there is no evidence for it, 1 where there is most. */
export function evidence(map: Tensor, index: number): { values: number[]; width: number; height: number } {
  const [, height, width, classes] = map.shape as [number, number, number, number];
  const raw = Array.from({ length: height * width }, (_, place) => Math.max(0, Number(map.data[place * classes + index])));
  const most = raw.reduce((a, b) => Math.max(a, b), 0);
  return { values: raw.map((value) => (most > 0 ? value / most : 0)), width, height };
}

export class ActivationMap {
  readonly element: HTMLElement;
  private readonly canvas = h("canvas", { width: SIZE, height: SIZE, className: "heat", role: "img" });
  private readonly select: HTMLSelectElement;
  private readonly message = h("p", { className: "warning" });
  private map: Tensor | null = null;

  constructor(
    private readonly model: KexportModel,
    private readonly image: HTMLCanvasElement,
  ) {
    this.canvas.height = Math.round((SIZE * image.height) / image.width);
    this.select = h("select", { id: "evidence-class", onchange: () => this.draw() });
    this.element = h(
      "div",
      { id: "activation-map" },
      h("h3", {}, "What it looked at"),
      h("label", { htmlFor: this.select.id }, "Evidence for ", this.select),
      h("p", { className: "hint" }, "The class activation map: the brighter, the more that place speaks for the class."),
      this.canvas,
      this.message,
    );
  }

  /** Show the map of a new input, of which the first output is `scores`. */
  show(scores: Tensor, map: Tensor): void {
    this.map = map;
    this.message.textContent = "";
    // Of a batch, the page shows the first sample.
    this.offer(Array.from(scores.data as ArrayLike<number>, Number).slice(0, map.shape[3]));
    this.draw();
  }

  /** There is no map of the new input. */
  fail(error: unknown): void {
    this.map = null;
    this.canvas.getContext("2d")?.clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.canvas.removeAttribute("aria-label");
    this.message.textContent = messageOf(error);
  }

  private offer(scores: readonly number[]): void {
    const best = scores.map((value, index) => ({ value, index })).sort((a, b) => b.value - a.value).slice(0, CHOICES);
    this.select.replaceChildren(...best.map(({ index }) => h("option", { value: String(index) }, this.label(index))));
  }

  private label(index: number): string {
    return this.model.labels?.[index] ?? `class ${index}`;
  }

  private draw(): void {
    if (!this.map) {
      return;
    }
    const { values, width, height } = evidence(this.map, Number(this.select.value));
    const heat = document.createElement("canvas");
    [heat.width, heat.height] = [width, height];
    const small = heat.getContext("2d") as CanvasRenderingContext2D;
    const pixels = small.createImageData(width, height);
    // From clear over orange to yellow.
    values.forEach((value, place) => pixels.data.set([255, 90 + 150 * value, 20, 200 * value], 4 * place));
    small.putImageData(pixels, 0, 0);
    const context = this.canvas.getContext("2d") as CanvasRenderingContext2D;
    context.imageSmoothingEnabled = false;
    context.drawImage(this.image, 0, 0, this.canvas.width, this.canvas.height);
    context.imageSmoothingEnabled = true;
    context.drawImage(heat, 0, 0, this.canvas.width, this.canvas.height);
    const greatest = values.indexOf(1);
    const where = greatest < 0 ? "there is none" : `most in row ${Math.floor(greatest / width) + 1} of ${height}, column ${(greatest % width) + 1} of ${width}`;
    this.canvas.setAttribute("aria-label", `Evidence for ${this.label(Number(this.select.value))} over the image: ${where}`);
  }
}
