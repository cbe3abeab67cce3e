// When the head of a home may end by itself: nothing asks, nothing runs, nothing must be watched.

import type { Clock } from "../../runtime/clock.ts";

export interface IdleWatch {
  /** A call begins. Returns what ends it. */
  enter(): () => void;
  close(): void;
}

/** Calls `onIdle` once, when for `idleMs` no call was under way and `isNeeded` said no. */
export function watchIdle(options: {
  readonly clock: Clock;
  readonly idleMs: number;
  readonly isNeeded: () => boolean;
  readonly onIdle: () => void;
}): IdleWatch {
  const { clock } = options;
  const idleMs = Math.max(options.idleMs, idleMsMin);
  let calls = 0;
  let since = clock.now().monoMs;
  let cancel = () => {};
  const check = (): void => {
    const now = clock.now().monoMs;
    if (calls > 0 || options.isNeeded()) since = now;
    const leftMs = since + idleMs - now;
    if (leftMs <= 0) options.onIdle();
    else cancel = clock.after(Math.max(leftMs, checkMsMin), check);
  };
  cancel = clock.after(idleMs, check);
  return {
    enter: () => {
      calls += 1;
      let isOver = false;
      return () => {
        if (isOver) return;
        isOver = true;
        calls -= 1;
        since = clock.now().monoMs;
      };
    },
    close: () => cancel(),
  };
}

const checkMsMin = 10;
/** Whoever started the head has yet to connect. */
const idleMsMin = 500;
