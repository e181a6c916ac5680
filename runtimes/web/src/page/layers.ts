/** The architecture as a diagram that can be walked, and what the chosen layer computes. */

import type { InputArray, Tensor } from "../arrays";
import type { Layer } from "../description";
import { messageOf } from "../errors";
import type { KexportModel } from "../model";
import { drawTensor } from "./drawing";
import { h, section, shapeText } from "./dom";

const BOX = { width: 240, height: 52, gapX: 24, gapY: 26 };
const SVG = "http://www.w3.org/2000/svg";

interface Placed {
  readonly name: string;
  readonly layer: Layer | null;
  readonly row: number;
  readonly column: number;
  readonly reads: readonly string[];
}

/** A row below everything that it reads; side by side where several are in one row. */
export function placed(inputs: readonly string[], layers: readonly Layer[]): Placed[] {
  const rows = new Map<string, number>(inputs.map((name) => [name, 0]));
  const taken = new Map<number, number>();
  const place = (name: string, layer: Layer | null, row: number, reads: readonly string[]): Placed => {
    const column = taken.get(row) ?? 0;
    taken.set(row, column + 1);
    return { name, layer, row, column, reads };
  };
  const found = inputs.map((name) => place(name, null, 0, []));
  for (const layer of layers) {
    const row = 1 + Math.max(0, ...layer.inputs.map((name) => rows.get(name) ?? 0));
    rows.set(layer.path, row);
    found.push(place(layer.path, layer, row, layer.inputs));
  }
  return found;
}

export class LayerView {
  readonly element: HTMLElement;
  private readonly boxes = new Map<string, HTMLButtonElement>();
  private readonly places: Placed[];
  private readonly detail = h("div", { className: "detail", aria: { live: "polite" } });
  private chosen: Layer | null = null;

  constructor(
    private readonly model: KexportModel,
    private readonly inputs: () => Record<string, InputArray>,
    private readonly channelsFirst: boolean,
  ) {
    this.places = placed(
      model.inputs.map((port) => port.name),
      model.layers,
    );
    this.element = section(
      "layers",
      "Layers",
      h("p", { className: "hint" }, "Choose a layer to see what it computes; the arrow keys walk along the connections."),
      h("div", { className: "walk" }, h("div", { className: "diagram", tabIndex: -1 }, this.diagram()), this.detail),
    );
  }

  /** Choose the first layer that shows something, so that the view is not empty. */
  start(): void {
    const first = this.model.layers.find((layer) => layer.output);
    if (first) {
      this.choose(first);
    }
  }

  /** The paths of the layers whose outputs are shown. */
  get wanted(): readonly string[] {
    return this.chosen?.output ? [this.chosen.path] : [];
  }

  /** Show the chosen layer, if its output is among these. */
  show(outputs: Readonly<Record<string, Tensor>>): void {
    const layer = this.chosen;
    const output = layer && outputs[layer.path];
    if (layer && output) {
      this.detail.replaceChildren(...this.described(layer, output));
    }
  }

  /** The new inputs show no layers. */
  fail(error: unknown): void {
    this.detail.replaceChildren(h("p", { className: "warning" }, messageOf(error)));
  }

  private diagram(): HTMLElement {
    const rows = Math.max(...this.places.map(({ row }) => row)) + 1;
    const columns = Math.max(...this.places.map(({ column }) => column)) + 1;
    const width = columns * (BOX.width + BOX.gapX);
    const height = rows * (BOX.height + BOX.gapY);
    const canvas = h("div", { className: "boxes" });
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    canvas.append(this.edges(width, height));
    for (const place of this.places) {
      canvas.append(this.box(place));
    }
    return canvas;
  }

  private edges(width: number, height: number): SVGElement {
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("width", String(width));
    svg.setAttribute("height", String(height));
    svg.setAttribute("aria-hidden", "true");
    const byName = new Map(this.places.map((place) => [place.name, place]));
    for (const place of this.places) {
      for (const name of place.reads) {
        const from = byName.get(name);
        if (from) {
          const path = document.createElementNS(SVG, "path");
          const [x1, y1] = [left(from) + BOX.width / 2, top(from) + BOX.height];
          const [x2, y2] = [left(place) + BOX.width / 2, top(place)];
          path.setAttribute("d", `M${x1} ${y1} C${x1} ${y1 + 20} ${x2} ${y2 - 20} ${x2} ${y2}`);
          svg.append(path);
        }
      }
    }
    return svg;
  }

  private box(place: Placed): HTMLButtonElement {
    const { layer, name } = place;
    const shape = layer?.output ? shapeText(layer.output.shape) : layer ? "part of a later layer" : "input";
    const button = h(
      "button",
      {
        type: "button",
        className: layer ? "box" : "box input",
        data: { layer: name },
        tabIndex: place === this.places[0] ? 0 : -1,
        aria: { pressed: "false" },
        onclick: () => layer && this.choose(layer),
        onkeydown: (event) => this.walk(event, place),
      },
      h("strong", {}, name),
      h("small", {}, [layer?.class, shape].filter(Boolean).join(layer?.output ? " " : ", ")),
    );
    button.style.left = `${left(place)}px`;
    button.style.top = `${top(place)}px`;
    button.style.width = `${BOX.width}px`;
    button.style.height = `${BOX.height}px`;
    this.boxes.set(name, button);
    return button;
  }

  private walk(event: KeyboardEvent, place: Placed): void {
    const beside = (step: number): string | undefined => this.places.find((one) => one.row === place.row && one.column === place.column + step)?.name;
    const steps: Record<string, () => string | undefined> = {
      ArrowUp: () => place.reads[0],
      ArrowDown: () => this.places.find((one) => one.reads.includes(place.name))?.name,
      ArrowLeft: () => beside(-1),
      ArrowRight: () => beside(1),
    };
    const target = steps[event.key]?.();
    const box = target === undefined ? undefined : this.boxes.get(target);
    if (box) {
      event.preventDefault();
      for (const other of this.boxes.values()) {
        other.tabIndex = -1;
      }
      box.tabIndex = 0;
      box.focus();
    }
  }

  private choose(layer: Layer): void {
    this.chosen = layer;
    for (const [name, box] of this.boxes) {
      box.setAttribute("aria-pressed", String(name === layer.path));
    }
    if (layer.output) {
      this.model.layerOutputs(this.inputs(), [layer.path]).then(
        (outputs) => this.show(outputs),
        (error: unknown) => this.fail(error),
      );
    } else {
      this.detail.replaceChildren(
        h("h3", {}, layer.path),
        h("p", {}, "This layer has no output of its own here: it is computed together with a later one."),
      );
    }
  }

  private described(layer: Layer, tensor: Tensor): HTMLElement[] {
    const { pictures, left: more } = drawTensor(tensor, this.channelsFirst);
    const values = tensor.data as ArrayLike<number | bigint>;
    let [low, high, sum] = [Infinity, -Infinity, 0];
    for (let index = 0; index < values.length; index++) {
      const value = Number(values[index]);
      low = Math.min(low, value);
      high = Math.max(high, value);
      sum += value;
    }
    const figures = `least ${low.toPrecision(3)}, mean ${(sum / values.length).toPrecision(3)}, greatest ${high.toPrecision(3)}`;
    return [
      h("h3", {}, `${layer.path} `, h("small", {}, `${layer.class} ${shapeText(tensor.shape)}`)),
      h("p", { className: "hint" }, figures + (more > 0 ? `; ${more} more are not shown` : "")),
      h("div", { className: "maps", role: "img", aria: { label: `The output of ${layer.path}: ${figures}` } }, ...pictures),
    ];
  }
}

function left({ column }: Placed): number {
  return column * (BOX.width + BOX.gapX) + BOX.gapX / 2;
}

function top({ row }: Placed): number {
  return row * (BOX.height + BOX.gapY);
}
