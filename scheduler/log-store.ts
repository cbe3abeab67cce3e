// The pure parts of the head's log store: the tail that all followers of a log share, where a log
// ends, whose it is, and the search for its last lines.
//
// A log's bytes are addressed by (rank key, offset). What must always hold: bytes leave the tail
// only when they are in the file, so every byte is in one of the two; and a log "ends" only on
// committed facts (the rank's final length, or the loss of its node), never because it is quiet.

import type { Job, RankKey, RankRecord } from "../model/job.ts";
import type { NodePhase } from "../model/node.ts";

/** Consecutive bytes of a log. */
export interface LogChunk {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** The newest bytes of a log, in the pieces in which they arrived. */
export class LogTail {
  #pieces: LogChunk[] = [];
  #end: number;

  /** Empty, ending at `offset`. */
  constructor(offset: number) {
    this.#end = offset;
  }

  get start(): number {
    return this.#pieces[0]?.offset ?? this.#end;
  }

  get end(): number {
    return this.#end;
  }

  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#pieces.push({ offset: this.#end, bytes });
    this.#end += bytes.length;
  }

  /** Lets go of whole pieces until at most `bytesMax` remain, keeping all from `keepFrom` on. */
  trim(bytesMax: number, keepFrom: number): void {
    let drop = 0;
    for (const piece of this.#pieces) {
      const pieceEnd = piece.offset + piece.bytes.length;
      if (this.#end - piece.offset <= bytesMax || pieceEnd > keepFrom) break;
      drop += 1;
    }
    if (drop > 0) this.#pieces.splice(0, drop);
  }

  /** Bytes from `offset` on, at most `bytesMax`; `undefined` if they are not all in the tail. */
  slice(offset: number, bytesMax: number): LogChunk | undefined {
    if (offset < this.start || offset >= this.#end) return undefined;
    let index = this.#indexAt(offset);
    const parts: Uint8Array[] = [];
    let count = 0;
    while (index < this.#pieces.length && count < bytesMax) {
      const piece = this.#pieces[index] as LogChunk;
      const from = Math.max(0, offset - piece.offset);
      const part = piece.bytes.subarray(from, from + bytesMax - count);
      parts.push(part);
      count += part.length;
      index += 1;
    }
    const [only] = parts;
    const bytes = parts.length === 1 && only !== undefined ? only : Buffer.concat(parts, count);
    return { offset, bytes };
  }

  #indexAt(offset: number): number {
    let low = 0;
    let high = this.#pieces.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#pieces[middle]?.offset ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/** Where a log ends, as far as committed records tell. */
export type LogEnd =
  /** It may still grow. */
  | { readonly kind: "open" }
  /** At this many bytes. */
  | { readonly kind: "at"; readonly bytes: number }
  /** Its source is gone: what has arrived is all that there will ever be. */
  | { readonly kind: "as-far-as-it-goes" };

/**
 * Where the log of `key` ends.
 *
 * `record` is the job as last seen in that attempt; `over` tells that the attempt has ended, also
 * where the job itself goes on with a newer one.
 */
export function logEnd(
  record: Job,
  key: RankKey,
  state: { readonly over: boolean; readonly nodePhase: (node: string) => NodePhase },
): LogEnd {
  const rank = rankOf(record, key);
  if (rank === undefined) return state.over ? { kind: "at", bytes: 0 } : { kind: "open" };
  const phase = state.nodePhase(rank.node);
  const gone = phase === "lost" || phase === "absent";
  if (state.over && gone) return { kind: "as-far-as-it-goes" };
  if (rank.logBytes !== undefined) return { kind: "at", bytes: rank.logBytes };
  return { kind: state.over ? "as-far-as-it-goes" : "open" };
}

/** The node that `key` was placed on: the only one that may write its log. */
export function ownerOf(job: Job | undefined, key: RankKey): string | undefined {
  if (job === undefined || job.attempt !== key.attempt) return undefined;
  return rankOf(job, key)?.node;
}

/** The logs of a job's present attempt: those of its setup, then those of its run, in order. */
export function logKeys(job: Job): { readonly setup: RankKey[]; readonly run: RankKey[] } {
  const { id, attempt } = job;
  return {
    setup: job.setups.map(({ rank }) => ({ job: id, attempt, phase: "setup", index: rank })),
    run: job.ranks.map(({ rank }) => ({ job: id, attempt, phase: "run", index: rank })),
  };
}

function rankOf(job: Job, key: RankKey): RankRecord | undefined {
  const records = key.phase === "setup" ? job.setups : job.ranks;
  const byPosition = records[key.index];
  if (byPosition?.rank === key.index) return byPosition;
  return records.find(({ rank }) => rank === key.index);
}

const newline = 10;
const searchBytes = 65_536;

/**
 * Where the last `lines` lines of a log of `size` bytes begin.
 *
 * Reads backwards in blocks, so the cost is that of the lines and not of the file. A final line
 * without a newline counts as a line.
 */
export async function tailStart(options: {
  readonly size: number;
  readonly lines: number;
  readonly readAt: (offset: number, length: number) => Promise<Uint8Array>;
}): Promise<number> {
  let left = options.lines;
  if (left <= 0) return options.size;
  // The newline that ends the last line is not the end of the line before it.
  let end = options.size - 1;
  while (end > 0) {
    const start = Math.max(0, end - searchBytes);
    const block = await options.readAt(start, end - start);
    for (let index = block.lastIndexOf(newline); index !== -1; ) {
      left -= 1;
      if (left === 0) return start + index + 1;
      if (index === 0) break;
      index = block.lastIndexOf(newline, index - 1);
    }
    end = start;
  }
  return 0;
}
