// A job's log as a program reads it: chunks by rank and offset, and the job at the end.
// Bytes are never decoded; what a chunk says about its rank is from the job's record.

import { SkyError } from "../model/errors.ts";
import type { Job as JobRecord } from "../model/job.ts";
import type { Head, LogOffset } from "./head.ts";
import type { LogPiece } from "./log-follow.ts";
import { followLog } from "./log-follow.ts";
import { type Job, jobView } from "./view.ts";

/** Some bytes of one process's log, exactly as it wrote them. */
export interface LogChunk {
  readonly rank: number;
  /** For `setup`, `rank` is the number of the node. */
  readonly phase: "run" | "setup";
  /** Counted from 1; a restart is a new attempt with new logs. */
  readonly attempt: number;
  readonly node: string;
  readonly ip: string;
  readonly pid?: number;
  /** Where `bytes` begin in that log. */
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** To be iterated once. */
export interface LogStream extends AsyncIterable<LogChunk> {
  /**
   * The job as it was when the last byte had been read: ended, if the log was followed. Rejects as
   * the iteration does, and when the iteration is left early.
   */
  readonly outcome: Promise<Job>;
}

export interface LogsRequest {
  readonly cluster: string;
  readonly job: number;
  readonly follow: boolean;
  readonly ranks: readonly number[];
  readonly offset: number;
  readonly tailLines: number;
}

export interface LogPorts {
  readonly signal: AbortSignal;
  pause(ms: number): Promise<void>;
}

export function logStream(head: Head, request: LogsRequest, ports: LogPorts): LogStream {
  const { promise: outcome, resolve, reject } = Promise.withResolvers<Job>();
  // Whoever wants the outcome awaits it; nobody has to.
  outcome.catch(() => {});
  async function* chunks(): AsyncGenerator<LogChunk> {
    let job: JobRecord | undefined;
    try {
      for await (const event of opened(head, request, ports)) {
        if (event.kind === "piece") yield chunkOf(event.piece);
        else job = event.job;
      }
      if (job !== undefined) resolve(jobView(job));
    } catch (error) {
      reject(error);
      throw error;
    } finally {
      reject(new SkyError("core/cancelled", { what: "reading the log" }));
    }
  }
  const iterator = chunks();
  return { outcome, [Symbol.asyncIterator]: () => iterator };
}

async function* opened(head: Head, request: LogsRequest, ports: LogPorts) {
  const { offset, ...rest } = request;
  const open = (query: Parameters<Head["tailLogs"]>[0]) => head.tailLogs(query, ports.signal);
  const offsets = offset === 0 ? [] : await offsetsAt(head, request, ports);
  const job = offsets[0]?.key.job ?? request.job;
  yield* followLog({ ...rest, job, offsets }, { open, pause: ports.pause });
}

/** An offset belongs to an attempt: the job's record says which one is the last. */
async function offsetsAt(
  head: Head,
  { cluster, job, ranks, offset }: LogsRequest,
  { signal }: LogPorts,
): Promise<readonly LogOffset[]> {
  const record: JobRecord = await head.getJob({ cluster, job }, signal);
  const { id, attempt, numNodes } = record;
  const indexes = ranks.length > 0 ? ranks : Array.from({ length: numNodes }, (_, rank) => rank);
  return indexes.map((index) => ({ key: { job: id, attempt, phase: "run", index }, offset }));
}

function chunkOf({ key, ...piece }: LogPiece): LogChunk {
  return { rank: key.index, phase: key.phase, attempt: key.attempt, ...piece };
}
