// Leases as the scheduler deals with them: who gets one, when it is over, and what follows. Pure.
//
// A job that may be restarted must not run twice at once. Its ranks run on leases that their nodes
// enforce by themselves (`model/lease.ts`), so when a node is lost it is enough to wait. Whoever
// confirms beats to the nodes is liveness, so it is asked, again and again, for how long the node
// has been silent; the scheduler itself confirms with each `go`, and remembers when it did.

import { headNode } from "../model/address.ts";
import { assert } from "../model/errors.ts";
import type { RankKey } from "../model/job.ts";
import { leaseOverMs } from "../model/lease.ts";
import { given } from "../proto/fields.ts";
import type { AgentMessage } from "../proto/messages.ts";
import type { Named } from "./gang-parts.ts";
import { inPlay } from "./gang-parts.ts";
import { processOf } from "./gang-state.ts";
import type { LivenessMessage } from "./liveness-actor.ts";
import type { JobEntry, NodeEntry, SchedulerState } from "./table.ts";
import { nodeCan } from "./table.ts";
import type { Draft } from "./turn.ts";

/** The lease of a process: only where the attempt may be followed by another, and the node can. */
export function leaseFor(
  { options }: SchedulerState,
  { spec, gang }: JobEntry,
  node: NodeEntry,
): { readonly leaseMs?: number } {
  const mayRestart = gang.restarts < gang.terms.restartsMax;
  const leaseMs = spec.task.config?.leaseMs ?? options.leaseMs;
  return mayRestart && leaseMs > 0 && nodeCan(node, "lease") ? { leaseMs } : {};
}

/** The word to start, with the moment that its lease is counted from. */
export function goOrder(
  state: SchedulerState,
  draft: Draft,
  about: { readonly entry: JobEntry; readonly key: RankKey; readonly node: string },
): AgentMessage {
  const { entry, key, node } = about;
  const process = processOf(entry.gang, key);
  assert(process !== undefined, `job ${key.job} has the process`);
  const leaseFrom = process.leaseMs === undefined ? undefined : process.preparedAt;
  const told = state.nodesById.get(node);
  if (told !== undefined && leaseFrom !== undefined) told.grantedAt = draft.at.monoMs;
  return { kind: "go", key, ...given("leaseFrom", leaseFrom) };
}

/** What keeps a gang from its next attempt, and will end by itself on a node that is lost. */
export function leasesLeft(state: SchedulerState, { gang }: JobEntry): Named {
  if (gang.phase !== "draining" || gang.outcome.kind === "end") return [];
  return inPlay(gang).filter(
    ({ process }) =>
      process.leaseMs !== undefined && state.nodesById.get(process.node)?.phase === "lost",
  );
}

/** When, as far as is known, the leases of a gang on a lost node are over; monotonic. */
export function leaseOverAt({ silentSince, grantedAt }: NodeEntry, leaseMs: number): number {
  return Math.max(silentSince, grantedAt) + leaseOverMs(leaseMs);
}

/** Asks liveness about the nodes that a gang waits for. Answered by `node-silent`, or not yet. */
export function askSilence(state: SchedulerState, draft: Draft, entry: JobEntry): void {
  const left = leasesLeft(state, entry);
  const asked = new Map(left.map(({ process }) => [process.node, process.leaseMs ?? 0]));
  const { cluster } = state;
  for (const [node, leaseMs] of asked) {
    const message: LivenessMessage = { kind: "silence-asked", node, ms: leaseOverMs(leaseMs) };
    const to = { cluster, node: headNode, kind: "liveness", id: "main" };
    draft.tells.push({ kind: "tell", to, message });
  }
  // For how long it still waits is in its sentence.
  if (asked.size > 0) draft.changed.add(entry.spec.id);
}

/** The longest lease that is over on a node which was silent, and told nothing, for so long. */
export function overOn(
  { grantedAt }: NodeEntry,
  lengths: readonly number[],
  silence: { readonly ms: number; readonly untilMonoMs: number },
): number | undefined {
  const quietMs = Math.min(silence.ms, silence.untilMonoMs - grantedAt);
  const over = lengths.filter((leaseMs) => leaseOverMs(leaseMs) <= quietMs);
  return over.length === 0 ? undefined : Math.max(...over);
}
