// The engines, each in a frame of its own: take() fetches the sample, start() loads an engine with its model and gives what computes it.
// All of them compute on the page's own thread, and on one thread; what a run costs includes handing the numbers over and back.
"use strict";

function script(address) {
  return new Promise((resolve, reject) => {
    const element = document.createElement("script");
    element.src = address;
    element.onload = () => resolve();
    element.onerror = () => reject(new Error(`${address} can't be loaded`));
    document.head.append(element);
  });
}

async function kexportWeb({ model }) {
  const description = await (await fetch(`${model}model.json`)).json();
  await script(model + description.script.file);
  const loaded = await kexport.KexportModel.load(model, { accelerator: "wasm", worker: false });
  const input = loaded.inputs[0].name;
  const output = loaded.outputs[0].name;
  return async (sample) => (await loaded.predict({ [input]: sample }))[output].data;
}

async function tensorflowJs({ packages, model, shape }, backend) {
  await script(`${packages}tfjs-core/dist/tf-core.es2017.min.js`);
  await script(`${packages}tfjs-converter/dist/tf-converter.es2017.min.js`);
  await script(`${packages}tfjs-backend-${backend}/dist/tf-backend-${backend}.es2017.min.js`);
  if (backend === "wasm") {
    tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
    tf.wasm.setWasmPaths(`${packages}tfjs-backend-wasm/dist/`);
  }
  await tf.setBackend(backend);
  const loaded = await tf.loadGraphModel(`${model}model.json`);
  return async (sample) => {
    const input = tf.tensor(sample, shape, "float32");
    const output = loaded.predict(input);
    const values = await output.data();
    input.dispose();
    output.dispose();
    return values;
  };
}

async function onnxRuntimeWeb({ packages, model, shape }) {
  await script(`${packages}onnxruntime-web/dist/ort.wasm.min.js`);
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = `${packages}onnxruntime-web/dist/`;
  const session = await ort.InferenceSession.create(`${model}model.onnx`, { executionProviders: ["wasm"] });
  return async (sample) => {
    const found = await session.run({ [session.inputNames[0]]: new ort.Tensor("float32", sample, shape) });
    return found[session.outputNames[0]].data;
  };
}

async function kerasJs({ packages, model }) {
  await script(`${packages}keras-js/dist/keras.min.js`);
  const loaded = new KerasJS.Model({ filepath: `${model}model.bin`, gpu: false });
  await loaded.ready();
  const input = loaded.inputLayerNames[0];
  const output = loaded.outputLayerNames[0];
  return async (sample) => (await loaded.predict({ [input]: sample }))[output];
}

const ENGINES = {
  "kexport-web": kexportWeb,
  "kexport-web-float32": kexportWeb,
  "tfjs-wasm": (options) => tensorflowJs(options, "wasm"),
  "tfjs-webgl": (options) => tensorflowJs(options, "webgl"),
  "onnxruntime-web": onnxRuntimeWeb,
  "keras-js": kerasJs,
};

let sample;

globalThis.take = async (address) => {
  sample = new Float32Array(await (await fetch(address)).arrayBuffer());
};

/** `options`: addresses of the folders of `packages` and of the `model`, and the input's `shape` with its batch of 1. */
globalThis.start = async (engine, options) => {
  const run = await ENGINES[engine](options);
  return () => run(sample);
};
