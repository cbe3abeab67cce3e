// Disks of a simulated cluster: a journal that is slow, fails and loses what was not committed, and
// files that a killed process stops writing.
//
// Commits happen one after the other, each with a wait before it takes effect and one before its
// caller hears of it, so that a crash can fall into either. What waits when the power goes is lost
// but for a prefix that may have reached the disk, as with a real journal.

import { SkyError } from "../../../model/errors.ts";
import type { Files } from "../../../runtime/files.ts";
import type { Batch, Store } from "../../../runtime/store.ts";
import type { MemoryDisk } from "../../../runtime/store-memory.ts";
import { createMemoryStore } from "../../../runtime/store-memory.ts";
import type { Life } from "./time.ts";

export interface SimStore extends Store {
  /** The process is gone. The first `count` batches under way reach the disk all the same. */
  crash(count: number): void;
  /** Batches that are neither on disk nor given up. */
  pending(): number;
  /** The next commit fails, as on a full disk, and all after it. */
  failNext(why: string): void;
}

export function simStore(disk: MemoryDisk, life: Life, latencyMs: () => number): SimStore {
  const inner = createMemoryStore({ disk });
  const pending: Batch[] = [];
  let failing: string | undefined;
  let last: Promise<void> = Promise.resolve();
  const write = async (batch: Batch): Promise<void> => {
    await life.pause(latencyMs());
    if (failing !== undefined) {
      pending.length = 0;
      throw new SkyError("store/failed", { why: failing });
    }
    pending.shift();
    await inner.commit(batch);
    await life.pause(latencyMs());
  };
  return {
    ...inner,
    commit: (batch) => {
      pending.push(batch);
      const done = last.then(() => write(batch));
      // Only for the order: the caller hears of the failure.
      last = done.catch(() => {});
      return done;
    },
    crash: (count) => {
      for (const batch of pending.splice(0).slice(0, count)) void inner.commit(batch);
    },
    pending: () => pending.length,
    failNext: (why) => {
      failing = why;
    },
  };
}

/** The files of a node as a process of this life sees them. */
export function mortalFiles(files: Files, life: Life, latencyMs: () => number): Files {
  const slow = <A extends readonly unknown[], R>(work: (...args: A) => Promise<R>) =>
    life.through(latencyMs, work);
  return {
    read: slow(files.read),
    readAt: slow(files.readAt),
    size: slow(files.size),
    replace: slow(files.replace),
    append: slow(files.append),
    list: slow(files.list),
    makeDir: slow(files.makeDir),
    remove: slow(files.remove),
    copyTree: slow(files.copyTree),
    watch: files.watch,
  };
}
