// The index of a content store: sizes, last uses, and a copy of the pins to evict by.
//
// Nothing in here is the truth. Chunks are the files, pins are theirs; whoever finds the index
// damaged begins a new one and reads the files again. So a transaction need not be flushed to
// disk (`synchronous=NORMAL`): a power cut takes back a few sizes and uses, and opening repairs.
// Sums and pin counts are kept by triggers, so no statement can forget them.
// Synchronous; lives on the index's own thread. Source: sqlite.org, "PRAGMA synchronous".

import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { ChunkRef, Digest } from "./chunk.ts";
import type { IndexTotals } from "./content-index-requests.ts";
import type { PinName } from "./content-store.ts";

const schemaVersion = 1;
const logBytesMax = 4_194_304;
/** Readers meet whoever opens or closes the index: SQLite then locks it for a moment. */
const waitMs = 10_000;

const schema = `
  CREATE TABLE IF NOT EXISTS chunks (
    digest BLOB PRIMARY KEY, bytes INTEGER NOT NULL, used INTEGER NOT NULL, pins INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS chunks_unpinned ON chunks (used) WHERE pins = 0;
  CREATE TABLE IF NOT EXISTS pins (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE) STRICT;
  CREATE TABLE IF NOT EXISTS pinned (
    pin INTEGER NOT NULL, digest BLOB NOT NULL, bytes INTEGER NOT NULL, PRIMARY KEY (pin, digest)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS pinned_by_digest ON pinned (digest);
  CREATE TABLE IF NOT EXISTS totals (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    chunks INTEGER NOT NULL, bytes INTEGER NOT NULL, pinned INTEGER NOT NULL, tick INTEGER NOT NULL
  ) STRICT;
  INSERT OR IGNORE INTO totals VALUES (1, 0, 0, 0, 0);
  CREATE TRIGGER IF NOT EXISTS chunk_comes AFTER INSERT ON chunks BEGIN
    UPDATE totals SET chunks = chunks + 1, bytes = bytes + new.bytes,
      pinned = pinned + iif(new.pins > 0, new.bytes, 0);
  END;
  CREATE TRIGGER IF NOT EXISTS chunk_goes AFTER DELETE ON chunks BEGIN
    UPDATE totals SET chunks = chunks - 1, bytes = bytes - old.bytes,
      pinned = pinned - iif(old.pins > 0, old.bytes, 0);
  END;
  CREATE TRIGGER IF NOT EXISTS chunk_turns AFTER UPDATE OF pins ON chunks
  WHEN (old.pins > 0) <> (new.pins > 0) BEGIN
    UPDATE totals SET pinned = pinned + iif(new.pins > 0, new.bytes, -new.bytes);
  END;
  CREATE TRIGGER IF NOT EXISTS need_comes AFTER INSERT ON pinned BEGIN
    UPDATE chunks SET pins = pins + 1 WHERE digest = new.digest;
  END;
  CREATE TRIGGER IF NOT EXISTS need_goes AFTER DELETE ON pinned BEGIN
    UPDATE chunks SET pins = pins - 1 WHERE digest = old.digest;
  END;
  PRAGMA user_version = ${schemaVersion};
`;

/** A chunk that may be evicted. */
export type Victim = ChunkRef;

export class ContentIndex {
  readonly #database: DatabaseSync;
  readonly #statements: Statements;

  /** @throws what SQLite throws if the file is no index, or a damaged one. */
  constructor(path: string) {
    this.#database = new DatabaseSync(path, { timeout: waitMs });
    try {
      prepareDatabase(this.#database);
      this.#statements = statementsOf(this.#database);
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  /** All of it, or nothing. */
  transaction<T>(work: () => T): T {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      const result = work();
      this.#database.exec("COMMIT");
      return result;
    } catch (error) {
      // SQLite has rolled back by itself after some errors, such as a full disk.
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
  }

  /** The size that a chunk is known to have. */
  bytesOf(digest: Digest): number | undefined {
    const bytes = this.#statements.chunk.get(blobOf(digest))?.["bytes"];
    return bytes === undefined ? undefined : Number(bytes);
  }

  /** Adds a chunk, pinned by whoever pinned it before it came. */
  add({ digest, bytes }: ChunkRef, used = this.#tick()): void {
    const blob = blobOf(digest);
    this.#statements.add.run(blob, bytes, used, blob);
  }

  remove(digest: Digest): void {
    this.#statements.remove.run(blobOf(digest));
  }

  use(digests: Iterable<Digest>): void {
    for (const digest of digests) this.#statements.use.run(this.#tick(), blobOf(digest));
  }

  /** Those that nobody pins, the longest unused first. */
  victims(countMax: number): readonly Victim[] {
    return this.#statements.victims.all(countMax).map(refOf);
  }

  /** The chunks of one shelf and their sizes. */
  shelf(name: string): Map<Digest, number> {
    const from = Buffer.from(name, "hex");
    const last = Buffer.concat([from, Buffer.alloc(31, 0xff)]);
    const rows = this.#statements.shelf.all(from, last).map(refOf);
    return new Map(rows.map(({ digest, bytes }) => [digest, bytes]));
  }

  /** @returns the number under which the pin's chunks are kept. */
  pinId(name: PinName): number | undefined {
    const id = this.#statements.pin.get(name)?.["id"];
    return id === undefined ? undefined : Number(id);
  }

  addPin(name: PinName): number {
    return this.pinId(name) ?? Number(this.#statements.addPin.run(name).lastInsertRowid);
  }

  isPinnedBy(id: number, digest: Digest): boolean {
    return this.#statements.isPinnedBy.get(id, blobOf(digest)) !== undefined;
  }

  addNeeds(id: number, chunks: readonly ChunkRef[]): void {
    for (const { digest, bytes } of chunks) {
      this.#statements.addNeed.run(id, blobOf(digest), bytes);
    }
  }

  /** Replaces what a pin needs. */
  setNeeds(id: number, chunks: readonly ChunkRef[]): void {
    this.#statements.dropNeedsOf.run(id);
    this.addNeeds(id, chunks);
  }

  needs(id: number): readonly ChunkRef[] {
    return this.#statements.needs.all(id).map(refOf);
  }

  /** The name is free at once; `dropNeeds` takes away what it needed. */
  unname(id: number): void {
    this.#statements.unname.run(id);
  }

  /** Some needs of pins that have no name any more. Whether that was all. */
  dropNeeds(countMax: number): boolean {
    const { changes } = this.#statements.dropNeeds.run(countMax);
    if (Number(changes) >= countMax) return false;
    this.#statements.dropPins.run();
    return true;
  }

  pinNames(prefix: string): readonly PinName[] {
    const names = this.#statements.names.all(prefix, `${prefix}\u{10ffff}`);
    return names.map((row) => String(row["name"]));
  }

  totals(): Omit<IndexTotals, "evicted"> {
    const row = this.#statements.totals.get() ?? {};
    const count = (name: string): number => Number(row[name] ?? 0);
    return {
      chunks: count("chunks"),
      bytes: count("bytes"),
      pinnedBytes: count("pinned"),
      pins: count("pins"),
    };
  }

  /** Counts anew what the triggers keep, should the file have been damaged in a way nobody saw. */
  recount(): void {
    this.#database.exec(`
      DELETE FROM pinned WHERE pin NOT IN (SELECT id FROM pins WHERE name IS NOT NULL);
      DELETE FROM pins WHERE name IS NULL;
      UPDATE chunks SET pins = (SELECT count(*) FROM pinned WHERE pinned.digest = chunks.digest)
        WHERE pins <> (SELECT count(*) FROM pinned WHERE pinned.digest = chunks.digest);
      UPDATE totals SET chunks = (SELECT count(*) FROM chunks),
        bytes = (SELECT coalesce(sum(bytes), 0) FROM chunks),
        pinned = (SELECT coalesce(sum(bytes), 0) FROM chunks WHERE pins > 0);
    `);
  }

  close(): void {
    this.#database.close();
  }

  /** Rises with the wall clock where that goes on, and by one where it stands or goes back. */
  #tick(): number {
    return Number(this.#statements.tick.get(Date.now())?.["tick"]);
  }
}

function prepareDatabase(database: DatabaseSync): void {
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
  database.exec(`PRAGMA journal_size_limit = ${logBytesMax}; PRAGMA trusted_schema = OFF`);
  const found = database.prepare("PRAGMA quick_check(1)").get()?.["quick_check"];
  if (found !== "ok") throw new DamagedIndex(String(found));
  const version = Number(database.prepare("PRAGMA user_version").get()?.["user_version"]);
  // Nothing in it is worth keeping over a change of its form: the next one is read from the files.
  if (version !== 0 && version !== schemaVersion) throw new DamagedIndex(`its form is ${version}`);
  database.exec(schema);
}

/** The index cannot be used and is to be begun anew. */
export class DamagedIndex extends Error {}

type Statements = Readonly<Record<keyof typeof texts, StatementSync>>;

const texts = {
  chunk: "SELECT bytes FROM chunks WHERE digest = ?",
  add: `INSERT INTO chunks VALUES (?, ?, ?, (SELECT count(*) FROM pinned WHERE digest = ?))
    ON CONFLICT (digest) DO UPDATE SET used = max(used, excluded.used)`,
  remove: "DELETE FROM chunks WHERE digest = ?",
  use: "UPDATE chunks SET used = ? WHERE digest = ?",
  // The count of pins only finds them; that nobody pins them is asked of the pins themselves.
  victims: `SELECT digest, bytes FROM chunks WHERE pins = 0
    AND NOT EXISTS (SELECT 1 FROM pinned WHERE pinned.digest = chunks.digest)
    ORDER BY used LIMIT ?`,
  shelf: "SELECT digest, bytes FROM chunks WHERE digest BETWEEN ? AND ?",
  pin: "SELECT id FROM pins WHERE name = ?",
  addPin: "INSERT INTO pins (name) VALUES (?)",
  isPinnedBy: "SELECT 1 FROM pinned WHERE pin = ? AND digest = ?",
  addNeed: "INSERT OR IGNORE INTO pinned VALUES (?, ?, ?)",
  needs: "SELECT digest, bytes FROM pinned WHERE pin = ? ORDER BY digest",
  unname: "UPDATE pins SET name = NULL WHERE id = ?",
  dropNeeds: `DELETE FROM pinned WHERE (pin, digest) IN (SELECT pin, digest FROM pinned
    WHERE pin IN (SELECT id FROM pins WHERE name IS NULL) LIMIT ?)`,
  dropNeedsOf: "DELETE FROM pinned WHERE pin = ?",
  dropPins: "DELETE FROM pins WHERE name IS NULL",
  names: "SELECT name FROM pins WHERE name >= ? AND name < ? ORDER BY name",
  totals: `SELECT chunks, bytes, pinned,
    (SELECT count(*) FROM pins WHERE name IS NOT NULL) AS pins FROM totals`,
  tick: "UPDATE totals SET tick = max(tick + 1, ?) RETURNING tick",
} as const;

function statementsOf(database: DatabaseSync): Statements {
  const prepared = Object.entries(texts).map(([name, text]) => [name, database.prepare(text)]);
  return Object.fromEntries(prepared) as Statements;
}

function blobOf(digest: Digest): Buffer {
  return Buffer.from(digest, "hex");
}

function refOf(row: Readonly<Record<string, unknown>>): ChunkRef {
  const digest = row["digest"];
  const hex = digest instanceof Uint8Array ? Buffer.from(digest).toString("hex") : "";
  return { digest: hex, bytes: Number(row["bytes"]) };
}
