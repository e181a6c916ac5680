/** Numbers: a field or a slider each where they are few, else a text. */

import type { InputArray } from "../arrays";
import { type Port, sizeOf } from "../description";
import { messageOf } from "../errors";
import { audioFile } from "./audio-file";
import { drawTensor } from "./drawing";
import { h, shapeText } from "./dom";
import { fromText, readNumbers } from "./number-file";
import type { InputPanel, OnChange } from "./panel";

/** More fields than that nobody fills in one by one. */
const MOST_FIELDS = 64;
/** A quarter of a second at 8 kHz. */
const SHORTEST_SOUND = 2000;

/** The panel that fits a port; `sliders` for what is drawn from a distribution around 0 (the input of a generator). */
export function numbersInput(port: Port, onChange: OnChange, sliders: boolean): InputPanel {
  if (sizeOf(port) <= MOST_FIELDS) {
    return new Fields(port, onChange, sliders);
  }
  return new Text(port, onChange, isSound(port) ? (take) => audioFile(port, take) : undefined);
}

/** Whether an input may be a sound: a long row of floats. */
function isSound({ dtype, shape }: Port): boolean {
  const [, length = 0, channels = 1] = shape;
  return dtype.startsWith("float") && shape.length <= 3 && channels === 1 && length >= SHORTEST_SOUND;
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

/** A text of many numbers, which may come from a file, with a picture of them. */
class Text implements InputPanel {
  readonly element: HTMLElement;
  private readonly area: HTMLTextAreaElement;
  private readonly message = h("p", { className: "hint", role: "status" });
  private readonly picture = h("div", { className: "maps", role: "img", aria: { label: "" } });
  private good: number[];

  constructor(
    readonly port: Port,
    private readonly onChange: OnChange,
    more?: (take: (numbers: number[]) => void) => HTMLElement,
  ) {
    this.good = new Array<number>(sizeOf(port)).fill(0);
    this.area = h("textarea", { id: `numbers-${port.name}`, rows: 6, spellcheck: false, oninput: () => this.take(() => fromText(this.area.value)) });
    const file = h("input", { type: "file", accept: ".npy,.csv,.txt,.json", id: `file-${port.name}`, onchange: () => void this.open(file.files?.[0]) });
    this.element = h(
      "div",
      { className: "column" },
      h("label", { htmlFor: this.area.id }, `${port.name}: ${port.dtype} ${shapeText(port.shape)}, separated by spaces or commas; what is left out is 0`),
      this.area,
      h("label", { htmlFor: file.id }, "or a file (.npy, or a text of numbers) ", file),
      more?.((numbers) => {
        this.write(numbers);
        this.take(() => numbers);
      }),
      this.message,
      this.picture,
    );
  }

  value(): InputArray {
    return this.good;
  }

  show(value: ArrayLike<number | bigint>): void {
    this.good = Array.from(value, Number);
    this.write(value);
    this.message.textContent = "";
    this.draw();
  }

  private async open(file: File | undefined): Promise<void> {
    if (!file) {
      return;
    }
    try {
      const numbers = await readNumbers(file);
      this.write(numbers);
      this.take(() => numbers);
    } catch (error) {
      this.message.textContent = `${file.name} can't be read. ${messageOf(error)}`;
    }
  }

  private write(value: ArrayLike<number | bigint>): void {
    this.area.value = Array.from(value, shortest).join(" ");
  }

  private take(read: () => number[]): void {
    const size = this.good.length;
    try {
      const numbers = read();
      if (numbers.length > size) {
        this.message.textContent = `${numbers.length} numbers, and there is room for ${size}.`;
        return;
      }
      this.good = Array.from({ length: size }, (_, index) => numbers[index] ?? 0);
    } catch (error) {
      this.message.textContent = messageOf(error);
      return;
    }
    this.message.textContent = "";
    this.draw();
    this.onChange();
  }

  private draw(): void {
    const { dtype, shape } = this.port;
    const { pictures, left } = drawTensor({ data: Float32Array.from(this.good), shape, dtype }, false, 16);
    this.picture.replaceChildren(...pictures);
    this.picture.ariaLabel = `A picture of ${this.port.name}${left > 0 ? `, of which ${left} parts are left out` : ""}`;
  }
}

function shortest(value: number | bigint): string {
  return typeof value === "bigint" ? String(value) : String(Number(value.toPrecision(6)));
}
