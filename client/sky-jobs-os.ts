// Jobs as the SDK reads them: statuses by id, logs as text, logs as files.
//
// The same code shows and stores logs for the `sky` command.

import { resolve } from "node:path";
import { isSkyError, SkyError } from "../model/errors.ts";
import type { JobStatus } from "../model/job.ts";
import { unknownCluster } from "./cluster-name.ts";
import { isGlob } from "./glob.ts";
import type { JobOf } from "./head.ts";
import { demandFound, type JobWords, jobsMeant } from "./jobs-meant.ts";
import { followLog } from "./log-follow.ts";
import { type LogStream, logStream } from "./log-stream.ts";
import { LogText } from "./log-text.ts";
import { countOf, jobNumber, jobNumbers } from "./sky-numbers.ts";
import { demandKnown } from "./sky-option-names.ts";
import type { CallOptions, DownloadOptions, LogsOptions, TailOptions } from "./sky-options.ts";
import { portsOf, type Session } from "./sky-session-os.ts";
import type { Job } from "./view.ts";
import { jobView } from "./view.ts";

/** One id, or several; of logs also globs over ids, such as `"1*"`. */
export type JobIds = number | readonly number[];
export type JobGlobs = number | string | readonly (number | string)[];

/** More ids than this are looked up in the list of jobs, fewer one by one. */
const idsOneByOneMax = 16;

/** Without ids of the latest; none at all gives an empty object. */
export async function statusesBy(
  { head, until }: Session,
  { cluster, ids }: { readonly cluster: string; readonly ids: JobIds | undefined },
  options: CallOptions,
): Promise<Record<number, JobStatus | null>> {
  const signal = until(options);
  const statusOf = async (job: number): Promise<[number, JobStatus | null][]> => {
    const record = await head.getJob({ cluster, job }, signal).catch((error: unknown) => {
      if (isSkyError(error, "job/not-found")) return undefined;
      throw error;
    });
    if (record !== undefined) return [[record.id, record.status]];
    return job === 0 ? [] : [[job, null]];
  };
  if (ids === undefined) return Object.fromEntries(await statusOf(0));
  const wanted = jobNumbers(ids);
  if (wanted.length <= idsOneByOneMax) {
    return Object.fromEntries((await Promise.all(wanted.map(statusOf))).flat());
  }
  const jobs = await head.listJobs({ cluster, skipFinished: false }, signal);
  const known = new Map(jobs.map(({ id, status }) => [id, status]));
  return Object.fromEntries(wanted.map((id) => [id, known.get(id) ?? null]));
}

/** Writes the log as text, and gives the job as it was when the last byte had been written. */
export async function tailJob(
  session: Session,
  { cluster, job }: JobOf,
  options: TailOptions,
): Promise<Job> {
  demandKnown("tailLogs", options);
  const { follow = true, rank, tail = 0, write = writeOut } = options;
  const ranks = rank === undefined ? [] : [countOf("rank", rank)];
  const query = { cluster, job, follow, ranks, offsets: [], tailLines: countOf("tail", tail) };
  const { signal, pause } = portsOf(session, options);
  const text = new LogText({ clusterNodes: await nodesOf(session, cluster, signal) });
  const ports = {
    open: (again: Parameters<Session["head"]["tailLogs"]>[0]) => {
      return session.head.tailLogs(again, signal);
    },
    pause,
  };
  for await (const event of followLog(query, ports)) {
    for (const bytes of text.take(event)) await write(bytes);
  }
  for (const bytes of text.end()) await write(bytes);
  return jobView(text.job ?? (await session.head.getJob({ cluster, job }, signal)));
}

export function logsBy(session: Session, of: JobOf, options: LogsOptions): LogStream {
  const { follow = true, rank, offset = 0, tail = 0 } = options;
  const request = {
    ...{ ...of, follow },
    ranks: rank === undefined ? [] : [countOf("rank", rank)],
    offset: countOf("offset", offset),
    tailLines: countOf("tail", tail),
  };
  return logStream(session.head, request, portsOf(session, options));
}

/** Writes each job's logs into a folder of its own. */
export async function downloadBy(
  session: Session,
  { cluster, jobs }: { readonly cluster: string; readonly jobs: JobGlobs | undefined },
  options: DownloadOptions,
): Promise<Record<number, string>> {
  demandKnown("downloadLogs", options);
  const words = jobs === undefined ? { ids: [], globs: [] } : wordsOf([jobs].flat());
  const isNothing = words.ids.length + words.globs.length === 0;
  if (jobs !== undefined && isNothing) return {};
  const { fetchLogs } = await import("./log-files-os.ts");
  const signal = session.until(options);
  const asking = { head: session.head, signal };
  const clusterNodes = await nodesOf(session, cluster, signal);
  const into = resolve(options.localDir ?? session.home.logs);
  const folders: Record<number, string> = {};
  const found = await jobsMeant({ ...asking, cluster, words });
  demandFound(cluster, found);
  for (const job of found.jobs) {
    folders[job.id] = await fetchLogs(asking, { cluster, job, into, clusterNodes });
  }
  return folders;
}

/** Resolves when more may be written. */
export async function writeOut(bytes: Uint8Array): Promise<void> {
  if (process.stdout.write(bytes)) return;
  await new Promise<void>((resolve) => process.stdout.once("drain", resolve));
}

/** @throws SkyError `request/invalid` naming the one that is neither an id nor a glob. */
function wordsOf(jobs: readonly (number | string)[]): JobWords {
  const isPattern = (job: number | string): job is string => typeof job === "string" && isGlob(job);
  const ids = jobs.filter((job) => !isPattern(job)).map(idOf);
  return { ids: [...new Set(ids)], globs: jobs.filter(isPattern) };
}

function idOf(job: number | string): number {
  if (typeof job === "string" && !/^[1-9]\d*$/.test(job)) {
    const shown = JSON.stringify(job.slice(0, 40));
    const why = `should be a job's id or a glob such as "1*", not ${shown}`;
    throw new SkyError("request/invalid", { field: "jobs", why });
  }
  return jobNumber(Number(job));
}

async function nodesOf({ head }: Session, cluster: string, signal: AbortSignal): Promise<number> {
  const known = await head.status([], signal);
  const found = known.find(({ name }) => name === cluster);
  if (found !== undefined) return found.nodes.length;
  throw unknownCluster(
    cluster,
    known.map(({ name }) => name),
  );
}
