// Asks for work, does it, hands back what came out; web_browser.py is the other side. An answer is a frame without arrays (see
// kexport_runtimes/browser/frames.py).

const TURN_MS = 4;
const WARM_UP_MS = 1000; // what runs often is compiled anew meanwhile

/** The window of a frame that holds the sample. An engine takes typed arrays of its own window alone. */
async function frameWith(sample) {
  const frame = document.createElement("iframe");
  frame.src = "engine.html";
  await new Promise((resolve) => {
    frame.onload = resolve;
    document.documentElement.append(frame);
  });
  await frame.contentWindow.take(sample);
  return frame.contentWindow;
}

async function elapsed(run, times) {
  const start = performance.now();
  for (let time = 0; time < times; time++) {
    await run();
  }
  return (performance.now() - start) / times;
}

/** Milliseconds a prediction of each engine, round by round: all are loaded, then they take turns; who begins changes. */
async function latency({ engines, sample, rounds }) {
  const ready = [];
  const found = {};
  for (const { name, options } of engines) {
    try {
      const run = await (await frameWith(sample)).start(name, options);
      const output = Array.from(await run());
      const end = performance.now() + WARM_UP_MS;
      let once;
      do {
        once = await elapsed(run, 5);
      } while (performance.now() < end);
      found[name] = { output, times: [] };
      ready.push({ name, run, turn: Math.max(1, Math.ceil(TURN_MS / once)) });
    } catch (error) {
      found[name] = { failed: `${error?.message ?? error}` };
    }
  }
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < ready.length; turn++) {
      const { name, run, turn: times } = ready[(round + turn) % ready.length];
      found[name].times.push(await elapsed(run, times));
    }
  }
  return found;
}

/** One engine in a browser that has loaded nothing yet: milliseconds until its first output is there, and what it fetched. */
async function visit({ engine: { name, options }, sample }) {
  const frame = await frameWith(sample);
  const start = performance.now();
  const run = await frame.start(name, options);
  await run();
  const first = performance.now() - start;
  const names = frame.performance.getEntriesByType("resource").map((entry) => new URL(entry.name).pathname);
  return { first, files: [...new Set(names)].filter((path) => !/\/(engines\.js|sample\.bin)$/.test(path)) };
}

const WORK = { latency, visit };

for (;;) {
  const response = await fetch("../../next");
  if (response.status === 204) {
    continue;
  }
  const buffer = await response.arrayBuffer();
  const length = new DataView(buffer).getUint32(0, true);
  const message = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  let answer;
  try {
    answer = { found: await WORK[message.work](message) };
  } catch (error) {
    answer = { failed: `${error?.message ?? error}` };
  }
  const text = new TextEncoder().encode(JSON.stringify({ ...answer, arrays: [] }));
  const head = new DataView(new ArrayBuffer(4));
  head.setUint32(0, text.byteLength, true);
  await fetch(`../../done/${message.id}`, { method: "POST", body: new Blob([head, text]) });
}
