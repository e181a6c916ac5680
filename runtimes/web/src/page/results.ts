/** What the model gives, as it reads best. */

import type { Tensor } from "../arrays";
import type { Port } from "../description";
import type { KexportModel } from "../model";
import { drawImage, drawTensor } from "./drawing";
import { h, shapeText } from "./dom";
import { imageShape } from "./preprocess";

const TOP = 5;
/** Steps of a sequence whose labels are listed. */
const STEPS = 64;

/** The outputs of one prediction. */
export function results(model: KexportModel, outputs: Readonly<Record<string, Tensor>>): HTMLElement[] {
  return model.outputs.map((port, index) => {
    const tensor = firstSample(outputs[port.name] as Tensor);
    const title = h("h3", {}, `${port.name} `, h("small", {}, `${port.dtype} ${shapeText(port.shape)}`));
    return h("div", { className: "result", data: { output: port.name } }, title, shown(port, tensor, index === 0 ? model.labels : null));
  });
}

/** Of a batch, the page shows the first sample. */
function firstSample({ data, shape, dtype }: Tensor): Tensor {
  const size = data.length / Math.max(shape[0] ?? 1, 1);
  return { data: data.subarray(0, size), shape: [1, ...shape.slice(1)], dtype };
}

function shown(port: Port, tensor: Tensor, labels: readonly string[] | null): HTMLElement {
  const values = Array.from(tensor.data as ArrayLike<number | bigint>, Number);
  if (values.some((value) => !Number.isFinite(value))) {
    return h("p", { className: "warning" }, "The output holds values that are not finite.");
  }
  const shares = port.shares ?? values.every((value) => value >= 0 && value <= 1);
  if (tensor.shape.length <= 2 && (values.length > 1 || (port.shares && values.length === 1))) {
    return ranking(values, labels ?? (values.length === 1 ? [port.name] : null), shares);
  }
  if (values.length <= 8) {
    return h("p", { className: "numbers" }, values.map(numberText).join("  "));
  }
  if (tensor.shape.length === 3 && labels) {
    return steps(tensor, values, labels);
  }
  const image = imageShape(tensor.shape);
  if (image) {
    const canvas = drawImage(tensor, image.layout === "channels_first");
    canvas.classList.add("output-image");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `The output ${port.name}, a picture of ${image.height} × ${image.width}`);
    return canvas;
  }
  const { pictures, left } = drawTensor(tensor, false);
  return h(
    "div",
    {},
    h("div", { className: "maps", role: "img", aria: { label: `The output ${port.name}, ${shapeText(tensor.shape)}` } }, ...pictures),
    left > 0 && h("p", { className: "hint" }, `${left} more are not shown.`),
  );
}

/** The greatest values with their labels, as bars; of the share where they are shares. */
function ranking(values: readonly number[], labels: readonly string[] | null, shares: boolean): HTMLElement {
  const high = values.reduce((a, b) => Math.max(a, Math.abs(b)), 1e-30);
  const best = values.map((value, index) => ({ value, index })).sort((a, b) => b.value - a.value).slice(0, TOP);
  return h(
    "ol",
    { className: "ranking" },
    ...best.map(({ value, index }) => {
      const bar = h("meter", { min: 0, max: 1, value: shares ? value : Math.abs(value) / high, aria: { hidden: "true" } });
      const label = labels?.[index] ?? (shares ? `class ${index}` : `element ${index}`);
      return h("li", { data: { index: String(index) } }, h("span", { className: "label" }, label), bar, h("span", { className: "number" }, shares ? `${(100 * value).toFixed(1)} %` : numberText(value)));
    }),
  );
}

/** The label that is most likely at each step of a sequence. */
function steps(tensor: Tensor, values: readonly number[], labels: readonly string[]): HTMLElement {
  const [, count, classes] = tensor.shape as [number, number, number];
  const items = Array.from({ length: Math.min(count, STEPS) }, (_, step) => {
    const row = values.slice(step * classes, (step + 1) * classes);
    return h("li", {}, labels[row.indexOf(Math.max(...row))] ?? "");
  });
  return h("div", {}, h("ol", { className: "steps" }, ...items), count > STEPS && h("p", { className: "hint" }, `${count - STEPS} more are not shown.`));
}

function numberText(value: number): string {
  return Number.isInteger(value) && Math.abs(value) < 1e15 ? String(value) : value.toPrecision(6);
}
