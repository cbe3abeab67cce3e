// Histories of earlier versions through today's code: the same messages, the same outcomes; and the
// records of then are read as they were meant.
//
// `0.1.0/life.jsonl` is one life in which everything happens that leaves records.
// `0.1.0/sim.jsonl.zst` is what the schedulers of fourteen seeds of `test/sim/cluster` took at
// commit aafba63: with real agents, faults, lost commits and heads that die. What was changed on
// purpose since is named in `deliberate.ts`.

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { outcomeOf } from "../../scheduler/history.ts";
import { readRecords } from "../../scheduler/records.ts";
import { deliberate } from "./deliberate.ts";
import { differences, readHistory, startFrom } from "./history.ts";

const histories = readdirSync(import.meta.dirname, { recursive: true, encoding: "utf8" })
  .filter((name) => /\.jsonl(\.zst)?$/.test(name))
  .sort()
  .map((name) => ({ name, lines: readHistory(join(import.meta.dirname, name)) }));

test("there are histories to replay", () => {
  const names = histories.map(({ name }) => name);
  for (const name of ["0.1.0/life.jsonl", "0.1.0/sim.jsonl.zst"]) assert.ok(names.includes(name));
});

for (const { name, lines } of histories) {
  test(`${name}: the same messages come to the same outcomes`, () => {
    const known = deliberate[name] ?? {};
    const found = differences(lines);
    for (const { line, before, now } of found) {
      if (known[line] !== undefined) continue;
      const { does, jobs, ...said } = lines[line - 1] ?? assert.fail("a line of the history");
      assert.deepEqual(now, before, `line ${line}: ${JSON.stringify(said).slice(0, 2_000)}`);
    }
    const differ = found.map(({ line }) => String(line));
    assert.deepEqual(Object.keys(known).sort(), differ.sort(), "what is named does differ");
  });

  test(`${name}: the records of then say today what they said then`, () => {
    const starts = lines.filter(({ kind }) => kind === "start");
    assert.ok(starts.length > 1, "the head was killed in it");
    for (const line of starts) {
      const { does, jobs } = line;
      assert.deepEqual(outcomeOf(startFrom(line)), { does, jobs });
    }
  });
}

test("a life has what leaves records", () => {
  for (const { name, lines } of histories) {
    if (!name.endsWith("/life.jsonl")) continue;
    const last = lines.findLast((line) => line.kind === "start");
    assert.ok(last?.kind === "start");
    const { jobs, nodes, keys, cluster } = readRecords(last.cluster, last.records);
    const reasons = jobs.flatMap(({ gang }) => (gang.phase === "ended" ? [gang.reason.code] : []));
    assert.equal(reasons.length, jobs.length, "every job has ended");
    for (const reason of ["all-ranks-exited-0", "rank-failed", "cancelled-by-user"] as const) {
      assert.ok(reasons.includes(reason), reason);
    }
    assert.ok(
      jobs.some(({ gang }) => gang.attempt > 1),
      "a job was restarted",
    );
    assert.ok(nodes.size > 1 && keys.size > 0 && cluster.closed !== undefined);
  }
});

test("the simulations took every kind of message, and jobs ended in every way", () => {
  const { lines } = histories.find(({ name }) => name === "0.1.0/sim.jsonl.zst") ?? assert.fail();
  const kinds = new Set(lines.map((line) => (line.kind === "step" ? line.message.kind : "start")));
  for (const kind of ["start", "inventory", "set-autostop", "close", "open", "job-deadline"]) {
    assert.ok((kinds as ReadonlySet<string>).has(kind), kind);
  }
  const ends = new Set(lines.flatMap(({ jobs }) => jobs.map((job) => job.split(" ")[4])));
  const missing = [
    ...["all-ranks-exited-0", "nothing-to-run", "rank-failed", "setup-failed", "exit-unknown"],
    ...["never-started", "node-lost", "node-restarted", "cluster-stopped", "cancelled-by-user"],
  ].filter((reason) => !ends.has(reason));
  assert.deepEqual(missing, []);
});
