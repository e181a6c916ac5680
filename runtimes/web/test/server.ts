/** A static server for tests: plain, or with the headers that a careful one sends. */

import { readFile } from "node:fs/promises";
import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";

const TYPES: Record<string, string> = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".json": "application/json" };

export const ISOLATED = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };
export const STRICT = {
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; worker-src 'self'",
};

export interface Site {
  readonly url: string;
  readonly asked: string[];
  close(): void;
}

/** Serve a folder beneath `/some/path/`; a file that `lost` matches is not there, and a single-page server answers with a page (`html`) in
 * place of it. */
export async function serve(folder: string, headers: Record<string, string> = {}, lost?: { file: RegExp; html?: boolean }): Promise<Site> {
  const prefix = "/some/path/";
  const asked: string[] = [];
  const server: Server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://x").pathname;
    asked.push(path);
    const file = path === prefix ? "index.html" : path.slice(prefix.length);
    if (lost?.file.test(file)) {
      response.writeHead(lost.html ? 200 : 404, { "Content-Type": "text/html" }).end("<!doctype html><title>Not found</title>");
      return;
    }
    readFile(path.startsWith(prefix) && !file.includes("..") ? join(folder, file) : "").then(
      (body) => response.writeHead(200, { "Content-Type": TYPES[extname(file)] ?? "application/octet-stream", ...headers }).end(body),
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}${prefix}`,
    asked,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
