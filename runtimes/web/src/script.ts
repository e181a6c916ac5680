/** `kexport-web.js` of a bundle: in a page it sets the global `kexport`, as a worker of its own it computes. */

import * as kexport from "./index";
import { serve } from "./runner/host";
import { WORKER_NAME } from "./runner/messages";

const scope = globalThis as unknown as { name?: string; importScripts?: unknown; kexport?: typeof kexport };

if (typeof scope.importScripts === "function" && scope.name === WORKER_NAME) {
  serve(globalThis as unknown as Parameters<typeof serve>[0]);
} else {
  scope.kexport = kexport;
}
