/** The page of a bundle, made from its model. */

import type { InputArray, Tensor } from "../arrays";
import type * as Kexport from "../index";
import type { KexportModel } from "../model";
import { ActivationMap } from "./activation-map";
import { h, msText, section } from "./dom";
import { ImageInput } from "./image-input";
import { LayerView } from "./layers";
import { numbersInput } from "./numbers-input";
import type { InputPanel, OnChange } from "./panel";
import { imageShape } from "./preprocess";
import { results } from "./results";
import { Accelerators, Download, badge, failure } from "./status";
import { TextInput } from "./text";

const { KexportModel: Model, InlineBundle } = (globalThis as unknown as { kexport: typeof Kexport }).kexport;

const main = document.querySelector("main") as HTMLElement;

/** The ways to give the inputs, one a port. */
function panelsOf(model: KexportModel, onChange: OnChange): InputPanel[] {
  const generates = model.outputs.some((port) => imageShape(port.shape));
  return model.inputs.map((port) => {
    const preprocessing = model.preprocessing?.input === port.name ? model.preprocessing : null;
    const image = imageShape(port.shape, preprocessing?.layout);
    if (model.vocabulary?.input === port.name) {
      return new TextInput(port, model.vocabulary, onChange);
    }
    return image ? new ImageInput(port, image, preprocessing, onChange) : numbersInput(port, onChange, generates);
  });
}

/** Predicts whenever an input changes; while one prediction runs, only the newest input waits. */
class Player {
  readonly output = h("div", { id: "output", aria: { live: "polite" } });
  readonly time = h("p", { id: "time", className: "hint" });
  private running = false;
  private again = false;

  constructor(
    private readonly model: KexportModel,
    private readonly inputs: () => Record<string, InputArray>,
    private readonly after: (outputs: Record<string, Tensor>) => Promise<void>,
  ) {}

  readonly play = async (): Promise<void> => {
    this.again = true;
    if (this.running) {
      return;
    }
    this.running = true;
    while (this.again) {
      this.again = false;
      try {
        const outputs = await this.model.predict(this.inputs());
        this.output.replaceChildren(...results(this.model, outputs));
        this.time.textContent = `Computed in ${msText(this.model.timings.predict)}.`;
        await this.after(outputs);
      } catch (error) {
        this.output.replaceChildren(failure(error));
        this.time.textContent = "";
      }
    }
    this.running = false;
  };
}

function build(model: KexportModel): void {
  const inputs = (): Record<string, InputArray> => Object.fromEntries(panels.map((panel) => [panel.port.name, panel.value()]));
  const channelsFirst = model.preprocessing?.layout === "channels_first";
  const layers = model.layers.length ? new LayerView(model, inputs, channelsFirst) : null;
  const player = new Player(model, inputs, async (outputs) => {
    await map?.refresh(outputs[model.outputs[0]?.name ?? ""] as Tensor);
    await layers?.refresh();
  });
  const panels = panelsOf(model, () => void player.play());
  const image = panels.find((panel) => panel instanceof ImageInput);
  const map = image && model.hasActivationMap ? new ActivationMap(model, inputs, image.canvas) : null;
  const status = h("div", { id: "status" }, badge(model));
  const accelerators = new Accelerators(model, Model.accelerators(), () => {
    status.replaceChildren(badge(model));
    void player.play();
  });
  const sample = model.goldenInputs;
  const showSample = (): void => {
    for (const panel of panels) {
      const value = sample?.[panel.port.name];
      if (value) {
        panel.show(value.data);
      }
    }
    void player.play();
  };
  main.replaceChildren(
    h("header", {}, h("h1", {}, model.name), status),
    h(
      "div",
      { className: "split" },
      section("input", "Input", ...panels.map((panel) => panel.element), sample && h("button", { type: "button", id: "sample", onclick: showSample }, "Golden sample")),
      section("result", "Output", player.output, player.time, map?.element),
    ),
    ...(layers ? [layers.element] : []),
    accelerators.element,
  );
  layers?.start();
  showSample();
}

/** Have a service worker keep what this page is made of, with the one build of the engine that runs here. */
async function keepForOffline(): Promise<void> {
  await navigator.serviceWorker.register("sw.js");
  const { active } = await navigator.serviceWorker.ready;
  const loaded = [...document.querySelectorAll<HTMLScriptElement>("script[src]")].map((script) => script.src);
  const styles = [...document.querySelectorAll<HTMLLinkElement>("link[rel=stylesheet]")].map((link) => link.href);
  const files = model?.files ?? [];
  const urls = [location.href.split(/[?#]/)[0] as string, ...["model.json", ...files].map((file) => new URL(file, location.href).href)];
  active?.postMessage([...new Set([...urls, ...loaded, ...styles])]);
}

let model: KexportModel | null = null;

async function start(): Promise<void> {
  const download = new Download();
  main.replaceChildren(h("h1", {}, document.title), download.element);
  try {
    const bundle = InlineBundle.isIn(document) ? new InlineBundle(document) : "model.json";
    model = await Model.load(bundle, { onDownload: ({ file, loaded, total }) => download.show(file, loaded, total) });
    (globalThis as unknown as { model: KexportModel }).model = model; // for the curious, in the console
    build(model);
  } catch (error) {
    main.replaceChildren(h("h1", {}, document.title), failure(error));
  }
  if ("serviceWorker" in navigator && location.protocol.startsWith("http")) {
    await keepForOffline().catch(() => {}); // offline use is lost, nothing else
  }
}

// What only borrows the page's runtime (a test harness) asks for `?idle`.
if (!location.search.includes("idle")) {
  void start();
}
