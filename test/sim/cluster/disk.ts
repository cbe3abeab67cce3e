// Disks of a simulated cluster: a journal that is slow, full, and torn by a crash; logs of which
// the last bytes may be only in memory; files that a killed process stops writing.
//
// Commits happen one after the other, each with a wait before it takes effect and one before its
// caller hears of it, so that a crash can fall into either. Of what waits when the power goes a
// prefix may have reached the disk, and of the next commit a part: a frame whose checksum does not
// fit, which whoever opens the journal drops, as SQLite does with its log.

import { crc32 } from "node:zlib";
import { SkyError } from "../../../model/errors.ts";
import type { Files } from "../../../runtime/files.ts";
import type { Batch, Store } from "../../../runtime/store.ts";
import type { MemoryDisk } from "../../../runtime/store-memory.ts";
import { createMemoryDisk, createMemoryStore } from "../../../runtime/store-memory.ts";
import type { LogDisk } from "../../../scheduler/log-disk-os.ts";
import type { LogChunk } from "../../../scheduler/log-store.ts";
import type { Life } from "./time.ts";

const noRoom = "no space left on device";
/** How often a commit that waits for room looks again. */
const roomMs = 250;

/** What the head's machine has on disk. It outlives the process, and the power. */
export class HeadDisk {
  /** Nothing can be written: commits wait. */
  full = false;
  /** What is written fails, and whoever wrote it must end. */
  failing = false;
  /** It failed since the head was last well. */
  hasFailed = false;
  /** Called once, in the middle of the next commit. */
  onCommit: (() => void) | undefined;
  journal: MemoryDisk = createMemoryDisk();
  readonly logs = new Map<string, LogOnDisk>();
  /** The end of the journal, where a crash fell into a write. */
  torn: Buffer | undefined;

  log(name: string): Buffer {
    const [found] = [...this.logs].filter(([path]) => path.endsWith(`/${name}.log`));
    return found?.[1].bytes ?? Buffer.alloc(0);
  }

  forgetLogs(isOld: (path: string) => boolean): void {
    for (const path of this.logs.keys()) if (isOld(path)) this.logs.delete(path);
  }

  /** As after `sky down`: a new cluster begins with nothing. */
  erase(): void {
    this.journal = createMemoryDisk();
    this.logs.clear();
    this.torn = undefined;
  }

  /** What was never made safe goes with the power. */
  losePower(share: number): void {
    for (const log of this.logs.values()) {
      const kept = log.safe + Math.floor((log.bytes.length - log.safe) * share);
      log.bytes = log.bytes.subarray(0, kept);
    }
  }
}

interface LogOnDisk {
  bytes: Buffer;
  /** So many survive the power. */
  safe: number;
}

export interface SimStore extends Store {
  /**
   * The process is gone. The first `count` batches under way reach the disk all the same, and this
   * share of the next.
   */
  crash(count: number, share: number): void;
  /** Batches that are neither on disk nor given up. */
  pending(): number;
}

export interface StoreOptions {
  readonly disk: HeadDisk;
  readonly life: Life;
  readonly latencyMs: () => number;
  /** What the end of a journal holds for whoever opens it. */
  readonly recover: (torn: Buffer) => Batch | undefined;
}

export function simStore({ disk, life, latencyMs, recover }: StoreOptions): SimStore {
  const inner = createMemoryStore({ disk: disk.journal });
  const found = disk.torn === undefined ? undefined : recover(disk.torn);
  disk.torn = undefined;
  const recovered = found === undefined ? Promise.resolve() : inner.commit(found);
  const pending: Batch[] = [];
  let failed = false;
  let last: Promise<void> = Promise.resolve();
  const write = async (batch: Batch): Promise<void> => {
    await life.pause(latencyMs());
    if (disk.onCommit !== undefined) {
      disk.onCommit();
      disk.onCommit = undefined;
      await life.pause(1);
    }
    while (disk.full) await life.pause(roomMs);
    // What comes after a commit that failed would be a journal with a hole.
    failed ||= disk.failing;
    if (failed) {
      disk.hasFailed = true;
      pending.length = 0;
      throw new SkyError("store/failed", { why: "input/output error" });
    }
    pending.shift();
    await inner.commit(batch);
    await life.pause(latencyMs());
  };
  return {
    ...inner,
    read: async (prefix) => {
      await recovered;
      return await inner.read(prefix);
    },
    commit: (batch) => {
      pending.push(batch);
      const done = last.then(() => write(batch));
      // Only for the order: the caller hears of the failure.
      last = done.catch(() => {});
      return done;
    },
    crash: (count, share) => {
      const left = pending.splice(0);
      for (const batch of left.slice(0, count)) void inner.commit(batch);
      const next = left[count];
      if (next === undefined) return;
      const frame = frameOf(next);
      disk.torn = frame.subarray(0, Math.floor(frame.length * share));
    },
    pending: () => pending.length,
  };
}

/** A commit as it lies on disk: a line for each record, closed by a checksum of all. */
function frameOf(batch: Batch): Buffer {
  const lines = batch.puts.map((put) => JSON.stringify(put));
  const rest = JSON.stringify({ ...batch, puts: [] });
  const body = [...lines, rest].join("\n");
  return Buffer.from(`${body}\n${crc32(body)}\n`);
}

/** All of a commit or nothing of it. */
export function wholeFrame(torn: Buffer): Batch | undefined {
  const lines = torn.toString().split("\n");
  const [rest, sum, end] = lines.slice(-3);
  const body = lines.slice(0, -2);
  const isWhole = end === "" && rest !== undefined && sum === String(crc32(body.join("\n")));
  if (!isWhole) return undefined;
  const batch = JSON.parse(rest) as Batch;
  return { ...batch, puts: body.slice(0, -1).map((line) => JSON.parse(line) as PutLine) };
}

/** Whatever can be read of it: what nobody must do. */
export function readableLines(torn: Buffer): Batch {
  const puts = torn
    .toString()
    .split("\n")
    .slice(0, -1)
    .flatMap((line): readonly PutLine[] => {
      const read = JSON.parse(line) as unknown;
      const isPut = typeof read === "object" && read !== null && "key" in read;
      return isPut ? [read as PutLine] : [];
    });
  return { puts, deletes: [], events: [] };
}

type PutLine = Batch["puts"][number];

export interface LogDiskOptions {
  readonly disk: HeadDisk;
  readonly life: Life;
  readonly latencyMs: () => number;
  /** Hears of all that is written, before it is. */
  readonly onWrite: (path: string, chunk: LogChunk) => void;
}

/** The disk of the logs as a process of this life sees it. */
export function simLogDisk({ disk, life, latencyMs, onWrite }: LogDiskOptions): LogDisk {
  const at = (path: string): LogOnDisk => {
    const found = disk.logs.get(path) ?? { bytes: Buffer.alloc(0), safe: 0 };
    disk.logs.set(path, found);
    return found;
  };
  const slow = <A extends readonly unknown[], R>(work: (...args: A) => Promise<R>) =>
    life.through(latencyMs, work);
  return {
    makeDir: async () => {},
    size: slow(async (path) => disk.logs.get(path)?.bytes.length ?? 0),
    open: slow(async (path) => ({
      readAt: slow(async (into: Buffer, offset: number) => at(path).bytes.copy(into, 0, offset)),
      append: slow(async (pieces: readonly Uint8Array[]) => {
        if (disk.full) throw Object.assign(new Error(noRoom), { code: "ENOSPC" });
        const log = at(path);
        for (const bytes of pieces) {
          onWrite(path, { offset: log.bytes.length, bytes });
          log.bytes = Buffer.concat([log.bytes, bytes]);
        }
      }),
      datasync: slow(async () => {
        const log = at(path);
        log.safe = log.bytes.length;
      }),
      close: async () => {},
    })),
  };
}

/** As `runtime/room-os.ts` says it. */
export function noRoomAt(path: string): SkyError<"disk/full"> {
  return new SkyError("disk/full", { path, free: "0 B", hint: noRoom });
}

/** The files of a node as a process of this life sees them. */
export function mortalFiles(
  files: Files,
  life: Life,
  { latencyMs, full = () => false }: { latencyMs: () => number; full?: () => boolean },
): Files {
  const slow = <A extends readonly unknown[], R>(work: (...args: A) => Promise<R>) =>
    life.through(latencyMs, work);
  const writing = <A extends readonly unknown[], R>(work: (...args: A) => Promise<R>) =>
    slow(async (...args: A) => {
      if (full()) throw noRoomAt("its disk");
      return await work(...args);
    });
  return {
    read: slow(files.read),
    readAt: slow(files.readAt),
    size: slow(files.size),
    replace: writing(files.replace),
    append: writing(files.append),
    list: slow(files.list),
    makeDir: writing(files.makeDir),
    remove: slow(files.remove),
    copyTree: writing(files.copyTree),
    watch: files.watch,
  };
}
