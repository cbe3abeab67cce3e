// `sky why`: one sentence that answers, then the chain of events that led there. Pure.
//
// Whatever changes with time (how long something has been idle) is computed when it is read; what
// was decided at a moment is in the events of that moment.

import type { AutostopView } from "../model/cluster.ts";
import type { Event } from "../model/event.ts";
import type { Job, RankRecord, SweepRecord } from "../model/job.ts";
import { isTerminal } from "../model/job.ts";
import type { Node, NodePhase } from "../model/node.ts";
import { reasonText } from "../model/reason.ts";
import type { Instant } from "../runtime/clock.ts";
import type { AutostopState } from "./autostop.ts";
import { elapsedMs } from "./autostop.ts";
import { plural } from "./demand.ts";
import { exitText } from "./exit-text.ts";

export interface Why {
  readonly summary: string;
  readonly chain: readonly Event[];
}

/** Why a job is as it is. */
export function whyJob(job: Job, events: readonly Event[]): Why {
  return { summary: jobSummary(job), chain: events };
}

export interface NodeFacts extends Node {
  readonly phase: NodePhase;
  /** Why its agent may not join. */
  readonly misfit?: string | undefined;
}

export interface ClusterFacts {
  readonly name: string;
  readonly jobs: readonly Job[];
  readonly nodes: readonly NodeFacts[];
  readonly autostop: AutostopView | undefined;
  readonly nowWallMs: number;
}

/** Why a cluster is as it is: its nodes, what runs, and what autostop thinks. */
export function whyCluster(facts: ClusterFacts, events: readonly Event[]): Why {
  const alive = facts.nodes.filter(({ phase }) => phase === "alive").length;
  const others = facts.nodes.filter(({ phase }) => phase !== "alive");
  const nodes = [
    `${alive} of ${plural(facts.nodes.length, "node")} alive`,
    ...others.map(({ id, phase, misfit }) => {
      return `${id} is ${phase}${misfit === undefined ? "" : ` (${misfit})`}`;
    }),
  ];
  const busy = facts.jobs.filter(({ status }) => !isTerminal(status));
  const jobs = busy.length === 0 ? "no job" : plural(busy.length, "job");
  const autostop =
    facts.autostop === undefined ? "autostop is off" : autostopText(facts.autostop, facts);
  const summary = `${facts.name}: ${nodes.join(", ")}; ${jobs} before the end; ${autostop}`;
  return { summary, chain: events };
}

/** The verdict of the last evaluation, with the figures of this moment. */
export function autostopText(
  view: AutostopView,
  { jobs, nowWallMs }: Pick<ClusterFacts, "jobs" | "nowWallMs">,
): string {
  const what = view.verb === "down" ? "autodown" : "autostop";
  const busy = jobs.filter(({ status }) => !isTerminal(status)).sort((a, b) => a.id - b.id);
  const [first] = busy;
  const more = busy.length > 1 ? ` and ${busy.length - 1} more` : "";
  if (first !== undefined) return `${what}: not idle: job ${first.id} ${first.status}${more}`;
  if (view.idleSince === undefined) return `${what}: ${view.verdict}`;
  return `${what}: idle for ${seconds(nowWallMs - view.idleSince)} of ${seconds(view.idleMs)}`;
}

/** What autostop's machine thinks at one moment; so many ways of transfers lead to the nodes. */
export function verdict(state: AutostopState, at: Instant, transfers = 0): string {
  switch (state.phase) {
    case "off":
      return "off";
    case "busy":
      // Jobs are named apart, as they are when it is read.
      if (transfers > 0) return "not idle: a transfer uses its nodes";
      return `not idle: ${plural(state.running, "job")} before the end`;
    case "idle":
      return `idle for ${seconds(elapsedMs(state.since, at))} of ${seconds(state.idleMs)}`;
    case "stopping": {
      const what = state.verb === "down" ? "taking the cluster down" : "stopping the cluster";
      return `idle for ${seconds(state.idleMs)}: ${what}`;
    }
  }
}

function jobSummary(job: Job): string {
  const name = `job ${job.id}`;
  switch (job.phase) {
    case "queued":
      return `${name} is PENDING: it waits for ${job.waitingFor ?? "its turn"}`;
    case "preparing":
      return `${name} is PENDING: ${nodesText(job.ranks)} get ready for it`;
    case "setting-up":
      return `${name} is SETTING_UP: ${setupText(job)}`;
    case "starting":
      return `${name} is RUNNING: every rank stood ready, and was told to go`;
    case "running":
      return `${name} is RUNNING: ${runningText(job)}`;
    case "draining":
      return `${name} is ending: ${job.waitingFor ?? "its ranks are being stopped and swept"}`;
    case "ended":
      return `${name} is ${job.status}: ${endText(job)}`;
  }
}

function endText(job: Job): string {
  const reason = job.reason === undefined ? "nobody knows why" : reasonText(job.reason);
  return [reason, ...exitsText(job), ...sweepsText(job.sweeps)].join(". ");
}

/** What became of the ranks, or of the setup if none began, unless every one did what it should. */
function exitsText({ status, setups, ranks }: Job): readonly string[] {
  if (status === "SUCCEEDED") return [];
  const known = ranks.flatMap(({ rank, node, exit }) =>
    exit === undefined ? [] : [`rank ${rank} on ${node} ${exitText(exit)}`],
  );
  if (known.length > 0) return [known.join(", ")];
  const setUp = setups.flatMap(({ node, exit }) =>
    exit === undefined ? [] : [`${node} ${exitText(exit)}`],
  );
  return setUp.length === 0 ? [] : [`setup: ${setUp.join(", ")}`];
}

function sweepsText(sweeps: readonly SweepRecord[]): readonly string[] {
  if (sweeps.length === 0) return [];
  const sum = (count: (sweep: SweepRecord) => number): number =>
    sweeps.reduce((total, sweep) => total + count(sweep), 0);
  const nodes = plural(new Set(sweeps.map(({ node }) => node)).size, "node");
  const count = sum((sweep) => sweep.killed);
  const killed = `${count} left-over ${count === 1 ? "process" : "processes"}`;
  const doubts = sweeps.flatMap(({ node, unproven }) => unproven.map((why) => `${node}: ${why}`));
  const survivors = sum((sweep) => sweep.survivors);
  const found = `swept ${nodes}: ${killed} killed, ${survivors} survived`;
  return doubts.length === 0 ? [found] : [found, `not proven on ${doubts.join(", ")}`];
}

function setupText(job: Job): string {
  const done = job.setups.filter(({ exit }) => exit !== undefined).length;
  return `setup is done on ${done} of ${plural(job.setups.length, "node")}`;
}

function runningText(job: Job): string {
  const ended = job.ranks.filter(({ exit }) => exit !== undefined).length;
  const all = plural(job.ranks.length, "rank");
  return ended === 0 ? `${all} on ${nodesText(job.ranks)}` : `${ended} of ${all} ended`;
}

function nodesText(ranks: readonly RankRecord[]): string {
  return ranks.map(({ node }) => node).join(", ");
}

/** `3.2 s`. */
function seconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}
