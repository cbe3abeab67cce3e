// A job's log that survives broken connections: it remembers what it has, and asks for the rest.
//
// Every byte comes out once and in order for each log, whatever the connection does: a chunk that
// was seen is cut off, and after a break the next stream starts at the remembered offsets. A gap
// would be a lie, so it is an error. Retries are bounded, and counted anew after progress.

import { assert, isSkyError, SkyError } from "../model/errors.ts";
import type { Job, RankKey } from "../model/job.ts";
import { rankKeyText } from "../model/job.ts";
import type { LogEvent, LogOffset, LogQuery } from "./head.ts";

/** A piece of one log, and whose it is. */
export interface LogPiece {
  readonly key: RankKey;
  readonly node: string;
  readonly ip: string;
  readonly pid?: number;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

export type FollowEvent =
  | { readonly kind: "job"; readonly job: Job }
  | { readonly kind: "piece"; readonly piece: LogPiece }
  | { readonly kind: "ended"; readonly job: Job };

export interface FollowPorts {
  /** Opens a stream. Called again after each break. */
  open(query: LogQuery): AsyncIterable<LogEvent>;
  /** Rejects when the caller has given up. */
  pause(ms: number): Promise<void>;
}

/** With the backoff below: about half a minute without a single byte. */
const retriesMax = 12;
const pauseMsFirst = 50;
const pauseMsMax = 5_000;

export async function* followLog(query: LogQuery, ports: FollowPorts): AsyncGenerator<FollowEvent> {
  const state: FollowState = { query, offsets: new Map(), job: undefined, failures: 0 };
  for (const { key, offset } of query.offsets) state.offsets.set(rankKeyText(key), { key, offset });
  for (;;) {
    const broken = yield* followOnce(state, ports);
    if (broken === undefined) return;
    state.failures += 1;
    const again = isSkyError(broken) && broken.remedy === "retry" && state.failures <= retriesMax;
    if (!again) throw broken;
    await ports.pause(Math.min(pauseMsMax, pauseMsFirst * 2 ** (state.failures - 1)));
  }
}

/** One stream to its end. Gives what broke it, or nothing if there is no more to come. */
async function* followOnce(
  state: FollowState,
  ports: FollowPorts,
): AsyncGenerator<FollowEvent, unknown> {
  try {
    for await (const event of ports.open(resumed(state))) {
      const out = taken(state, event);
      if (out !== undefined) yield out;
      if (out?.kind === "ended") return undefined;
    }
  } catch (error) {
    return error;
  }
  // Without `follow`, the log of a job that goes on ends where it is.
  if (!state.query.follow) return undefined;
  return new SkyError("head/unreachable", { why: "the log's stream ended before the job's end" });
}

interface FollowState {
  readonly query: LogQuery;
  readonly offsets: Map<string, LogOffset>;
  job: Job | undefined;
  failures: number;
}

/** The same question, from where we are. "The latest job" has become a number by then. */
function resumed({ query, offsets, job }: FollowState): LogQuery {
  if (job === undefined) return query;
  // The lines at the end were chosen by the first stream; from then on offsets say it all.
  const tailLines = offsets.size === 0 ? query.tailLines : 0;
  return { ...query, job: job.id, offsets: [...offsets.values()], tailLines };
}

function taken(state: FollowState, event: LogEvent): FollowEvent | undefined {
  switch (event.kind) {
    case "job":
    case "ended":
      // The first words of a new stream are no progress.
      if (event.job.phase !== state.job?.phase) state.failures = 0;
      state.job = event.job;
      return event;
    case "chunk":
      return chunkTaken(state, event);
  }
}

function chunkTaken(
  state: FollowState,
  chunk: Extract<LogEvent, { kind: "chunk" }>,
): FollowEvent | undefined {
  const { key } = chunk;
  const text = rankKeyText(key);
  const wanted = state.offsets.get(text)?.offset ?? chunk.offset;
  const seen = wanted - chunk.offset;
  assert(seen >= 0, `the log of ${text} has a gap: wanted ${wanted}, got ${chunk.offset}`);
  const bytes = chunk.bytes.subarray(Math.min(seen, chunk.bytes.length));
  if (bytes.length === 0) return undefined;
  state.failures = 0;
  state.offsets.set(text, { key, offset: wanted + bytes.length });
  return { kind: "piece", piece: { key, ...ownerOf(state.job, key), offset: wanted, bytes } };
}

function ownerOf(job: Job | undefined, key: RankKey): Pick<LogPiece, "node" | "ip" | "pid"> {
  const records = key.phase === "run" ? job?.ranks : job?.setups;
  const record = records?.find(({ rank }) => rank === key.index);
  if (record === undefined) return { node: "", ip: "" };
  const { node, ip, pid } = record;
  return pid === undefined ? { node, ip } : { node, ip, pid };
}
