// The scheduler's nodes: which there are, and which of them take work.
//
// A node counts as soon as it is declared and takes work only while it is alive. What must always
// hold: the placer is closed for exactly the nodes that take no work, and holds for each job that
// has not ended what its record says.

import type { Node, NodePhase } from "../model/node.ts";
import { advance, jobsOn } from "./advance.ts";
import { keepFor, nodesChanged } from "./dispatch.ts";
import type { Placer } from "./placement.ts";
import { createPlacer } from "./placement.ts";
import type { NodeRecord } from "./records.ts";
import type { JobEntry, NodeEntry, SchedulerState } from "./table.ts";
import { entryOf, holdingsOf } from "./table.ts";
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
  }: { readonly node: NodeEntry; readonly phase: NodePhase; readonly evidence: string },
): void {
  if (node.phase === phase) return;
  const { id } = node.node;
  const from = node.phase;
  node.phase = phase;
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
  for (const entry of jobsOn(state, node)) {
    advance(state, draft, { entry, event: { kind: "node-lost", node: id, evidence } });
  }
}

/** The cluster has these nodes now. What is known of those that stay, stays. */
export function declare(state: SchedulerState, draft: Draft, nodes: readonly Node[]): void {
  const stays = new Set(nodes.map(({ id }) => id));
  const gone = state.nodes.filter(({ node }) => !stays.has(node.id));
  keepFor(state, draft, undefined);
  const before = state.nodesById;
  seat(state, nodes, (id) => before.get(id));
  for (const node of gone) {
    const event = {
      kind: "node-lost",
      node: node.node.id,
      evidence: "it left the cluster",
    } as const;
    for (const entry of jobsOn(state, node)) advance(state, draft, { entry, event });
    draft.nodePhases.set(node.node.id, "absent");
  }
  for (const { node, phase } of state.nodes) {
    if (!before.has(node.id)) draft.nodePhases.set(node.id, phase);
  }
  nodesChanged(state, draft);
}

/** Puts nodes into the table, with a placer that knows what the active jobs hold of them. */
export function seat(
  state: SchedulerState,
  nodes: readonly Node[],
  known: (id: string) => NodeEntry | undefined,
): void {
  state.nodes = nodes.map((node, index) => ({ ...(known(node.id) ?? newNode(node)), node, index }));
  state.nodesById = new Map(state.nodes.map((entry) => [entry.node.id, entry]));
  state.placer = createPlacer(nodes.map(({ capacity }) => capacity));
  for (const entry of state.nodes) closeAsKnown(state.placer, entry);
  for (const id of state.active) holdAgain(state, entryOf(state, id));
}

/** A node of which nothing is known but what its record says. */
export function newNode(node: Node, record?: NodeRecord): NodeEntry {
  return {
    ...{ index: 0, node, phase: "absent", shunnedUntil: 0, failures: 0, jobs: new Set() },
    bootId: record?.bootId ?? "",
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
