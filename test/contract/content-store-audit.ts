// What must be true of a content store after its writers were killed, by what they said before.
//
// A line that says that something begins, with none that says that it is done, means that both are
// possible. Everything else is exact.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { ContentStore } from "../../transfer/chunks/content-store.ts";
import { sample } from "./content-store.contract.ts";

/** Numbers that all writers share, so that they put the same and meet. */
export const sharedMax = 400;
export const sizeOf = (number: number): number => 100 + ((number * 7_919) % 20_000);

export interface KnownPin {
  /** What is pinned for sure; `undefined` while that changes. */
  readonly numbers: readonly number[] | undefined;
  /** Those of them that were put since. */
  readonly put: Set<number>;
}

/** What is known of one store from what its writers said. */
export class Facts {
  readonly pins = new Map<string, KnownPin>();
  /** Pins that were taken away, and not made again. */
  readonly gone = new Set<string>();
  /** All puts that were acknowledged. */
  readonly puts = new Set<number>();

  hear(line: string): void {
    const [verb, subject = "", ...others] = line.split(" ");
    const numbers = others.filter(Boolean).map(Number);
    if (verb === "unpinned") this.gone.add(subject);
    else if (verb !== "put") this.gone.delete(subject);
    if (verb === "pinned") this.pins.set(subject, { numbers, put: new Set() });
    if (verb === "unpinned") this.pins.delete(subject);
    const isOpen = verb === "pinning" || verb === "unpinning";
    if (isOpen) this.pins.set(subject, { numbers: undefined, put: new Set() });
    if (verb !== "put") return;
    this.puts.add(Number(subject));
    const pin = this.pins.get(others[0] ?? "");
    if (pin?.numbers?.includes(Number(subject)) === true) pin.put.add(Number(subject));
  }

  /** What is known for sure of one writer that is dead. */
  of(writer: string): Facts {
    const facts = new Facts();
    for (const number of this.puts) facts.puts.add(number);
    for (const name of this.gone) if (name.startsWith(`${writer}/`)) facts.gone.add(name);
    for (const [name, pin] of this.pins) {
      if (name.startsWith(`${writer}/`)) facts.pins.set(name, pin);
    }
    return facts;
  }
}

/** While others may go on writing. `isBounded`: what nobody pins may be gone. */
export async function auditFacts(
  store: ContentStore,
  facts: Facts,
  isBounded: boolean,
): Promise<void> {
  const needed = new Set(isBounded ? [] : facts.puts);
  for (const name of facts.gone) assert.equal(await store.pinned(name), undefined, name);
  for (const [name, { numbers, put }] of facts.pins) {
    const refs = await store.pinned(name);
    if (numbers === undefined) continue;
    assert.ok(refs !== undefined, `the pin ${name} is gone`);
    const pinned = new Set(refs.map(({ digest }) => digest));
    for (const number of numbers) {
      assert.ok(pinned.has(sample(number, sizeOf(number)).digest), `${name} lacks ${number}`);
    }
    for (const number of put) needed.add(number);
  }
  for (const number of needed) {
    const { digest, content } = sample(number, sizeOf(number));
    assert.ok(content.equals(await store.get(digest)), `chunk ${number}`);
  }
}

/** When nobody has the store open: its folder, file by file. */
export function auditFolder(dir: string, bytesMax: number): void {
  const sizes = new Map<string, number>();
  for (const shelf of readdirSync(dir).filter((name) => /^[0-9a-f]{2}$/.test(name))) {
    for (const name of readdirSync(join(dir, shelf))) {
      const bytes = readFileSync(join(dir, shelf, name));
      assert.equal(createHash("sha256").update(bytes).digest("hex"), name);
      assert.ok(name.startsWith(shelf));
      assert.equal(lstatSync(join(dir, shelf, name)).mode & 0o777, 0o600);
      sizes.set(name, bytes.length);
    }
  }
  const bytes = [...sizes.values()].reduce((all, size) => all + size, 0);
  assert.ok(bytes <= bytesMax, `${bytes} bytes of ${bytesMax}`);
  assert.deepEqual(readdirSync(join(dir, "incoming")), [], "nothing of a dead writer is left");
  auditIndex(dir, sizes);
}

function auditIndex(dir: string, sizes: ReadonlyMap<string, number>): void {
  const names = readdirSync(dir).filter((name) => /^index-\d+\.db$/.test(name));
  assert.equal(names.length, 1, `${names}`);
  const database = new DatabaseSync(join(dir, names[0] ?? ""));
  try {
    const rows = database.prepare("SELECT hex(digest) AS digest, bytes FROM chunks").all();
    const known = rows.map(({ digest, bytes }) => [String(digest).toLowerCase(), bytes] as const);
    assert.deepEqual(new Map(known.toSorted()), new Map([...sizes].toSorted()));
    const totals = database.prepare("SELECT chunks, bytes FROM totals").get();
    const bytes = [...sizes.values()].reduce((all, size) => all + size, 0);
    assert.deepEqual({ ...totals }, { chunks: sizes.size, bytes });
    const wrong = `SELECT count(*) AS n FROM chunks
      WHERE pins <> (SELECT count(*) FROM pinned WHERE pinned.digest = chunks.digest)`;
    assert.equal(database.prepare(wrong).get()?.["n"], 0);
  } finally {
    database.close();
  }
}
