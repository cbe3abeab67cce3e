// The ledger: numbers, copies and counts, also when it is opened again and against a plain model.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openLedger } from "../../scheduler/transfers/ledger-sqlite.ts";
import {
  type CopyChange,
  type Ledger,
  type NewObject,
  triesMax,
} from "../../transfer/job/ledger.ts";
import { fc } from "../support/property.ts";

function object(name: string, more: Partial<NewObject> = {}): NewObject {
  return {
    ...{ source: `/s/${name}`, rest: name, bytes: 10, modifiedMs: 1.5, version: "1" },
    copies: [{ kind: "todo", target: name }],
    ...more,
  };
}

function withFile(use: (path: string) => void): void {
  const dir = mkdtempSync(join(tmpdir(), "sky-ledger-"));
  try {
    use(join(dir, "ledger.db"));
  } finally {
    rmSync(dir, { recursive: true });
  }
}

const done = (number: number) => ({ kind: "done", object: number, destination: 0 }) as const;
const failed = (number: number, retry: boolean): CopyChange => ({
  ...{ kind: "failed", object: number, destination: 0, code: "objects/failed", why: "no", retry },
});

test("what is known stays as it is; what has changed gets another number", () => {
  const ledger = openLedger(":memory:");
  ledger.add([object("a"), object("b")]);
  ledger.record([done(0)]);
  ledger.add([object("a"), object("b"), object("c")]);
  assert.deepEqual(
    ledger.todo(-1, 10).map(({ number, rest }) => [number, rest]),
    [
      [1, "b"],
      [2, "c"],
    ],
  );
  ledger.add([object("a", { version: "2", bytes: 20 })]);
  const { listed, listedBytes, done: count } = ledger.counts();
  assert.deepEqual([listed, listedBytes, count], [3, 40, 0]);
  assert.equal(ledger.todo(2, 10)[0]?.number, 3);
  // What is still said of the old content is of nobody.
  assert.deepEqual(ledger.record([done(0)]), []);
});

test("a failure that may pass is tried again, so often and no more", () => {
  const ledger = openLedger(":memory:");
  ledger.add([object("a"), object("b")]);
  const outcomes = Array.from({ length: triesMax }, () => ledger.record([failed(0, true)])[0]);
  assert.deepEqual(
    outcomes.map((one) => one?.outcome),
    [...Array.from({ length: triesMax - 1 }, () => "again"), "failed"],
  );
  assert.equal(ledger.record([failed(1, false)])[0]?.outcome, "failed");
  assert.deepEqual(ledger.record([done(0), failed(1, true)]), []);
  assert.equal(ledger.counts().retries, triesMax - 1);
  assert.deepEqual(
    ledger.failures(0, 10).map(({ rest, retry }) => [rest, retry]),
    [
      ["a", true],
      ["b", false],
    ],
  );
});

test("one that goes on does what failed, and skips what is done", () => {
  const ledger = openLedger(":memory:");
  const fault = object("x", { copies: [{ kind: "fail", why: "broken", code: "c" }] });
  ledger.add([object("a"), object("b"), fault]);
  ledger.record([done(0), failed(1, false)]);
  ledger.reopen();
  const { todo, done: count, skipped, failed: failures } = ledger.counts();
  assert.deepEqual([todo, count, skipped, failures], [1, 0, 1, 0]);
  assert.equal(ledger.todo(-1, 10)[0]?.rest, "b");
});

test("uploads are known until their object is done or they are aborted", () => {
  const ledger = openLedger(":memory:");
  ledger.add([object("a"), object("b")]);
  const told = (id: string) => ({ destination: 0, upload: { key: "k", id } });
  ledger.upload(told("1"), 0);
  ledger.upload(told("2"), 1);
  ledger.record([done(0)]);
  assert.deepEqual(ledger.uploadsOpen(), [told("2")]);
  ledger.forgetUpload(told("2"));
  assert.deepEqual(ledger.uploadsOpen(), []);
});

test("what the source does not have is surplus, in pages", () => {
  const ledger = openLedger(":memory:");
  const there = ["a", "b", "c"].map((key) => ({ destination: 0, key, bytes: 1, modifiedMs: 1 }));
  ledger.addThere(there);
  ledger.keepThere(0, ["b", "z"]);
  assert.deepEqual(ledger.surplus(0, "", 1), ["a"]);
  assert.deepEqual(ledger.surplus(0, "a", 5), ["c"]);
  assert.equal(ledger.surplusCount(), 2);
  assert.equal(ledger.there(0, "b")?.bytes, 1);
  assert.equal(ledger.there(1, "b"), undefined);
});

const anyStep = fc.oneof(
  fc.record({ kind: fc.constant("add" as const), name: fc.nat(5), version: fc.nat(1) }),
  fc.record({ kind: fc.constant("done" as const), number: fc.nat(8) }),
  fc.record({ kind: fc.constant("fail" as const), number: fc.nat(8), retry: fc.boolean() }),
  fc.record({ kind: fc.constant("open" as const) }),
);

test("its counts are those of its copies, whatever happens and whenever it is opened again", () => {
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 25 }), (steps) =>
      withFile((path) => {
        let ledger: Ledger = openLedger(path);
        for (const step of steps) {
          if (step.kind === "add") {
            ledger.add([object(`n${step.name}`, { version: String(step.version) })]);
          } else if (step.kind === "done") ledger.record([done(step.number)]);
          else if (step.kind === "fail") ledger.record([failed(step.number, step.retry)]);
          else {
            const before = ledger.counts();
            ledger.close();
            ledger = openLedger(path);
            assert.deepEqual({ ...ledger.counts(), retries: 0 }, { ...before, retries: 0 });
          }
          const { listed, todo, done: count, failed: failures, skipped } = ledger.counts();
          assert.equal(todo + count + failures + skipped, listed);
          assert.equal(ledger.todo(-1, 100).length, todo);
          assert.equal(ledger.failures(0, 100).length, failures);
        }
        ledger.close();
      }),
    ),
    { numRuns: 15 },
  );
});
