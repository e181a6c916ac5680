/** The worker's side: it does what the page asks for, one thing after the other. */

import { UrlBundle } from "../bundle";
import { messageOf } from "../errors";
import type { Answer, Call, Request } from "./messages";
import { LocalRunner, type Prepared, type Ran } from "./runner";

type Post = (answer: Answer, transfer?: Transferable[]) => void;

/** Answer the page's calls from now on. */
export function serve(scope: { postMessage(message: unknown, transfer: Transferable[]): void; onmessage: unknown }): void {
  const post: Post = (answer, transfer = []) => scope.postMessage(answer, transfer);
  let runner: LocalRunner | undefined;
  let last: Promise<void> = Promise.resolve();
  scope.onmessage = ({ data }: MessageEvent<Call>): void => {
    last = last.then(async () => {
      try {
        if (data.request.kind === "open") {
          runner = new LocalRunner(new UrlBundle(data.request.address, data.request.description));
          post({ id: data.id, result: null });
          return;
        }
        if (!runner) {
          throw new Error("The worker has no bundle.");
        }
        const result = await answered(runner, data.request, data.id, post);
        const moved = result && "outputs" in result ? Object.values(result.outputs).map((bytes) => bytes.buffer) : [];
        post({ id: data.id, result }, moved as ArrayBuffer[]);
      } catch (error) {
        post({ id: data.id, error: { name: error instanceof Error ? error.name : "Error", message: messageOf(error) } });
      }
    });
  };
}

async function answered(runner: LocalRunner, request: Request, id: number, post: Post): Promise<Prepared | Ran | null> {
  switch (request.kind) {
    case "use":
      return runner.use(request.accelerator, request.build, (progress) => post({ id, progress }));
    case "run":
      return runner.run(request.signature, request.inputs);
    default:
      await runner.dispose();
      return null;
  }
}
