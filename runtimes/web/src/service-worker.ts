/** `sw.js` of a bundle: the page works offline once it was loaded.
 *
 * Files with a hash in their name never change: they come from the cache. The others (index.html, model.json) come from the server
 * where it answers. What is cached is what the page asked for, so that nobody downloads a build of the engine for another browser.
 */

interface FetchEventLike extends Event {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}

interface ServiceWorkerScope {
  readonly registration: { readonly scope: string };
  addEventListener(type: "install" | "activate", listener: (event: Event & { waitUntil(done: Promise<unknown>): void }) => void): void;
  addEventListener(type: "message", listener: (event: MessageEvent<string[]> & { waitUntil(done: Promise<unknown>): void }) => void): void;
  addEventListener(type: "fetch", listener: (event: FetchEventLike) => void): void;
  skipWaiting(): Promise<void>;
  readonly clients: { claim(): Promise<void> };
}

const worker = globalThis as unknown as ServiceWorkerScope;
const CACHE = `kexport ${worker.registration.scope}`;
const HASHED = /[.-][0-9a-f]{12}\.[a-z0-9.]+$/;

worker.addEventListener("install", (event) => {
  event.waitUntil(worker.skipWaiting());
});

worker.addEventListener("activate", (event) => {
  // Nothing waits for the page to be claimed: in Firefox (153) that takes until all its workers have answered, and those of the engine's threads
  // wait for work and never do.
  worker.clients.claim().catch(() => {});
  event.waitUntil(withoutOldFiles());
});

// What the page loaded before this worker was there.
worker.addEventListener("message", (event) => {
  event.waitUntil(Promise.all(event.data.map((url) => kept(new Request(url)))));
});

worker.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method === "GET" && request.url.startsWith(worker.registration.scope)) {
    event.respondWith(kept(request));
  }
});

function kept(request: Request): Promise<Response> {
  return HASHED.test(new URL(request.url).pathname) ? cachedFirst(request) : freshFirst(request);
}

async function cachedFirst(request: Request): Promise<Response> {
  const cache = await caches.open(CACHE);
  const found = await cache.match(request, { ignoreVary: true });
  if (found) {
    return found;
  }
  const response = await fetch(request);
  if (response.ok) {
    await cache.put(request, response.clone()).catch(() => {}); // a full disk is no reason to fail
  }
  return response;
}

async function freshFirst(request: Request): Promise<Response> {
  const cache = await caches.open(CACHE);
  const key = new URL(request.url);
  key.search = "";
  try {
    const response = await fetch(request);
    if (response.ok) {
      await cache.put(key.href, response.clone()).catch(() => {});
    }
    return response;
  } catch (error) {
    const found = await cache.match(key.href, { ignoreVary: true });
    if (found) {
      return found;
    }
    throw error;
  }
}

/** Hashed files that the newest model.json does not name go. */
async function withoutOldFiles(): Promise<void> {
  const cache = await caches.open(CACHE);
  const description = await cache.match(new URL("model.json", worker.registration.scope).href);
  const index = await cache.match(worker.registration.scope);
  if (!description || !index) {
    return;
  }
  const named = (await description.text()) + (await index.text());
  for (const request of await cache.keys()) {
    const file = new URL(request.url).pathname.split("/").pop() ?? "";
    if (HASHED.test(file) && !named.includes(file)) {
      await cache.delete(request);
    }
  }
}
