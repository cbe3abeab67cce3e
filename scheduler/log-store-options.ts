// What the keeper of the logs (`log-store-os.ts`) stands on, and whom it tells.

import type { RankKey } from "../model/job.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { Board } from "./board.ts";
import type { LogDisk } from "./log-disk-os.ts";

export interface LogStoreOptions {
  readonly dir: string;
  readonly board: Board;
  readonly log: Log;
  readonly clock: Clock;
  /** The file system by default. */
  readonly disk?: LogDisk;
  /** Every log of this attempt of this job is safe here, as far as it will ever go. */
  readonly onComplete: (job: number, attempt: number, bytes: number) => void;
}

export interface FollowOptions {
  readonly key: RankKey;
  readonly offset: number;
  readonly wait: boolean;
  readonly signal: AbortSignal;
}

export interface LogCounts {
  readonly logsOpen: number;
  readonly channels: number;
  readonly refused: number;
  readonly receivedBytes: number;
  /** Of jobs whose logs are not complete yet. */
  readonly openBytes: number;
}
