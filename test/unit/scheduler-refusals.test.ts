// Refusals that are a job's own doing: it ends after a few tries, and its nodes are not blamed.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { AgentReport } from "../../proto/messages.ts";
import { ownRefusalsMax } from "../../scheduler/gang-moves.ts";
import { checkWorld } from "../sim/scheduler-checks.ts";
import { capacity, nodesOf, task, World } from "../sim/scheduler-world.ts";

/** One node for all: the test speaks for it while `isMute`. */
function stage() {
  const world = new World({ nodes: nodesOf([capacity(1)]) }).join();
  const answering = world.fate;
  const mute = (is: boolean): void => {
    world.fate = is ? (_, to) => (to === "skyhead" ? 1 : 0) : answering;
  };
  const refuse = (job: number, fault?: "job"): void => {
    const { attempt, ranks } = world.job(job);
    const key = { job, attempt, phase: "run", index: 0 } as const;
    const why = `a file is there already, time ${"x".repeat(attempt)}`;
    const said: AgentReport = { kind: "rank-refused", key, why, ...(fault && { fault }) };
    world.say(said, ranks[0]?.node ?? "?");
  };
  return { world, mute, refuse };
}

const cpus = { cpus: { amount: 1, orMore: false } } as const;

test("a job's own fault keeps no other job from the node, and the node's own does", () => {
  for (const fault of ["job", undefined] as const) {
    const { world, mute, refuse } = stage();
    mute(true);
    const [faulty = 0] = world.submitted(task({ resources: cpus, maxRestarts: 1 }));
    refuse(faulty, fault);
    assert.equal(world.job(faulty).phase, "queued");
    mute(false);
    const [other = 0] = world.submitted(task({ resources: cpus }));
    const { status, waitingFor = "" } = world.job(other);
    if (fault === "job") assert.equal(status, "RUNNING");
    else assert.match(waitingFor, /did not get ready before/);
  }
});

test("a job that is refused for its own doing ends soon, whatever the texts are", () => {
  const { world, mute, refuse } = stage();
  mute(true);
  const [id = 0] = world.submitted(task({ maxRestarts: 3 }));
  let seconds = 0;
  for (let time = 1; time < ownRefusalsMax; time += 1) {
    refuse(id, "job");
    for (; world.job(id).phase === "queued" && seconds < 120; seconds += 1) world.pass(1_000);
    assert.equal(world.job(id).phase, "preparing", `attempt ${time + 1}`);
  }
  assert.ok(seconds <= 60, `${seconds} s`);
  mute(false);
  refuse(id, "job");
  world.pass(10_000);
  const { status, reason } = world.job(id);
  assert.deepEqual([status, reason?.code], ["FAILED", "refused"]);
  assert.match(reason?.params["why"] ?? "", /a file is there already/);
  checkWorld(world);
});
