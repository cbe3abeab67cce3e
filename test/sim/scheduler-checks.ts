// What the scheduler's simulation checks: after every turn of the scheduler, and of the world.
//
// Each check throws the sentence that was broken. A check that needs to know what was so before the
// turn is handed what was read then.

import assert from "node:assert/strict";
import { rankKeyText } from "../../model/job.ts";
import type { SchedulerState } from "../../scheduler/table.ts";
import type { World } from "./scheduler-world.ts";

export interface Kept {
  readonly job: number;
  /** Who holds something of the nodes that are kept for `job`. */
  readonly holders: ReadonlyMap<string, ReadonlySet<number>>;
}

export function keptNodes(state: SchedulerState): Kept | undefined {
  const { reservation, placer, nodesById } = state;
  if (reservation === undefined) return undefined;
  const holders = reservation.nodes.map((id): [string, ReadonlySet<number>] => {
    const index = nodesById.get(id)?.index ?? -1;
    return [id, new Set(placer.ledger.holdings(index).keys())];
  });
  return { job: reservation.job, holders: new Map(holders) };
}

/** No job behind the head of the line gets nodes that are kept for it. */
export function checkKept(before: Kept | undefined, state: SchedulerState): void {
  const after = keptNodes(state);
  if (before === undefined || after === undefined || before.job !== after.job) return;
  const order = (job: number): number => state.jobs.get(job)?.spec.task.priority ?? 0;
  const isBehind = (job: number): boolean =>
    order(job) < order(after.job) || (order(job) === order(after.job) && job > after.job);
  for (const [node, holders] of after.holders) {
    const known: ReadonlySet<number> = before.holders.get(node) ?? holders;
    const passed = [...holders].filter((job) => !known.has(job) && isBehind(job));
    assert.deepEqual(passed, [], `${node} is kept for job ${after.job}`);
  }
}

/** Who holds something of the nodes on which something of an ended job may still run. */
export function hauntedNodes(state: SchedulerState): ReadonlyMap<string, ReadonlySet<number>> {
  const haunted = state.nodes.filter(({ ghosts }) => ghosts.size > 0);
  return new Map(
    haunted.map(({ node, index }) => [
      node.id,
      new Set(state.placer.ledger.holdings(index).keys()),
    ]),
  );
}

/** Such a node takes nothing new. */
export function checkHaunted(
  before: ReadonlyMap<string, ReadonlySet<number>>,
  state: SchedulerState,
): void {
  for (const [node, holders] of hauntedNodes(state)) {
    const known = before.get(node) ?? holders;
    const taken = [...holders].filter((job) => !known.has(job));
    assert.deepEqual(taken, [], `${node} is haunted and takes no job`);
  }
}

/** What must be true of the world after every message. */
export function checkWorld(world: World): void {
  const devices = new Map<string, number>();
  for (const { agent, process } of world.running()) {
    const attempts = world
      .running()
      .filter(({ process: other }) => other.key.job === process.key.job)
      .filter(({ process: other }) => other.key.phase === "run")
      .map(({ process: other }) => other.key.attempt);
    assert.ok(new Set(attempts).size <= 1, `job ${process.key.job}: two attempts run together`);
    const visible = process.spec?.env["CUDA_VISIBLE_DEVICES"] ?? "";
    const share = Math.min(1, shareOf(world, process.key.job));
    for (const device of visible.split(",").filter((text) => text !== "")) {
      const text = `${agent.id}/${device}`;
      const total = (devices.get(text) ?? 0) + share;
      devices.set(text, total);
      assert.ok(total <= 1.0001, `device ${text} is held by two jobs`);
    }
  }
  assert.equal(new Set(world.starts).size, world.starts.length, "no process starts twice");
  checkExits(world);
  checkTimeouts(world);
}

/** What needs no go may run for so long before the head hears of it, or takes it back. */
const unheardMs = 20_000;
/** After so long a head that starts anew says again what one before it had no time to say. */
const againMs = 4_000;

/** No attempt goes on for longer than its task may, and none is ended for that before. */
function checkTimeouts(world: World): void {
  for (const { spec, gang } of world.state.jobs.values()) {
    const { timeoutMs = Infinity } = spec.task;
    const goneAt = world.goneAt.get(`${spec.id}-${gang.attempt}`);
    const took = goneAt === undefined ? 0 : world.now - goneAt;
    const what = `attempt ${gang.attempt} of job ${spec.id}`;
    const goesOn = ["setting-up", "starting", "running"].includes(gang.phase);
    const spareMs = gang.phase === "running" && gang.ranks.length === 1 ? unheardMs : 0;
    if (goesOn) assert.ok(took <= timeoutMs + spareMs, `${what} goes on after its timeout`);
    if (gang.phase !== "ended" || gang.reason.code !== "timed-out") continue;
    assert.ok(took >= timeoutMs - againMs, `${what} timed out after ${took} ms`);
  }
}

/** No exit is on record of what still runs. */
function checkExits(world: World): void {
  for (const { process } of world.running()) {
    const { key } = process;
    const job = world.find(key.job);
    if (key.phase === "setup" || job?.attempt !== key.attempt) continue;
    const exit = job.ranks[key.index]?.exit;
    const isKnown = exit?.kind === "code" || exit?.kind === "signal";
    assert.ok(!isKnown, `${rankKeyText(key)} runs, and its exit is on record`);
  }
}

function shareOf(world: World, job: number): number {
  return world.shares.get(job) ?? 0;
}
