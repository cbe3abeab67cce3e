// The chunk journal as a file: appended to, flushed in batches, read when it is opened.
//
// While one batch is on its way to the disk, the next one gathers: many chunks share a flush. The
// file may end in the middle of a record, or in records whose bytes never reached the disk; both
// are cut off when it is opened. A file whose header is damaged is put aside: what it said is not
// known any more, so all of it is moved again. When most records are out of date, the file is
// written anew beside the old one and takes its name.
//
// What must always hold: what `record` resolved for is read by every later opener; one opener at a
// time; a journal of another transfer is never written to.

import { constants } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { errorText, SkyError } from "../../model/errors.ts";
import type { HomeLock } from "../../runtime/home-lock-sqlite.ts";
import { isNoRoom, noRoom } from "../../runtime/room-os.ts";
import { syncEntry } from "../../runtime/tree-os.ts";
import type { Digest } from "./chunk.ts";
import {
  type ChunkJournal,
  encodeJournalHeader,
  encodeRecord,
  type JournalEntry,
  JournalTable,
  journalHeaderBytes,
  parseJournalHeader,
  parseRecord,
  recordBytes,
} from "./journal.ts";
import { takeObjectLock } from "./object-lock-sqlite.ts";
import type { Place } from "./seal.ts";

export interface ChunkJournalOptions {
  /** In a folder that exists. */
  readonly path: string;
  readonly transfer: string;
  /** The folder of locks. Without it, the caller sees to it that nobody else opens the file. */
  readonly locks?: string;
}

/** Records that are out of date, beyond as many as are in date, before the file is written anew. */
export const staleRecordsMax = 4_096;
const readBytes = 4_096 * recordBytes;
const mode = 0o600;

/**
 * Opens it, or starts one.
 * @throws SkyError `store/locked` if another has it open; `request/invalid` if it is of another
 *   transfer; `disk/full`.
 */
export async function openChunkJournal(options: ChunkJournalOptions): Promise<ChunkJournal> {
  const { path, locks } = options;
  const lock = locks === undefined ? undefined : takeObjectLock(locks, path);
  const journal = new JournalFile(options, lock);
  try {
    await journal.open();
  } catch (error) {
    await journal.close();
    throw isNoRoom(error) ? noRoom(path, error) : error;
  }
  return journal;
}

interface Batch {
  readonly entries: JournalEntry[];
  readonly done: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

class JournalFile implements ChunkJournal {
  damaged = 0;
  readonly #options: ChunkJournalOptions;
  readonly #lock: HomeLock | undefined;
  readonly #table = new JournalTable();
  #file: FileHandle | undefined;
  /** Where the next record goes. */
  #end = journalHeaderBytes;
  #next: Batch | undefined;
  #flushing: Promise<void> | undefined;
  #failure: unknown;

  constructor(options: ChunkJournalOptions, lock: HomeLock | undefined) {
    this.#options = options;
    this.#lock = lock;
  }

  async open(): Promise<void> {
    const { path } = this.#options;
    await rm(besideOf(path), { force: true });
    if (!(await this.#read())) {
      await this.#rewrite();
      return;
    }
    this.#file = await open(path, constants.O_RDWR);
    await this.#file.truncate(this.#end);
    if (this.damaged > 0 || this.#isStale()) await this.#rewrite();
    else await this.#file.sync();
  }

  entries(object?: number): Iterable<JournalEntry> {
    return object === undefined ? this.#table.all() : this.#table.of(object);
  }

  get(place: Place): JournalEntry | undefined {
    return this.#table.get(place);
  }

  find(digest: Digest): JournalEntry | undefined {
    return this.#table.find(digest);
  }

  async record(entries: readonly JournalEntry[]): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    // While others are on their way to the disk, what is news is not known yet.
    const isIdle = this.#flushing === undefined;
    if (isIdle && !entries.some((entry) => this.#table.isNews(entry))) return;
    this.#next ??= newBatch();
    this.#next.entries.push(...entries);
    const { done } = this.#next;
    this.#flushing ??= this.#flush();
    await done;
  }

  async close(): Promise<void> {
    await this.#flushing;
    this.#failure ??= new SkyError("stream/closed", { why: "the chunk journal was closed" });
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
    this.#lock?.release();
  }

  async #flush(): Promise<void> {
    for (let batch = this.#next; batch !== undefined; batch = this.#next) {
      this.#next = undefined;
      try {
        await this.#write(batch.entries);
        batch.resolve();
      } catch (error) {
        batch.reject(error);
      }
    }
    this.#flushing = undefined;
  }

  async #write(entries: readonly JournalEntry[]): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const bytes = Buffer.concat(entries.map(encodeRecord));
    try {
      await this.#writeAll(bytes);
      await this.#file?.datasync();
    } catch (error) {
      throw isNoRoom(error) ? noRoom(this.#options.path, error) : this.#fail(error);
    }
    this.#end += bytes.length;
    for (const entry of entries) this.#table.apply(entry);
    if (this.#isStale()) await this.#compact();
  }

  async #compact(): Promise<void> {
    try {
      await this.#rewrite();
    } catch (error) {
      // Without room for a second file, the one that is there grows on.
      if (!isNoRoom(error)) throw this.#fail(error);
    }
  }

  /** What a failed flush left on the disk, nobody knows: the next opener reads what is there. */
  #fail(error: unknown): unknown {
    const params = { what: `the chunk journal ${this.#options.path}`, why: errorText(error) };
    this.#failure = new SkyError("process/failed", params, { cause: error });
    return this.#failure;
  }

  /** A write that failed half way is written over by the next one. */
  async #writeAll(bytes: Buffer): Promise<void> {
    let written = 0;
    while (written < bytes.length) {
      const done = await this.#file?.write(bytes, written, undefined, this.#end + written);
      written += done?.bytesWritten ?? bytes.length;
    }
  }

  #isStale(): boolean {
    const records = (this.#end - journalHeaderBytes) / recordBytes;
    return records > 2 * this.#table.size + staleRecordsMax;
  }

  /** Whether there is a journal. One that has no header any more is put aside. */
  async #read(): Promise<boolean> {
    const { path, transfer } = this.#options;
    const file = await openIfThere(path);
    if (file === undefined) return false;
    try {
      const header = Buffer.alloc(journalHeaderBytes);
      await file.read(header, 0, journalHeaderBytes, 0);
      const of = parseJournalHeader(header);
      if (of === transfer) await this.#readRecords(file);
      else if (of !== undefined) {
        throw new SkyError("request/invalid", { field: path, why: `it is of transfer ${of}` });
      } else {
        this.damaged += 1;
        await rename(path, `${path}.damaged`);
        return false;
      }
    } finally {
      await file.close();
    }
    return true;
  }

  async #readRecords(file: FileHandle): Promise<void> {
    const piece = Buffer.alloc(readBytes);
    let damagedHere = 0;
    for (let at = journalHeaderBytes; ; ) {
      const { bytesRead } = await file.read(piece, 0, readBytes, at);
      const whole = bytesRead - (bytesRead % recordBytes);
      for (let from = 0; from < whole; from += recordBytes) {
        const entry = parseRecord(piece.subarray(from, from + recordBytes));
        if (entry === undefined) damagedHere += 1;
        else {
          // Damaged ones at the end were never acknowledged; those before a whole one were.
          this.damaged += damagedHere;
          damagedHere = 0;
          this.#table.apply(entry);
          this.#end = at + from + recordBytes;
        }
      }
      if (whole === 0) return;
      at += whole;
    }
  }

  /** The file anew, with what is in date. */
  async #rewrite(): Promise<void> {
    const { path, transfer } = this.#options;
    const beside = besideOf(path);
    const records = [...this.#table.all()].map(encodeRecord);
    const bytes = Buffer.concat([encodeJournalHeader(transfer), ...records]);
    const file = await open(beside, "w+", mode);
    try {
      await file.writeFile(bytes);
      await file.sync();
      await rename(beside, path);
    } catch (error) {
      await file.close();
      throw error;
    }
    const before = this.#file;
    this.#file = file;
    this.#end = bytes.length;
    await before?.close();
    await syncEntry(dirname(path));
  }
}

function besideOf(path: string): string {
  return `${path}.new`;
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function newBatch(): Batch {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  return { entries: [], done: promise, resolve, reject };
}
