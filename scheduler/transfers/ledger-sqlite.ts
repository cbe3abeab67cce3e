// The ledger of a transfer as an SQLite file of its own, removed with the transfer.
//
// It is not the truth about objects (destinations are), so commits are not flushed one by one:
// `synchronous=NORMAL` keeps it whole over `kill -9`, and a power cut takes back the last commits,
// which are done again. Counts are kept beside it and are summed up when it is opened.
// Source: sqlite.org, "PRAGMA synchronous".

import { DatabaseSync, type StatementSync } from "node:sqlite";
import {
  type CopyChange,
  type CopySettled,
  type FailedCopy,
  type Ledger,
  type LedgerCounts,
  type LedgerObject,
  type NewObject,
  type ThereObject,
  type ToldUpload,
  triesMaxOf,
} from "../../transfer/job/ledger.ts";
import { ledgerSchema, ledgerTexts, state } from "./ledger-texts.ts";

const logBytesMax = 4_194_304;
const waitMs = 10_000;

type Statements = Readonly<Record<keyof typeof ledgerTexts, StatementSync>>;
type Row = Readonly<Record<string, unknown>>;

/** `:memory:` for one that is looked at once. */
export function openLedger(path: string): Ledger {
  return new SqliteLedger(path);
}

interface Sums {
  listed: number;
  listedBytes: number;
  done: number;
  doneBytes: number;
  skipped: number;
  failed: number;
  retries: number;
  todo: number;
}

class SqliteLedger implements Ledger {
  readonly #database: DatabaseSync;
  readonly #statements: Statements;
  readonly #destinations: { done: number; doneBytes: number }[] = [];
  #sums: Sums = noSums();

  constructor(path: string) {
    this.#database = new DatabaseSync(path, { timeout: waitMs });
    this.#database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
    this.#database.exec(`PRAGMA journal_size_limit = ${logBytesMax}; PRAGMA trusted_schema = OFF`);
    this.#database.exec(ledgerSchema);
    const prepared = Object.entries(ledgerTexts).map(([name, sql]) => [
      name,
      this.#database.prepare(sql),
    ]);
    this.#statements = Object.fromEntries(prepared) as Statements;
    this.#sumUp();
  }

  add(objects: readonly NewObject[]): void {
    this.#transaction(() => {
      for (const object of objects) this.#addOne(object);
    });
  }

  todo(after: number, countMax: number): readonly LedgerObject[] {
    const { todoNumbers, todoObject, todoCopies } = this.#statements;
    return todoNumbers.all(after, countMax).map(({ number }) => {
      const row = todoObject.get(Number(number)) ?? {};
      return ledgerObject(row, todoCopies.all(Number(number)));
    });
  }

  failAt(destination: number, why: string): void {
    this.#statements.failAt.run(why, destination);
    this.#sumUp();
  }

  todoAt(): ReturnType<Ledger["todoAt"]> {
    const rows = this.#statements.todoAt.all();
    return new Map(
      rows.map(({ destination, count, bytes }) => [
        Number(destination),
        { count: Number(count), bytes: Number(bytes) },
      ]),
    );
  }

  record(changes: readonly CopyChange[]): readonly CopySettled[] {
    return this.#transaction(() => changes.flatMap((change) => this.#settle(change) ?? []));
  }

  failures(after: number, countMax: number): readonly FailedCopy[] {
    return this.#statements.failures.all(countMax, after).map((row) => ({
      number: Number(row["number"]),
      destination: Number(row["destination"]),
      source: String(row["source"]),
      rest: String(row["rest"]),
      why: String(row["why"]),
      retry: row["retry"] === 1,
    }));
  }

  counts(): LedgerCounts {
    return { ...this.#sums, destinations: this.#destinations.map((one) => ({ ...one })) };
  }

  reopen(): void {
    const { skipDone, redo, dropFaults, dropFaultCopies } = this.#statements;
    this.#transaction(() => {
      for (const statement of [skipDone, redo, dropFaults, dropFaultCopies]) statement.run();
    });
    this.#sumUp();
  }

  fact(name: string): string | undefined {
    const value = this.#statements.fact.get(name)?.["value"];
    return value === undefined || value === "" ? undefined : String(value);
  }

  setFact(name: string, value: string): void {
    this.#statements.setFact.run(name, value);
  }

  upload({ destination, upload }: ToldUpload, object: number): void {
    this.#statements.upload.run(destination, upload.key, upload.id, object);
  }

  uploadsOpen(): readonly ToldUpload[] {
    return this.#statements.uploads.all().map((row) => ({
      destination: Number(row["destination"]),
      upload: { key: String(row["key"]), id: String(row["id"]) },
    }));
  }

  forgetUpload({ destination, upload }: ToldUpload): void {
    this.#statements.dropUpload.run(destination, upload.key, upload.id);
  }

  isTarget(destination: number, target: string): boolean {
    return this.#statements.target.get(destination, target) !== undefined;
  }

  addThere(objects: readonly ThereObject[]): void {
    this.#transaction(() => {
      for (const { destination, key, bytes, modifiedMs } of objects) {
        this.#statements.addThere.run(destination, key, bytes, modifiedMs);
      }
    });
  }

  there(destination: number, key: string): ThereObject | undefined {
    const row = this.#statements.there.get(destination, key);
    if (row === undefined) return undefined;
    const { bytes, modified } = row;
    return { destination, key, bytes: Number(bytes), modifiedMs: Number(modified) };
  }

  keepThere(destination: number, keys: readonly string[]): void {
    this.#transaction(() => {
      for (const key of keys) this.#statements.keep.run(destination, key);
    });
  }

  surplus(destination: number, after: string, countMax: number): readonly string[] {
    return this.#statements.surplus.all(destination, after, countMax).map(({ key }) => String(key));
  }

  surplusCount(): number {
    return Number(this.#statements.surplusCount.get()?.["count"]);
  }

  clearThere(): void {
    this.#statements.clearThere.run();
  }

  close(): void {
    this.#database.close();
  }

  // ---- objects and copies

  #addOne(object: NewObject): void {
    const { find } = this.#statements;
    const known = find.get(object.source);
    if (known !== undefined) {
      if (isSame(known, object)) return;
      this.#drop(Number(known["number"]), Number(known["bytes"]));
    }
    const number = Number(this.#statements.number.get()?.["number"]);
    const { source, rest, bytes, modifiedMs, version, mode } = object;
    this.#statements.add.run(number, source, rest, bytes, modifiedMs, version, mode ?? null);
    for (const [destination, copy] of object.copies.entries()) {
      const of = copy.kind === "todo" ? "todo" : copy.kind === "skip" ? "skipped" : "failed";
      const target = copy.kind === "todo" ? copy.target : null;
      const why = copy.kind === "fail" ? copy.why : "";
      this.#statements.addCopy.run(number, destination, target, state[of], 0, why);
      this.#sums.listed += 1;
      this.#sums[of] += 1;
      if (of !== "skipped") this.#sums.listedBytes += bytes;
    }
  }

  /** What was known of another content under that name. */
  #drop(number: number, bytes: number): void {
    for (const row of this.#statements.copies.all(number)) {
      this.#count(Number(row["destination"]), Number(row["state"]), { count: -1, bytes: -bytes });
    }
    this.#statements.removeCopies.run(number);
    this.#statements.remove.run(number);
  }

  #settle(change: CopyChange): CopySettled | undefined {
    const { object, destination } = change;
    const row = this.#statements.copy.get(object, destination);
    const about = this.#statements.object.get(object);
    if (row === undefined || about === undefined || row["state"] !== state.todo) return undefined;
    const [rest, bytes] = [String(about["rest"]), Number(about["bytes"])];
    const tries = Number(row["tries"]) + 1;
    if (change.kind === "done") {
      this.#setCopy(change, { of: state.done, tries: tries - 1, retry: false, why: "" });
      this.#statements.dropUploads.run(object, destination);
      this.#move(destination, state.done, bytes);
      return { object, destination, rest, bytes, outcome: "done", why: "" };
    }
    const { retry, why } = change;
    const again = retry && tries < triesMaxOf(change.code);
    this.#setCopy(change, { of: again ? state.todo : state.failed, tries, retry, why });
    if (again) this.#sums.retries += 1;
    else this.#move(destination, state.failed, bytes);
    return { object, destination, rest, bytes, outcome: again ? "again" : "failed", why };
  }

  #setCopy(
    { object, destination }: CopyChange,
    to: { of: number; tries: number; retry: boolean; why: string },
  ): void {
    const retry = to.retry ? 1 : 0;
    this.#statements.setCopy.run(to.of, to.tries, retry, to.why, object, destination);
  }

  #move(destination: number, to: number, bytes: number): void {
    this.#sums.todo -= 1;
    if (to === state.failed) this.#sums.failed += 1;
    if (to !== state.done) return;
    this.#sums.done += 1;
    this.#sums.doneBytes += bytes;
    const one = this.#at(destination);
    one.done += 1;
    one.doneBytes += bytes;
  }

  #count(destination: number, of: number, by: { count: number; bytes: number }): void {
    const sums = this.#sums;
    sums.listed += by.count;
    if (of === state.skipped) sums.skipped += by.count;
    else sums.listedBytes += by.bytes;
    if (of === state.todo) sums.todo += by.count;
    if (of === state.failed) sums.failed += by.count;
    if (of !== state.done) return;
    sums.done += by.count;
    sums.doneBytes += by.bytes;
    const one = this.#at(destination);
    one.done += by.count;
    one.doneBytes += by.bytes;
  }

  #at(destination: number): { done: number; doneBytes: number } {
    while (this.#destinations.length <= destination) {
      this.#destinations.push({ done: 0, doneBytes: 0 });
    }
    return this.#destinations[destination] ?? { done: 0, doneBytes: 0 };
  }

  #sumUp(): void {
    this.#sums = noSums();
    for (const one of this.#destinations) Object.assign(one, { done: 0, doneBytes: 0 });
    for (const row of this.#statements.sums.all()) {
      const by = { count: Number(row["count"]), bytes: Number(row["bytes"]) };
      this.#count(Number(row["destination"]), Number(row["state"]), by);
      // The last try of one that failed was none that another one followed.
      const last = row["state"] === state.failed ? by.count : 0;
      this.#sums.retries += Math.max(0, Number(row["tries"]) - last);
    }
  }

  #transaction<T>(work: () => T): T {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      const result = work();
      this.#database.exec("COMMIT");
      return result;
    } catch (error) {
      // SQLite has rolled back by itself after some errors, such as a full disk.
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      this.#sumUp();
      throw error;
    }
  }
}

function noSums(): Sums {
  return {
    ...{ listed: 0, listedBytes: 0, done: 0, doneBytes: 0 },
    ...{ skipped: 0, failed: 0, retries: 0, todo: 0 },
  };
}

/** Found again by a listing that was begun anew. */
function isSame(known: Row, object: NewObject): boolean {
  const isVersion = known["version"] === object.version;
  return isVersion && known["bytes"] === object.bytes && known["modified"] === object.modifiedMs;
}

function ledgerObject(row: Row, copies: readonly Row[]): LedgerObject {
  const mode = row["mode"];
  return {
    number: Number(row["number"]),
    source: String(row["source"]),
    rest: String(row["rest"]),
    bytes: Number(row["bytes"]),
    modifiedMs: Number(row["modified"]),
    version: String(row["version"]),
    ...(mode === null ? {} : { mode: Number(mode) }),
    targets: copies.map(({ state: of, target }) => (of === state.todo ? String(target) : null)),
  };
}
