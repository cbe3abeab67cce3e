// The journal's database: tables, and the statements that read and write them.
//
// Synchronous; lives on the store's own thread. WAL with `synchronous=FULL`: a transaction is on
// disk when COMMIT returns. The file is locked exclusively and for as long as the process lives;
// the kernel lets go of it when the process dies. Never open and close the journal's file for
// reading in the process that holds it: POSIX drops the lock with the first close.
// Source: sqlite.org, "Write-Ahead Logging" and "PRAGMA locking_mode".

import { closeSync, fsyncSync, openSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { errorText, isSkyError, SkyError } from "../model/errors.ts";
import { makeFolders } from "./folders-os.ts";
import { isNoRoom } from "./room-os.ts";
import type { Batch, RecordRange, StoreEvent, StoreRecord } from "./store.ts";
import { allSubjects, prefixEnd } from "./store-keys.ts";
import type { EventQuery, WriteStep } from "./store-requests.ts";

/**
 * The form of the journal: of its tables, and of what is in its records. It rises when an older
 * program would misread a newer one's journal; that one refuses to open it. Since 2, jobs that are
 * settled have records of their own kind, and an older head would give their ids again.
 */
const schemaVersion = 2;

/** Result codes of SQLite. Source: sqlite.org/rescode.html. */
const sqliteBusy = 5;
const sqliteCorrupt = 11;
const sqliteFull = 13;
const sqliteNoDatabase = 26;
/** A larger file is not looked through at every start: a MiB takes about 2 ms. */
const checkedBytesMax = 33_554_432;

/** Fewer free pages than this (of 4 KiB) are kept for what comes next. */
const freePagesMin = 2_048;

/** Source: sqlite.org, "PRAGMA auto_vacuum". */
const autoVacuumIncremental = 2;
const copiedPagesMax = 16_384;

/** SQLite sorts every blob after every text. */
const endOfAll = new Uint8Array(0);

const schema = `
  CREATE TABLE IF NOT EXISTS records (
    key TEXT PRIMARY KEY, value TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    subject TEXT NOT NULL, wall_ms REAL NOT NULL, body TEXT NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS events_by_subject ON events (subject, seq);
  PRAGMA user_version = ${schemaVersion};
`;

export interface JournalDatabase {
  /**
   * One transaction. How many events each step removed, where it counts them.
   * @throws what SQLite throws; nothing of it is written then.
   */
  write(steps: readonly WriteStep[]): readonly number[];
  read(prefix: string): readonly StoreRecord[];
  range(range: RecordRange): readonly StoreRecord[];
  events(query: EventQuery): readonly StoreEvent[];
  /** Gives free pages back to the disk, if there are many. Whether more of them are left. */
  shrink(pagesMax: number): boolean;
  close(): void;
}

/**
 * A damaged file is left as it is: what is in it may still be wanted.
 * @throws SkyError `store/locked`, `store/corrupt`, or `store/failed` if it is of a newer version.
 */
export function openJournalDatabase(path: string): JournalDatabase {
  try {
    createPrivately(path);
    const database = new DatabaseSync(path);
    try {
      prepare(database, path);
      return journalOver(database);
    } catch (error) {
      database.close();
      throw error;
    }
  } catch (error) {
    if (errorNumber(error) === sqliteBusy) {
      throw new SkyError("store/locked", { path }, { cause: error });
    }
    if (isSkyError(error)) throw error;
    if (isCorrupt(error)) throw corrupt(path, error);
    throw new SkyError("store/failed", { why: `${path}: ${errorText(error)}` }, { cause: error });
  }
}

/** Whether an error of the journal says that its file is damaged. */
export function isCorrupt(error: unknown): boolean {
  const cause = isSkyError(error) ? (error.cause ?? error) : error;
  const number = errorNumber(cause);
  return number === sqliteCorrupt || number === sqliteNoDatabase;
}

export function corrupt(path: string, cause: unknown): SkyError<"store/corrupt"> {
  return new SkyError("store/corrupt", { path, why: errorText(cause) }, { cause });
}

/** Whether an error of the journal says that the disk is full. */
export function isDiskFull(error: unknown): boolean {
  const cause = isSkyError(error) ? error.cause : error;
  return errorNumber(cause) === sqliteFull || isNoRoom(cause);
}

function newerForm(version: number): Error {
  const forms = `its form is ${version}, this one knows up to ${schemaVersion}`;
  return new Error(`it is of a newer version: ${forms}; install that version again`);
}

function prepare(database: DatabaseSync, path: string): void {
  database.exec("PRAGMA locking_mode = EXCLUSIVE");
  // Before the first page: free ones can be given back without copying the whole file.
  const isNew = numberOf(database, "page_count") === 0;
  if (isNew) database.exec("PRAGMA auto_vacuum = INCREMENTAL");
  // Exclusive before WAL: the WAL's index then lives in memory and needs no shared file.
  database.exec("PRAGMA journal_mode = WAL");
  database.exec("PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 16777216");
  database.exec("BEGIN EXCLUSIVE");
  check(database, path);
  const version = Number(database.prepare("PRAGMA user_version").get()?.["user_version"]);
  if (version > schemaVersion) throw newerForm(version);
  database.exec(schema);
  database.exec("COMMIT");
  // Journals of 0.1.0 began without it. Copying a small one once is cheap; a large one reuses its
  // free pages all the same, and only keeps its size.
  const pages = numberOf(database, "page_count");
  if (numberOf(database, "auto_vacuum") !== autoVacuumIncremental && pages <= copiedPagesMax) {
    database.exec("PRAGMA auto_vacuum = INCREMENTAL; VACUUM");
  }
}

/** Damage is found here, where nothing stands on the journal yet, and not by whoever reads it. */
function check(database: DatabaseSync, path: string): void {
  if (statSync(path).size > checkedBytesMax) return;
  const found = database.prepare("PRAGMA quick_check(1)").get()?.["quick_check"];
  // The first line only names the database.
  if (found !== "ok") throw corrupt(path, String(found).split("\n").at(-1));
}

function journalOver(database: DatabaseSync): JournalDatabase {
  const apply = writerOf(database);
  const records = database.prepare(
    "SELECT key, value FROM records WHERE key >= ? AND key < ? ORDER BY key",
  );
  const part = "SELECT key, value FROM records WHERE key >= ? AND key < ? ORDER BY key";
  const up = database.prepare(`${part} LIMIT ?`);
  const down = database.prepare(`${part} DESC LIMIT ?`);
  const exact = database.prepare(
    "SELECT * FROM events WHERE subject = ? AND seq > ? ORDER BY seq LIMIT ?",
  );
  // The plus keeps it on the order of `seq`: a follower reads only what is newer than `after`.
  const below = database.prepare(
    "SELECT * FROM events WHERE +subject >= ? AND +subject < ? AND seq > ? ORDER BY seq LIMIT ?",
  );
  return {
    write: (steps) => inTransaction(database, () => steps.map(apply)),
    read: (prefix) => records.all(prefix, prefixEnd(prefix) ?? endOfAll).map(recordOf),
    range: ({ from, before, countMax, reverse = false }) =>
      (reverse ? down : up).all(from, before || endOfAll, countMax).map(recordOf),
    events: ({ subject, after, countMax }) => {
      if (subject === allSubjects) return below.all("", endOfAll, after, countMax).map(eventOf);
      const rows = subject.endsWith("/")
        ? below.all(subject, prefixEnd(subject) ?? endOfAll, after, countMax)
        : exact.all(subject, after, countMax);
      return rows.map(eventOf);
    },
    shrink: (pagesMax) => {
      const free = numberOf(database, "freelist_count");
      if (free < freePagesMin || free * 4 < numberOf(database, "page_count")) return false;
      database.exec(`PRAGMA incremental_vacuum(${pagesMax})`);
      // The file itself gets shorter only when the log is taken into it.
      database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
      return numberOf(database, "freelist_count") < free;
    },
    close: () => database.close(),
  };
}

/** What one step of a transaction does. How many events it removed, if it counts them. */
function writerOf(database: DatabaseSync): (step: WriteStep) => number {
  const put = database.prepare(
    "INSERT INTO records VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
  );
  const remove = database.prepare("DELETE FROM records WHERE key = ?");
  const removeRange = database.prepare("DELETE FROM records WHERE key >= ? AND key < ?");
  const append = database.prepare("INSERT INTO events (subject, wall_ms, body) VALUES (?, ?, ?)");
  const forget = database.prepare("DELETE FROM events WHERE subject = ?");

  const writeBatch = (batch: Batch): void => {
    for (const prefix of batch.deletePrefixes ?? []) deleteRange(removeRange, prefix);
    for (const key of batch.deletes) remove.run(key);
    for (const { key, value } of batch.puts) put.run(key, value);
    for (const subject of batch.forgets ?? []) forget.run(subject);
    for (const { subject, wallMs, body } of batch.events) append.run(subject, wallMs, body);
  };
  const removeEvents = removerOf(database);
  return (step) => {
    if (step.kind !== "batch") return removeEvents(step);
    writeBatch(step.batch);
    return 0;
  };
}

/** Removes some of the events that a step names. How many. */
function removerOf(
  database: DatabaseSync,
): (step: Exclude<WriteStep, { readonly kind: "batch" }>) => number {
  const removing = (which: string): StatementSync =>
    database.prepare(`DELETE FROM events WHERE seq IN (SELECT seq FROM events WHERE ${which})`);
  const one = removing("subject = ? LIMIT ?");
  const below = removing("subject >= ? AND subject < ? LIMIT ?");
  const older = removing("subject = ? AND seq <= ? ORDER BY seq LIMIT ?");
  const newest = database.prepare(
    "SELECT seq FROM events WHERE subject = ? ORDER BY seq DESC LIMIT 1 OFFSET ?",
  );
  return (step) => {
    const { subject, countMax } = step;
    if (step.kind === "trim") {
      const last = newest.get(subject, step.keep)?.["seq"];
      return last === undefined ? 0 : Number(older.run(subject, Number(last), countMax).changes);
    }
    const removed = Number(one.run(subject, countMax).changes);
    const prefix = `${subject}/`;
    const end = prefixEnd(prefix) ?? endOfAll;
    return removed + Number(below.run(prefix, end, countMax - removed).changes);
  };
}

function deleteRange(statement: StatementSync, prefix: string): void {
  statement.run(prefix, prefixEnd(prefix) ?? endOfAll);
}

function inTransaction<T>(database: DatabaseSync, work: () => T): T {
  database.exec("BEGIN IMMEDIATE");
  try {
    const result = work();
    database.exec("COMMIT");
    return result;
  } catch (error) {
    // SQLite has rolled back by itself after some errors, such as a full disk.
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}

function recordOf(row: Readonly<Record<string, unknown>>): StoreRecord {
  return { key: String(row["key"]), value: String(row["value"]) };
}

function numberOf(database: DatabaseSync, pragma: string): number {
  return Number(database.prepare(`PRAGMA ${pragma}`).get()?.[pragma]);
}

function eventOf(row: Readonly<Record<string, unknown>>): StoreEvent {
  return {
    seq: Number(row["seq"]),
    subject: String(row["subject"]),
    wallMs: Number(row["wall_ms"]),
    body: String(row["body"]),
  };
}

/** The file and its folder belong to their owner alone, and the folder knows of the file. */
function createPrivately(path: string): void {
  makeFolders(dirname(path), 0o700);
  closeSync(openSync(path, "a", 0o600));
  const dir = openSync(dirname(path), "r");
  fsyncSync(dir);
  closeSync(dir);
}

function errorNumber(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("errcode" in error)) return undefined;
  // The low byte is the primary code; the rest tells variants apart.
  return typeof error.errcode === "number" ? error.errcode & 0xff : undefined;
}
