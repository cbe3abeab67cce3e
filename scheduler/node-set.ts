// The scheduler's nodes: which there are, and which of them take work.
//
// A node counts as soon as it is declared and takes work only while it is alive. What must always
// hold: the placer is closed for exactly the nodes that take no work, and holds for each job that
// has not ended what its record says.

import type { Node, NodePhase } from "../model/node.ts";
import { sharedCapabilities } from "../model/wire.ts";
import { advance, jobsOn } from "./advance.ts";
import { keepFor, nodesChanged } from "./dispatch.ts";
import { processesOf } from "./gang-state.ts";
import { leasesLeft, overOn } from "./leases.ts";
import type { Placer } from "./placement.ts";
import { createPlacer } from "./placement.ts";
import type { NodeRecord } from "./records.ts";
import { consider } from "./settle.ts";
import type { JobEntry, NodeEntry, SchedulerState } from "./table.ts";
import { entryOf, holdingsOf, nodeCan } from "./table.ts";
import type { Draft } from "./turn.ts";
import { tellAgent, tellHistory } from "./turn.ts";

/** Liveness, or an inventory, says what a node is. */
export function changePhase(
  state: SchedulerState,
  draft: Draft,
  {
    node,
    phase,
    evidence,
    heardAt = draft.at.monoMs,
  }: {
    readonly node: NodeEntry;
    readonly phase: NodePhase;
    readonly evidence: string;
    readonly heardAt?: number;
  },
): void {
  if (node.phase === phase) return;
  node.silentSince = heardAt;
  const { id } = node.node;
  const from = node.phase;
  node.phase = phase;
  if (phase === "alive") node.misfit = undefined;
  if (phase === "alive") state.placer.open(node.index, "down");
  else state.placer.close(node.index, "down");
  draft.nodePhases.set(id, phase);
  tellHistory(draft, {
    ...{ subject: `node/${id}`, actor: "liveness", kind: "phase" },
    ...{ from, to: phase, cause: `${id} is ${phase}: ${evidence}` },
  });
  const isGone = phase === "lost" || phase === "absent";
  if (isGone && state.reservation?.nodes.includes(id)) keepFor(state, draft, undefined);
  nodesChanged(state, draft);
  if (phase === "alive")
    tellAgent(state, draft, { node: id, message: { kind: "report-inventory" } });
  if (!isGone) return;
  node.gathered = undefined;
  for (const entry of jobsOn(state, node)) {
    advance(state, draft, { entry, event: { kind: "node-lost", node: id, evidence } });
  }
}

/** Its agent may have been replaced by one of another version, also while ranks run. */
export function noteCapabilities(
  state: SchedulerState,
  draft: Draft,
  { node, said }: { readonly node: NodeEntry; readonly said: readonly string[] },
): void {
  const { id } = node.node;
  const shared = sharedCapabilities(said);
  if (shared.join() === node.capabilities.join()) return;
  const couldMount = nodeCan(node, "mounts");
  node.capabilities = shared;
  draft.nodeRecords.add(node);
  draft.nodePhases.set(id, node.phase);
  if (nodeCan(node, "mounts") === couldMount) return;
  state.placer.setMounts(node.index, !couldMount);
  if (state.reservation?.nodes.includes(id)) keepFor(state, draft, undefined);
  nodesChanged(state, draft);
}

/** It tries again and again: told once. */
export function noteMisfit(
  state: SchedulerState,
  draft: Draft,
  { node: id, why }: { readonly node: string; readonly why: string },
): void {
  const node = state.nodesById.get(id);
  if (node === undefined || node.misfit === why) return;
  node.misfit = why;
  draft.nodePhases.set(id, node.phase);
  tellHistory(draft, {
    ...{ subject: "cluster", actor: "head", kind: "misfit" },
    ...{ cause: why, evidence: { node: id } },
  });
}

/** A lost node was silent for so long that what ran there on a lease has ended. */
export function nodeSilent(
  state: SchedulerState,
  draft: Draft,
  silence: { readonly node: string; readonly ms: number; readonly untilMonoMs: number },
): void {
  const node = state.nodesById.get(silence.node);
  if (node === undefined) return;
  for (const entry of jobsOn(state, node)) {
    const lengths = leasesLeft(state, entry).flatMap(({ process }) =>
      process.node === silence.node ? (process.leaseMs ?? []) : [],
    );
    const leaseMs = overOn(node, lengths, silence);
    if (leaseMs === undefined) continue;
    advance(state, draft, { entry, event: { kind: "lease-over", node: silence.node, leaseMs } });
  }
}

/** The cluster has these nodes now. What is known of those that stay, stays. */
export function declare(state: SchedulerState, draft: Draft, nodes: readonly Node[]): void {
  keepFor(state, draft, undefined);
  const before = state.nodesById;
  seat(state, nodes);
  for (const id of before.keys()) {
    if (!state.nodesById.has(id)) draft.nodePhases.set(id, "absent");
  }
  for (const { node, phase } of state.nodes) {
    if (before.has(node.id)) continue;
    draft.nodePhases.set(node.id, phase);
    tellAgent(state, draft, { node: node.id, message: { kind: "report-inventory" } });
  }
  // What nodes that left might have had left over keeps nobody from being settled any more.
  for (const id of state.jobs.keys()) if (!state.active.has(id)) consider(state, id);
  for (const id of [...state.active]) mourn(state, draft, entryOf(state, id));
  nodesChanged(state, draft);
}

/** A job loses what it had on nodes that are gone for good: nothing of them can answer any more. */
function mourn(state: SchedulerState, draft: Draft, entry: JobEntry): void {
  for (const node of entry.seats.filter((id) => !state.nodesById.has(id))) {
    const evidence = "it left the cluster";
    advance(state, draft, { entry, event: { kind: "node-lost", node, evidence } });
    for (const { key, process } of processesOf(entry.gang)) {
      if (process.node !== node || entry.gang.phase !== "draining") continue;
      const sweep = { node, found: 0, killed: 0, survivors: 0, unproven: [evidence] };
      advance(state, draft, { entry, event: { kind: "rank-swept", key, sweep } });
    }
  }
}

/** Puts nodes into the table, with a placer that knows what the active jobs hold of them. */
export function seat(state: SchedulerState, nodes: readonly Node[]): void {
  const before = state.nodesById;
  state.nodes = nodes.map((node, index) => {
    const known = before.get(node.id) ?? newNode(node, state.remembered.get(node.id));
    return { ...known, node, index };
  });
  state.nodesById = new Map(state.nodes.map((entry) => [entry.node.id, entry]));
  state.placer = createPlacer(nodes.map(({ capacity }) => capacity));
  for (const entry of state.nodes) {
    closeAsKnown(state.placer, entry);
    state.placer.setMounts(entry.index, nodeCan(entry, "mounts"));
  }
  for (const id of state.active) holdAgain(state, entryOf(state, id));
}

/**
 * A node of which nothing is known but what its record says. One that had joined is not absent:
 * what it has yet to say, a log's last bytes too, is waited for.
 */
function newNode(node: Node, record: NodeRecord | undefined): NodeEntry {
  const phase = record === undefined ? "absent" : "suspect";
  return {
    ...{ index: 0, node, phase, shunnedUntil: 0, failures: 0, jobs: new Set() },
    ...{ grantedAt: 0, silentSince: 0 },
    bootId: record?.bootId ?? "",
    capabilities: record?.capabilities ?? [],
    ...{ gathered: undefined, misfit: undefined },
    ghosts: new Set(record?.ghosts ?? []),
  };
}

function closeAsKnown(placer: Placer, { index, phase, ghosts, shunnedUntil }: NodeEntry): void {
  if (phase !== "alive") placer.close(index, "down");
  if (ghosts.size > 0) placer.close(index, "haunted");
  if (shunnedUntil > 0) placer.close(index, "shunned");
}

/** Gives a job's nodes back to it, as its record says. */
function holdAgain(state: SchedulerState, entry: JobEntry): void {
  const { need, spec, gang } = entry;
  const holdings = holdingsOf(entry).filter(({ node }) => state.nodesById.has(node));
  for (const { node, devices } of holdings) {
    const index = state.nodesById.get(node)?.index ?? -1;
    state.placer.restore(spec.id, index, { need, devices });
  }
  entry.held = holdings.map(({ node }) => node);
  const placed = gang.phase === "queued" ? [] : [...gang.ranks, ...gang.setups];
  entry.seats = [...new Set(placed.map(({ node }) => node))];
  for (const id of entry.seats) state.nodesById.get(id)?.jobs.add(spec.id);
}
