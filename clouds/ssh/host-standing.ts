// How one node of a cluster stands on its host, as far as we know: what is being done, what was
// seen last, and what went wrong. Pure.
//
// What must always hold: a host that cannot be reached keeps the phase that it was last seen in; a
// failure that was asked about anew is told no more.

import type { Machine } from "../cloud.ts";
import type { ClusterRecord, Goal } from "../cluster-record.ts";
import type { HostStatus } from "./host-steps.ts";

export type Stage = "installing" | "starting";

export interface Fault {
  /** A sentence that names the host. */
  readonly why: string;
  /** It will not go away by itself, or has not for long. */
  readonly stuck: boolean;
  /** How often in a row. */
  readonly tries: number;
  /** By the monotonic clock. */
  readonly atMs: number;
  /** The launch that it came with, by its time. */
  readonly askedAt: number;
}

/** Tries in a row until a failure that may go away counts as one that does not. */
const triesMax = 5;
const retryMsMin = 1_000;
const retryMsMax = 60_000;

export function nextFault(
  before: Fault | undefined,
  now: {
    readonly why: string;
    readonly retry: boolean;
    readonly atMs: number;
    readonly askedAt: number;
  },
): Fault {
  const isSame = before !== undefined && before.askedAt === now.askedAt;
  const tries = isSame ? before.tries + 1 : 1;
  const { why, retry, atMs, askedAt } = now;
  return { why, stuck: !retry || tries >= triesMax, tries, atMs, askedAt };
}

/** Whether it is time to try again. */
export function mayRetry(
  { tries, atMs, askedAt }: Fault,
  now: { readonly atMs: number; readonly askedAt: number },
): boolean {
  if (askedAt !== now.askedAt) return true;
  return now.atMs - atMs >= retryMs(tries);
}

/** How long to wait after so many failures in a row. */
export function retryMs(failures: number): number {
  return Math.min(retryMsMax, retryMsMin * 2 ** (failures - 1));
}

/** What a host's answer means. */
export type Verdict =
  /** Nothing of the cluster is there. */
  | { readonly kind: "absent" }
  /** As it should be, or as it was left. */
  | { readonly kind: "settled"; readonly phase: Machine["phase"] }
  /** It should run and does not. */
  | { readonly kind: "raise"; readonly phase: "starting" };

export function verdictOf(status: HostStatus, goal: Goal): Verdict {
  const { folder, node, ended } = status;
  if (folder === "absent") return { kind: "absent" };
  // What ended for good is listed until it is removed, if that is what is wanted.
  const gone = goal === "absent" ? "stopped" : "gone";
  if (ended !== undefined) {
    return { kind: "settled", phase: ended.verb === "down" ? gone : "stopped" };
  }
  if (goal !== "running") return { kind: "settled", phase: "up" };
  if (node !== "running") return { kind: "raise", phase: "starting" };
  return { kind: "settled", phase: "up" };
}

/** Of a node that has not been seen since we started, going by what the cluster is. */
export function guessedPhase({ status }: Pick<ClusterRecord, "status">): Machine["phase"] {
  if (status === "INIT") return "starting";
  return status === "STOPPED" ? "stopped" : "up";
}

/** `installing on gpu2, gpu3; starting on gpu1`; empty when nothing is done. */
export function doingText(
  stages: readonly { readonly host: string; readonly stage: Stage | undefined }[],
): string {
  const on = (stage: Stage): string => {
    const hosts = stages.flatMap((one) => (one.stage === stage ? [one.host] : []));
    const isAll = hosts.length > 1 && hosts.length === stages.length;
    return isAll ? `all ${hosts.length} hosts` : hosts.join(", ");
  };
  const [installing, starting] = [on("installing"), on("starting")];
  return [
    ...(installing === "" ? [] : [`installing on ${installing}`]),
    ...(starting === "" ? [] : [`starting on ${starting}`]),
  ].join("; ");
}
