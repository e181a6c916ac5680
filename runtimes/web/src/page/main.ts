/** The page of a bundle, made from its model. */

import type { InputArray, Tensor } from "../arrays";
import { type Port, sizeOf } from "../description";
import { messageOf } from "../errors";
import type * as Kexport from "../index";
import type { KexportModel } from "../model";
import { ActivationMap } from "./activation-map";
import { h, msText, section } from "./dom";
import { Examples } from "./examples";
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

type Inputs = Record<string, InputArray>;

/** The ways to give the inputs of one sample, one a port. */
function panelsOf(model: KexportModel, onChange: OnChange): InputPanel[] {
  const generates = model.outputs.some((port) => imageShape(port.shape));
  return model.inputs.map((batch) => {
    const port = ofOneSample(batch);
    const preprocessing = model.preprocessing?.input === port.name ? model.preprocessing : null;
    const image = imageShape(port.shape, preprocessing?.layout);
    if (model.vocabulary?.input === port.name) {
      return new TextInput(port, model.vocabulary, onChange);
    }
    return image ? new ImageInput(port, image, preprocessing, onChange) : numbersInput(port, onChange, generates);
  });
}

function ofOneSample(port: Port): Port {
  return { ...port, shape: [1, ...port.shape.slice(1)] };
}

/** Predicts whenever an input changes; while one prediction runs, only the newest input waits. */
class Player {
  readonly output = h("div", { id: "output", aria: { live: "polite" } });
  readonly time = h("p", { id: "time", className: "hint" });
  private running = false;
  private again = false;

  constructor(
    private readonly model: KexportModel,
    private readonly inputs: () => Inputs,
    private readonly after: (inputs: Inputs, outputs: Record<string, Tensor>) => Promise<void>,
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
        const given = this.inputs();
        const outputs = await this.model.predict(given);
        this.output.replaceChildren(...results(this.model, outputs));
        this.time.textContent = `Computed in ${msText(this.model.timings.predict)}.`;
        await this.after(given, outputs);
      } catch (error) {
        this.output.replaceChildren(h("p", { className: "warning", role: "alert" }, messageOf(error)));
        this.time.textContent = "";
      }
    }
    this.running = false;
  };
}

function build(model: KexportModel): void {
  const inputs = (): Inputs => Object.fromEntries(panels.map((panel) => [panel.port.name, panel.value()]));
  const channelsFirst = model.preprocessing?.layout === "channels_first";
  const layers = model.layers.length ? new LayerView(model, inputs, channelsFirst) : null;
  /** What is shown of the inside, of one computation. */
  const lookInside = async (given: Inputs, outputs: Record<string, Tensor>): Promise<void> => {
    const wanted = layers?.wanted ?? [];
    if (!map && !wanted.length) {
      return;
    }
    try {
      const inside = await model.inspect(given, wanted);
      if (inside.activationMap) {
        map?.show(outputs[model.outputs[0]?.name ?? ""] as Tensor, inside.activationMap);
      }
      layers?.show(inside.layers);
    } catch (error) {
      map?.fail(error);
      layers?.fail(error);
    }
  };
  const player = new Player(model, inputs, lookInside);
  const panels = panelsOf(model, () => {
    examples?.leave();
    void player.play();
  });
  const image = panels.find((panel) => panel instanceof ImageInput);
  const map = image && model.hasActivationMap ? new ActivationMap(model, image.canvas) : null;
  const status = h("div", { id: "status" }, badge(model));
  const accelerators = new Accelerators(model, Model.accelerators(), () => {
    status.replaceChildren(badge(model));
    void player.play();
  });
  const show = (sample: Record<string, Tensor>): void => {
    for (const panel of panels) {
      // Of a batch, the first.
      panel.show((sample[panel.port.name] as Tensor).data.subarray(0, sizeOf(panel.port)));
    }
    void player.play();
  };
  const examples = model.exampleCount ? new Examples(model, show) : null;
  main.replaceChildren(
    h("header", {}, h("h1", {}, model.name), status),
    h(
      "div",
      { className: "split" },
      section("input", "Input", ...panels.map((panel) => panel.element), examples?.element),
      section("result", "Output", player.output, player.time, map?.element),
    ),
    ...(layers ? [layers.element] : []),
    accelerators.element,
  );
  layers?.start();
  if (examples) {
    void examples.choose(0);
  } else {
    void player.play();
  }
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
