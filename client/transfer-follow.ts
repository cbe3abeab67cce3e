// A transfer's events that survive broken connections: the head says the state first, so a new
// stream goes on where the old one broke. Retries are bounded, and counted anew after progress.

import { isSkyError, SkyError } from "../model/errors.ts";
import { isEnded, type TransferEvent, type TransferView } from "../model/transfer.ts";
import type { Head } from "./head.ts";

/** With the backoff below: about half a minute without a word. */
const retriesMax = 12;
const pauseMsFirst = 50;
const pauseMsMax = 5_000;

export interface TransferPorts {
  readonly signal: AbortSignal;
  /** Rejects when the caller has given up. */
  pause(ms: number): Promise<void>;
}

/** Its events until it has ended; the last one is the state in which it ended. */
export async function* followTransfer(
  head: Pick<Head, "watchTransfer">,
  transfer: number,
  ports: TransferPorts,
): AsyncGenerator<TransferEvent, void> {
  const state: FollowState = { shown: undefined, failures: 0 };
  for (;;) {
    const broken = yield* followOnce(state, () => head.watchTransfer(transfer, ports.signal));
    if (broken === undefined) return;
    state.failures += 1;
    const again = isSkyError(broken) && broken.remedy === "retry" && state.failures <= retriesMax;
    if (!again) throw broken;
    await ports.pause(Math.min(pauseMsMax, pauseMsFirst * 2 ** (state.failures - 1)));
  }
}

interface FollowState {
  /** The last state that was passed on. */
  shown: TransferView | undefined;
  failures: number;
}

/** One stream to its end. Gives what broke it, or nothing once the transfer has ended. */
async function* followOnce(
  state: FollowState,
  open: () => AsyncIterable<TransferEvent>,
): AsyncGenerator<TransferEvent, unknown> {
  try {
    for await (const event of open()) {
      // The first word of a new stream is no progress.
      if (event.kind === "state" && isShown(state, event.view)) continue;
      state.failures = 0;
      yield event;
      if (event.kind === "state" && isEnded(event.view.status)) return undefined;
    }
  } catch (error) {
    return error;
  }
  return new SkyError("head/unreachable", { why: "the stream ended before the transfer's end" });
}

/** Whether it was passed on before; if not, it counts as if it were. */
function isShown(state: FollowState, view: TransferView): boolean {
  const isSame = JSON.stringify(state.shown) === JSON.stringify(view);
  state.shown = view;
  return isSame;
}
