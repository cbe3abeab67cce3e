// Tasks, jobs and events: model ↔ proto, both ways, total by type.
//
// What the user wrote arrives as it was written: texts byte for byte, environment variables in
// their order.

import type { NumberedEvent } from "../model/event.ts";
import type { Job, JobPhase } from "../model/job.ts";
import type { Reason, ReasonCode } from "../model/reason.ts";
import { reasons, reasonText } from "../model/reason.ts";
import type { AtLeast, FileMount, Task, TaskConfig } from "../model/task.ts";
import {
  acceleratorsFromProto,
  acceleratorsToProto,
  rankRecordFromProto,
  rankRecordToProto,
  sweepFromProto,
  sweepToProto,
  treeFromProto,
  treeToProto,
} from "./converters-rank.ts";
import { jobStatuses } from "./enums.ts";
import { given, givenText, needed, oneOf, recordFrom } from "./fields.ts";
import type { sky } from "./gen/sky.js";

const jobPhases = Object.keys({
  queued: true,
  preparing: true,
  "setting-up": true,
  starting: true,
  running: true,
  draining: true,
  ended: true,
} satisfies Record<JobPhase, true>) as readonly JobPhase[];

const reasonCodes = Object.keys(reasons) as readonly ReasonCode[];

export function taskToProto(task: Task): sky.v1.Task.$Properties {
  const { cloud, cpus, memoryGb, accelerators } = task.resources;
  return {
    ...given("name", task.name),
    ...given("workdir", task.workdir),
    numNodes: task.numNodes,
    ...given("cpus", cpus && atLeastToProto(cpus)),
    ...given("memoryGb", memoryGb && atLeastToProto(memoryGb)),
    ...given("accelerators", accelerators && acceleratorsToProto(accelerators)),
    envs: envToProto(task.envs),
    secrets: envToProto(task.secrets),
    ...given("setup", task.setup),
    ...given("run", task.run),
    priority: task.priority,
    maxRestarts: task.maxRestarts,
    ...given("cloud", cloud),
    fileMounts: (task.fileMounts ?? []).map(fileMountToProto),
    ...given("workdirTree", task.workdirTree && treeToProto(task.workdirTree)),
    ...given("timeoutMs", task.timeoutMs),
    ...given("config", task.config),
  };
}

export function taskFromProto(task: sky.v1.Task): Task {
  return {
    ...given("name", task.name),
    ...given("workdir", task.workdir),
    ...given("workdirTree", task.workdirTree && treeFromProto(task.workdirTree)),
    numNodes: task.numNodes,
    resources: {
      ...given("cloud", task.cloud),
      ...given("cpus", task.cpus && atLeastFromProto(task.cpus)),
      ...given("memoryGb", task.memoryGb && atLeastFromProto(task.memoryGb)),
      ...given("accelerators", task.accelerators && acceleratorsFromProto(task.accelerators)),
    },
    envs: envFromProto(task.envs),
    secrets: envFromProto(task.secrets),
    ...given("setup", task.setup),
    ...given("run", task.run),
    priority: task.priority,
    maxRestarts: task.maxRestarts,
    ...(task.fileMounts.length === 0 ? {} : { fileMounts: task.fileMounts.map(fileMount) }),
    ...given("timeoutMs", task.timeoutMs),
    ...given("config", task.config && configFromProto(task.config)),
  };
}

function fileMountToProto({ destination, source, tree }: FileMount): sky.v1.FileMount.$Properties {
  return { destination, source, ...(tree && { ...tree, tree: treeToProto(tree.tree) }) };
}

function fileMount({ destination, source, tree, isFile }: sky.v1.FileMount): FileMount {
  return {
    ...{ destination, source },
    ...given("tree", tree && { tree: treeFromProto(tree), isFile }),
  };
}

function configFromProto({ graceMs, leaseMs }: sky.v1.TaskConfig): TaskConfig {
  return { ...given("graceMs", graceMs), ...given("leaseMs", leaseMs) };
}

export function jobToProto(job: Job): sky.v1.Job.$Properties {
  return {
    id: job.id,
    name: job.name,
    user: job.user,
    status: jobStatuses.toProto(job.status),
    phase: job.phase,
    submittedAt: job.submittedAt,
    ...given("startedAt", job.startedAt),
    ...given("endedAt", job.endedAt),
    resources: job.resources,
    numNodes: job.numNodes,
    attempt: job.attempt,
    ranks: job.ranks.map(rankRecordToProto),
    setups: job.setups.map(rankRecordToProto),
    ...(job.reason === undefined ? {} : reasonToProto(job.reason)),
    waitingFor: job.waitingFor ?? "",
    sweeps: job.sweeps.map(sweepToProto),
  };
}

/** @throws SkyError `codec/invalid` if it is absent, or has a word that we do not know. */
export function jobFromProto(message: sky.v1.Job | null): Job {
  const job = needed(message, "Job");
  return {
    id: job.id,
    name: job.name,
    user: job.user,
    status: jobStatuses.fromProto(job.status),
    phase: oneOf(job.phase, jobPhases, "Job.phase"),
    submittedAt: job.submittedAt,
    ...given("startedAt", job.startedAt),
    ...given("endedAt", job.endedAt),
    resources: job.resources,
    numNodes: job.numNodes,
    attempt: job.attempt,
    ranks: job.ranks.map(rankRecordFromProto),
    setups: job.setups.map(rankRecordFromProto),
    ...given("reason", reasonFromProto(job)),
    ...givenText("waitingFor", job.waitingFor),
    sweeps: job.sweeps.map(sweepFromProto),
  };
}

export function eventToProto(event: NumberedEvent): sky.v1.Event.$Properties {
  const { seq, at, subject, actor, kind, from, to, cause, evidence } = event;
  return {
    ...{ seq, at, subject, actor, kind, cause, evidence },
    from: from ?? "",
    to: to ?? "",
  };
}

export function eventFromProto(message: sky.v1.Event | null): NumberedEvent {
  const { seq, at, subject, actor, kind, from, to, cause, evidence } = needed(message, "Event");
  return {
    ...{ seq, at, subject, actor, kind, cause },
    ...givenText("from", from),
    ...givenText("to", to),
    evidence: recordFrom(evidence),
  };
}

function atLeastToProto(bound: AtLeast): sky.v1.AtLeast.$Properties {
  return { amount: bound.amount, orMore: bound.orMore };
}

function atLeastFromProto(bound: sky.v1.AtLeast): AtLeast {
  return { amount: bound.amount, orMore: bound.orMore };
}

function envToProto(env: Readonly<Record<string, string>>): sky.v1.EnvVar.$Properties[] {
  return Object.entries(env).map(([name, value]) => ({ name, value }));
}

function envFromProto(env: readonly sky.v1.EnvVar[]): Record<string, string> {
  return Object.fromEntries(env.map(({ name, value }) => [name, value]));
}

function reasonToProto(reason: Reason): sky.v1.Job.$Properties {
  return { reason: reason.code, reasonText: reasonText(reason), reasonParams: reason.params };
}

function reasonFromProto(job: sky.v1.Job): Reason | undefined {
  if (job.reason === "") return undefined;
  const code = oneOf(job.reason, reasonCodes, "Job.reason");
  return { code, params: recordFrom(job.reasonParams) };
}
