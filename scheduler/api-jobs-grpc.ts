// JobService: submit, list, get, cancel, logs, events, why.
//
// A submit is on disk before it is answered: workdirs are packed first, then the scheduler commits
// the jobs, all or none. Where the disk is full it is refused; one that is under way when the disk
// becomes full is told so, and passes when there is room. Reads come from the board, which holds
// committed state only, so they ask nobody and never wait.

import { isSkyError, skyErrorFrom } from "../model/errors.ts";
import type { Task } from "../model/task.ts";
import { graceMsMax } from "../model/task.ts";
import { eventToProto, jobToProto, taskFromProto } from "../proto/converters-job.ts";
import { given } from "../proto/fields.ts";
import type { sky } from "../proto/gen/sky.js";
import type { HandlersOf, jobService } from "../proto/services.ts";
import { hexToken } from "../runtime/random.ts";
import { demandRoom, unlessFull } from "../runtime/store-room.ts";
import { watchEvents, whyOf } from "./api-events-grpc.ts";
import { tailLogs } from "./api-logs-grpc.ts";
import type { ApiOptions } from "./api-options.ts";
import { autostopSetting } from "./autostop-setting.ts";
import type { Head } from "./head.ts";
import { listJobs } from "./job-list.ts";
import { demandValid, headOf, jobOf, jobsOf, upHeadOf } from "./lookup.ts";
import type { CancelReply, SchedulerMessage, SubmitReply } from "./messages.ts";
import { demandOwn } from "./owners.ts";
import type { FieldProblem } from "./submission.ts";
import {
  keptCommand,
  labelBytesMax,
  lengthProblem,
  submissionProblem,
  userProblem,
} from "./submission.ts";
import type { Snapshot } from "./workdirs-os.ts";

const submitMs = 60_000;
/** Graces, kills and sweeps: a cancel has ended long before. */
const cancelMs = graceMsMax + 600_000;
const keyBytes = 16;

export function jobHandlers(options: ApiOptions): HandlersOf<typeof jobService> {
  return {
    submit: async (request, { signal }) => ({
      jobIds: [...(await submit(options, request, signal))],
    }),
    listJobs: async (request, { signal }) => {
      const { cluster } = request;
      const { board } = await headOf(options, { cluster, what: "Getting the job queue", signal });
      const { jobs, nextBefore } = await listJobs(board, request);
      return { jobs: jobs.map(jobToProto), nextBefore };
    },
    getJob: async ({ cluster, job }, { signal }) => {
      const { board } = await headOf(options, { cluster, what: "Getting the job", signal });
      return { job: jobToProto(await jobOf(board, cluster, job)) };
    },
    cancel: async (request, { signal }) => cancel(options, request, signal),
    tailLogs: (request, { signal }) => tailLogs(options, request, signal),
    watchEvents: (request, { signal }) => watchEvents(options, request, signal),
    why: async (request, { signal }) => {
      const { summary, chain } = await whyOf(options, request, signal);
      return { summary, chain: chain.map(eventToProto) };
    },
  };
}

async function submit(
  options: ApiOptions,
  request: sky.v1.SubmitRequest,
  signal: AbortSignal,
): Promise<readonly number[]> {
  const { cluster } = request;
  demandRoom(options.store, "begin");
  const head = await upHeadOf(options, { cluster, what: "Submitting jobs", signal });
  const tasks = request.tasks.map((task) => withFilesOf(request, taskFromProto(task)));
  demandValid(submissionProblem(tasks) ?? originProblem(request));
  const release = tasks.some(hasFiles) ? head.holdSubmit() : () => {};
  try {
    const workdirs = await head.workdirs.snapshot(tasks, signal);
    const jobs = await unlessFull(options.store, take(options, { head, request, tasks, workdirs }));
    options.fleets.used(cluster, keptCommand(request.command));
    return jobs;
  } finally {
    release();
  }
}

function hasFiles({ workdir, workdirTree, fileMounts = [] }: Task): boolean {
  return workdir !== undefined || workdirTree !== undefined || fileMounts.length > 0;
}

/** Whatever becomes of who asked: the workdirs find out whose they are. */
async function take(options: ApiOptions, submission: Submission): Promise<readonly number[]> {
  const { head, workdirs } = submission;
  const reply = await askSubmit(options, submission);
  if (reply.kind === "refused") {
    await head.workdirs.assign(workdirs, []);
    throw skyErrorFrom(reply.code, reply.params, reply.code);
  }
  await head.workdirs.assign(workdirs, reply.jobs);
  return reply.jobs;
}

/** `exec` has file mounts from the launch before it. Source: SkyPilot's `exec`. */
export function withFilesOf({ allNodes }: sky.v1.SubmitRequest, task: Task): Task {
  const { fileMounts: _, ...rest } = task;
  return allNodes ? task : rest;
}

/** Who submits, and by which key: these are kept as they come. */
export function originProblem(request: sky.v1.SubmitRequest): FieldProblem | undefined {
  const { user, idempotencyKey } = request;
  return userProblem(user) ?? lengthProblem("idempotency_key", idempotencyKey, labelBytesMax);
}

interface Submission {
  readonly head: Head;
  readonly request: sky.v1.SubmitRequest;
  readonly tasks: readonly Task[];
  readonly workdirs: readonly Snapshot[];
}

async function askSubmit(options: ApiOptions, submission: Submission): Promise<SubmitReply> {
  const { head, request, tasks, workdirs } = submission;
  const { user, noSetup, allNodes } = request;
  const setting = request.autostop ? autostopSetting(request.autostop) : undefined;
  const mounts = workdirs.map((snapshot) => snapshot.mounts);
  // Without a key of the client's, no other submit is the same one.
  const idempotencyKey = request.idempotencyKey || hexToken(options.random, keyBytes);
  try {
    // A caller who goes away does not end it: the workdirs must still find out whose they are.
    return await head.system.ask<SchedulerMessage, SubmitReply>(
      head.scheduler,
      (replyTo) => ({
        kind: "submit",
        ...{ tasks, idempotencyKey, user, noSetup, allNodes, replyTo },
        workdirs: workdirs.map(({ workdir }) => workdir?.copy),
        trees: workdirs.map(({ workdir }) => workdir?.tree),
        ...(mounts.some(({ length }) => length > 0) ? { mounts } : {}),
        ...given("autostop", setting),
      }),
      { timeoutMs: submitMs },
    );
  } catch (error) {
    if (isSkyError(error, "mailbox/full")) await head.workdirs.assign(workdirs, []);
    throw error;
  }
}

async function cancel(
  options: ApiOptions,
  request: sky.v1.CancelRequest,
  signal: AbortSignal,
): Promise<{ cancelled: number[] }> {
  const { cluster, user } = request;
  demandRoom(options.store, "change");
  const head = await headOf(options, { cluster, what: "Cancelling jobs", signal });
  demandValid(userProblem(user));
  const named = request.all ? [] : request.jobs;
  // Whose a job is never changes, so it can be judged ahead of the scheduler.
  demandOwn(await jobsOf(head.board, cluster, named), { user, cluster });
  const jobs = request.all ? "all" : named;
  const asked = head.system.ask<SchedulerMessage, CancelReply>(
    head.scheduler,
    (replyTo) => ({ kind: "cancel", jobs, user, replyTo }),
    { timeoutMs: cancelMs, signal },
  );
  const reply = await unlessFull(options.store, asked);
  return { cancelled: [...reply.jobs] };
}
