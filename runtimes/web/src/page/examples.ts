/** The golden samples: put one into the inputs, and see whether it comes out as in Keras. */

import type { Tensor } from "../arrays";
import { messageOf } from "../errors";
import type { KexportModel } from "../model";
import { h } from "./dom";

export class Examples {
  readonly element: HTMLElement;
  private readonly buttons: HTMLButtonElement[];
  private readonly message = h("p", { id: "agreement", className: "hint", role: "status" });
  /** Which one the inputs stand at; -1 once they were changed. */
  private current = -1;

  /** @param show puts inputs into the panels, and predicts. */
  constructor(
    private readonly model: KexportModel,
    private readonly show: (inputs: Record<string, Tensor>) => void,
  ) {
    const count = model.exampleCount;
    this.buttons = Array.from({ length: count }, (_, index) =>
      h(
        "button",
        {
          type: "button",
          id: index ? `sample-${index + 1}` : "sample",
          aria: count > 1 ? { pressed: "false", label: `Golden sample ${index + 1} of ${count}` } : {},
          onclick: () => void this.choose(index),
        },
        count > 1 ? `${index + 1}` : "Golden sample",
      ),
    );
    const label = h("span", { id: "samples-label" }, "Golden samples");
    const group = count > 1 ? h("div", { className: "samples", role: "group", aria: { labelledby: label.id } }, label, ...this.buttons) : this.buttons[0];
    this.element = h("div", { className: "examples" }, group, this.message);
  }

  /** Show a sample, and hold what comes out against the reference. */
  async choose(index: number): Promise<void> {
    this.mark(index);
    try {
      const inputs = await this.model.example(index);
      if (this.current !== index) {
        return;
      }
      this.show(inputs);
      const { status, reference, outputs } = await this.model.checkExample(index);
      if (this.current !== index) {
        return;
      }
      const worst = Math.max(0, ...outputs.map((one) => one.relativeError));
      this.tell(
        status === "right"
          ? `Comes out as in ${reference}, to ${worst.toExponential(1)} of the output's range.`
          : `Comes out otherwise than in ${reference}: ${outputs.map(({ name, problem }) => problem && `${name}: ${problem}`).filter(Boolean).join("; ")}.`,
        status === "right",
      );
    } catch (error) {
      if (this.current === index) {
        this.mark(-1);
        this.tell(messageOf(error), false);
      }
    }
  }

  /** The inputs are no sample any more. */
  leave(): void {
    if (this.current >= 0) {
      this.mark(-1);
    }
  }

  private mark(index: number): void {
    this.current = index;
    if (this.buttons.length > 1) {
      this.buttons.forEach((button, at) => button.setAttribute("aria-pressed", String(at === index)));
    }
    this.tell("", true);
  }

  private tell(text: string, good: boolean): void {
    this.message.className = good ? "hint" : "warning";
    this.message.textContent = text;
  }
}
