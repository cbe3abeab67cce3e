// A transfer as a program watches it: events while it goes on, and its end as a promise.
//
// It is begun when it is made, whether or not anybody watches; a program that ends, or a signal
// that aborts, ends the watching and never the transfer.

import { SkyError } from "../model/errors.ts";
import { isEnded, type TransferEvent, type TransferView } from "../model/transfer.ts";
import type { Head } from "./head.ts";
import { followTransfer, type TransferPorts } from "./transfer-follow.ts";

/** May be iterated several times; each time it begins with the present state. */
export interface TransferStream extends AsyncIterable<TransferEvent> {
  /** Its number, once it is on disk. */
  readonly id: Promise<number>;
  /**
   * The transfer as it ended, with everything arrived and proven. Rejects with `transfer/failed` if
   * not: with its number, and why. It waits by itself; nobody has to iterate.
   */
  readonly outcome: Promise<TransferView>;
}

export function transferStream(
  head: Head,
  begin: () => Promise<number>,
  ports: TransferPorts,
): TransferStream {
  const id = begin();
  // Whoever wants to know awaits it; nobody has to.
  id.catch(() => {});
  let outcome: Promise<TransferView> | undefined;
  const events = async function* (): AsyncGenerator<TransferEvent, void> {
    yield* followTransfer(head, await id, ports);
  };
  return {
    id,
    get outcome() {
      outcome ??= endOf(events());
      // As with `id`: who asked for it and went away is no crash.
      outcome.catch(() => {});
      return outcome;
    },
    [Symbol.asyncIterator]: events,
  };
}

/** @throws SkyError `transfer/failed`. */
async function endOf(events: AsyncIterable<TransferEvent>): Promise<TransferView> {
  for await (const event of events) {
    if (event.kind !== "state" || !isEnded(event.view.status)) continue;
    const { id, status, why, counts } = event.view;
    if (status === "SUCCEEDED" && counts.failed === 0) return event.view;
    const what = status === "CANCELLED" ? "it was cancelled" : why;
    throw new SkyError("transfer/failed", { id, why: what });
  }
  throw new SkyError("core/cancelled", { what: "watching the transfer" });
}
