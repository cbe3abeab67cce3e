// Dispatch: gives nodes to the jobs whose turn it is.
//
// The job at the head of the line gets its nodes whole or waits. While it waits, the nodes that it
// will get are kept for it: first those that fit it now, then others that could. The set is sticky:
// it changes only for the better (a node of it that is still busy is exchanged for one that became
// free) or when a node of it is lost, so the gang starts no later than when the nodes promised to
// it are free, whatever passes it. Jobs behind it may use other nodes only.
//
// A job that no set of living nodes could hold waits beside the line and blocks nobody.

import { assert } from "../model/errors.ts";
import { advance, setWaiting } from "./advance.ts";
import { type Need, plural } from "./demand.ts";
import type { GangRank } from "./gang-state.ts";
import { leaseFor } from "./leases.ts";
import type { Queued } from "./queue.ts";
import type { JobEntry, NodeEntry, SchedulerState, ShapeEntry } from "./table.ts";
import { entryOf, isLiving, nodeCan, nodeOf } from "./table.ts";
import type { Draft } from "./turn.ts";
import { tellHistory } from "./turn.ts";

/** Places every job that may be placed now. */
export function dispatch(state: SchedulerState, draft: Draft): void {
  if (state.closed !== undefined) {
    keepFor(state, draft, undefined);
    return;
  }
  const returned = state.unparked.splice(0);
  for (;;) {
    const head = state.queue.first();
    if (state.reservation !== undefined && state.reservation.job !== head?.id) {
      keepFor(state, draft, undefined);
    }
    if (head === undefined) break;
    if (!couldLive(state, head)) {
      park(state, draft, head.shape);
      continue;
    }
    const nodes = nodesForHead(state, draft, head);
    if (nodes === undefined) {
      backfill(state, draft, head);
      break;
    }
    place(state, draft, { job: head, nodes });
  }
  for (const { id, shape } of returned) {
    if (!state.queue.has(id) || state.queue.isParked(shape)) continue;
    const entry = entryOf(state, id);
    if (entry.spec.id !== state.reservation?.job) setWaiting(draft, entry, itsTurn);
  }
}

/** What a job waits for that is not at the head of the line. */
export const itsTurn = "its turn in the queue";

/** Living nodes came or went: what was impossible may be possible now, and the other way round. */
export function nodesChanged(state: SchedulerState, draft: Draft): void {
  state.epoch += 1;
  state.unparked.push(...state.queue.parked());
  state.queue.unparkAll();
  draft.mayPlace = true;
}

/** Keeps a set of nodes for the job at the head of the line, instead of any kept before. */
export function keepFor(
  state: SchedulerState,
  draft: Draft,
  next: { readonly job: number; readonly nodes: readonly string[] } | undefined,
): void {
  if (state.reservation === undefined && next === undefined) return;
  for (const id of state.reservation?.nodes ?? []) {
    const node = state.nodesById.get(id);
    if (node !== undefined) state.placer.open(node.index, "reserved");
  }
  for (const id of next?.nodes ?? []) state.placer.close(nodeOf(state, id).index, "reserved");
  state.reservation = next;
  draft.clusterChanged = true;
}

/** Whether the living nodes, with nothing else on them, could hold a job. */
function couldLive(state: SchedulerState, { shape: name }: Queued): boolean {
  const shape = shapeEntry(state, name);
  if (shape.epoch !== state.epoch) {
    const able = (node: NodeEntry): boolean =>
      isLiving(node) && state.placer.couldHold(node.index, shape.need);
    shape.living = state.nodes.filter(able).length;
    shape.epoch = state.epoch;
  }
  return shape.living >= shape.numNodes;
}

function park(state: SchedulerState, draft: Draft, name: string): void {
  const { living, numNodes, need } = shapeEntry(state, name);
  state.queue.park(name);
  const able = `${living} of the ${plural(state.nodes.length, "node")} could hold it now`;
  const why = `${plural(numNodes, "living node")}: ${able}${mountlessText(state, need)}`;
  for (let place = 0; ; place += 1) {
    const job = state.queue.inLine(name, place);
    if (job === undefined) return;
    const entry = entryOf(state, job.id);
    if (entry.waiting !== why) {
      const told = { subject: `job/${job.id}`, actor: "scheduler", kind: "waits" };
      tellHistory(draft, { ...told, cause: `waits for ${why}` });
    }
    setWaiting(draft, entry, why);
  }
}

/** Names the living nodes that can lay out no file mounts, if that is asked. */
function mountlessText(state: SchedulerState, need: Need): string {
  if (!need.mounts) return "";
  const unable = (node: NodeEntry): boolean =>
    isLiving(node) && node.bootId !== "" && !nodeCan(node, "mounts");
  const names = state.nodes.filter(unable).map(({ node }) => node.id);
  const shown = names.slice(0, heldNodesShownMax).join(", ");
  const more = names.length > heldNodesShownMax ? ", …" : "";
  const [count, are] = [plural(names.length, "node"), names.length === 1 ? "is" : "are"];
  if (names.length === 0) return "";
  return `; ${count} (${shown}${more}) ${are} of a version without file mounts`;
}

/** The nodes for the job at the head, if all of them are free; else they are kept for it. */
function nodesForHead(
  state: SchedulerState,
  draft: Draft,
  head: Queued,
): readonly NodeEntry[] | undefined {
  const { need, numNodes } = shapeEntry(state, head.shape);
  if (state.reservation === undefined) {
    const found = state.placer.find(need, numNodes);
    if (found !== undefined) return found.map((index) => nodeAt(state, index));
    const nodes = promised(state, shapeEntry(state, head.shape));
    keepFor(state, draft, { job: head.id, nodes: nodes.map(({ node }) => node.id) });
  } else {
    exchange(state, draft, shapeEntry(state, head.shape));
  }
  const kept = (state.reservation?.nodes ?? []).map((id) => nodeOf(state, id));
  const ready = kept.filter(({ index }) => state.placer.fitsReserved(index, need));
  if (ready.length === kept.length) return kept;
  explain(state, draft, { entry: entryOf(state, head.id), kept, ready });
  return undefined;
}

/** The set to promise: nodes that fit now, then the first others that could. In node order. */
function promised(state: SchedulerState, { need, numNodes }: ShapeEntry): readonly NodeEntry[] {
  const chosen = new Set<number>();
  for (let at = state.placer.next(need, 0); at >= 0; at = state.placer.next(need, at + 1)) {
    chosen.add(at);
  }
  for (const node of state.nodes) {
    if (chosen.size >= numNodes) break;
    if (isLiving(node) && state.placer.couldHold(node.index, need)) chosen.add(node.index);
  }
  assert(chosen.size === numNodes, "enough living nodes could hold the job");
  return [...chosen].sort((a, b) => a - b).map((index) => nodeAt(state, index));
}

/** Gives up nodes of the set that are still busy for others that became free. */
function exchange(state: SchedulerState, draft: Draft, { need }: ShapeEntry): void {
  const { reservation } = state;
  assert(reservation !== undefined, "there is a set to exchange nodes of");
  const kept = reservation.nodes.map((id) => nodeOf(state, id));
  const busy = kept.filter(({ index }) => !state.placer.fitsReserved(index, need));
  const gained: NodeEntry[] = [];
  for (let at = 0; gained.length < busy.length; ) {
    const free = state.placer.next(need, at);
    if (free < 0) break;
    gained.push(nodeAt(state, free));
    at = free + 1;
  }
  if (gained.length === 0) return;
  const given = new Set(busy.slice(-gained.length));
  const next = [...kept.filter((node) => !given.has(node)), ...gained];
  const nodes = next.sort((a, b) => a.index - b.index).map(({ node }) => node.id);
  keepFor(state, draft, { job: reservation.job, nodes });
}

/** Says which nodes the job at the head waits for, and who holds them. */
function explain(
  state: SchedulerState,
  draft: Draft,
  about: {
    readonly entry: JobEntry;
    readonly kept: readonly NodeEntry[];
    readonly ready: readonly NodeEntry[];
  },
): void {
  const { entry, kept, ready } = about;
  const busy = kept.filter((node) => !ready.includes(node));
  const texts = busy.slice(0, heldNodesShownMax).map((node) => holdersText(state, node));
  const more = busy.length > texts.length ? `, and ${busy.length - texts.length} more` : "";
  const count = plural(kept.length, "node");
  setWaiting(draft, entry, `${count}, ${ready.length} free; ${texts.join(", ")}${more}`);
}

/** Longer lists are cut in the sentence of a waiting job. */
const heldNodesShownMax = 4;

function holdersText(state: SchedulerState, { index, node, phase, ghosts }: NodeEntry): string {
  if (phase !== "alive") return `${node.id} is ${phase}`;
  if (state.placer.isClosed(index, "shunned")) return `${node.id} did not get ready before`;
  if (ghosts.size > 0) return `${node.id} must confirm the end of ${[...ghosts].join(", ")}`;
  const jobs = [...state.placer.ledger.holdings(index).keys()];
  if (jobs.length === 0) return `${node.id} is kept`;
  return `${node.id} is held by ${jobs.length === 1 ? "job" : "jobs"} ${jobs.join(", ")}`;
}

/** Lets jobs pass the head of the line where they cannot delay it: on nodes not kept for it. */
function backfill(state: SchedulerState, draft: Draft, head: Queued): void {
  for (const first of state.queue.firsts(state.options.backfillLinesMax)) {
    const { need, numNodes } = shapeEntry(state, first.shape);
    // The head itself stays the first of its line.
    const place0 = first.shape === head.shape ? 1 : 0;
    for (;;) {
      const job = state.queue.inLine(first.shape, place0);
      const found = job === undefined ? undefined : state.placer.find(need, numNodes);
      if (job === undefined || found === undefined) break;
      place(state, draft, { job, nodes: found.map((index) => nodeAt(state, index)) });
    }
  }
}

function place(
  state: SchedulerState,
  draft: Draft,
  { job, nodes }: { readonly job: Queued; readonly nodes: readonly NodeEntry[] },
): void {
  const entry = entryOf(state, job.id);
  state.queue.remove(job.id);
  if (state.reservation?.job === job.id) keepFor(state, draft, undefined);
  const ranks = nodes.map((seat, rank): GangRank => {
    const { index, node } = seat;
    const devices = state.placer.take(job.id, index, entry.need);
    return {
      ...unasked,
      rank,
      node: node.id,
      ip: node.ip,
      devices,
      ...leaseFor(state, entry, seat),
    };
  });
  const setups = setupSeats(state, entry, nodes).map((seat) => {
    return { ...setupOn(seat), ...leaseFor(state, entry, seat) };
  });
  entry.held = nodes.map(({ node }) => node.id);
  entry.seats = [...new Set([...ranks, ...setups].map(({ node }) => node))];
  for (const seat of entry.seats) nodeOf(state, seat).jobs.add(job.id);
  entry.waiting = "";
  advance(state, draft, { entry, event: { kind: "placed", ranks, setups } });
}

/**
 * Where a setup runs: on every living node. Without one, an empty one where files must arrive and
 * no rank brings them: on the other nodes, for a launch, and on the ranks' if nothing is to run.
 */
function setupSeats(
  state: SchedulerState,
  { spec, gang, need }: JobEntry,
  ranks: readonly NodeEntry[],
): readonly NodeEntry[] {
  const { hasSetup, hasRun } = gang.terms;
  const hasFiles = spec.tree !== undefined || spec.workdir !== undefined || need.mounts === true;
  if (!hasSetup && !hasFiles) return [];
  const seats = state.nodes.filter((seat) => {
    if (seat.phase !== "alive" || (need.mounts && !nodeCan(seat, "mounts"))) return false;
    const isRank = ranks.includes(seat);
    return hasSetup || (isRank ? !hasRun : spec.allNodes === true);
  });
  return seats;
}

const unasked = { asked: false, ready: false, swept: false } as const;

function setupOn({ index, node }: NodeEntry): GangRank {
  return { ...unasked, rank: index, node: node.id, ip: node.ip, devices: [] };
}

function shapeEntry(state: SchedulerState, name: string): ShapeEntry {
  const shape = state.shapes.get(name);
  assert(shape !== undefined, `shape ${name} is known`);
  return shape;
}

function nodeAt(state: SchedulerState, index: number): NodeEntry {
  const node = state.nodes[index];
  assert(node !== undefined, `there is a node ${index}`);
  return node;
}
