// The head over gRPC: protos on one side, the model on the other.
//
// It connects with the first call and again after a break. Calls that may be repeated are repeated
// here while the error says `retry`, and nowhere else; streams that carry offsets (logs, events)
// are resumed by those who keep the offsets.

import { setTimeout as pause } from "node:timers/promises";
import { isSkyError, SkyError } from "../model/errors.ts";
import type { Job } from "../model/job.ts";
import type { HeadClient } from "../proto/client-grpc.ts";
import { clusterFromProto, costFromProto, progressFromProto } from "../proto/converters-cluster.ts";
import { eventFromProto, jobFromProto, taskToProto } from "../proto/converters-job.ts";
import { acceleratorsToProto, rankKeyFromProto, rankKeyToProto } from "../proto/converters-rank.ts";
import { given, needed } from "../proto/fields.ts";
import type { sky } from "../proto/gen/sky.js";
import type {
  ClusterStep,
  ClusterWanted,
  Head,
  IdleRule,
  JobsQuery,
  LogEvent,
  LogQuery,
} from "./head.ts";
import { transferCalls } from "./head-transfers-grpc.ts";

const attemptsMax = 5;
const pauseMsFirst = 20;
const jobsPageCount = 1_000;

/** Makes a connection: starts the head where that is ours to do. */
export type Connect = (signal: AbortSignal) => Promise<HeadClient>;

export function headOver(connect: Connect): Head {
  const line = new Line(connect);
  return {
    ...clusterCalls(line),
    ...jobCalls(line),
    ...transferCalls(line),
    version: async (signal) => {
      const reply = await line.call(signal, ({ debug }) => debug.version({}, { signal }));
      const { version, pid, home, startedAt } = reply;
      return { version, pid, home, startedAt };
    },
    inspect: async (cluster, signal) => {
      const request = { cluster: cluster ?? "" };
      const reply = await line.call(signal, ({ debug }) => debug.inspect(request, { signal }));
      return reply.json;
    },
    close: () => line.close(),
  };
}

type ClusterCalls = Pick<
  Head,
  "launch" | "start" | "status" | "refresh" | "stop" | "down" | "costReport" | "setAutostop"
>;

function clusterCalls(line: Line): ClusterCalls {
  return {
    launch: (wanted, signal) =>
      line.steps(signal, ({ clusters }) => clusters.launch(wantedToProto(wanted), { signal })),
    start: ({ autostop, ...wanted }, signal) => {
      const armed = autostop && { cluster: wanted.cluster, ...idleToProto(autostop) };
      const request = { ...wanted, ...given("autostop", armed) };
      return line.steps(signal, ({ clusters }) => clusters.start(request, { signal }));
    },
    status: async (names, signal) => {
      const request = { clusters: [...names] };
      const reply = await line.call(signal, (to) => to.clusters.status(request, { signal }));
      return reply.clusters.map(clusterFromProto);
    },
    refresh: async (names, signal) => {
      const request = { clusters: [...names], refresh: true };
      const reply = await line.call(signal, (to) => to.clusters.status(request, { signal }));
      const refreshed = reply.refreshed.map(({ cluster, text, failed }) => {
        return { cluster, text, failed };
      });
      return { clusters: reply.clusters.map(clusterFromProto), refreshed };
    },
    stop: async (of, signal) => {
      await line.call(signal, ({ clusters }) => clusters.stop(of, { signal }));
    },
    down: async (wanted, signal) => {
      const reply = await line.call(signal, ({ clusters }) => clusters.down(wanted, { signal }));
      const { logsArchive, leftBehind, kept } = reply;
      return { logsArchive, leftBehind, kept };
    },
    costReport: async (signal) => {
      const reply = await line.call(signal, ({ clusters }) => clusters.costReport({}, { signal }));
      return reply.clusters.map(costFromProto);
    },
    setAutostop: async (cluster, idle, signal) => {
      const request = { cluster, ...idleToProto(idle) };
      await line.call(signal, ({ clusters }) => clusters.setAutostop(request, { signal }));
    },
  };
}

type JobCalls = Pick<
  Head,
  "submit" | "listJobs" | "getJob" | "cancel" | "tailLogs" | "watchEvents" | "why"
>;

function jobCalls(line: Line): JobCalls {
  return {
    submit: async ({ autostop, tasks, ...rest }, signal) => {
      const armed = autostop && { cluster: rest.cluster, ...idleToProto(autostop) };
      const request = { ...rest, tasks: tasks.map(taskToProto), ...given("autostop", armed) };
      const reply = await line.call(signal, ({ jobs }) => jobs.submit(request, { signal }));
      return reply.jobIds;
    },
    listJobs: (query, signal) => listJobs(line, query, signal),
    getJob: async (of, signal) => {
      const reply = await line.call(signal, ({ jobs }) => jobs.getJob(of, { signal }));
      return jobFromProto(reply.job);
    },
    cancel: async (request, signal) => {
      const proto = { ...request, jobs: [...request.jobs] };
      const reply = await line.call(signal, ({ jobs }) => jobs.cancel(proto, { signal }));
      return reply.cancelled;
    },
    tailLogs: (query, signal) => logEvents(line, query, signal),
    watchEvents: async function* (query, signal) {
      const events = await line.open(signal, ({ jobs }) => jobs.watchEvents(query, { signal }));
      for await (const { event } of events) yield eventFromProto(event);
    },
    why: async (of, signal) => {
      const reply = await line.call(signal, ({ jobs }) => jobs.why(of, { signal }));
      return { summary: reply.summary, chain: reply.chain.map(eventFromProto) };
    },
  };
}

/** Page by page: a head's answer has a limit, a history has none. */
async function listJobs(line: Line, query: JobsQuery, signal: AbortSignal): Promise<Job[]> {
  const { countMax = Infinity, ...which } = query;
  const all: Job[] = [];
  let before = 0;
  do {
    const request = { ...which, before, limit: Math.min(jobsPageCount, countMax - all.length) };
    const reply = await line.call(signal, ({ jobs }) => jobs.listJobs(request, { signal }));
    for (const job of reply.jobs) all.push(jobFromProto(job));
    before = reply.nextBefore;
  } while (before > 0 && all.length < countMax);
  return all;
}

async function* logEvents(line: Line, query: LogQuery, signal: AbortSignal) {
  const offsets = query.offsets.map(({ key, offset }) => ({ key: rankKeyToProto(key), offset }));
  const request = { ...query, offsets, ranks: [...query.ranks] };
  const replies = await line.open(signal, ({ jobs }) => jobs.tailLogs(request, { signal }));
  for await (const reply of replies) yield logEventFromProto(reply);
}

function logEventFromProto(reply: sky.v1.TailLogsResponse): LogEvent {
  switch (reply.event) {
    case "chunk": {
      const { key, offset, data } = needed(reply.chunk, "LogChunk");
      return { kind: "chunk", key: rankKeyFromProto(key), offset, bytes: data };
    }
    case "ended":
      return { kind: "ended", job: jobFromProto(needed(reply.ended, "ended")) };
    default:
      return { kind: "job", job: jobFromProto(needed(reply.job, "job")) };
  }
}

function wantedToProto(wanted: ClusterWanted): sky.v1.LaunchRequest.$Properties {
  const { accelerators, isolation = "", trustedHostKeys = [], ...rest } = wanted;
  const devices = accelerators && acceleratorsToProto(accelerators);
  return {
    ...{ ...rest, isolation, trustedHostKeys: [...trustedHostKeys] },
    ...given("accelerators", devices),
  };
}

function idleToProto(idle: IdleRule | null) {
  return idle === null
    ? { idleSeconds: -1, down: false }
    : { idleSeconds: idle.idleSeconds, down: idle.down };
}

type StepReply = sky.v1.LaunchResponse | sky.v1.StartResponse;

/** The connection, made anew when it breaks. */
class Line {
  readonly #connect: Connect;
  #client: Promise<HeadClient> | undefined;

  constructor(connect: Connect) {
    this.#connect = connect;
  }

  /** A call that may be repeated. */
  async call<T>(signal: AbortSignal, make: (client: HeadClient) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await make(await this.#connected(signal));
      } catch (error) {
        await this.#again(error, attempt, signal);
      }
    }
  }

  /** A stream that its reader resumes: a break drops the connection and is the reader's to see. */
  async open<T>(
    signal: AbortSignal,
    make: (client: HeadClient) => AsyncIterable<T>,
  ): Promise<AsyncIterable<T>> {
    return this.#watched(make(await this.#connected(signal)), signal);
  }

  /** A launch or a start: repeated from the beginning, because it sets a level. */
  async *steps(
    signal: AbortSignal,
    make: (client: HeadClient) => AsyncIterable<StepReply>,
  ): AsyncGenerator<ClusterStep> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        for await (const reply of make(await this.#connected(signal))) yield stepFromProto(reply);
        return;
      } catch (error) {
        await this.#again(error, attempt, signal);
      }
    }
  }

  close(): void {
    // A connection that failed has nothing to close.
    this.#client?.then((client) => client.close()).catch(() => {});
    this.#client = undefined;
  }

  #connected(signal: AbortSignal): Promise<HeadClient> {
    this.#client ??= this.#connect(signal).catch((error: unknown) => {
      this.#client = undefined;
      throw error;
    });
    return this.#client;
  }

  async *#watched<T>(replies: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
    try {
      yield* replies;
    } catch (thrown) {
      const error = asSeenHere(thrown, signal);
      if (isSkyError(error, "head/unreachable")) this.close();
      throw error;
    }
  }

  /** Returns after a pause if the call should be made again; throws if not. */
  async #again(thrown: unknown, attempt: number, signal: AbortSignal): Promise<void> {
    const error = asSeenHere(thrown, signal);
    const retry = isSkyError(error) && error.remedy === "retry" && attempt < attemptsMax;
    if (!retry) throw error;
    if (error.code === "head/unreachable") this.close();
    await pause(pauseMsFirst * 2 ** attempt, undefined, { signal }).catch((cause: unknown) => {
      throw new SkyError("core/cancelled", { what: "the call" }, { cause });
    });
  }
}

/** Calls share the connection, and one that gave up while it was being made took it along. */
function asSeenHere(error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted || !isSkyError(error, "core/cancelled")) return error;
  return new SkyError("head/unreachable", { why: "nobody connected" }, { cause: error });
}

function stepFromProto(reply: StepReply): ClusterStep {
  return reply.event === "cluster"
    ? { kind: "cluster", cluster: clusterFromProto(reply.cluster) }
    : { kind: "progress", progress: progressFromProto(reply.progress) };
}
