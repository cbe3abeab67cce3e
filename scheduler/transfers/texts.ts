// Objects and failures of a transfer in the words of its user. Pure.

import type { ObjectFailure, TransferOrder } from "../../model/transfer.ts";
import type { Ends } from "../../transfer/job/ends.ts";
import type { FailedCopy } from "../../transfer/job/ledger.ts";
import { transferPathText } from "../../transfer/stores/paths.ts";

/** What is known of the ends; nothing, of one that never found them. */
export interface Known {
  readonly order: TransferOrder;
  readonly ends: Ends | undefined;
  readonly isSingle: boolean;
}

/** As its user would write it. */
export function objectText({ order, isSingle }: Known, rest: string): string {
  const text = transferPathText(order.source);
  // What could not be listed is known by its path.
  if (rest.startsWith("/")) return rest;
  if (isSingle) return text;
  return text.endsWith("/") ? text + rest : `${text}/${rest}`;
}

export function destinationText({ order, ends }: Known, destination: number): string {
  const known = ends?.destinations[destination]?.text;
  const first = order.destinations[Math.min(destination, order.destinations.length - 1)];
  return known ?? (first === undefined ? "" : transferPathText(first));
}

export function failureText(known: Known, { destination, rest, why }: FailedCopy): ObjectFailure {
  const object = objectText(known, rest);
  return { object, destination: destinationText(known, destination), why };
}
