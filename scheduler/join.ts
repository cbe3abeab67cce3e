// Tokens that let one node join once. Pure.
//
// A token is 32 random bytes; only its digest is kept. It is bound to one node of one cluster and
// to a short life. A join whose reply was lost may be repeated with the same token *and* the same
// public key; anybody else who comes with the token is refused.
//
// What must always hold: one token lets at most one public key in.

import { createHash, timingSafeEqual } from "node:crypto";
import type { Random } from "../runtime/random.ts";
import { hexToken } from "../runtime/random.ts";

export interface JoinTicket {
  readonly cluster: string;
  readonly node: string;
  /** SHA-256 of the token. */
  readonly digest: Uint8Array;
  readonly expiresAtMs: number;
  /** The public key that it let in. */
  readonly usedBy?: string;
}

/** The newest ticket of each node, by `<cluster>/<node>`. */
export type JoinTickets = ReadonlyMap<string, JoinTicket>;

export interface JoinAttempt {
  readonly cluster: string;
  readonly node: string;
  readonly token: string;
  readonly publicKey: string;
}

export type JoinVerdict =
  | { readonly accepted: true; readonly tickets: JoinTickets }
  | { readonly accepted: false; readonly why: string };

export const joinLifeMs = 120_000;
const tokenBytes = 32;

/** A new token for a node. The one before, if any, is void. `nowMs` is of the monotonic clock. */
export function issueToken(
  tickets: JoinTickets,
  node: { readonly cluster: string; readonly node: string },
  { nowMs, random }: { readonly nowMs: number; readonly random: Random },
): { readonly tickets: JoinTickets; readonly token: string } {
  const token = hexToken(random, tokenBytes);
  const ticket = { ...node, digest: digestOf(token), expiresAtMs: nowMs + joinLifeMs };
  const living = [...tickets].filter(([, { expiresAtMs }]) => expiresAtMs > nowMs);
  return { tickets: new Map([...living, [keyOf(node), ticket]]), token };
}

/** Whether this node may join now, and the tickets afterwards. */
export function redeemToken(
  tickets: JoinTickets,
  attempt: JoinAttempt,
  nowMs: number,
): JoinVerdict {
  const ticket = tickets.get(keyOf(attempt));
  if (ticket === undefined) return refused("no join of this node is expected");
  if (!timingSafeEqual(ticket.digest, digestOf(attempt.token))) return refused("a wrong token");
  if (ticket.expiresAtMs <= nowMs) return refused("the token's time is over");
  if (ticket.usedBy !== undefined && ticket.usedBy !== attempt.publicKey) {
    return refused("the token was used before");
  }
  const used: JoinTicket = { ...ticket, usedBy: attempt.publicKey };
  return { accepted: true, tickets: new Map([...tickets, [keyOf(attempt), used]]) };
}

/** Without the node's ticket: it is not wanted any more. */
export function revokeToken(
  tickets: JoinTickets,
  node: { readonly cluster: string; readonly node: string },
): JoinTickets {
  return new Map([...tickets].filter(([key]) => key !== keyOf(node)));
}

function refused(why: string): JoinVerdict {
  return { accepted: false, why };
}

/** Neither part may hold a slash (see `model/ids.ts`), so two nodes never share a key. */
function keyOf({ cluster, node }: { readonly cluster: string; readonly node: string }): string {
  return `${cluster}/${node}`;
}

function digestOf(token: string): Uint8Array {
  return createHash("sha256").update(token).digest();
}
