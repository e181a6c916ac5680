/** Numbers: a field or a slider each where they are few, else a text. */

import type { InputArray } from "../arrays";
import { type Port, sizeOf } from "../description";
import { h, shapeText } from "./dom";
import type { InputPanel, OnChange } from "./panel";

/** More fields than that nobody fills in one by one. */
const MOST_FIELDS = 64;

/** The panel that fits a port; `sliders` for what is drawn from a distribution around 0 (the input of a generator). */
export function numbersInput(port: Port, onChange: OnChange, sliders: boolean): InputPanel {
  return sizeOf(port) <= MOST_FIELDS ? new Fields(port, onChange, sliders) : new Text(port, onChange);
}

class Fields implements InputPanel {
  readonly element: HTMLElement;
  private readonly fields: HTMLInputElement[];
  /** What the sliders stand at. */
  private readonly shown: HTMLElement[];

  constructor(
    readonly port: Port,
    onChange: OnChange,
    sliders: boolean,
  ) {
    const whole = !port.dtype.startsWith("float") && port.dtype !== "bfloat16";
    const count = sizeOf(port);
    this.fields = Array.from({ length: count }, (_, index) =>
      h("input", {
        id: `${port.name}-${index}`,
        type: sliders ? "range" : "number",
        ...(sliders ? { min: port.rows === undefined ? "-3" : "0", max: String((port.rows ?? 4) - 1) } : {}),
        step: whole ? "1" : sliders ? "0.05" : "any",
        value: "0",
        oninput: () => {
          this.tell();
          onChange();
        },
      }),
    );
    this.shown = sliders ? this.fields.map((field) => h("span", { className: "number", aria: { hidden: "true" } }, field.value)) : [];
    this.element = h(
      "fieldset",
      { className: sliders ? "sliders" : "fields" },
      h("legend", {}, `${port.name}: ${port.dtype} ${shapeText(port.shape)}`),
      ...this.fields.map((field, index) => h("label", { htmlFor: field.id }, count > 1 ? `${index}` : port.name, field, this.shown[index])),
    );
  }

  value(): number[] {
    return this.fields.map((field) => Number(field.value) || 0);
  }

  show(value: ArrayLike<number | bigint>): void {
    this.fields.forEach((field, index) => {
      field.value = shortest(value[index] ?? 0);
    });
    this.tell();
  }

  private tell(): void {
    this.shown.forEach((element, index) => {
      element.textContent = this.fields[index]?.value ?? "";
    });
  }
}

class Text implements InputPanel {
  readonly element: HTMLElement;
  private readonly area: HTMLTextAreaElement;
  private readonly message = h("p", { className: "hint", role: "status" });
  private good: number[];

  constructor(
    readonly port: Port,
    private readonly onChange: OnChange,
  ) {
    this.good = new Array<number>(sizeOf(port)).fill(0);
    this.area = h("textarea", { id: `numbers-${port.name}`, rows: 6, spellcheck: false, oninput: () => this.read() });
    this.element = h(
      "div",
      { className: "column" },
      h("label", { htmlFor: this.area.id }, `${port.name}: ${port.dtype} ${shapeText(port.shape)}, separated by spaces or commas; what is left out is 0`),
      this.area,
      this.message,
    );
  }

  value(): InputArray {
    return this.good;
  }

  show(value: ArrayLike<number | bigint>): void {
    this.good = Array.from(value, Number);
    this.area.value = Array.from(value, shortest).join(" ");
    this.message.textContent = "";
  }

  private read(): void {
    const words = this.area.value.split(/[\s,;[\]]+/).filter(Boolean);
    const wrong = words.find((word) => !Number.isFinite(Number(word)));
    const size = this.good.length;
    if (wrong !== undefined || words.length > size) {
      this.message.textContent = wrong === undefined ? `${words.length} numbers, and there is room for ${size}.` : `“${wrong}” is no number.`;
      return;
    }
    this.message.textContent = "";
    this.good = Array.from({ length: size }, (_, index) => Number(words[index] ?? 0));
    this.onChange();
  }
}

function shortest(value: number | bigint): string {
  return typeof value === "bigint" ? String(value) : String(Number(value.toPrecision(6)));
}
