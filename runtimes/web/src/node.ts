/** A bundle in Node's file system. */

import type { Bundle, OnProgress } from "./bundle";
import { buildOf, checked, compiled, identityOf, partOf } from "./bundle";
import { type BundleFile, type BuildName, type Description, type Part, parseDescription } from "./description";
import type { EngineSource } from "./engine/load";
import { BundleError, messageOf } from "./errors";

export class FolderBundle implements Bundle {
  private found: Promise<Description> | undefined;

  /** @param address the path of the bundle's folder or its model.json. */
  constructor(readonly address: string) {}

  description(): Promise<Description> {
    this.found ??= this.readDescription();
    return this.found;
  }

  async bytes(file: BundleFile, progress?: OnProgress): Promise<Uint8Array> {
    const bytes = await checked(file, await this.read(file.file));
    progress?.({ file: file.file, loaded: file.bytes, total: file.bytes });
    return bytes;
  }

  async engine(build: BuildName, part: Part): Promise<EngineSource> {
    const found = buildOf(await this.description(), build);
    return {
      build,
      identity: identityOf(found, part),
      script: await this.path(found.script.file),
      scriptText: async () => new TextDecoder().decode(await this.read(found.script.file)),
      module: async () => {
        const { wasm } = partOf(found, part);
        return compiled(wasm, new Blob([(await this.read(wasm.file)) as BlobPart]).stream());
      },
    };
  }

  async workerScript(): Promise<null> {
    return null;
  }

  private async readDescription(): Promise<Description> {
    return parseDescription(new TextDecoder().decode(await this.read("model.json")), this.address);
  }

  private async path(file: string): Promise<string> {
    const { dirname, resolve } = await import("node:path");
    return resolve(this.address.endsWith(".json") ? dirname(this.address) : this.address, file);
  }

  private async read(file: string): Promise<Uint8Array> {
    const { readFile } = await import("node:fs/promises");
    try {
      // A copy: Node's buffers share memory, and their slice() does not copy.
      return new Uint8Array(await readFile(await this.path(file)));
    } catch (error) {
      throw new BundleError(`${file} of the bundle ${this.address} can't be read: ${messageOf(error)}.`);
    }
  }
}
