/** What a page and its worker say to each other. */

import type { DownloadProgress } from "../bundle";
import type { BuildName, Description } from "../description";
import type { Accelerator } from "../engine/session";
import type { Bytes, Prepared, Ran } from "./runner";

/** The name of workers that are this package's. */
export const WORKER_NAME = "kexport-web";

export type Request =
  | { readonly kind: "open"; readonly address: string; readonly description: Description }
  | { readonly kind: "use"; readonly accelerator: Accelerator; readonly build: BuildName | undefined }
  | { readonly kind: "run"; readonly signature: string; readonly inputs: Bytes }
  | { readonly kind: "dispose" };

export interface Call {
  readonly id: number;
  readonly request: Request;
}

export type Answer =
  | { readonly id: number; readonly result: Prepared | Ran | null }
  | { readonly id: number; readonly error: { readonly name: string; readonly message: string } }
  | { readonly id: number; readonly progress: DownloadProgress };
