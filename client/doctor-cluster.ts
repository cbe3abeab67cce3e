// The checks of one cluster: what its head says of its nodes, its jobs and its sweeps.
//
// Nobody promised the shape of what `sky debug` shows: what is not there counts as not wrong.

import type { ClusterStatus, ClusterView } from "../model/cluster.ts";
import type { NumberedEvent } from "../model/event.ts";
import type { Job } from "../model/job.ts";
import { isTerminal } from "../model/job.ts";
import { at, type Checks, counted, ok, problem, someOf, type Verdict, warning } from "./doctor.ts";

export interface ClusterReading {
  readonly cluster: ClusterView;
  readonly jobs: readonly Job[];
  /** The cluster's history, its nodes' included. */
  readonly events: readonly NumberedEvent[];
  /** What `sky debug` shows, parsed. */
  readonly inside: unknown;
}

const linesMax = 10;
const mailboxMany = 512;

export const clusterChecks: Checks<ClusterReading> = {
  cluster: ({ cluster: { name, status } }) => statusVerdicts[status](name),
  nodes: nodesVerdict,
  "waiting jobs": waitingVerdict,
  sweeps: sweepsVerdict,
  bus: busVerdict,
  denied: deniedVerdict,
  strangers: strangersVerdict,
  mailboxes: mailboxVerdict,
};

const statusVerdicts: Readonly<Record<ClusterStatus, (name: string) => Verdict>> = {
  UP: (name) => ok(`${name} is UP`),
  STOPPED: (name) => ok(`${name} is STOPPED`),
  STOPPING: (name) => warning(`${name} is STOPPING`, `it takes a moment; else: sky why ${name}`),
  INIT: (name) =>
    warning(
      `${name} is INIT: it is being made, or a launch failed`,
      `sky why ${name}; sky start ${name} goes on, sky down ${name} takes it away`,
    ),
};

function nodesVerdict({ cluster, events }: ClusterReading): readonly Verdict[] {
  const { name, status, nodes } = cluster;
  const alive = nodes.filter(({ phase }) => phase === "alive");
  const others = nodes.filter(({ phase }) => phase !== "alive");
  const all =
    status === "STOPPED" ? ok("none runs") : ok(`${alive.length} of ${nodes.length} alive`);
  const bad = others.flatMap(({ id, phase }): readonly Verdict[] => {
    const text = `${id} is ${phase}${evidenceOf(id, events)}`;
    const log = `clusters/${name}/nodes/${id}/state/skylet.log`;
    const remedy = `sky why ${name}; the node's own log is ${log} in SKY_HOME`;
    if (phase === "lost") return [problem(text, remedy)];
    if (phase === "suspect") return [warning(text, remedy)];
    return status === "UP" ? [problem(`${id} never joined, or has gone`, remedy)] : [];
  });
  return [all, ...limited(bad, `sky status ${name}`)];
}

/** The last thing that was told of a node. */
function evidenceOf(node: string, events: readonly NumberedEvent[]): string {
  const last = events.findLast(({ subject }) => subject === `node/${node}`);
  if (last === undefined) return "";
  const facts = Object.entries(last.evidence).map(([name, value]) => `${name}=${value}`);
  const at = new Date(last.at).toISOString().slice(11, 19);
  return `: ${[last.cause, ...facts].filter((part) => part !== "").join("; ")} (${at} UTC)`;
}

function waitingVerdict({ cluster: { name }, jobs }: ClusterReading): readonly Verdict[] {
  const waiting = jobs.filter(({ status, waitingFor }) => {
    return !isTerminal(status) && waitingFor !== undefined;
  });
  if (waiting.length === 0) return [ok("none")];
  const verdicts = waiting.map(({ id, status, waitingFor = "" }) => {
    const what = status === "PENDING" ? ` and waits for ${waitingFor}` : `: ${waitingFor}`;
    return warning(`job ${id} is ${status}${what}`, `sky why ${name} ${id}`);
  });
  return limited(verdicts, `sky queue ${name}`);
}

function sweepsVerdict({ cluster: { name }, jobs }: ClusterReading): readonly Verdict[] {
  const swept = jobs.filter(({ sweeps }) => sweeps.length > 0);
  const survived = swept.flatMap(({ id, sweeps }) => {
    const count = sweeps.reduce((sum, { survivors }) => sum + survivors, 0);
    const nodes = sweeps.filter(({ survivors }) => survivors > 0).map(({ node }) => node);
    const text = `job ${id} left ${count} running on ${someOf(nodes)}`;
    return count === 0 ? [] : [problem(text, `sky why ${name} ${id}; sky stop ${name} ends them`)];
  });
  const doubts = new Map<string, number[]>();
  for (const { id, sweeps } of swept) {
    for (const why of new Set(sweeps.flatMap(({ unproven }) => unproven))) {
      doubts.set(why, [...(doubts.get(why) ?? []), id]);
    }
  }
  const unproven = [...doubts].map(([why, ids]) => {
    const which = `${ids.length === 1 ? "job" : "jobs"} ${someOf(ids.map(String))}`;
    const text = `not proven for ${which}: ${why}`;
    return warning(text, `sky why ${name} ${ids[0]}; see the cgroup check above`);
  });
  if (survived.length + unproven.length > 0) return limited([...survived, ...unproven], "sky why");
  return [
    ok(swept.length === 0 ? "none was needed" : `${counted(swept.length, "job")}, all proven`),
  ];
}

/** The head's nats-server; embedded nodes need none. */
function busVerdict({ inside }: ClusterReading): Verdict {
  const nats = at(inside, "process", "lanes", "process", "nats");
  if (typeof nats !== "object" || nats === null) return ok("none of its own is needed");
  const [pid, restarts, silentMs] = [at(nats, "pid"), at(nats, "restarts"), at(nats, "silentMs")];
  const trouble = at(nats, "trouble");
  const because = typeof trouble === "string" ? `: ${trouble}` : "";
  const log = "see nats-server.log in head/bus of SKY_HOME; jobs run on meanwhile";
  if (pid === undefined) return problem(`nats-server does not run${because}`, log);
  if (typeof silentMs === "number" && silentMs > 0) {
    const text = `nats-server has given no answer for ${(silentMs / 1_000).toFixed(0)} s${because}`;
    return warning(text, `the head waits, then starts another; ${log}`);
  }
  if (typeof restarts !== "number" || restarts === 0) return ok("nats-server answers");
  const text = `nats-server was started again ${counted(restarts, "time")}${because}`;
  return warning(text, log);
}

/** What the bus refused to nodes of this cluster: a node that speaks as another, or a defect. */
function deniedVerdict({ cluster, inside }: ClusterReading): readonly Verdict[] {
  const { name } = cluster;
  const lanes = fieldsOf(at(inside, "process", "lanes"));
  const denied = lanes.flatMap(([, lane]) => fieldsOf(at(lane, "denied")));
  // The embedded bus knows its members by their nodes' names alone.
  const isOurs = (who: string): boolean =>
    who.startsWith(`${name}/`) || cluster.nodes.some(({ id }) => id === who);
  const ours = denied.filter(([who]) => isOurs(who));
  const bad = ours.flatMap(([who, count]) => {
    if (typeof count !== "number" || count === 0) return [];
    const text = `the bus refused ${counted(count, "message")} of ${who}`;
    return [
      warning(
        text,
        "its credentials may not say that: sky debug; a node that should not be trusted?",
      ),
    ];
  });
  return bad.length === 0 ? [ok("none")] : limited(bad, "sky debug");
}

/** Reports of ranks that their node does not have. */
function strangersVerdict({ cluster: { name }, inside }: ClusterReading): readonly Verdict[] {
  const nodes = fieldsOf(at(inside, "clusters", name, "nodes"));
  const bad = nodes.flatMap(([id, node]) => {
    const silent = at(node, "unreachable");
    if (typeof silent === "string") {
      return [warning(`${id} does not answer: ${silent}`, `sky status ${name}; sky why ${name}`)];
    }
    const count = at(node, "strangers");
    if (typeof count !== "number" || count === 0) return [];
    const text = `${id} was told ${counted(count, "thing")} by somebody who is not its head`;
    return [warning(text, `sky debug ${name} shows more`)];
  });
  return bad.length === 0
    ? [ok("none; every node that was asked answers")]
    : limited(bad, "sky debug");
}

function mailboxVerdict({ cluster: { name }, inside }: ClusterReading): Verdict {
  const actors = at(inside, "clusters", name, "actors");
  const full = (Array.isArray(actors) ? actors : []).flatMap((actor: unknown) => {
    const count = at(actor, "mailboxCount");
    const kind = at(actor, "address", "kind");
    return typeof count === "number" && count >= mailboxMany ? [`${String(kind)} (${count})`] : [];
  });
  if (full.length === 0) return ok("none is filling up");
  return warning(
    `filling up: ${someOf(full)}`,
    "the machine is too slow for what it is asked; wait",
  );
}

/** So many at most, and where the rest can be seen. */
function limited(verdicts: readonly Verdict[], where: string): readonly Verdict[] {
  const hidden = verdicts.slice(linesMax);
  const last = hidden.find(({ grade }) => grade === "problem") ?? hidden[0];
  if (last === undefined) return verdicts;
  const more = { grade: last.grade, text: `${hidden.length} more`, remedy: where };
  return [...verdicts.slice(0, linesMax), more];
}

function fieldsOf(value: unknown): readonly (readonly [string, unknown])[] {
  return typeof value === "object" && value !== null ? Object.entries(value) : [];
}
