/** A pad to draw on, with a finger, a pen or the mouse: white on black, as digits in data sets are. */

import { h } from "./dom";

const SIZE = 224;

export class SketchPad {
  readonly element: HTMLElement;
  private readonly canvas: HTMLCanvasElement;
  private readonly context: CanvasRenderingContext2D;
  private last: { x: number; y: number } | null = null;

  constructor(private readonly onChange: (image: HTMLCanvasElement) => void) {
    this.canvas = h("canvas", { width: SIZE, height: SIZE, className: "sketch", aria: { label: "Draw here" }, role: "img" });
    this.context = this.canvas.getContext("2d") as CanvasRenderingContext2D;
    this.clear();
    this.canvas.addEventListener("pointerdown", (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      this.last = this.place(event);
      this.stroke(this.last);
    });
    this.canvas.addEventListener("pointermove", (event) => this.last && this.stroke(this.place(event)));
    for (const end of ["pointerup", "pointercancel"] as const) {
      this.canvas.addEventListener(end, () => {
        this.last = null;
      });
    }
    const clear = h("button", {
      type: "button",
      onclick: () => {
        this.clear();
        this.onChange(this.canvas);
      },
    }, "Clear the drawing");
    this.element = h("div", { className: "column" }, h("span", {}, "Or draw"), this.canvas, clear);
  }

  private clear(): void {
    this.context.fillStyle = "#000";
    this.context.fillRect(0, 0, SIZE, SIZE);
  }

  private place(event: PointerEvent): { x: number; y: number } {
    const box = this.canvas.getBoundingClientRect();
    return { x: ((event.clientX - box.left) * SIZE) / box.width, y: ((event.clientY - box.top) * SIZE) / box.height };
  }

  private stroke(to: { x: number; y: number }): void {
    const from = this.last ?? to;
    this.context.strokeStyle = "#fff";
    this.context.lineWidth = SIZE / 11;
    this.context.lineCap = "round";
    this.context.beginPath();
    this.context.moveTo(from.x, from.y);
    this.context.lineTo(to.x, to.y + 0.01);
    this.context.stroke();
    this.last = to;
    this.onChange(this.canvas);
  }
}
