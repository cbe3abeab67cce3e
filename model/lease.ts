// A rank's lease: for how long it may run without the head's word. Pure arithmetic.
//
// A job that may be restarted elsewhere must not run twice at once, also where nobody can ask the
// node. So its ranks run on leases: a node ends a rank whose lease is over, and the head takes it
// for dead when the lease must be over. Both count from a moment of the node's own monotonic clock
// that the head has confirmed (a beat that it heard, a `rank-prepared` that it answered): the head
// heard of it later than it was, so it waits longer than the node, whatever is lost or late.
//
// What must always hold: by the time that the head takes a lease for over, its rank is dead, as
// long as clocks keep to `driftShare` and the node's watchdog is no later than `lateMsMax`.

export interface Lease {
  readonly leaseMs: number;
  /** The moment that the head has confirmed, on the node's monotonic clock. */
  readonly from: number;
}

export const leaseMsDefault = 30_000;
/** A shorter one would end with a few beats that were lost. */
export const leaseMsMin = 5_000;

/** By how much the head's clock may run faster than a node's. */
const driftShare = 0.1;
/** From the end of a lease to the death of the last process: a look a second, and the killing. */
const lateMsMax = 3_000;
/** How long before its end a rank is asked to go, and how much of that is left for the KILL. */
const graceMsMax = 5_000;
const killMsMax = 1_000;

export function leaseEnd({ from, leaseMs }: Lease): number {
  return from + leaseMs;
}

/** What its agent does ahead of the end: TERM so long before it, KILL after this grace. */
export function leaseNotice(leaseMs: number): {
  readonly aheadMs: number;
  readonly graceMs: number;
} {
  const graceMs = Math.min(graceMsMax, leaseMs / 4);
  return { aheadMs: graceMs + Math.min(killMsMax, leaseMs / 8), graceMs };
}

/** After so long a silence, on the head's clock, whatever ran on such a lease is dead. */
export function leaseOverMs(leaseMs: number): number {
  return Math.ceil(leaseMs * (1 + driftShare)) + lateMsMax;
}
