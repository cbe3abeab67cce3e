// Histories of earlier versions through today's code: the same messages, the same outcomes; and the
// records of then are read as they were meant.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readRecords } from "../../scheduler/records.ts";
import { linesOf, outcomeOf, replay, startFrom } from "./history.ts";

const files = readdirSync(import.meta.dirname, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".jsonl"))
  .sort();

test("there are histories to replay", () => {
  assert.notDeepEqual(files, []);
});

for (const file of files) {
  const lines = linesOf(readFileSync(join(import.meta.dirname, file), "utf8"));

  test(`${file}: the same messages come to the same outcomes`, () => {
    for (const [index, outcome] of replay(lines).entries()) {
      const { does, jobs, ...line } = lines[index] ?? assert.fail("as many outcomes as lines");
      assert.deepEqual(outcome, { does, jobs }, `line ${index + 1}: ${JSON.stringify(line)}`);
    }
  });

  test(`${file}: the records of then say today what they said then`, () => {
    const starts = lines.filter(({ kind }) => kind === "start");
    assert.ok(starts.length > 1, "the head was killed in it");
    for (const line of starts) {
      const { does, jobs } = line;
      assert.deepEqual(outcomeOf(startFrom(line)), { does, jobs });
    }
  });

  test(`${file}: it has what leaves records`, () => {
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
  });
}
