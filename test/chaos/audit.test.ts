// The audit of chaos sees what it is there to see: each lie about a run that went well is told.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { audit } from "./audit.ts";
import type { Acknowledged, Evidence, Hit, Printed } from "./evidence.ts";
import { grownIn } from "./samples.ts";

const folder = mkdtempSync(join(tmpdir(), "audit-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const works: Acknowledged = {
  ...{ cluster: "a", id: 1, name: "one", status: "SUCCEEDED", numNodes: 1, code: 0 },
  restarts: 0,
};
const fails: Acknowledged = { ...works, id: 2, name: "two", status: "FAILED", code: 5 };

interface Facts {
  readonly acknowledged: readonly Acknowledged[];
  readonly jobs: readonly Readonly<Record<string, unknown>>[];
  readonly earlier: Facts["jobs"];
  readonly side: readonly string[];
  readonly written: Readonly<Record<string, string>>;
  readonly onNode: Readonly<Record<string, string>>;
  readonly followed: Readonly<Record<string, string>>;
  readonly told: readonly (readonly [string, string])[];
  readonly hits: readonly Hit[];
  /** What `sky logs` of job 1 printed, and its exit code. */
  readonly printed: readonly [string, number];
}

function job(...[id, name, status, rank]: readonly [number, string, string, object]) {
  const ranks = [{ rank: 0, node: "head", exitCode: 0, outcome: "as said", logBytes: 3, ...rank }];
  const times = { submittedAt: 100_000, endedAt: 200_000 };
  return { cluster: "a", id, name, status, attempt: 1, ranks, ...times };
}

const logs = { "a-1-1-run-0": "ab\n", "a-2-1-run-0": "cd\n" };
const good: Facts = {
  acknowledged: [works, fails],
  jobs: [job(1, "one", "SUCCEEDED", {}), job(2, "two", "FAILED", { exitCode: 5 })],
  earlier: [job(1, "one", "SUCCEEDED", {})],
  side: [
    ...["a slot one:0 t1", "a start 1-1-run-0 9", "a end 1-1-run-0 0"],
    ...["a slot two:0 t2", "a start 2-1-run-0 9", "a end 2-1-run-0 5"],
  ],
  ...{ written: logs, onNode: logs, followed: logs, hits: [] },
  told: [
    ["a-1", "SUCCEEDED"],
    ["a-2", "FAILED"],
  ],
  printed: ["(head, rank=0, pid=9) ab\nJob finished (status: SUCCEEDED).\n", 0],
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
  const [text, code] = facts.printed;
  const path = join(at("printed", { one: text }), "one");
  const printed: Printed = { cluster: "a", id: 1, path, code };
  const evidence: Evidence = {
    ...{ acknowledged: facts.acknowledged, hits: facts.hits, printed: [printed] },
    ...{ queue: JSON.stringify(facts.jobs), earlier: [JSON.stringify(facts.earlier)] },
    side: facts.side.map((line) => `${line}\n`).join(""),
    written: at("written", facts.written),
    onNode: at("on-node", facts.onNode),
    followed: at("followed", facts.followed),
    following: new Set(["a-1", "a-2"]),
    told: new Map(facts.told),
  };
  return audit(evidence);
}

test("a run that went well has no findings", () => assert.deepEqual(found({}), []));

const struck = { kind: "kill", node: "a/head", from: 150_000, until: 150_000 } as const;

/** Job 1 ended badly, for this reason; nobody got more of its log than there is. */
function ended(reason: string, reasonText: string, rank: object): Partial<Facts> {
  const one = { ...job(1, "one", "FAILED", rank), reason, reasonText };
  const told: Facts["told"] = [["a-1", "FAILED"], ...good.told.slice(1)];
  const [printed] = good.printed;
  return { jobs: [one, ...good.jobs.slice(1)], earlier: [], told, printed: [printed, 100] };
}

const lostRank = { exitCode: null, outcome: "ended, nobody knows how" };
const unknown = ended("exit-unknown", "rank 0 on head ended somehow", lostRank);
const killed = ended("rank-failed", "rank 0 on head exited with 137", { exitCode: 137 });
const silent = ended("node-lost", "node head was lost: no beat", { exitCode: 137 });
const cutShort = [...good.side.slice(0, 2), ...good.side.slice(3)];

/** True if somebody did it, a lie if nobody did, or somebody else. */
const excuses: readonly (readonly [string, Partial<Facts>, Partial<Hit>, Partial<Hit>])[] = [
  [
    "a killed shim",
    unknown,
    { role: "keeper", rank: "a-1-1-run-0" },
    { role: "shell", token: "t1" },
  ],
  [
    "a killed writer of a log",
    unknown,
    { role: "logger", token: "t1" },
    { role: "logger", token: "t2" },
  ],
  ["a killed rank", killed, { role: "shell", token: "t1" }, { role: "child", token: "t1" }],
  ["a silent node", silent, { role: "skylet" }, { role: "skylet", node: "a/worker1" }],
];

for (const [what, change, culprit, another] of excuses) {
  test(`${what} is an outcome, if it was struck`, () => {
    const side = { side: what === "a killed shim" ? good.side : cutShort };
    const by = (hit: Partial<Hit>) =>
      found({ ...change, ...side, hits: [{ ...struck, role: "", ...hit }] });
    assert.deepEqual(by(culprit), []);
    assert.match(by(another).join(), /is FAILED, not SUCCEEDED/);
    assert.match(found({ ...change, ...side }).join(), /is FAILED, not SUCCEEDED/);
  });
}

test("a gang of which a rank never started is an outcome; the same said of one rank is not", () => {
  const reasonText = "rank 1 on head never started (it was lost)";
  const never = { status: "FAILED", reason: "never-started", reasonText };
  const ranks = [0, 1].map((rank) => ({ rank, node: "head", exitCode: 137, outcome: "stopped" }));
  const gang = { ...job(1, "one", "FAILED", {}), ...never, ranks };
  const { told = [], printed = good.printed } = unknown;
  const others = { jobs: [gang, ...good.jobs.slice(1)], earlier: [], told, printed };
  const hits = [{ ...struck, role: "skylet" }];
  const side = ["a slot one:0 t1", "a start 1-1-run-0 9", ...good.side.slice(3)];
  assert.deepEqual(found({ ...others, side, hits }), []);
  assert.match(found({ ...others, side }).join(), /is FAILED, not SUCCEEDED/);
  const both = [...side, "a start 1-1-run-1 9"];
  assert.match(found({ ...others, side: both, hits }).join(), /is FAILED, not SUCCEEDED/);
});

test("a log of a lost node may end early, and only that", () => {
  const hits = [{ ...struck, role: "skylet" }];
  const followed = { ...logs, "a-1-1-run-0": "a" };
  const short = ended("node-lost", "node head was lost: no beat", { exitCode: 137, logBytes: 1 });
  const base = { ...short, side: cutShort, hits, followed };
  assert.deepEqual(found(base), []);
  assert.match(found({ ...base, followed: { ...logs, "a-1-1-run-0": "b" } }).join(), /other bytes/);
});

test("a second attempt is found if nobody asked for it, or if it runs beside the first", () => {
  const side = [...good.side, "a start 1-2-run-0 9", "a end 1-2-run-0 0"];
  const again = { ...job(1, "one", "SUCCEEDED", { logBytes: 9 }), attempt: 2 };
  const base = { side, jobs: [again, ...good.jobs.slice(1)], earlier: [] };
  const twice = (first: string, second: string) => {
    const both = { ...logs, "a-1-1-run-0": `${first}\n`, "a-1-2-run-0": `${second}\n` };
    const printed = [`(head, rank=0, pid=9) ${second}\n`, 0] as const;
    return { ...base, written: both, onNode: both, followed: both, printed };
  };
  const acknowledged = [{ ...works, restarts: 1 }, fails];
  const apart = twice("1.000000", "2.000000");
  assert.deepEqual(found({ ...apart, acknowledged }), []);
  assert.match(found(apart).join(), /ran in 2 attempts/);
  assert.match(found({ ...twice("3.000000", "2.000000"), acknowledged }).join(), /began beside/);
});

test("what grows is found, and a burst is not", () => {
  const at = (descriptors: number, rssMib: number) => ({ descriptors, rssMib });
  const flat = Array.from({ length: 20 }, (_, n) => at(30 + (n % 7) * 20, 70 + (n % 5) * 30));
  assert.deepEqual(grownIn("head", flat), []);
  const leaking = flat.map((one, n) => at(one.descriptors + n * 4, one.rssMib + n * 8));
  assert.match(grownIn("head", leaking).join(), /30 descriptors, and later 86.*70 MiB, and later/);
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
  ["a rank that never ran", { side: good.side.slice(3) }, /in a job that succeeded/],
  [
    "an exit code that is not true",
    { jobs: [job(1, "one", "SUCCEEDED", {}), job(2, "two", "FAILED", { exitCode: 6 })] },
    /ended with 5/,
  ],
  ["a byte too few", { followed: { ...logs, "a-1-1-run-0": "a" } }, /followed 1 of 3 bytes/],
  [
    "a byte that the node lost",
    { onNode: { ...logs, "a-1-1-run-0": "ab" } },
    /on the node are 2 of 3 bytes/,
  ],
  ["another end than before", { earlier: [job(1, "one", "FAILED", {})] }, /had ended as .*FAILED/],
  ["another exit code of sky logs", { printed: [good.printed[0], 100] }, /ended with 100, not 0/],
  [
    "a line that was printed twice",
    { printed: [`(head, rank=0, pid=9) ab\n${good.printed[0]}`, 0] },
    /printed other bytes/,
  ],
  ["a line that nobody wrote", { printed: [`what?\n${good.printed[0]}`, 0] }, /printed "what\?"/],
  ["another byte", { followed: { ...logs, "a-1-1-run-0": "aX" } }, /other bytes.*at 1/],
  ["a byte too many", { followed: { ...logs, "a-1-1-run-0": "ab\nb" } }, /other bytes/],
  [
    "a length on record that is not the log's",
    { jobs: [job(1, "one", "SUCCEEDED", { logBytes: 4 }), ...good.jobs.slice(1)] },
    /4 bytes on record/,
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
