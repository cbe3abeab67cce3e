// The store in memory, for tests and simulations.
//
// A disk is a value of its own: a store that is opened over the same disk again sees what was
// committed before, as after a restart. A commit resolves in a microtask, or after `beforeCommit`,
// which stands for the time, and the failures, of a disk.

import { errorText, SkyError } from "../model/errors.ts";
import type { Batch, Store, StoreEvent, StoreRecord } from "./store.ts";
import { compareKeys, isInRange, subjectMatches } from "./store-keys.ts";

export interface MemoryDisk {
  readonly records: Map<string, string>;
  events: StoreEvent[];
  seq: number;
}

export function createMemoryDisk(): MemoryDisk {
  return { records: new Map(), events: [], seq: 0 };
}

export function createMemoryStore(
  options: {
    readonly disk?: MemoryDisk;
    /** Awaited before each commit takes effect; a throw fails the commit, and all after it. */
    readonly beforeCommit?: (batch: Batch) => Promise<void>;
  } = {},
): Store {
  const { disk = createMemoryDisk(), beforeCommit = async () => {} } = options;
  let commits = 0;
  let broken: string | undefined;
  let last: Promise<void> = Promise.resolve();

  const inOrder = (write: () => Promise<void>): Promise<void> => {
    const turn = async (): Promise<void> => {
      if (broken !== undefined) throw failed(broken);
      await write().catch((error: unknown) => {
        broken = errorText(error);
        throw failed(broken, error);
      });
    };
    const done = last.then(turn);
    // Only for the order: the caller hears of the failure.
    last = done.catch(() => {});
    return done;
  };

  return {
    commit: (batch) =>
      inOrder(async () => {
        await beforeCommit(batch);
        apply(disk, batch);
        commits += 1;
      }),
    ...readerOf(disk),
    forget: (subject) =>
      inOrder(async () => {
        const gone = (one: string): boolean =>
          subjectMatches(one, subject) || subjectMatches(one, `${subject}/`);
        disk.events = disk.events.filter((event) => !gone(event.subject));
      }),
    trim: (subject, keep) =>
      inOrder(async () => {
        const seqs = disk.events.flatMap((event) => (event.subject === subject ? event.seq : []));
        const last = seqs.at(-keep - 1) ?? 0;
        disk.events = disk.events.filter((event) => event.seq > last || event.subject !== subject);
      }),
    counts: () => ({ commits, transactions: commits }),
    close: async () => {
      await last;
      broken ??= "it was closed";
    },
  };
}

function readerOf(disk: MemoryDisk): Pick<Store, "read" | "range" | "events"> {
  const found = (isMeant: (key: string) => boolean): StoreRecord[] =>
    [...disk.records]
      .filter(([key]) => isMeant(key))
      .sort(([a], [b]) => compareKeys(a, b))
      .map(([key, value]) => ({ key, value }));
  return {
    read: async (prefix) => found((key) => key.startsWith(prefix)),
    range: async (range) => {
      const inOrder = found((key) => isInRange(key, range));
      return (range.reverse ? inOrder.reverse() : inOrder).slice(0, range.countMax);
    },
    events: async ({ subject, after, countMax }) =>
      disk.events
        .filter((event) => event.seq > after && subjectMatches(event.subject, subject))
        .slice(0, countMax),
  };
}

function apply(disk: MemoryDisk, batch: Batch): void {
  for (const prefix of batch.deletePrefixes ?? []) {
    for (const key of disk.records.keys()) if (key.startsWith(prefix)) disk.records.delete(key);
  }
  for (const key of batch.deletes) disk.records.delete(key);
  for (const { key, value } of batch.puts) disk.records.set(key, value);
  if (batch.forgets !== undefined && batch.forgets.length > 0) {
    const gone = new Set(batch.forgets);
    disk.events = disk.events.filter(({ subject }) => !gone.has(subject));
  }
  const events = batch.events.map((draft) => {
    disk.seq += 1;
    return { ...draft, seq: disk.seq };
  });
  // In place: a copy for each commit would cost more the longer a simulation runs.
  disk.events.push(...events);
}

function failed(why: string, cause?: unknown): SkyError {
  return new SkyError("store/failed", { why }, { cause });
}
