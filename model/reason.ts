// Why a job ended: one table. The reason is stored; the status that the user sees, whether a
// restart may help and the text of `sky why` all follow from it.

import type { JobStatus } from "./job.ts";

type Final = Extract<JobStatus, "SUCCEEDED" | "FAILED" | "FAILED_SETUP" | "CANCELLED">;
type Retry = "never" | "if-asked";

export const reasons = {
  "all-ranks-exited-0": { status: "SUCCEEDED", retry: "never", text: "every rank exited with 0" },
  "nothing-to-run": { status: "SUCCEEDED", retry: "never", text: "the task has no run commands" },
  "rank-failed": {
    status: "FAILED",
    retry: "if-asked",
    text: "rank {rank} on {node} {outcome}{peers}",
  },
  "setup-failed": { status: "FAILED_SETUP", retry: "never", text: "setup on {node} {outcome}" },
  "exit-unknown": {
    status: "FAILED",
    retry: "if-asked",
    text: "rank {rank} on {node} {outcome}{peers}",
  },
  "never-started": {
    status: "FAILED",
    retry: "if-asked",
    text: "rank {rank} on {node} never started ({why}), and others had: they were stopped",
  },
  "lease-expired": {
    status: "FAILED",
    retry: "if-asked",
    text: "{what} on {node} was stopped: for as long as its lease the head was not heard from",
  },
  refused: {
    status: "FAILED",
    retry: "never",
    text: "{node} refused to prepare {what}, as {times} times before in a row: {why}",
  },
  "node-lost": { status: "FAILED", retry: "if-asked", text: "node {node} was lost: {evidence}" },
  "node-restarted": { status: "FAILED", retry: "if-asked", text: "node {node} restarted" },
  "timed-out": {
    status: "FAILED",
    retry: "if-asked",
    text: "it took longer than its timeout of {timeout}",
  },
  "cluster-stopped": { status: "FAILED", retry: "never", text: "the cluster was {verb}" },
  "cancelled-by-user": { status: "CANCELLED", retry: "never", text: "cancelled by {user}" },
} as const satisfies Record<string, { status: Final; retry: Retry; text: string }>;

export type ReasonCode = keyof typeof reasons;

/** A reason with the facts that its text needs. */
export interface Reason {
  readonly code: ReasonCode;
  readonly params: Readonly<Record<string, string>>;
}

/** The sentence that a user reads. */
export function reasonText(reason: Reason): string {
  return reasons[reason.code].text.replace(
    /\{(\w+)\}/g,
    (_, name: string) => reason.params[name] ?? "?",
  );
}

export function reasonStatus(reason: Reason): Final {
  return reasons[reason.code].status;
}
