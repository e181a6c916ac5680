/** The page of a bundle. */

import type * as Kexport from "../index";

const { KexportModel } = (globalThis as unknown as { kexport: typeof Kexport }).kexport;

async function start(): Promise<void> {
  const main = document.querySelector("main") as HTMLElement;
  const badge = document.createElement("p");
  badge.id = "badge";
  badge.setAttribute("role", "status");
  main.append(badge);
  try {
    const model = await KexportModel.load("model.json");
    (globalThis as unknown as { model: Kexport.KexportModel }).model = model;
    badge.dataset.status = model.check.status;
    badge.textContent = `${model.check.status} on ${model.accelerator}`;
  } catch (error) {
    badge.dataset.status = "failed";
    badge.textContent = String(error);
  }
  if ("serviceWorker" in navigator && location.protocol.startsWith("http")) {
    navigator.serviceWorker.register("sw.js").catch(() => {});
  }
}

void start();
