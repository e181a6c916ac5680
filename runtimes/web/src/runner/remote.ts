/** The page's side of a worker. */

import type { OnProgress } from "../bundle";
import type { BuildName, Description } from "../description";
import type { Accelerator } from "../engine/session";
import { AcceleratorError, BundleError } from "../errors";
import { type Answer, type Request, WORKER_NAME } from "./messages";
import type { Bytes, Prepared, Ran, Runner } from "./runner";

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
  progress: OnProgress | undefined;
}

/** Computes in a worker, so that the page stays responsive. */
export class RemoteRunner implements Runner {
  private readonly worker: Worker;
  private readonly waiting = new Map<number, Waiting>();
  private calls = 0;
  prepared: Prepared | undefined;

  private constructor(script: string) {
    this.worker = new Worker(script, { name: WORKER_NAME });
    this.worker.onmessage = ({ data }: MessageEvent<Answer>) => this.take(data);
    this.worker.onerror = (event) => this.fail(new BundleError(`The worker ${script} fails: ${event.message || "it can't be loaded"}.`));
  }

  /** A worker that has answered.
   *
   * @param script the address of `kexport-web.js`, of the page's own origin.
   * @param address of the bundle.
   * @param description of the bundle, which the worker is spared to fetch again.
   * @throws BundleError where the page may start none.
   */
  static async started(script: string, address: string, description: Description): Promise<RemoteRunner> {
    const runner = new RemoteRunner(script);
    try {
      await runner.ask({ kind: "open", address, description });
      return runner;
    } catch (error) {
      await runner.dispose();
      throw error;
    }
  }

  async use(accelerator: Accelerator, build: BuildName | undefined, progress?: OnProgress): Promise<Prepared> {
    this.prepared = (await this.ask({ kind: "use", accelerator, build }, progress)) as Prepared;
    return this.prepared;
  }

  async run(signature: string, inputs: Bytes): Promise<Ran> {
    const ran = (await this.ask({ kind: "run", signature, inputs })) as Ran;
    this.prepared = ran.prepared;
    return ran;
  }

  async dispose(): Promise<void> {
    // What a worker holds goes with it.
    this.worker.terminate();
    this.fail(new AcceleratorError("The model was disposed of."));
  }

  private ask(request: Request, progress?: OnProgress): Promise<unknown> {
    const id = ++this.calls;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject, progress });
      this.worker.postMessage({ id, request });
    });
  }

  private take(answer: Answer): void {
    const waiting = this.waiting.get(answer.id);
    if (!waiting) {
      return;
    }
    if ("progress" in answer) {
      waiting.progress?.(answer.progress);
      return;
    }
    this.waiting.delete(answer.id);
    if ("error" in answer) {
      const { name, message } = answer.error;
      waiting.reject(name === BundleError.name ? new BundleError(message) : new AcceleratorError(message));
    } else {
      waiting.resolve(answer.result);
    }
  }

  private fail(error: Error): void {
    for (const { reject } of this.waiting.values()) {
      reject(error);
    }
    this.waiting.clear();
  }
}
