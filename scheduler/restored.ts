// A head over a journal that was restored from a replica. Pure.
//
// Jobs that were acknowledged after the last commit of the replica are not known. Their ids are
// never given again: new ones begin well above, and above whatever a node reports. What a node has
// of such a job is stopped like everything that nobody knows; here it is said, once for each.

import type { RankKey } from "../model/job.ts";
import type { RestoredState } from "./records.ts";
import type { SchedulerState } from "./table.ts";
import type { Draft } from "./turn.ts";
import { tellHistory } from "./turn.ts";

/** A restore of the whole journal. */
export interface Restore {
  readonly atWallMs: number;
  readonly untilWallMs: number;
}

/** More jobs than a replica that works can lag behind. */
const idsSkipped = 1_000;

/** How far a node may raise the ids at once: it must not be able to use them up. */
const idsBelievedMax = 1_000_000;

/** Takes note of a restore that this cluster has not heard of. */
export function noteRestore(
  state: SchedulerState,
  draft: Draft,
  restore: Restore | undefined,
): void {
  if (restore === undefined || state.restored?.atWallMs === restore.atWallMs) return;
  const lostFrom = state.nextId;
  state.nextId += idsSkipped;
  state.restored = { atWallMs: restore.atWallMs, lostFrom, idMin: state.nextId };
  draft.clusterChanged = true;
  const until = new Date(restore.untilWallMs).toISOString();
  tellHistory(draft, {
    ...{ subject: "cluster", actor: "user", kind: "restored" },
    cause: `restored from a replica as of ${until}; ids of new jobs begin at ${state.nextId}`,
    evidence: { until, lostFrom: String(lostFrom) },
  });
}

/** A node has something of a job. If it is one that a restore lost, that is said, once. */
export function noteLost(
  state: SchedulerState,
  draft: Draft,
  { node, key }: { readonly node: string; readonly key: RankKey },
): void {
  const { restored } = state;
  if (restored === undefined || state.jobs.has(key.job) || key.job < restored.lostFrom) return;
  const isAbove = key.job >= state.nextId && key.job < state.nextId + idsBelievedMax;
  if (!isAbove && key.job >= restored.idMin) return;
  if (isAbove) raise(state, draft, { ...restored, idMin: key.job + 1 });
  if (state.lostJobs.has(key.job)) return;
  state.lostJobs.add(key.job);
  tellHistory(draft, {
    ...{ subject: "cluster", actor: `agent:${node}`, kind: "lost-job" },
    cause: `${node} has a process of job ${key.job}, which was lost in the restore: it is stopped`,
    evidence: { job: String(key.job), node },
  });
}

function raise(state: SchedulerState, draft: Draft, restored: RestoredState): void {
  state.nextId = restored.idMin;
  state.restored = restored;
  draft.clusterChanged = true;
}
