/** Whether the bundle computes right here, on what, and the switch between accelerators. */

import type { Accelerator } from "../engine/session";
import { messageOf } from "../errors";
import type { KexportModel } from "../model";
import { bytesText, h, msText, section } from "./dom";

export const TITLES: Record<Accelerator, string> = {
  webgpu: "GPU (WebGPU)",
  "wasm-threads": "CPU, threads",
  wasm: "CPU, one thread",
};

/** A line that says how far the bundle has come in. */
export class Download {
  private readonly bar = h("progress", { max: 1, value: 0, aria: { label: "Download" } });
  private readonly text = h("span");
  readonly element = h("p", { id: "download", role: "status" }, this.bar, " ", this.text);
  private readonly files = new Map<string, { loaded: number; total: number }>();

  show(file: string, loaded: number, total: number): void {
    // A server that unpacks what is packed sends more.
    this.files.set(file, { loaded: Math.min(loaded, total), total });
    const all = [...this.files.values()];
    const [done, whole] = [all.reduce((sum, one) => sum + one.loaded, 0), all.reduce((sum, one) => sum + one.total, 0)];
    this.bar.value = whole ? done / whole : 0;
    this.text.textContent = `${bytesText(done)} of ${bytesText(whole)}`;
  }
}

/** The badge: green where the golden sample came out right. */
export function badge(model: KexportModel): HTMLElement {
  const { status, reference, outputs, tolerance } = model.check;
  const worst = Math.max(0, ...outputs.map((one) => one.relativeError));
  const text =
    status === "right"
      ? `Verified here: the golden sample comes out as in ${reference}, to ${worst.toExponential(1)} of the output's range (${tolerance} is allowed).`
      : "Not verified: this bundle was exported without a reference.";
  return h("p", { id: "badge", data: { status }, role: "status" }, h("span", { className: "mark", aria: { hidden: "true" } }, status === "right" ? "✓" : "?"), " ", text);
}

/** What can't be loaded, or computes wrong: the error, and no numbers. */
export function failure(error: unknown): HTMLElement {
  return h("p", { id: "badge", data: { status: "failed" }, role: "alert" }, h("span", { className: "mark", aria: { hidden: "true" } }, "✗"), " ", messageOf(error));
}

/** Choose what computes, and measure it. */
export class Accelerators {
  readonly element: HTMLElement;
  private readonly message = h("p", { className: "hint", role: "status" });
  private readonly cells = new Map<Accelerator, HTMLElement>();
  private readonly choices = new Map<Accelerator, HTMLInputElement>();

  constructor(
    private readonly model: KexportModel,
    private readonly offered: readonly Accelerator[],
    private readonly onChange: () => void,
  ) {
    const rows = offered.map((accelerator) => this.row(accelerator));
    const all = h("button", { type: "button", id: "measure", onclick: () => void this.measure(all) }, "Measure all");
    this.element = section(
      "accelerators",
      "Computed on",
      h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "What computes"), h("th", { scope: "col" }, "A prediction takes"))), h("tbody", {}, ...rows)),
      all,
      this.message,
    );
    this.refresh();
  }

  /** Mark what computes now, and what it takes. */
  refresh(): void {
    for (const [accelerator, choice] of this.choices) {
      choice.checked = accelerator === this.model.accelerator;
    }
    for (const { accelerator, problem } of this.model.attempts) {
      const cell = this.cells.get(accelerator);
      if (cell && problem) {
        cell.replaceChildren(...notUsed(problem));
      }
    }
    const { threads, version } = this.model.engine;
    this.message.textContent = `${version}${threads > 1 ? `, ${threads} threads` : ""}; loaded in ${msText(this.model.timings.download)}, compiled in ${msText(this.model.timings.compile)}.`;
  }

  private row(accelerator: Accelerator): HTMLElement {
    const choice = h("input", { type: "radio", name: "accelerator", id: `use-${accelerator}`, value: accelerator, onchange: () => void this.use(accelerator) });
    const cell = h("td", { data: { time: accelerator } }, "–");
    this.choices.set(accelerator, choice);
    this.cells.set(accelerator, cell);
    return h("tr", {}, h("td", {}, choice, h("label", { htmlFor: choice.id }, TITLES[accelerator])), cell);
  }

  private async use(accelerator: Accelerator): Promise<void> {
    this.message.textContent = `Preparing ${TITLES[accelerator]} …`;
    try {
      await this.model.use(accelerator);
    } catch {
      // The table says why.
    }
    this.refresh();
    this.onChange();
  }

  /** Milliseconds of predictions behind the first ones: 20, or as many as two seconds have room for. */
  private async timed(): Promise<number[]> {
    await this.model.benchmark(2);
    const end = performance.now() + 2000;
    const times: number[] = [];
    while (times.length < 3 || (times.length < 20 && performance.now() < end)) {
      times.push(...(await this.model.benchmark(1)));
    }
    return times;
  }

  private async measure(button: HTMLButtonElement): Promise<void> {
    button.disabled = true;
    const before = this.model.accelerator;
    for (const accelerator of this.offered) {
      const cell = this.cells.get(accelerator) as HTMLElement;
      try {
        await this.model.use(accelerator);
        this.message.textContent = `Measuring ${TITLES[accelerator]} …`;
        const times = (await this.timed()).sort((a, b) => a - b);
        cell.textContent = msText(times[Math.floor(times.length / 2)] as number);
      } catch (error) {
        cell.replaceChildren(...notUsed(messageOf(error)));
      }
    }
    await this.model.use(before);
    this.refresh();
    button.disabled = false;
  }
}

/** Why an accelerator is not used: in a sentence, and what else is known behind a fold. */
function notUsed(problem: string): (HTMLElement | string)[] {
  const [sentence, ...rest] = problem.split(/(?<=\.) /);
  const more = rest.join(" ");
  return [`not used: ${sentence}`, ...(more ? [h("details", {}, h("summary", {}, "More"), more)] : [])];
}
