// One chain of a replica on disk: a copy of the journal, and the log of what came after.
//
// Frames are collected in memory and written by `flush`, which returns when they are safe. A chain
// that failed once is of no more use: its owner begins another one.

import type { FileHandle } from "node:fs/promises";
import { open, rename } from "node:fs/promises";
import { join } from "node:path";
import { SkyError } from "../model/errors.ts";
import type { ReplicaStep } from "./replica-frames.ts";
import { baseName, encodeFrame, logName, replicaFormat } from "./replica-frames.ts";
import type { Store, StoreEvent } from "./store.ts";
import { allSubjects } from "./store-keys.ts";
import { syncEntry } from "./tree-os.ts";

/** Records and events that are read at once: other work of the store waits for no more. */
const pageCount = 256;
/** What may wait in memory for a slow disk. */
const bufferBytesMax = 33_554_432;
const bufferBytesFlushed = 1_048_576;

export interface ChainOptions {
  readonly dir: string;
  readonly home: string;
  /** 16 hex digits. */
  readonly chain: string;
  readonly store: Store;
  readonly nowMs: () => number;
}

export class ReplicaChain {
  readonly #options: ChainOptions;
  #log: FileHandle | undefined;
  #buffer: Buffer[] = [];
  #bufferBytes = 0;
  #seq = 0;
  #eventSeq = 0;
  #copied = false;
  #tooSlow = false;
  baseBytes = 0;
  logBytes = 0;

  constructor(options: ChainOptions) {
    this.#options = options;
  }

  get chain(): string {
    return this.#options.chain;
  }

  async open(): Promise<void> {
    const { dir, home, chain } = this.#options;
    this.#log = await open(join(dir, logName(chain)), "wx", 0o600);
    this.#push(encodeFrame({ kind: "header", format: replicaFormat, home, chain, file: "log" }));
  }

  note(step: ReplicaStep): void {
    if (this.#tooSlow) return;
    this.#seq += 1;
    const { nowMs } = this.#options;
    const place = { seq: this.#seq, wallMs: nowMs(), eventSeq: this.#eventSeq };
    this.#push(encodeFrame({ kind: "step", ...place, step }));
    this.#tooSlow = this.#bufferBytes > bufferBytesMax;
  }

  /** Makes the copy while the journal goes on. With the log up to here it is then whole. */
  async copy(isWanted: () => boolean): Promise<void> {
    const { dir, home, chain, store, nowMs } = this.#options;
    const path = join(dir, baseName(chain));
    const file = await open(`${path}.new`, "wx", 0o600);
    try {
      const write = async (bytes: Buffer): Promise<void> => {
        await file.appendFile(bytes);
        this.baseBytes += bytes.length;
        // What is noted meanwhile must not wait in memory until the end of a large copy.
        if (this.#bufferBytes > bufferBytesFlushed) await this.flush();
      };
      await write(
        encodeFrame({ kind: "header", format: replicaFormat, home, chain, file: "base" }),
      );
      for (let from = "", more = true; more && isWanted(); ) {
        const records = await store.range({ from, before: "", countMax: pageCount });
        if (records.length > 0) await write(encodeFrame({ kind: "records", records }));
        more = records.length === pageCount;
        from = `${records.at(-1)?.key ?? ""}\0`;
      }
      for (let more = true; more && isWanted(); ) {
        const events = await this.#newEvents();
        if (events.length > 0) await write(encodeFrame({ kind: "events", seq: 0, events }));
        more = events.length === pageCount;
      }
      await write(encodeFrame({ kind: "end", seq: this.#seq, wallMs: nowMs() }));
      await file.sync();
    } finally {
      await file.close();
    }
    await this.flush();
    await rename(`${path}.new`, path);
    await syncEntry(dir);
    this.#copied = true;
  }

  /** Resolves when all that was noted before is safe, with the events that went with it. */
  async flush(): Promise<void> {
    if (this.#tooSlow) throw new SkyError("store/failed", { why: "the replica is too slow" });
    if (this.#copied) await this.#logEvents();
    const bytes = Buffer.concat(this.#buffer);
    this.#buffer = [];
    this.#bufferBytes = 0;
    if (bytes.length === 0 || this.#log === undefined) return;
    await this.#log.appendFile(bytes);
    await this.#log.datasync();
    this.logBytes += bytes.length;
  }

  async close(): Promise<void> {
    const log = this.#log;
    this.#log = undefined;
    await log?.close();
  }

  async #logEvents(): Promise<void> {
    for (let more = true; more; ) {
      const events = await this.#newEvents();
      more = events.length === pageCount;
      if (events.length === 0) return;
      this.#seq += 1;
      this.#push(encodeFrame({ kind: "events", seq: this.#seq, events }));
    }
  }

  async #newEvents(): Promise<readonly StoreEvent[]> {
    const query = { subject: allSubjects, after: this.#eventSeq, countMax: pageCount };
    const events = await this.#options.store.events(query);
    this.#eventSeq = events.at(-1)?.seq ?? this.#eventSeq;
    return events;
  }

  #push(bytes: Buffer): void {
    this.#buffer.push(bytes);
    this.#bufferBytes += bytes.length;
  }
}
