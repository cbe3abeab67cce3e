// A scheduler's history on disk: bounded, private, without secrets, and never in the way.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { Log } from "../../runtime/log.ts";
import { silentLog } from "../../runtime/log.ts";
import type { Line } from "../../scheduler/history.ts";
import { withHistory } from "../../scheduler/history-os.ts";
import { startScheduler, stepScheduler } from "../../scheduler/scheduler.ts";
import type { SchedulerActor } from "../../scheduler/scheduler-actor.ts";
import { capacity, nodesOf, task, World } from "../sim/scheduler-world.ts";

interface Stage {
  readonly dir: string;
  readonly warnings: string[];
  world(dir: string, bytesMax?: number): World;
}

function stage(t: TestContext): Stage {
  const dir = mkdtempSync(join(tmpdir(), "sky-history-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const warnings: string[] = [];
  const log: Log = { ...silentLog, warn: (text) => void warnings.push(text) };
  const plain = { start: startScheduler, step: stepScheduler } as SchedulerActor;
  return {
    ...{ dir, warnings },
    world: (to, bytesMax) => {
      const options = { dir: to, log, ...(bytesMax === undefined ? {} : { bytesMax }) };
      const { start, step } = withHistory(plain, options);
      return new World({ nodes: nodesOf([capacity(1)]), scheduler: { start, step } }).join();
    },
  };
}

function linesIn(path: string): readonly Line[] {
  const lines = readFileSync(path, "utf8").trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line) as Line);
}

test("every turn is a line, each start a file of its own; no secret is in one", (t) => {
  const { dir, world, warnings } = stage(t);
  const made = world(dir);
  const [id = 0] = made.submitted(task({ secrets: { TOKEN: "nobody may see it" } }));
  made.restartHead();
  made.exit(made.rank(id, 0));
  const [before, now] = ["history.1.jsonl", "history.jsonl"].map((name) => join(dir, name));
  for (const path of [before ?? "", now ?? ""]) {
    const [first] = linesIn(path);
    assert.ok(first?.kind === "start" && first.torn);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.ok(!readFileSync(path, "utf8").includes("nobody may see it"));
  }
  assert.match(readFileSync(before ?? "", "utf8"), /"secrets":\{"TOKEN":""\}/);
  assert.deepEqual(warnings, []);
});

test("a history that has its limit ends there, is said to, and the jobs go on", (t) => {
  const { dir, world, warnings } = stage(t);
  const made = world(dir, 4_096);
  for (let count = 0; count < 10; count += 1) {
    const [id = 0] = made.submitted(task());
    made.exit(made.rank(id, 0));
    assert.equal(made.job(id).status, "SUCCEEDED");
  }
  const path = join(dir, "history.jsonl");
  assert.ok(statSync(path).size <= 4_096);
  assert.ok(linesIn(path).length > 1, "what it has is whole lines");
  assert.deepEqual(warnings, ["the history is not written on"]);
});

test("one that cannot be written is said to, and the jobs go on", (t) => {
  const { dir, world, warnings } = stage(t);
  const file = join(dir, "a-file");
  writeFileSync(file, "");
  const made = world(join(file, "below"));
  const [id = 0] = made.submitted(task());
  made.exit(made.rank(id, 0));
  assert.equal(made.job(id).status, "SUCCEEDED");
  assert.deepEqual(warnings, ["the history is not written on"]);
});
