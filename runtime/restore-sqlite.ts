// Makes a journal of what a replica holds.
//
// The copy is loaded, then the log is applied over it, in order and without a gap; what is torn off
// or damaged at the log's end is left out and said. The journal is made under another name,
// flushed, and renamed: there is a whole one or none. Nothing of the replica is changed.

import { closeSync, fsyncSync, openSync, renameSync, rmSync } from "node:fs";
import { open, readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { SkyError } from "../model/errors.ts";
import type { ReplicaFrame, ReplicaManifest, ReplicaStep } from "./replica-frames.ts";
import {
  baseName,
  FrameReader,
  logName,
  manifestName,
  parseManifest,
  replicaFormat,
} from "./replica-frames.ts";
import type { StoreEvent, StoreRecord } from "./store.ts";
import { openJournalDatabase } from "./store-database-sqlite.ts";
import { prefixEnd } from "./store-keys.ts";

export interface Restored {
  readonly home: string;
  /** When the last commit was made that is in it. */
  readonly untilWallMs: number;
  readonly steps: number;
  /** Bytes at the end of the log that are torn or damaged, and were left out. */
  readonly droppedBytes: number;
}

export interface RestoreOptions {
  readonly dir: string;
  /** Where the journal is made. There must be none. */
  readonly journal: string;
  /** Records that are put last, over what was restored. */
  readonly amend: (records: readonly StoreRecord[], untilWallMs: number) => readonly StoreRecord[];
}

const readBytes = 1_048_576;
const endOfAll = new Uint8Array(0);

/** @throws SkyError `restore/failed`: then there is no journal, as before. */
export async function restoreJournal(options: RestoreOptions): Promise<Restored> {
  const { dir, journal, amend } = options;
  const manifest = await readManifest(dir);
  const half = `${journal}.restoring`;
  removeJournal(half);
  openJournalDatabase(half).close();
  const database = new DatabaseSync(half);
  try {
    // Half a journal is thrown away: only the whole one must be on disk.
    database.exec("PRAGMA journal_mode = DELETE; PRAGMA synchronous = OFF; BEGIN");
    const apply = applierOf(database);
    const restored = await applyAll(dir, manifest, apply);
    for (const record of amend(apply.records(), restored.untilWallMs)) apply.put(record);
    database.exec("COMMIT");
    database.close();
    flush(half);
    renameSync(half, journal);
    flush(dirname(journal));
    return restored;
  } catch (error) {
    if (database.isOpen) database.close();
    removeJournal(half);
    throw error;
  }
}

/** The journal and what SQLite has beside it. */
function removeJournal(path: string): void {
  for (const end of ["", "-wal", "-shm", "-journal"]) rmSync(`${path}${end}`, { force: true });
}

async function readManifest(dir: string): Promise<ReplicaManifest> {
  const path = join(dir, manifestName);
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw failed(dir, `it holds no replica (${error.code ?? error.message} at ${manifestName})`);
  });
  const manifest = parseManifest(text);
  if (manifest === undefined) throw failed(dir, `${manifestName} cannot be read`);
  if (manifest.format > replicaFormat) {
    throw failed(dir, `it is of a newer version (${manifest.format}): upgrade this one`);
  }
  if (manifest.chain === "") throw failed(dir, "its first copy was never finished");
  return manifest;
}

async function applyAll(dir: string, manifest: ReplicaManifest, apply: Applier): Promise<Restored> {
  const { home, chain } = manifest;
  let end: Extract<ReplicaFrame, { readonly kind: "end" }> | undefined;
  for await (const { frame } of framesOf(join(dir, baseName(chain)))) {
    if (frame.kind === "header") demandPart(dir, { frame, manifest, file: "base" });
    if (frame.kind === "records") for (const record of frame.records) apply.put(record);
    if (frame.kind === "events") for (const event of frame.events) apply.event(event);
    if (frame.kind === "end") end = frame;
  }
  if (end === undefined) throw failed(dir, `${baseName(chain)} is damaged: nothing was restored`);
  const path = join(dir, logName(chain));
  const { size } = await stat(path);
  let seq = 0;
  let read = 0;
  let untilWallMs = end.wallMs;
  for await (const { frame, upTo } of framesOf(path)) {
    read = upTo;
    if (frame.kind === "header") demandPart(dir, { frame, manifest, file: "log" });
    if (frame.kind !== "step" && frame.kind !== "events") continue;
    seq += 1;
    if (frame.seq !== seq) throw failed(dir, `number ${seq} is missing in ${logName(chain)}`);
    if (frame.kind === "events") for (const event of frame.events) apply.event(event);
    if (frame.kind !== "step") continue;
    apply.step(frame.step, frame.eventSeq);
    untilWallMs = Math.max(untilWallMs, frame.wallMs);
  }
  if (seq < end.seq) throw failed(dir, `${logName(chain)} is damaged at byte ${read}`);
  return { home, untilWallMs, steps: seq, droppedBytes: size - read };
}

function demandPart(
  dir: string,
  part: {
    readonly frame: Extract<ReplicaFrame, { readonly kind: "header" }>;
    readonly manifest: ReplicaManifest;
    readonly file: "base" | "log";
  },
): void {
  const { frame, manifest, file } = part;
  const isIts =
    frame.home === manifest.home && frame.chain === manifest.chain && frame.file === file;
  if (!isIts) throw failed(dir, `its ${file} belongs to another replica`);
}

async function* framesOf(
  path: string,
): AsyncGenerator<{ readonly frame: ReplicaFrame; readonly upTo: number }> {
  const file = await open(path, "r").catch((error: NodeJS.ErrnoException) => {
    throw failed(path, error.message);
  });
  try {
    const reader = new FrameReader();
    const buffer = Buffer.alloc(readBytes);
    for (let at = 0; ; ) {
      const { bytesRead } = await file.read(buffer, 0, readBytes, at);
      if (bytesRead === 0) return;
      at += bytesRead;
      for (const frame of reader.push(buffer.subarray(0, bytesRead))) {
        yield { frame, upTo: reader.readBytes };
      }
    }
  } finally {
    await file.close();
  }
}

interface Applier {
  put(record: StoreRecord): void;
  event(event: StoreEvent): void;
  step(step: ReplicaStep, eventSeq: number): void;
  records(): readonly StoreRecord[];
}

function applierOf(database: DatabaseSync): Applier {
  const put = database.prepare("INSERT OR REPLACE INTO records VALUES (?, ?)");
  const remove = database.prepare("DELETE FROM records WHERE key = ?");
  const removeRange = database.prepare("DELETE FROM records WHERE key >= ? AND key < ?");
  const event = database.prepare("INSERT OR REPLACE INTO events VALUES (?, ?, ?, ?)");
  const all = database.prepare("SELECT key, value FROM records ORDER BY key");
  const forgetting = forgetterOf(database);
  const step = (one: ReplicaStep, eventSeq: number): void => {
    if (one.kind !== "batch") {
      forgetting(one, eventSeq);
      return;
    }
    const { batch } = one;
    for (const prefix of batch.deletePrefixes ?? []) {
      removeRange.run(prefix, prefixEnd(prefix) ?? endOfAll);
    }
    for (const key of batch.deletes) remove.run(key);
    for (const { key, value } of batch.puts) put.run(key, value);
    for (const subject of batch.forgets ?? []) {
      forgetting({ kind: "trim", subject, keep: 0 }, eventSeq);
    }
  };
  return {
    put: ({ key, value }) => void put.run(key, value),
    event: ({ seq, subject, wallMs, body }) => void event.run(seq, subject, wallMs, body),
    step,
    records: () =>
      all.all().map((row) => ({ key: String(row["key"]), value: String(row["value"]) })),
  };
}

/** Removes events that are no newer than the step was. */
function forgetterOf(
  database: DatabaseSync,
): (step: Exclude<ReplicaStep, { readonly kind: "batch" }>, eventSeq: number) => void {
  const removing = (which: string): StatementSync =>
    database.prepare(`DELETE FROM events WHERE seq <= ? AND ${which}`);
  const one = removing("subject = ?");
  const below = removing("subject >= ? AND subject < ?");
  const oldest = removing(
    "subject = ? AND seq <= (SELECT seq FROM events WHERE subject = ? ORDER BY seq DESC LIMIT 1 OFFSET ?)",
  );
  return (step, eventSeq) => {
    const { subject } = step;
    if (step.kind === "trim") {
      oldest.run(eventSeq, subject, subject, step.keep);
      return;
    }
    one.run(eventSeq, subject);
    const prefix = `${subject}/`;
    below.run(eventSeq, prefix, prefixEnd(prefix) ?? endOfAll);
  };
}

function flush(path: string): void {
  const file = openSync(path, "r");
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function failed(dir: string, why: string): SkyError<"restore/failed"> {
  return new SkyError("restore/failed", { dir, why });
}
