// The same in a file of the home, so that a head that starts anew reads no folder twice.
//
// Written aside and renamed, some time after the last change and when the head ends. It is not
// flushed: what a crash takes is read again. Nothing fails because of it.

import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { errorText } from "../model/errors.ts";
import type { Log } from "../runtime/log.ts";
import { tempBeside } from "../runtime/tree-os.ts";
import type { Digest } from "../transfer/chunks/chunk.ts";
import type { PackedTree, PackSource } from "../transfer/tree/pack.ts";
import type { SourceMemory, SourceRecord } from "./source-memory.ts";
import { decodeSources, encodeSources, SourceRecords } from "./source-memory.ts";

export interface SourceMemoryOptions {
  readonly path: string;
  readonly log: Log;
}

const restMs = 2_000;

export function openSourceMemory(options: SourceMemoryOptions): SourceMemory {
  return new SourceFile(options);
}

class SourceFile implements SourceMemory {
  readonly #options: SourceMemoryOptions;
  #records: Promise<SourceRecords> | undefined;
  #rest: NodeJS.Timeout | undefined;
  #turn: Promise<void> = Promise.resolve();

  constructor(options: SourceMemoryOptions) {
    this.#options = options;
  }

  async recall(source: PackSource): Promise<SourceRecord | undefined> {
    return (await this.#known()).recall(source);
  }

  async packedAs(tree: Digest): Promise<readonly PackSource[]> {
    return (await this.#known()).packedAs(tree);
  }

  remember(source: PackSource, packed: PackedTree): void {
    this.#change((records) => records.remember(source, packed));
  }

  forget(source: PackSource): void {
    this.#change((records) => records.forget(source));
  }

  async close(): Promise<void> {
    await this.#turn;
    if (this.#rest === undefined) return;
    clearTimeout(this.#rest);
    await this.#save();
  }

  #known(): Promise<SourceRecords> {
    this.#records ??= readFile(this.#options.path, "utf8")
      .catch(() => "") // There is none yet, or it cannot be read: then nothing is known.
      .then((text) => new SourceRecords(decodeSources(text)));
    return this.#records;
  }

  #change(change: (records: SourceRecords) => boolean): void {
    this.#turn = this.#turn.then(async () => {
      if (!change(await this.#known())) return;
      this.#rest ??= setTimeout(() => {
        this.#turn = this.#turn.then(() => this.#save());
      }, restMs).unref();
    });
  }

  async #save(): Promise<void> {
    this.#rest = undefined;
    const { path, log } = this.#options;
    const aside = tempBeside(path);
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      await writeFile(aside, encodeSources((await this.#known()).all()), { mode: 0o600 });
      await rename(aside, path);
    } catch (error) {
      log.warn("what was packed is not remembered", { path, why: errorText(error) });
      await rm(aside, { force: true });
    }
  }
}
