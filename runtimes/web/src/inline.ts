/** A bundle that is a page: its files lie in it as base64, its engine's script has run already. */

import { type Bundle, buildOf, checked, compiled, identityOf, partOf } from "./bundle";
import { type BundleFile, type BuildName, type Description, type Part, parseDescription } from "./description";
import type { EngineSource } from "./engine/load";
import { BundleError } from "./errors";

export class InlineBundle implements Bundle {
  readonly address = "this page";
  private found: Promise<Description> | undefined;

  constructor(private readonly page: Document) {}

  /** Whether the page holds a bundle. */
  static isIn(page: Document): boolean {
    return page.querySelector('script[data-file="model.json"]') !== null;
  }

  description(): Promise<Description> {
    this.found ??= Promise.resolve().then(() => parseDescription(new TextDecoder().decode(this.read("model.json")), this.address));
    return this.found;
  }

  async bytes(file: BundleFile): Promise<Uint8Array> {
    return checked(file, this.read(file.file));
  }

  async engine(build: BuildName, part: Part): Promise<EngineSource> {
    const found = buildOf(await this.description(), build);
    return {
      build,
      identity: identityOf(found, part),
      script: "",
      module: async () => {
        const { wasm } = partOf(found, part);
        return compiled(wasm, new Blob([this.read(wasm.file) as BlobPart]).stream());
      },
    };
  }

  async workerScript(): Promise<null> {
    return null;
  }

  private read(name: string): Uint8Array {
    const block = this.page.querySelector(`script[data-file="${name}"]`);
    if (!block) {
      throw new BundleError(`This page is without its file ${name}.`, "Copy it again.");
    }
    const text = atob(block.textContent ?? "");
    const bytes = new Uint8Array(text.length);
    for (let index = 0; index < text.length; index++) {
      bytes[index] = text.charCodeAt(index);
    }
    return bytes;
  }
}
