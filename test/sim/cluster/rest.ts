// What must be so when a simulated cluster has come to rest: every job has ended, nobody waits, and
// nothing is kept that nobody will ask for.
//
// The whole world hangs on one timeline, so a timer that is still to fire after a calm is a beat or
// something that was forgotten: an ask, a repetition, a pause before another attempt.

import { isTerminal, parseRankKey } from "../../../model/job.ts";
import type { SchedulerState } from "../../../scheduler/table.ts";
import type { Sim } from "./sim.ts";

/** A machine's beat and review are due, or a beat is on its way to the head. */
const timersPerMachineMax = 3;

/** What has not come to an end yet, one sentence each. */
export function leftovers({ truth, users, power }: Sim): readonly string[] {
  const left = truth.jobs().filter(({ status }) => !isTerminal(status));
  return [
    ...left.map(({ id, phase, waitingFor }) => `job ${id} is ${phase} ${waitingFor ?? ""}`),
    ...users.waiting(),
    ...(power.busy ? ["the cluster is on its way down or up"] : []),
  ];
}

export async function checkRest(sim: Sim): Promise<void> {
  const { truth, head, nodes, timeline, scheduler } = sim;
  truth.settled();
  for (const actor of [head.system, ...nodes.map(({ system }) => system)].flatMap(
    (system) => system?.inspect() ?? [],
  )) {
    const { address, mailboxCount, commitsPending, timers } = actor;
    const name = `${address.node}/${address.kind}`;
    const isCalm = mailboxCount + commitsPending === 0;
    if (!isCalm) truth.broken("comes to rest", `${name} has letters or commits under way`);
    const left = timers.filter((timer) => timer !== "beat");
    if (left.length > 0) truth.broken("comes to rest", `${name} still has timers: ${left}`);
  }
  const { count } = timeline.waiting();
  if (count > timersPerMachineMax * (nodes.length + 1)) {
    truth.broken("comes to rest", `${count} timers are left in the world`);
  }
  const secrets = await head.secretsLeft();
  if (secrets.length > 0) truth.broken("nothing left", `secrets are left: ${secrets.join(", ")}`);
  if (scheduler !== undefined) checkTable(sim, scheduler);
  for (const node of nodes) await checkNode(sim, node);
}

/** The scheduler remembers nothing of what is over but its records. */
function checkTable({ truth }: Sim, state: SchedulerState): void {
  if (!state.placer.ledger.isEmpty()) truth.broken("nothing left", "nodes are held");
  for (const { node, ghosts, jobs } of state.nodes) {
    const { id } = node;
    if (ghosts.size > 0) truth.broken("nothing left", `${id} is haunted by ${[...ghosts]}`);
    if (jobs.size > 0) truth.broken("no growth", `${id} still has jobs ${[...jobs]}`);
  }
  const counts = {
    ...{ queued: state.queue.size, active: state.active.size, moving: state.moving.size },
    ...{ pending: state.pending.size, secrets: state.secrets.size, cancels: state.cancels.size },
    ...{ closing: state.closeWaiters.length, unparked: state.unparked.length },
    beyondKeysMax: Math.max(0, state.keys.size - state.options.keysMax),
  };
  for (const [what, count] of Object.entries(counts)) {
    if (count > 0) truth.broken("no growth", `the scheduler keeps ${count} ${what}`);
  }
}

/** A node forgets ranks whose logs the head has. */
async function checkNode({ truth }: Sim, node: Sim["nodes"][number]): Promise<void> {
  const found = await node.rankDirs();
  // Of a job of which a log was lost with a disk, nothing is forgotten.
  const dirs = found.filter((name) => !truth.hasCuts(parseRankKey(name)?.job ?? 0));
  if (dirs.length > 0) truth.broken("no growth", `${node.node.id} keeps ${dirs.join(", ")}`);
}
