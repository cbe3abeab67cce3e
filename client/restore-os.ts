// Brings a lost journal back from its replica.
//
// Only where there is nothing to lose: a home whose head runs, or whose journal holds anything, is
// left alone. A journal that is damaged is moved aside, never removed. The lock of the home is held
// meanwhile, so that no head starts over half a journal.

import { existsSync, renameSync } from "node:fs";
import type { RestoredRecord } from "../clouds/home-records.ts";
import { homeCluster, homeKeys } from "../clouds/home-records.ts";
import { headNode } from "../model/address.ts";
import { isSkyError, SkyError } from "../model/errors.ts";
import type { Home } from "../model/home.ts";
import { makeFolders } from "../runtime/folders-os.ts";
import { takeLock } from "../runtime/home-lock-sqlite.ts";
import { jsonRecord } from "../runtime/journal.ts";
import { restoreJournal } from "../runtime/restore-sqlite.ts";
import type { StoreRecord } from "../runtime/store.ts";
import { openJournalDatabase } from "../runtime/store-database-sqlite.ts";
import { syncEntry } from "../runtime/tree-os.ts";

export interface Restoration {
  /** Of each cluster, by name: how many of its jobs are in the journal. */
  readonly clusters: ReadonlyMap<string, number>;
  readonly untilWallMs: number;
  readonly droppedBytes: number;
  /** Where the journal is that was there before, if one was. */
  readonly movedTo?: string;
}

/** @throws SkyError `restore/failed`, `store/locked`. */
export async function restoreHome(home: Home, dir: string, wallMs: number): Promise<Restoration> {
  makeFolders(home.head, 0o700);
  const lock = takeLock(home.lock);
  if (lock === undefined) throw new SkyError("store/locked", { path: home.root });
  try {
    demandNothingToLose(home, dir);
    const fresh = `${home.journal}.fresh`;
    let clusters: ReadonlyMap<string, number> = new Map();
    const { untilWallMs, droppedBytes } = await restoreJournal({
      ...{ dir, journal: fresh },
      amend: (records, until) => {
        clusters = jobsOf(records);
        const restored: RestoredRecord = { atWallMs: wallMs, untilWallMs: until };
        return [jsonRecord(homeKeys.restored, restored)];
      },
    });
    const movedTo = moveAside(home.journal, wallMs);
    renameSync(fresh, home.journal);
    await syncEntry(home.head);
    return { clusters, untilWallMs, droppedBytes, ...(movedTo === undefined ? {} : { movedTo }) };
  } finally {
    lock.release();
  }
}

/** A head that has only just started over nothing has its own records and no others. */
function demandNothingToLose(home: Home, dir: string): void {
  if (!existsSync(home.journal)) return;
  let count = 0;
  try {
    const database = openJournalDatabase(home.journal);
    const known: readonly string[] = Object.values(homeKeys);
    const own = ({ key }: StoreRecord): boolean => known.includes(key);
    count = database.read("").filter((record) => !own(record)).length;
    database.close();
  } catch (error) {
    if (isSkyError(error, "store/corrupt")) return;
    throw error;
  }
  if (count === 0) return;
  const why = `${home.journal} is whole and holds ${count} records; move it away if you mean it`;
  throw new SkyError("restore/failed", { dir, why });
}

/** The file keeps its content under another name, with what SQLite has beside it. */
function moveAside(journal: string, wallMs: number): string | undefined {
  if (!existsSync(journal)) return undefined;
  const to = `${journal}.before-${wallMs}`;
  for (const end of ["-wal", "-shm", ""]) {
    if (existsSync(`${journal}${end}`)) renameSync(`${journal}${end}`, `${to}${end}`);
  }
  return to;
}

const clusterKey = new RegExp(`^${homeCluster}/${headNode}/fleet/([^/]+)/record$`);
const jobKey = /^([^_/][^/]*)\/(?:job\/\d+\/spec|done\/\d+)$/;

function jobsOf(records: readonly StoreRecord[]): ReadonlyMap<string, number> {
  const jobs = new Map<string, number>();
  for (const { key } of records) {
    const cluster = clusterKey.exec(key)?.[1];
    if (cluster !== undefined && !jobs.has(cluster)) jobs.set(cluster, 0);
    const of = jobKey.exec(key)?.[1];
    if (of !== undefined) jobs.set(of, (jobs.get(of) ?? 0) + 1);
  }
  return jobs;
}
