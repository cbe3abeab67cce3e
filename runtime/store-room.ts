// What a shortage of room for the journal means to those who ask for something. Pure.
//
// While room is tight, what goes on is still written (so that running jobs can end), and nothing
// new is begun. While the disk is full, commits wait; whoever asks for one is told so instead of
// being left to wait too. What was asked before is done when there is room again, unless the head
// ends before: asking again with the same idempotency key is safe.

import { SkyError } from "../model/errors.ts";
import type { Shortage, Store } from "./store.ts";

/** What is asked for: the begin of something, or the change of what there is. */
export type Demand = "begin" | "change";

const mib = 1_048_576;

export function shortageError({ level, path, freeBytes }: Shortage): SkyError<"disk/full"> {
  const hint =
    level === "full"
      ? "Make room there: what runs goes on, and the rest follows by itself"
      : "Make room there: what there is goes on, and nothing new is taken until then";
  return new SkyError("disk/full", { path, free: bytesText(freeBytes), hint });
}

/** @throws SkyError `disk/full`. */
export function demandRoom(store: Store, demand: Demand): void {
  const shortage = store.shortage?.();
  if (shortage === undefined || (demand === "change" && shortage.level === "tight")) return;
  throw shortageError(shortage);
}

/** What `work` says, or `disk/full` as soon as commits wait. The work itself goes on. */
export async function unlessFull<T>(store: Store, work: Promise<T>): Promise<T> {
  const full = Promise.withResolvers<never>();
  const look = (): void => {
    const shortage = store.shortage?.();
    if (shortage?.level === "full") full.reject(underWay(shortage));
  };
  const stopHearing = store.onShortage?.(look);
  look();
  try {
    return await Promise.race([work, full.promise]);
  } finally {
    stopHearing?.();
    // Whichever lost the race has nobody left to tell.
    work.catch(() => {});
    full.promise.catch(() => {});
  }
}

function underWay({ path, freeBytes }: Shortage): SkyError<"disk/full"> {
  const hint = "Make room there: what you asked for is done then, unless the head is ended before";
  return new SkyError("disk/full", { path, free: bytesText(freeBytes), hint });
}

export function bytesText(bytes: number): string {
  return bytes < mib ? `${Math.floor(bytes / 1024)} KiB` : `${Math.floor(bytes / mib)} MiB`;
}
