// What users ask of the scheduler: submit, cancel, autostop, and closing or opening the cluster.
//
// A submission is taken whole or refused whole, in one turn and one commit; a refused one uses no
// id. Where tasks have secrets the vault keeps them first, so that no job is ever on record without
// them. The same idempotency key again is answered with the same ids.

import { assert } from "../model/errors.ts";
import { given } from "../proto/fields.ts";
import { advance, adviseAutostop, nextAttempt, setWaiting } from "./advance.ts";
import { demandOf, demandProblem, type Need, needOf, shapeOf, tooBig } from "./demand.ts";
import { itsTurn, keepFor } from "./dispatch.ts";
import type { GangState } from "./gang-state.ts";
import { newGang, processesOf } from "./gang-state.ts";
import type { ApiRequest, SubmitReply } from "./messages.ts";
import { isOwn } from "./owners.ts";
import type { JobRecord, JobSpec } from "./records.ts";
import { gangTermsOf, recordKeys } from "./records.ts";
import type { JobEntry, PendingSubmit, SchedulerState, SubmitRequest } from "./table.ts";
import { activityOf, entryOf } from "./table.ts";
import type { Draft } from "./turn.ts";
import { reply, tellHistory } from "./turn.ts";
import type { Secrets } from "./vault.ts";

type Ask<K extends ApiRequest["kind"]> = Extract<ApiRequest, { readonly kind: K }>;

export function submit(state: SchedulerState, draft: Draft, request: SubmitRequest): void {
  const known = state.keys.get(request.idempotencyKey);
  if (known !== undefined) {
    reply(draft, request.replyTo, submitted(known.first, known.count));
    return;
  }
  const twin = pendingTwin(state, request);
  if (twin !== undefined) {
    twin.replyTo.push(request.replyTo);
    return;
  }
  const refusal = refusalOf(state, request);
  if (refusal !== undefined) {
    reply(draft, request.replyTo, refusal);
    return;
  }
  const first = state.nextId;
  state.nextId += request.tasks.length;
  const pending: PendingSubmit = { request, first, replyTo: [request.replyTo] };
  const secrets = request.tasks.flatMap((task, at): [number, Secrets][] =>
    Object.keys(task.secrets).length > 0 ? [[first + at, task.secrets]] : [],
  );
  if (secrets.length === 0) {
    take(state, draft, pending);
    return;
  }
  state.pending.set(first, pending);
  draft.others.push({ kind: "keep-secrets", submission: first, secrets });
}

/** The vault has the secrets of a submission on disk. */
export function secretsKept(state: SchedulerState, draft: Draft, submission: number): void {
  const pending = state.pending.get(submission);
  if (pending === undefined) return;
  const refusal = refusalOf(state, pending.request);
  if (refusal !== undefined) {
    giveUp(state, draft, { pending, refusal });
    return;
  }
  state.pending.delete(submission);
  take(state, draft, pending);
}

export function secretsRefused(
  state: SchedulerState,
  draft: Draft,
  { submission, refusal }: { readonly submission: number; readonly refusal: SubmitReply },
): void {
  const pending = state.pending.get(submission);
  if (pending === undefined) return;
  giveUp(state, draft, { pending, refusal });
}

/** Its ids stay unused: another job's secrets under them could meet the removal of these. */
function giveUp(
  state: SchedulerState,
  draft: Draft,
  { pending, refusal }: { readonly pending: PendingSubmit; readonly refusal: SubmitReply },
): void {
  const { request, first, replyTo } = pending;
  state.pending.delete(first);
  const jobs = request.tasks.map((_, at) => first + at);
  draft.others.push({ kind: "remove-secrets", jobs });
  for (const to of replyTo) reply(draft, to, refusal);
}

export function cancel(state: SchedulerState, draft: Draft, request: Ask<"cancel">): void {
  const own = (id: number): boolean => isOwn(entryOf(state, id).spec, request.user);
  const asked = request.jobs === "all" ? [...state.active].filter(own) : [...new Set(request.jobs)];
  // One that is not in the table any more has ended long ago.
  const unknown = asked.filter((id) => id < 1 || id >= state.nextId);
  const left = new Set(asked.filter((id) => state.active.has(id)));
  const waiter = { left, cancelled: [], unknown, replyTo: request.replyTo };
  if (left.size === 0) {
    reply(draft, request.replyTo, { kind: "cancelled", jobs: [], unknown });
    return;
  }
  for (const id of left) {
    const waiters = state.cancels.get(id) ?? new Set();
    state.cancels.set(id, waiters.add(waiter));
  }
  for (const id of [...left]) {
    const event = { kind: "cancel-requested", user: request.user } as const;
    advance(state, draft, { entry: entryOf(state, id), event });
  }
}

export function setAutostop(
  state: SchedulerState,
  draft: Draft,
  request: Ask<"set-autostop">,
): void {
  const { setting } = request;
  adviseAutostop(
    state,
    draft,
    setting === undefined ? { kind: "disarmed" } : { kind: "armed", ...setting },
  );
  reply(draft, request.replyTo, { kind: "done" });
}

/** Packing takes as long as it takes: autostop must not take the cluster away meanwhile. */
export function holdSubmits(state: SchedulerState, draft: Draft, count: number): void {
  state.submitsHeld = count;
  adviseAutostop(state, draft, { kind: "jobs-changed", running: activityOf(state) });
}

/** Whose nodes take part in a transfer is not idle. */
export function holdTransfers(state: SchedulerState, draft: Draft, count: number): void {
  state.transfersHeld = count;
  adviseAutostop(state, draft, { kind: "jobs-changed", running: activityOf(state) });
  // That it stays busy has another reason now.
  if (state.autostop.phase === "busy") draft.autostopChanged = true;
}

export function close(state: SchedulerState, draft: Draft, request: Ask<"close">): void {
  const { verb, replyTo } = request;
  adviseAutostop(state, draft, { kind: "disarmed" });
  state.closed = { verb, why: state.closed?.why ?? "asked" };
  draft.clusterChanged = true;
  keepFor(state, draft, undefined);
  tellHistory(draft, {
    subject: "cluster",
    actor: "fleet",
    kind: "closed",
    cause: `the cluster is being ${verb}: it takes no more jobs`,
  });
  state.closeWaiters.push(replyTo);
  for (const id of [...state.active]) {
    advance(state, draft, {
      entry: entryOf(state, id),
      event: { kind: "cluster-closed", verb },
    });
  }
  if (state.active.size > 0) return;
  for (const waiter of state.closeWaiters.splice(0)) reply(draft, waiter, { kind: "done" });
}

export function openAgain(state: SchedulerState, draft: Draft): void {
  if (state.closed !== undefined) {
    state.closed = undefined;
    draft.clusterChanged = true;
    const about = { subject: "cluster", actor: "fleet", kind: "opened" };
    tellHistory(draft, { ...about, cause: "the cluster takes jobs" });
  }
  adviseAutostop(state, draft, { kind: "opened" });
  draft.mayPlace = true;
}

/** The job's entry in the table, as its records say. Also what a start of the head does. */
export function enter(state: SchedulerState, record: JobRecord): JobEntry {
  const { spec, gang, logs, logBytes = logs.length === 0 ? 0 : bytesOf(gang) } = record;
  const demanded = needOf(demandOf(spec.task));
  const need: Need = spec.mounts?.length ? { ...demanded, mounts: true } : demanded;
  const shape = shapeOf(need, spec.task.numNodes);
  if (!state.shapes.has(shape)) {
    state.shapes.set(shape, { need, numNodes: spec.task.numNodes, living: 0, epoch: -1 });
  }
  const entry: JobEntry = {
    ...{
      spec,
      need,
      shape,
      gang,
      logs,
      logBytes,
      logsFrom: gang.attempt,
      held: [],
      seats: [],
      deadline: false,
    },
    ...{ waiting: gang.phase === "queued" ? waitOf(gang) : "" },
    ...{ movedAt: 0, preparingAt: 0 },
  };
  state.jobs.set(spec.id, entry);
  return entry;
}

function waitOf({ why }: Extract<GangState, { readonly phase: "queued" }>): string {
  return why === "" ? itsTurn : nextAttempt(why);
}

/** Records of 0.1.0 do not say how much the head has of a job's logs; this is what there was. */
function bytesOf(gang: GangState): number {
  return processesOf(gang).reduce((sum, { process }) => sum + (process.logBytes ?? 0), 0);
}

function pendingTwin(state: SchedulerState, request: SubmitRequest): PendingSubmit | undefined {
  if (request.idempotencyKey === "") return undefined;
  const same = ({ request: other }: PendingSubmit): boolean =>
    other.idempotencyKey === request.idempotencyKey;
  return [...state.pending.values()].find(same);
}

function refusalOf(state: SchedulerState, request: SubmitRequest): SubmitReply | undefined {
  const { tasks, workdirs } = request;
  if (state.closed !== undefined) {
    const status = state.closed.why === "autostop" ? "STOPPING" : "STOPPED";
    const params = { what: "Submission", name: state.cluster, status };
    return { kind: "refused", code: "cluster/not-up", params };
  }
  if (tasks.length !== workdirs.length) {
    const params = { field: "workdirs", why: "as many as there are tasks" };
    return { kind: "refused", code: "request/invalid", params };
  }
  const { jobsMax } = state.options;
  if (state.jobs.size + tasks.length > jobsMax) {
    const count = state.jobs.size;
    const why = `${count} jobs have not ended, and ${jobsMax} may wait: submit when some have`;
    return { kind: "refused", code: "request/invalid", params: { field: "tasks", why } };
  }
  return misfit(state, request);
}

/** The first task that the cluster could never hold. Equal ones are judged once. */
function misfit(state: SchedulerState, { tasks }: SubmitRequest): SubmitReply | undefined {
  const capacities = state.nodes.map(({ node }) => node.capacity);
  const judged = new Set<string>();
  for (const task of tasks) {
    const problem = demandProblem(task);
    if (problem !== undefined) {
      const [field = "", why = ""] = splitOnce(problem, ": ");
      return { kind: "refused", code: "request/invalid", params: { field, why } };
    }
    const demand = demandOf(task);
    const shape = shapeOf(needOf(demand), task.numNodes);
    if (judged.has(shape)) continue;
    judged.add(shape);
    const why = tooBig(capacities, demand, task.numNodes);
    if (why !== undefined) return { kind: "refused", code: "task/too-big", params: { why } };
  }
  return undefined;
}

/** Makes jobs of the tasks, on record and in the queue. */
function take(
  state: SchedulerState,
  draft: Draft,
  { request, first, replyTo }: PendingSubmit,
): void {
  for (const [at, task] of request.tasks.entries()) {
    const workdir = request.workdirs[at];
    const tree = request.trees?.[at];
    const mounts = request.mounts?.[at];
    takeOne(state, draft, {
      id: first + at,
      task: { ...task, secrets: {} },
      hasSecrets: Object.keys(task.secrets).length > 0,
      ...given("tree", tree),
      ...given("workdir", workdir),
      ...given("mounts", mounts?.length ? mounts : undefined),
      user: request.user,
      noSetup: request.noSetup,
      ...(request.allNodes ? { allNodes: true } : {}),
      submittedAt: draft.at.wallMs,
    });
    if (Object.keys(task.secrets).length > 0) state.secrets.set(first + at, task.secrets);
  }
  rememberKey(state, draft, { request, first });
  if (request.tasks.length > 0) {
    adviseAutostop(state, draft, { kind: "jobs-changed", running: activityOf(state) });
  }
  if (request.autostop !== undefined) {
    adviseAutostop(state, draft, { kind: "armed", ...request.autostop });
  }
  draft.mayPlace = true;
  for (const to of replyTo) reply(draft, to, submitted(first, request.tasks.length));
}

function takeOne(state: SchedulerState, draft: Draft, spec: JobSpec): void {
  assert(!state.jobs.has(spec.id), `job ${spec.id} is new`);
  const entry = enter(state, { spec, gang: newGang(gangTermsOf(spec)), logs: [] });
  const key = recordKeys.spec(state.cluster, spec.id);
  draft.puts.push({ key, value: JSON.stringify(spec) });
  state.active.add(spec.id);
  state.queue.add({ id: spec.id, priority: spec.task.priority, shape: entry.shape });
  draft.changed.add(spec.id);
  setWaiting(draft, entry, itsTurn);
  const cause = `submitted by ${spec.user}`;
  const about = { subject: `job/${spec.id}`, actor: `user:${spec.user}`, kind: "submitted" };
  tellHistory(draft, { ...about, to: "queued", cause });
}

function rememberKey(
  state: SchedulerState,
  draft: Draft,
  { request, first }: { readonly request: SubmitRequest; readonly first: number },
): void {
  const { idempotencyKey: key, tasks } = request;
  if (key === "") return;
  const record = { first, count: tasks.length };
  state.keys.set(key, record);
  const stored = recordKeys.key(state.cluster, key);
  draft.puts.push({ key: stored, value: JSON.stringify(record) });
  for (const oldest of state.keys.keys()) {
    if (state.keys.size <= state.options.keysMax) break;
    state.keys.delete(oldest);
    draft.deletes.push(recordKeys.key(state.cluster, oldest));
  }
}

function submitted(first: number, count: number): SubmitReply {
  return { kind: "submitted", jobs: Array.from({ length: count }, (_, at) => first + at) };
}

function splitOnce(text: string, separator: string): readonly string[] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + separator.length)];
}
