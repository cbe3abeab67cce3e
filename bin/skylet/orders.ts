// What a skylet is told when it is started, as one line of JSON on its standard input. Pure.
//
// Not in its arguments or environment: the token must not be seen by others. The input stays open
// as long as whoever started the skylet lives and wants it; its end ends the skylet.

import type { Invitation } from "../../model/host-file.ts";
import type { Capacity } from "../../model/resources.ts";

export interface Orders {
  readonly cluster: string;
  readonly node: string;
  readonly capacity: Capacity;
  /** The node's folder: home/, state/, ranks/. */
  readonly root: string;
  /** Where it joins: the head's socket, */
  readonly socket?: string;
  /** or, of a head on another machine, whatever its invitation says. */
  readonly invitation?: Invitation;
  /** Good for one join of this node. Secret. */
  readonly token: string;
  /** Rises with every start of the node's skylet, whichever head starts it. */
  readonly incarnation: number;
  /** What its content store may hold; heads of 0.1.0 do not say. */
  readonly chunkBytes?: number;
  /** Where other nodes of its cluster reach it; heads of 0.1.0 do not say. */
  readonly host?: string;
}

/** Heads never start as many skylets as this. */
const startsMax = 100_000;

/** Of the skylet that a head of this incarnation starts as its `starts`th. */
export function skyletIncarnation(head: number, starts: number): number {
  return head * startsMax + starts;
}

export function ordersText(orders: Orders): string {
  return `${JSON.stringify(orders)}\n`;
}

/** @throws SyntaxError for anything else than what `ordersText` made. */
export function parseOrders(line: string): Orders {
  return JSON.parse(line) as Orders;
}
