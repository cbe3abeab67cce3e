// What `sky` exits with: the only place that decides it.
//
// A script must be able to tell "the job failed" from "sky could not do it" and from "you asked for
// something that cannot be". The job's outcome is the exit code of launch, exec and logs.

import { isSkyError } from "../../model/errors.ts";
import type { JobStatus } from "../../model/job.ts";

export const exitCodes = {
  done: 0,
  /** The world refused, or some of several items failed. */
  refused: 1,
  /** Flags, an invalid task, an unknown cluster named exactly. */
  wrongUse: 2,
  jobFailed: 100,
  jobNotFinished: 101,
  jobNotFound: 102,
  jobCancelled: 103,
  /** Ctrl-C: detached, the job runs on. */
  interrupted: 130,
} as const;

/** What each of them says, for help and documentation. */
export const outcomeTexts: readonly (readonly [number, string])[] = [
  [exitCodes.done, "done; the job SUCCEEDED"],
  [exitCodes.refused, "the world refused, or some of several items failed"],
  [exitCodes.wrongUse, "wrong use: nothing was started, changed or consumed"],
  [exitCodes.jobFailed, "the job FAILED or FAILED_SETUP"],
  [exitCodes.jobNotFinished, "the job has not finished"],
  [exitCodes.jobNotFound, "no such job on an existing cluster"],
  [exitCodes.jobCancelled, "the job was CANCELLED"],
  [exitCodes.interrupted, "Ctrl-C: the job runs on"],
];

/** The same for commands whose outcome is that of a transfer. */
export const transferOutcomes: readonly (readonly [number, string])[] = [
  [exitCodes.done, "everything arrived and was proven, or there was nothing to do"],
  [exitCodes.refused, "something failed, or the transfer was cancelled or could not be started"],
  [exitCodes.wrongUse, "wrong use: nothing was started"],
  [exitCodes.interrupted, "Ctrl-C: the transfer runs on"],
];

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

const byStatus = {
  INIT: exitCodes.jobNotFinished,
  PENDING: exitCodes.jobNotFinished,
  SETTING_UP: exitCodes.jobNotFinished,
  RUNNING: exitCodes.jobNotFinished,
  SUCCEEDED: exitCodes.done,
  FAILED: exitCodes.jobFailed,
  FAILED_SETUP: exitCodes.jobFailed,
  CANCELLED: exitCodes.jobCancelled,
} as const satisfies Record<JobStatus, ExitCode>;

export function exitCodeOfJob(status: JobStatus): ExitCode {
  return byStatus[status];
}

/** A wrong use of a flag or argument, found by the command itself. */
export class WrongUse extends Error {
  override readonly name = "WrongUse";
}

export function exitCodeOfError(error: unknown): ExitCode {
  if (error instanceof WrongUse) return exitCodes.wrongUse;
  if (!isSkyError(error)) return exitCodes.refused;
  if (error.code === "job/not-found") return exitCodes.jobNotFound;
  if (error.code === "core/cancelled") return exitCodes.interrupted;
  return error.remedy === "fix-request" ? exitCodes.wrongUse : exitCodes.refused;
}
