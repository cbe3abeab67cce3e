// A job as everybody outside the scheduler sees it.

import type { Job, RankRecord } from "../model/job.ts";
import { jobStatus } from "../model/job.ts";
import { resourcesText } from "./demand.ts";
import { inPlay } from "./gang-parts.ts";
import type { GangRank } from "./gang-state.ts";
import { awaitsSweep, processesOf } from "./gang-state.ts";
import { leaseOverAt, leasesLeft } from "./leases.ts";
import type { JobEntry, SchedulerState } from "./table.ts";

/** The name that a job without one is shown under. Source: SkyPilot's queue. */
export const namelessJob = "-";

export function jobView(state: SchedulerState, entry: JobEntry, nowMonoMs: number): Job {
  const { spec, gang } = entry;
  const reason = gang.phase === "ended" ? gang.reason : undefined;
  const waitingFor = leaseWaitOf(state, entry, nowMonoMs) ?? waitOf(state, entry);
  const placed = gang.phase === "queued" ? undefined : gang;
  return {
    id: spec.id,
    name: spec.task.name ?? namelessJob,
    user: spec.user,
    status: jobStatus(gang.phase, reason),
    phase: gang.phase,
    submittedAt: spec.submittedAt,
    ...(placed?.startedAt === undefined ? {} : { startedAt: placed.startedAt }),
    ...(gang.phase === "ended" ? { endedAt: gang.endedAt, reason: gang.reason } : {}),
    resources: resourcesText(spec.task),
    numNodes: spec.task.numNodes,
    attempt: gang.attempt,
    ranks: (placed?.ranks ?? []).map(rankView),
    setups: (placed?.setups ?? []).map(rankView),
    ...(waitingFor === "" ? {} : { waitingFor }),
    sweeps: placed?.sweeps ?? [],
  };
}

/** The sentence while nothing but leases on lost nodes keeps it from its next attempt. */
function leaseWaitOf(
  state: SchedulerState,
  entry: JobEntry,
  nowMonoMs: number,
): string | undefined {
  const { gang } = entry;
  if (gang.phase !== "draining" || gang.outcome.kind === "end") return undefined;
  const left = leasesLeft(state, entry);
  if (left.length === 0 || left.length < inPlay(gang).length) return undefined;
  const times = left.flatMap(({ process }) => {
    const node = state.nodesById.get(process.node);
    return node === undefined ? [] : leaseOverAt(node, process.leaseMs ?? 0);
  });
  const seconds = Math.max(0, Math.ceil((Math.max(...times) - nowMonoMs) / 1_000));
  const nodes = [...new Set(left.map(({ process }) => process.node))].join(", ");
  const whose = `the lease of attempt ${gang.attempt} on ${nodes}`;
  return `it restarts elsewhere when ${whose} is over, in ${seconds} s (${gang.outcome.why})`;
}

function waitOf(state: SchedulerState, { gang, waiting }: JobEntry): string {
  if (gang.phase === "queued") return waiting;
  if (gang.phase !== "draining" || gang.outcome.kind === "end") return "";
  const left = processesOf(gang).filter(({ key, process }) => awaitsSweep(key, process));
  const nodes = [...new Set(left.map(({ process }) => process.node))].map((id) => {
    const phase = state.nodesById.get(id)?.phase ?? "gone";
    return phase === "alive" ? id : `${id} (${phase})`;
  });
  const who = nodes.join(", ");
  return `${who} must confirm that attempt ${gang.attempt} is over (${gang.outcome.why})`;
}

function rankView({
  leaseMs: _l,
  preparedAt: _p,
  devices: _d,
  asked: _a,
  ready: _r,
  swept: _s,
  ...record
}: GangRank): RankRecord {
  return record;
}
