// The audit of chaos sees what it is there to see: each lie about a run that went well is told.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { type Acknowledged, audit, type Evidence } from "./audit.ts";

const folder = mkdtempSync(join(tmpdir(), "audit-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const works: Acknowledged = {
  ...{ cluster: "a", id: 1, name: "one", status: "SUCCEEDED", numNodes: 1, code: 0 },
};
const fails: Acknowledged = { ...works, id: 2, name: "two", status: "FAILED", code: 5 };

interface Facts {
  readonly acknowledged: readonly Acknowledged[];
  readonly jobs: readonly Readonly<Record<string, unknown>>[];
  readonly side: readonly string[];
  readonly written: Readonly<Record<string, string>>;
  readonly followed: Readonly<Record<string, string>>;
  readonly told: readonly (readonly [string, string])[];
}

function job(...[id, name, status, rank]: readonly [number, string, string, object]) {
  const ranks = [{ rank: 0, exitCode: 0, outcome: "as said", logBytes: 2, ...rank }];
  return { cluster: "a", id, name, status, attempt: 1, ranks };
}

const logs = { "a-1-1-run-0": "ab", "a-2-1-run-0": "cd" };
const good: Facts = {
  acknowledged: [works, fails],
  jobs: [job(1, "one", "SUCCEEDED", {}), job(2, "two", "FAILED", { exitCode: 5 })],
  side: [
    ...["a start 1-1-run-0 9", "a end 1-1-run-0 0"],
    ...["a start 2-1-run-0 9", "a end 2-1-run-0 5"],
  ],
  ...{ written: logs, followed: logs },
  told: [
    ["a-1", "SUCCEEDED"],
    ["a-2", "FAILED"],
  ],
};

let runs = 0;

function found(change: Partial<Facts>): readonly string[] {
  const facts = { ...good, ...change };
  runs += 1;
  const at = (name: string, files: Readonly<Record<string, string>>): string => {
    const dir = join(folder, `${runs}-${name}`);
    mkdirSync(dir);
    for (const [file, text] of Object.entries(files)) writeFileSync(join(dir, file), text);
    return dir;
  };
  const evidence: Evidence = {
    acknowledged: facts.acknowledged,
    queue: JSON.stringify(facts.jobs),
    side: facts.side.map((line) => `${line}\n`).join(""),
    written: at("written", facts.written),
    followed: at("followed", facts.followed),
    told: new Map(facts.told),
  };
  return audit(evidence);
}

test("a run that went well has no findings", () => assert.deepEqual(found({}), []));

test("a gang of which a rank never started is an outcome; the same said of one rank is not", () => {
  const never = { status: "FAILED", reason: "never-started" };
  const ranks = [0, 1].map((rank) => ({ rank, exitCode: 137, outcome: "stopped" }));
  const gang = { ...job(1, "one", "FAILED", {}), ...never, ranks };
  const others = { jobs: [gang, ...good.jobs.slice(1)], followed: logs, written: logs };
  const told: Facts["told"] = [["a-1", "FAILED"], ...good.told.slice(1)];
  const side = ["a start 1-1-run-0 9", ...good.side.slice(2)];
  assert.deepEqual(found({ ...others, side, told }), []);
  const both = [...side, "a start 1-1-run-1 9"];
  assert.match(found({ ...others, side: both, told }).join(), /is FAILED, not SUCCEEDED/);
});

const lies: readonly (readonly [string, Partial<Facts>, RegExp])[] = [
  ["a lost job", { jobs: good.jobs.slice(1) }, /was acknowledged and is not there/],
  ["a doubled job", { jobs: [...good.jobs, ...good.jobs.slice(0, 1)] }, /is there 2 times/],
  [
    "a retried submission that became two",
    { jobs: [...good.jobs, job(3, "one", "SUCCEEDED", {})] },
    /became 2 jobs/,
  ],
  [
    "another outcome",
    { jobs: [job(1, "one", "FAILED", {}), job(2, "two", "FAILED", { exitCode: 5 })] },
    /is FAILED, not SUCCEEDED/,
  ],
  ["a rank that started twice", { side: [...good.side, "a start 1-1-run-0 8"] }, /starts 2 times/],
  ["a rank that never ran", { side: good.side.slice(2) }, /in a job that succeeded/],
  [
    "an exit code that is not true",
    { jobs: [job(1, "one", "SUCCEEDED", {}), job(2, "two", "FAILED", { exitCode: 6 })] },
    /ended with 5/,
  ],
  ["a byte too few", { followed: { ...logs, "a-1-1-run-0": "a" } }, /followed 1 of 2 bytes/],
  ["another byte", { followed: { ...logs, "a-1-1-run-0": "aX" } }, /other bytes.*at 1/],
  ["a byte too many", { followed: { ...logs, "a-1-1-run-0": "abb" } }, /other bytes/],
  [
    "a length on record that is not the log's",
    { jobs: [job(1, "one", "SUCCEEDED", { logBytes: 3 }), ...good.jobs.slice(1)] },
    /3 bytes on record/,
  ],
  ["a follower that was told nothing", { told: good.told.slice(1) }, /was told undefined/],
  [
    "a survivor of a job that failed",
    { side: [...good.side, `a left 2-1-run-0 ${process.pid}:audit.test`] },
    /outlived its job/,
  ],
];

for (const [what, change, expected] of lies) {
  test(`${what} is found`, () => {
    const sentences = found(change);
    assert.ok(
      sentences.some((text) => expected.test(text)),
      sentences.join("\n"),
    );
  });
}
