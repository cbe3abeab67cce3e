// A job's log as text for people: lines of all ranks, each behind its rank's prefix. Pure.
//
// Events of the log go in, bytes to show come out; the job's record is remembered, because prefixes
// are made of it. The command and the SDK's `tailLogs` show the same.

import type { Job } from "../model/job.ts";
import type { FollowEvent, LogPiece } from "./log-follow.ts";
import { Merge } from "./merge.ts";
import { linePrefix } from "./prefix.ts";

export class LogText {
  readonly #clusterNodes: number;
  readonly #merge: Merge;
  /** The logs of which something was taken: `1-run-0` is rank 0 of the first attempt. */
  readonly sources = new Set<string>();
  /** As it was last heard of. */
  job: Job | undefined;

  /** `clusterNodes`: of the cluster, not of the job; it decides the look of the prefixes. */
  constructor({ clusterNodes }: { readonly clusterNodes: number }) {
    this.#clusterNodes = clusterNodes;
    this.#merge = new Merge({ single: clusterNodes === 1 });
  }

  /** What to write for this event, in order. */
  take(event: FollowEvent): readonly Buffer[] {
    if (event.kind === "piece") return this.#pushed(event.piece);
    this.job = event.job;
    return [];
  }

  /** What is left when the log has ended. */
  end(): readonly Buffer[] {
    return this.#merge.end();
  }

  #pushed(piece: LogPiece): readonly Buffer[] {
    const { attempt, phase, index } = piece.key;
    const id = `${attempt}-${phase}-${index}`;
    this.sources.add(id);
    const source = { id, prefix: () => this.#prefix(piece) };
    return this.#merge.push(source, piece.bytes);
  }

  #prefix({ key, ...owner }: LogPiece): string {
    const taskName = this.job?.name ?? "";
    const origin = { phase: key.phase, rank: key.index, ...owner };
    return linePrefix(origin, { taskName, clusterNodes: this.#clusterNodes });
  }
}
