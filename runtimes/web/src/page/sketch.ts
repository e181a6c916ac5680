/** A pad to draw on, with a finger, a pen, the mouse or the arrow keys: white on black, as digits in data sets are. */

import { h } from "./dom";

const SIZE = 224;
/** How far an arrow key moves the pen. */
const STEP = SIZE / 16;

interface Place {
  readonly x: number;
  readonly y: number;
}

const ARROWS: Readonly<Record<string, Place>> = {
  ArrowUp: { x: 0, y: -STEP },
  ArrowDown: { x: 0, y: STEP },
  ArrowLeft: { x: -STEP, y: 0 },
  ArrowRight: { x: STEP, y: 0 },
};

export class SketchPad {
  readonly element: HTMLElement;
  private readonly canvas: HTMLCanvasElement;
  private readonly context: CanvasRenderingContext2D;
  private readonly state = h("p", { className: "hint sketch-state", role: "status" });
  private last: Place | null = null;
  /** The pen that the keys move. */
  private pen: Place & { readonly down: boolean } = { x: SIZE / 2, y: SIZE / 4, down: false };

  constructor(private readonly onChange: (image: HTMLCanvasElement) => void) {
    const label = "Draw here: with the pointer, or the space bar to put the pen down and the arrow keys to move it";
    this.canvas = h("canvas", { width: SIZE, height: SIZE, className: "sketch", tabIndex: 0, aria: { label }, role: "application" });
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
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    const clear = h("button", {
      type: "button",
      onclick: () => {
        this.clear();
        this.onChange(this.canvas);
      },
    }, "Clear the drawing");
    this.element = h("div", { className: "column" }, h("span", {}, "Or draw"), this.canvas, this.state, clear);
  }

  private clear(): void {
    this.context.fillStyle = "#000";
    this.context.fillRect(0, 0, SIZE, SIZE);
    this.pen = { x: SIZE / 2, y: SIZE / 4, down: false };
    this.state.textContent = "";
  }

  private key(event: KeyboardEvent): void {
    const { x, y, down } = this.pen;
    const arrow = ARROWS[event.key];
    if (event.key === " ") {
      this.pen = { x, y, down: !down };
    } else if (arrow) {
      this.pen = { x: within(x + arrow.x), y: within(y + arrow.y), down };
    } else {
      return;
    }
    event.preventDefault();
    if (this.pen.down) {
      this.last = { x, y };
      this.stroke(this.pen);
      this.last = null;
    }
    const [column, row] = [this.pen.x, this.pen.y].map((at) => Math.round((100 * at) / SIZE));
    this.state.textContent = `The pen is ${this.pen.down ? "down" : "up"}, ${column} % from the left, ${row} % from the top.`;
  }

  private place(event: PointerEvent): Place {
    const box = this.canvas.getBoundingClientRect();
    return { x: ((event.clientX - box.left) * SIZE) / box.width, y: ((event.clientY - box.top) * SIZE) / box.height };
  }

  private stroke(to: Place): void {
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

function within(at: number): number {
  return Math.min(SIZE, Math.max(0, at));
}
