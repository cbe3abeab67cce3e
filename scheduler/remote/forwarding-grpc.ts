// The API of clusters whose heads run elsewhere: calls about their jobs go there, and come back.
//
// Nothing is repeated here: whoever asked does, with the same key or from the same offset. A stream
// that breaks on the way ends with an error that says so. What this head knows itself is joined to
// what the other says: the history of the cluster, and the clusters of `sky debug`.

import type { ClusterRecord } from "../../clouds/cluster-record.ts";
import { errorText, isSkyError, SkyError } from "../../model/errors.ts";
import type { NumberedEvent } from "../../model/event.ts";
import type { HeadClient } from "../../proto/client-grpc.ts";
import { eventFromProto, eventToProto } from "../../proto/converters-job.ts";
import type { sky } from "../../proto/gen/sky.js";
import type { HandlersOf, jobService } from "../../proto/services.ts";
import { demandRoom } from "../../runtime/store-room.ts";
import { wholeHistory } from "../api-events-grpc.ts";
import type { ApiOptions } from "../api-options.ts";
import { demandUp, recordOf } from "../lookup.ts";
import { keptCommand } from "../submission.ts";
import { joinedEvents, type OwnEvents, type TheirEvents, theirSeq } from "./joined-events.ts";
import type { RemoteHead } from "./remote.ts";

type JobHandlers = HandlersOf<typeof jobService>;

/** Calls about clusters whose heads run elsewhere are forwarded; all others go `here`. */
export function forwardedJobs(options: ApiOptions, here: JobHandlers): JobHandlers {
  const there = remoteJobs(options);
  const isThere = (name: string): boolean => options.remote?.get(name) !== undefined;
  const calls = Object.keys(here) as (keyof JobHandlers)[];
  const routed = calls.map((call) => {
    const handler = (request: { readonly cluster: string }, context: never): unknown => {
      const handlers = isThere(request.cluster) ? there : here;
      return (handlers[call] as (request: unknown, context: never) => unknown)(request, context);
    };
    return [call, handler] as const;
  });
  return Object.fromEntries(routed) as unknown as JobHandlers;
}

function remoteJobs(options: ApiOptions): JobHandlers {
  const to = async (cluster: string, what: string, signal: AbortSignal) =>
    await remoteOf(options, { cluster, what }).client(signal);
  return {
    submit: (request, { signal }) => submit(options, request, signal),
    listJobs: async (request, { signal }) => {
      const { jobs } = await to(request.cluster, "Getting the job queue", signal);
      return await jobs.listJobs(request, { signal });
    },
    getJob: async (request, { signal }) => {
      const { jobs } = await to(request.cluster, "Getting the job", signal);
      return await jobs.getJob(request, { signal });
    },
    cancel: async (request, { signal }) => {
      const { jobs } = await to(request.cluster, "Cancelling jobs", signal);
      return await jobs.cancel(request, { signal });
    },
    tailLogs: async function* (request, { signal }) {
      const { jobs } = await to(request.cluster, "Tailing logs", signal);
      yield* jobs.tailLogs(request, { signal });
    },
    watchEvents: (request, { signal }) => watchEvents(options, request, signal),
    why: (request, { signal }) => why(options, request, signal),
  };
}

async function submit(options: ApiOptions, request: sky.v1.SubmitRequest, signal: AbortSignal) {
  const { cluster } = request;
  demandRoom(options.store, "begin");
  const what = "Submitting jobs";
  demandUp(options, { cluster, what });
  const jobIds = await remoteOf(options, { cluster, what }).submit(request, signal);
  options.fleets.used(cluster, keptCommand(request.command));
  return { jobIds: [...jobIds] };
}

/** Of a cluster that has a head. @throws SkyError `cluster/not-found`, `cluster/not-up`. */
function remoteOf(
  options: ApiOptions,
  { cluster, what }: { readonly cluster: string; readonly what: string },
): RemoteHead {
  const record = recordOf(options, cluster);
  const remote = options.remote?.get(cluster);
  if (remote !== undefined && mayHaveHead(record, remote)) return remote;
  throw new SkyError("cluster/not-up", { what, name: cluster, status: record.status });
}

/** That of one on its way up or down may be there; that of one that is stopped is, too. */
function mayHaveHead({ status }: ClusterRecord, remote: RemoteHead): boolean {
  if (status === "INIT" || status === "STOPPING") return remote.view() !== undefined;
  return status === "UP";
}

async function* watchEvents(
  options: ApiOptions,
  request: sky.v1.WatchEventsRequest,
  signal: AbortSignal,
): AsyncGenerator<sky.v1.WatchEventsResponse.$Properties> {
  const { cluster, job, afterSeq, follow } = request;
  const what = "Watching events";
  if (job !== 0) {
    const { jobs } = await remoteOf(options, { cluster, what }).client(signal);
    const wanted = { cluster, job, afterSeq: theirSeq(afterSeq), follow };
    yield* jobs.watchEvents(wanted, { signal });
    return;
  }
  const record = recordOf(options, cluster);
  const remote = options.remote?.get(cluster);
  const hasHead = remote !== undefined && mayHaveHead(record, remote);
  const theirs = hasHead ? eventsOf(await remote.client(signal), cluster) : undefined;
  const own = ownEvents(options, cluster);
  for await (const event of joinedEvents(own, theirs, { afterSeq, follow, signal })) {
    yield { event: eventToProto(event) };
    // Whoever follows comes back, and then hears its head, too.
    if (follow && !hasHead && mayHaveHeadNow(options, cluster)) throw headIsNew(cluster);
  }
}

function mayHaveHeadNow(options: ApiOptions, cluster: string): boolean {
  const record = options.fleets.record(cluster);
  const remote = options.remote?.get(cluster);
  return record !== undefined && remote !== undefined && mayHaveHead(record, remote);
}

function headIsNew(cluster: string): SkyError {
  return new SkyError("head/unreachable", { why: `the head of ${cluster} is another now` });
}

function ownEvents(options: ApiOptions, cluster: string): OwnEvents {
  return {
    list: () => wholeHistory(options, cluster),
    onNews: (hear) => options.fleets.onChange(cluster, hear),
  };
}

function eventsOf({ jobs }: HeadClient, cluster: string): TheirEvents {
  return async function* ({ afterSeq, follow, signal }) {
    const wanted = { cluster, job: 0, afterSeq, follow };
    for await (const { event } of jobs.watchEvents(wanted, { signal })) yield eventFromProto(event);
    if (follow) throw headIsNew(cluster);
  };
}

async function why(
  options: ApiOptions,
  { cluster, job }: sky.v1.WhyRequest,
  signal: AbortSignal,
): Promise<sky.v1.WhyResponse.$Properties> {
  const what = "Explaining";
  if (job !== 0) {
    const { jobs } = await remoteOf(options, { cluster, what }).client(signal);
    return await jobs.why({ cluster, job }, { signal });
  }
  const { summary, chain: theirs } = await theirWhy(options, cluster, signal);
  const past: TheirEvents = async function* () {
    yield* theirs;
  };
  const chain: NumberedEvent[] = [];
  const wanted = { afterSeq: 0, follow: false, signal };
  for await (const event of joinedEvents(ownEvents(options, cluster), past, wanted)) {
    chain.push(event);
  }
  return { summary, chain: chain.map(eventToProto) };
}

/** Of one whose head cannot be asked, what this head knows: that it cannot. */
async function theirWhy(
  options: ApiOptions,
  cluster: string,
  signal: AbortSignal,
): Promise<{ readonly summary: string; readonly chain: readonly NumberedEvent[] }> {
  const record = recordOf(options, cluster);
  const remote = options.remote?.get(cluster);
  if (remote === undefined || !mayHaveHead(record, remote)) {
    return { summary: `${cluster} is ${record.status}: no head runs for it`, chain: [] };
  }
  try {
    const { jobs } = await remote.client(signal);
    const { summary, chain } = await jobs.why({ cluster, job: 0 }, { signal });
    return { summary, chain: chain.map(eventFromProto) };
  } catch (error) {
    if (!isSkyError(error, "head/unreachable")) throw error;
    return { summary: `${cluster} is ${record.status}: ${errorText(error)}`, chain: [] };
  }
}

/** As this head inspects its own: what the head of a cluster says, or why it says nothing. */
export async function inspectRemote(
  remote: RemoteHead,
  record: ClusterRecord | undefined,
  signal: AbortSignal,
): Promise<object> {
  const { cluster } = remote;
  const silence = remote.silence();
  if (record?.status === "STOPPED") return { record, head: "closed" };
  try {
    const { debug } = await remote.client(signal);
    const { json } = await debug.inspect({ cluster }, { signal });
    const { process, clusters } = JSON.parse(json);
    return { ...clusters[cluster], record, theirRecord: clusters[cluster]?.record, process };
  } catch (error) {
    return { record, silence, unreachable: errorText(error) };
  }
}
