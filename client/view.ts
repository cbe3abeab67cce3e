// What the SDK shows of a job: the head's record, flat, with every text already in words.
//
// Times are milliseconds since the Unix epoch. These are also the fields of `sky queue -o json`.

import type { Exit, Job as JobRecord, JobStatus, RankRecord } from "../model/job.ts";
import { exitCode } from "../model/job.ts";
import { reasonText } from "../model/reason.ts";
import { signalName } from "../model/signal-name.ts";

export interface Job {
  readonly id: number;
  readonly name: string;
  readonly user: string;
  readonly status: JobStatus;
  readonly submittedAt: number;
  readonly startedAt?: number;
  readonly endedAt?: number;
  /** `4x [CPU:0.5]`, `1x [V100:0.5]`. */
  readonly resources: string;
  readonly numNodes: number;
  /** Counted from 1; a restart is a new attempt. */
  readonly attempt: number;
  readonly ranks: readonly Rank[];
  /** The setup's processes; `rank` is the number of the node. */
  readonly setups: readonly Rank[];
  /** The code of why it ended, and the sentence. */
  readonly reason?: string;
  readonly reasonText?: string;
  /** Why it waits, while it waits. */
  readonly waitingFor?: string;
}

export interface Rank {
  readonly rank: number;
  readonly node: string;
  readonly ip: string;
  readonly pid?: number;
  readonly startedAt?: number;
  readonly endedAt?: number;
  /** As a shell shows it: 137 for a rank that was killed. Null as long as nobody knows it. */
  readonly exitCode: number | null;
  /** `SIGKILL`, when a signal ended it. */
  readonly signal: string | null;
  /** How it ended, in words; null while it has not. */
  readonly outcome: string | null;
  /** The whole length of its log, once it is known. */
  readonly logBytes?: number;
}

export function jobView(job: JobRecord): Job {
  const { reason, phase: _inside, sweeps: _proof, ranks, setups, ...plain } = job;
  return {
    ...plain,
    ranks: ranks.map(rankView),
    setups: setups.map(rankView),
    ...(reason === undefined ? {} : { reason: reason.code, reasonText: reasonText(reason) }),
  };
}

function rankView(record: RankRecord): Rank {
  const { exit, ...plain } = record;
  if (exit === undefined) return { ...plain, exitCode: null, signal: null, outcome: null };
  const signal = exit.kind === "signal" ? signalName(exit.signal) : null;
  return { ...plain, exitCode: exitCode(exit) ?? null, signal, outcome: outcomeText(exit) };
}

const stopTexts = {
  "peer-failed": "stopped because a peer failed",
  cancelled: "stopped by the cancel",
  "node-lost": "stopped because a node was lost",
  "lease-expired": "stopped because its node had not heard from the head for too long",
  "timed-out": "stopped by its timeout",
} as const;

function outcomeText(exit: Exit): string {
  switch (exit.kind) {
    case "code":
      return `exited with ${exit.code}`;
    case "signal":
      return `ended with ${128 + exit.signal} (${signalName(exit.signal)}${evidenceText(exit)})`;
    case "stopped":
      return stopTexts[exit.why];
    case "unknown":
      return `ended, nobody knows how (${exit.evidence})`;
  }
}

/** A shell cannot tell a signal from an exit code above 128: without evidence, say both. */
function evidenceText({ signal, evidence }: Extract<Exit, { kind: "signal" }>): string {
  return evidence === "" ? ` or exit ${128 + signal}` : `: ${evidence}`;
}
