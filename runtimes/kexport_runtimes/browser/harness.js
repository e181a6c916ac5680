// Runs in the browser: fetches work, computes, hands back what came out. server.py and frames.py are the other side.
"use strict";

/** The runtimes of bundles, by the address of their script's name: bundles of one kexport share one, and its engine. */
const runtimes = new Map();

function unpack(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const message = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const arrays = {};
  let offset = 4 + length;
  for (const { name, bytes } of message.arrays) {
    arrays[name] = new Uint8Array(buffer, offset, bytes).slice();
    offset += bytes;
  }
  return { message, arrays };
}

function pack(message, arrays) {
  const listed = Object.entries(arrays).map(([name, bytes]) => ({ name, bytes: bytes.byteLength }));
  const text = new TextEncoder().encode(JSON.stringify({ ...message, arrays: listed }));
  const head = new Uint8Array(4);
  new DataView(head.buffer).setUint32(0, text.byteLength, true);
  return new Blob([head, text, ...Object.values(arrays)]);
}

function loaded(element, parent) {
  return new Promise((resolve, reject) => {
    element.onload = () => resolve(element);
    element.onerror = () => reject(new Error(`${element.src} can't be loaded`));
    parent.append(element);
  });
}

/** The runtime and the bundle of a piece of work. A folder's runtime is loaded here; a single page brings its own, in a frame. */
async function opened(address) {
  const response = await fetch(new URL("model.json", address));
  if (!response.ok) {
    const frame = document.createElement("iframe");
    frame.src = new URL("index.html?idle", address).href;
    await loaded(frame, document.documentElement);
    const { kexport } = frame.contentWindow;
    return { kexport, bundle: new kexport.InlineBundle(frame.contentDocument), close: () => frame.remove() };
  }
  const { script } = await response.json();
  if (!runtimes.has(script.file)) {
    const element = document.createElement("script");
    element.src = new URL(script.file, address).href;
    await loaded(element, document.head);
    runtimes.set(script.file, globalThis.kexport);
  }
  const kexport = runtimes.get(script.file);
  return { kexport, bundle: new kexport.UrlBundle(address.href), close: () => {} };
}

/** What was compiled last, for the next sample of the same bundle. */
let current = null;

async function prepared({ bundle: path, accelerator, build }) {
  const key = `${path} ${accelerator} ${build}`;
  if (current?.key !== key) {
    await forget();
    const { kexport, bundle, close } = await opened(new URL(path, location.href));
    const runner = new kexport.LocalRunner(bundle);
    current = { key, runner, close };
    current.prepared = await runner.use(accelerator, build ?? undefined);
  }
  return current;
}

async function forget() {
  const past = current;
  current = null;
  await past?.runner.dispose();
  past?.close();
}

async function compute(message, inputs) {
  if (message.accelerator === "auto") {
    const { kexport, bundle, close } = await opened(new URL(message.bundle, location.href));
    const model = await kexport.KexportModel.load(bundle, { worker: false });
    const found = { accelerator: model.accelerator, check: model.check.status, attempts: model.attempts };
    await model.dispose();
    close();
    return { message: found, outputs: {} };
  }
  const { runner, prepared: told } = await prepared(message);
  const first = await runner.run(message.signature, inputs);
  const times = [];
  for (let run = 0; run < message.runs; run++) {
    times.push((await runner.run(message.signature, inputs)).ms);
  }
  return { message: { prepared: told, times }, outputs: first.outputs };
}

async function work() {
  for (;;) {
    const response = await fetch("next");
    if (response.status === 204) {
      continue;
    }
    const { message, arrays } = unpack(await response.arrayBuffer());
    let answer;
    try {
      const { message: said, outputs } = await compute(message, arrays);
      answer = pack(said, outputs);
    } catch (error) {
      await forget().catch(() => {});
      answer = pack({ error: `${error?.message ?? error}` }, {});
    }
    await fetch(`done/${message.id}`, { method: "POST", body: answer });
    if (message.fresh) {
      location.reload();
      return;
    }
  }
}

work();
