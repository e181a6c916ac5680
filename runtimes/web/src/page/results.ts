/** What the model gives, as it reads best. */

import type { Tensor } from "../arrays";
import type { KexportModel } from "../model";
import { drawImage, drawTensor } from "./drawing";
import { h, shapeText } from "./dom";
import { imageShape } from "./preprocess";

const TOP = 5;

/** The outputs of one prediction. */
export function results(model: KexportModel, outputs: Readonly<Record<string, Tensor>>): HTMLElement[] {
  return model.outputs.map((port, index) => {
    const tensor = outputs[port.name] as Tensor;
    const title = h("h3", {}, `${port.name} `, h("small", {}, `${port.dtype} ${shapeText(port.shape)}`));
    return h("div", { className: "result", data: { output: port.name } }, title, shown(port.name, tensor, index === 0 ? model.labels : null));
  });
}

function shown(name: string, tensor: Tensor, labels: readonly string[] | null): HTMLElement {
  const values = Array.from(tensor.data as ArrayLike<number | bigint>, Number);
  if (values.some((value) => !Number.isFinite(value))) {
    return h("p", { className: "warning" }, "The output holds values that are not finite.");
  }
  if (tensor.shape.length === 2 && values.length > 1) {
    return ranking(values, labels);
  }
  if (values.length <= 8) {
    return h("p", { className: "numbers" }, values.map((value) => value.toPrecision(6)).join("  "));
  }
  const image = imageShape(tensor.shape);
  if (image) {
    const canvas = drawImage(tensor, image.layout === "channels_first");
    canvas.classList.add("output-image");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `The output ${name}, a picture of ${image.height} × ${image.width}`);
    return canvas;
  }
  return h("div", { className: "maps", role: "img", aria: { label: `The output ${name}` } }, ...drawTensor(tensor, false).pictures);
}

/** The greatest values with their labels, as bars; of the share where they are shares. */
function ranking(values: readonly number[], labels: readonly string[] | null): HTMLElement {
  const shares = values.every((value) => value >= 0 && value <= 1);
  const high = values.reduce((a, b) => Math.max(a, Math.abs(b)), 1e-30);
  const best = values.map((value, index) => ({ value, index })).sort((a, b) => b.value - a.value).slice(0, TOP);
  return h(
    "ol",
    { className: "ranking" },
    ...best.map(({ value, index }) => {
      const bar = h("meter", { min: 0, max: 1, value: shares ? value : Math.abs(value) / high, aria: { hidden: "true" } });
      const text = shares ? `${(100 * value).toFixed(1)} %` : value.toPrecision(4);
      return h("li", { data: { index: String(index) } }, h("span", { className: "label" }, labels?.[index] ?? `class ${index}`), bar, h("span", { className: "number" }, text));
    }),
  );
}
