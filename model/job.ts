// A job: what the user submitted and what became of it.
//
// `JobPhase` is the inside (the gang's machine), `JobStatus` is what users of SkyPilot know; the
// status derives from the phase and the reason. A rank is one process group on one node.

import type { Reason } from "./reason.ts";
import { reasonStatus } from "./reason.ts";

export type JobPhase =
  | "queued"
  | "preparing"
  | "setting-up"
  | "starting"
  | "running"
  | "draining"
  | "ended";

export type JobStatus =
  | "INIT"
  | "PENDING"
  | "SETTING_UP"
  | "RUNNING"
  | "SUCCEEDED"
  | "FAILED"
  | "FAILED_SETUP"
  | "CANCELLED";

/** How a process of a rank ended. Exactly one of the four. */
export type Exit =
  | { readonly kind: "code"; readonly code: number }
  /** The shell said 128 + n. With empty evidence it may be an exit code of the program itself. */
  | { readonly kind: "signal"; readonly signal: number; readonly evidence: string }
  /** Stopped by us because a peer ended first; shown as 137. */
  | { readonly kind: "stopped"; readonly why: StopCause }
  /** The shim was killed: nobody knows. Never a success. */
  | { readonly kind: "unknown"; readonly evidence: string };

/**
 * `lease-expired`: its node had not heard from the head for as long as its lease. `timed-out`: the
 * attempt had taken as long as its task may; nodes are not told so.
 */
export type StopCause = "peer-failed" | "cancelled" | "node-lost" | "lease-expired" | "timed-out";

/** Which process of a job: rank `index` of the run, or the setup on the cluster's node `index`. */
export interface RankKey {
  readonly job: number;
  /** Counted from 1. A restart is a new attempt. */
  readonly attempt: number;
  readonly phase: "run" | "setup";
  readonly index: number;
}

/** What is known of one rank. */
export interface RankRecord {
  readonly rank: number;
  readonly node: string;
  readonly ip: string;
  readonly pid?: number;
  readonly startedAt?: number;
  readonly endedAt?: number;
  readonly exit?: Exit;
  /** The final length of its log in bytes, once known. */
  readonly logBytes?: number;
}

/** What a rank's sweep found. `unproven` names what could not be looked at, and why. */
export interface SweepRecord {
  readonly node: string;
  readonly found: number;
  readonly killed: number;
  readonly survivors: number;
  readonly unproven: readonly string[];
}

/** The status that the user sees. */
export function jobStatus(phase: JobPhase, reason: Reason | undefined): JobStatus {
  switch (phase) {
    case "queued":
    case "preparing":
      return "PENDING";
    case "setting-up":
      return "SETTING_UP";
    case "starting":
    case "running":
    case "draining":
      return "RUNNING";
    case "ended":
      return reason === undefined ? "FAILED" : reasonStatus(reason);
  }
}

/** Whether a status is final. */
export function isTerminal(status: JobStatus): boolean {
  return ["SUCCEEDED", "FAILED", "FAILED_SETUP", "CANCELLED"].includes(status);
}

/** The exit code as a shell would show it; `undefined` when it is not known. */
export function exitCode(exit: Exit): number | undefined {
  switch (exit.kind) {
    case "code":
      return exit.code;
    case "signal":
      return 128 + exit.signal;
    case "stopped":
      return 137;
    case "unknown":
      return undefined;
  }
}

/** A rank's key as a path and subject token: `7-1-run-0`. */
export function rankKeyText(key: RankKey): string {
  return `${key.job}-${key.attempt}-${key.phase}-${key.index}`;
}

/** The inverse of `rankKeyText`. */
export function parseRankKey(text: string): RankKey | undefined {
  const match = /^(\d+)-(\d+)-(run|setup)-(\d+)$/.exec(text);
  if (match === null) return undefined;
  const [, job, attempt, phase, index] = match;
  return {
    job: Number(job),
    attempt: Number(attempt),
    phase: phase === "setup" ? "setup" : "run",
    index: Number(index),
  };
}

/** A job as everybody outside the scheduler sees it: the head's read model, and the SDK's `Job`. */
export interface Job {
  readonly id: number;
  readonly name: string;
  readonly user: string;
  readonly status: JobStatus;
  readonly phase: JobPhase;
  readonly submittedAt: number;
  readonly startedAt?: number;
  readonly endedAt?: number;
  /** As SkyPilot shows it: `4x [CPU:0.5]`, `1x [V100:0.5]`. */
  readonly resources: string;
  readonly numNodes: number;
  readonly attempt: number;
  readonly ranks: readonly RankRecord[];
  /** The setup's processes, one for each node that ran it. `rank` is the node's index. */
  readonly setups: readonly RankRecord[];
  readonly reason?: Reason;
  /** Why it waits, while it waits: one sentence. */
  readonly waitingFor?: string;
  readonly sweeps: readonly SweepRecord[];
}
