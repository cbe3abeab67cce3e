// What the ledger of a transfer says to SQLite: its tables, and every statement.
//
// A copy's `target` is NULL where there is nothing to move: what is skipped, and what could not be
// listed. Numbers are given once: an object that changed is another row.

const schemaVersion = 1;

export const ledgerSchema = `
  CREATE TABLE IF NOT EXISTS objects (
    number INTEGER PRIMARY KEY, source TEXT NOT NULL UNIQUE, rest TEXT NOT NULL,
    bytes INTEGER NOT NULL, modified REAL NOT NULL, version TEXT NOT NULL, mode INTEGER
  ) STRICT;
  CREATE TABLE IF NOT EXISTS copies (
    number INTEGER NOT NULL, destination INTEGER NOT NULL, target TEXT, state INTEGER NOT NULL,
    tries INTEGER NOT NULL, retry INTEGER NOT NULL, why TEXT NOT NULL,
    PRIMARY KEY (number, destination)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS copies_todo ON copies (number) WHERE state = 0;
  CREATE INDEX IF NOT EXISTS copies_failed ON copies (number) WHERE state = 3;
  CREATE TABLE IF NOT EXISTS uploads (
    destination INTEGER NOT NULL, key TEXT NOT NULL, id TEXT NOT NULL, number INTEGER NOT NULL,
    PRIMARY KEY (destination, key, id)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS there (
    destination INTEGER NOT NULL, key TEXT NOT NULL, bytes INTEGER NOT NULL,
    modified REAL NOT NULL, kept INTEGER NOT NULL, PRIMARY KEY (destination, key)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS numbers (id INTEGER PRIMARY KEY CHECK (id = 1), next INTEGER) STRICT;
  INSERT OR IGNORE INTO numbers VALUES (1, 0);
  PRAGMA user_version = ${schemaVersion};
`;

/** Of a copy, in the file. */
export const state = { todo: 0, done: 1, skipped: 2, failed: 3 } as const;

export const ledgerTexts = {
  number: "UPDATE numbers SET next = next + 1 RETURNING next - 1 AS number",
  add: "INSERT OR IGNORE INTO objects VALUES (?, ?, ?, ?, ?, ?, ?)",
  find: "SELECT number, bytes, version, modified FROM objects WHERE source = ?",
  object: "SELECT source, rest, bytes FROM objects WHERE number = ?",
  remove: "DELETE FROM objects WHERE number = ?",
  removeCopies: "DELETE FROM copies WHERE number = ?",
  addCopy: "INSERT INTO copies VALUES (?, ?, ?, ?, 0, ?, ?)",
  copies: "SELECT destination, state FROM copies WHERE number = ?",
  copy: "SELECT state, tries FROM copies WHERE number = ? AND destination = ?",
  setCopy:
    "UPDATE copies SET state = ?, tries = ?, retry = ?, why = ? WHERE number = ? AND destination = ?",
  todoNumbers: `SELECT DISTINCT number FROM copies
    WHERE state = 0 AND number > ? ORDER BY number LIMIT ?`,
  todoObject: "SELECT * FROM objects WHERE number = ?",
  todoCopies: "SELECT destination, target, state FROM copies WHERE number = ? ORDER BY destination",
  failures: `SELECT c.number, c.destination, c.why, c.retry, o.source, o.rest
    FROM copies c JOIN objects o USING (number)
    WHERE c.state = 3 ORDER BY c.number, c.destination LIMIT ? OFFSET ?`,
  todoAt: `SELECT c.destination, count(*) AS count, sum(o.bytes) AS bytes
    FROM copies c JOIN objects o USING (number) WHERE c.state = 0 GROUP BY 1`,
  failAt: "UPDATE copies SET state = 3, retry = 0, why = ? WHERE state = 0 AND destination = ?",
  sums: `SELECT c.destination, c.state, count(*) AS count, sum(o.bytes) AS bytes,
    sum(c.tries) AS tries FROM copies c JOIN objects o USING (number) GROUP BY 1, 2`,
  skipDone: "UPDATE copies SET state = 2 WHERE state = 1",
  redo: "UPDATE copies SET state = 0, tries = 0, why = '' WHERE state = 3 AND target IS NOT NULL",
  dropFaults: `DELETE FROM objects WHERE number IN
    (SELECT number FROM copies WHERE state = 3 AND target IS NULL)`,
  dropFaultCopies: "DELETE FROM copies WHERE number NOT IN (SELECT number FROM objects)",
  fact: "SELECT value FROM facts WHERE name = ?",
  setFact:
    "INSERT INTO facts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
  upload: "INSERT OR REPLACE INTO uploads VALUES (?, ?, ?, ?)",
  uploads: "SELECT destination, key, id FROM uploads ORDER BY destination, key, id",
  dropUpload: "DELETE FROM uploads WHERE destination = ? AND key = ? AND id = ?",
  dropUploads: "DELETE FROM uploads WHERE number = ? AND destination = ?",
  target: "SELECT 1 FROM copies WHERE destination = ? AND target = ? LIMIT 1",
  addThere: "INSERT OR REPLACE INTO there VALUES (?, ?, ?, ?, 0)",
  there: "SELECT bytes, modified FROM there WHERE destination = ? AND key = ?",
  keep: "UPDATE there SET kept = 1 WHERE destination = ? AND key = ?",
  surplus: `SELECT key FROM there WHERE destination = ? AND kept = 0 AND key > ?
    ORDER BY key LIMIT ?`,
  surplusCount: "SELECT count(*) AS count FROM there WHERE kept = 0",
  clearThere: "DELETE FROM there",
} as const;
