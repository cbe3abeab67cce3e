// The leases of a node's ranks, as its agent counts them. Pure.
//
// A lease is promised when its rank is asked for and counts once that is let go. From then on,
// until its rank is over and nothing of it is left, the agent's beats ask the head to renew it;
// what the head confirms is one moment for all of them. Somewhat before its end the rank is stopped
// as by the head: the watchdog (`watchdog.ts`) does not wait for that, and gives no grace.

import { rankKeyText } from "../model/job.ts";
import type { Lease } from "../model/lease.ts";
import { leaseEnd, leaseNotice } from "../model/lease.ts";
import type { AgentReport } from "../proto/messages.ts";

export interface Leases {
  /** By rank. `from` is absent until it was let go. Changed in place. */
  readonly byRank: Map<string, { readonly leaseMs: number; readonly from?: number }>;
  /** The newest moment that the head has confirmed. */
  renewedFrom: number;
}

export function newLeases(found: readonly (readonly [rank: string, lease: Lease])[]): Leases {
  return { byRank: new Map(found), renewedFrom: Number.NEGATIVE_INFINITY };
}

/** The lease of a rank that was let go. */
export function leaseOf({ byRank, renewedFrom }: Leases, rank: string): Lease | undefined {
  const lease = byRank.get(rank);
  if (lease?.from === undefined) return undefined;
  return { leaseMs: lease.leaseMs, from: Math.max(lease.from, renewedFrom) };
}

export function isAnyGranted({ byRank }: Leases): boolean {
  return [...byRank.values()].some(({ from }) => from !== undefined);
}

/** When its rank is asked to go. */
export function noticeAt(lease: Lease): number {
  return leaseEnd(lease) - leaseNotice(lease.leaseMs).aheadMs;
}

/** Ranks to be stopped by now, and when the next one is; `undefined`: none is. */
export function dueLeases(
  leases: Leases,
  nowMs: number,
): { readonly due: readonly string[]; readonly nextAt: number | undefined } {
  const due: string[] = [];
  let nextAt: number | undefined;
  for (const rank of leases.byRank.keys()) {
    const lease = leaseOf(leases, rank);
    if (lease === undefined) continue;
    const at = noticeAt(lease);
    if (at <= nowMs) due.push(rank);
    else nextAt = Math.min(at, nextAt ?? at);
  }
  return { due, nextAt };
}

/** A rank on a lease says when it stood ready: its lease counts from there. */
export function asking({ byRank }: Leases, report: AgentReport, nowMs: number): AgentReport {
  const isLeased = report.kind === "rank-prepared" && byRank.has(rankKeyText(report.key));
  return isLeased ? { ...report, askedAt: nowMs } : report;
}
