// The clock over the operating system.
//
// The monotonic reading is CLOCK_MONOTONIC, so that two processes of one boot can compare theirs;
// `performance.now()` alone counts from the start of the process. It stands still while a machine
// is suspended. Where the boot has no id (not Linux) one is made up for this process: readings of
// two processes are then never compared, which is safe.
//
// Node's timers hold 31 bits of milliseconds and may fire up to a millisecond early; longer waits
// are split and early ones are waited out. One that is waited out may be overtaken by a later one:
// whichever is due fires the earlier ones before itself.
// Source: nodejs.org/api/timers.html, `setTimeout`.

import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import type { Clock } from "./clock.ts";

const timeoutMsMax = 2 ** 31 - 1;
const bootIdPath = "/proc/sys/kernel/random/boot_id";

export function createOsClock(): Clock {
  const bootId = readBootId();
  const originMs = Number(process.hrtime.bigint()) / 1e6 - performance.now();
  const monoMs = (): number => originMs + performance.now();
  const timers = new Timers(monoMs);
  return {
    now: () => ({ wallMs: Date.now(), monoMs: monoMs(), bootId }),
    after: (ms, wake) => timers.start(ms, wake),
  };
}

interface Timer {
  readonly dueMs: number;
  readonly wake: () => void;
  timeout: NodeJS.Timeout | undefined;
  /** It has fired, or was cancelled. */
  isOver: boolean;
}

class Timers {
  readonly #monoMs: () => number;
  /** Those that Node fired before their moment: few, and for a millisecond. */
  readonly #early = new Set<Timer>();

  constructor(monoMs: () => number) {
    this.#monoMs = monoMs;
  }

  start(ms: number, wake: () => void): () => void {
    const dueMs = this.#monoMs() + ms;
    const timer: Timer = { dueMs, wake, timeout: undefined, isOver: false };
    this.#wait(timer, Math.max(0, ms));
    return () => this.#end(timer);
  }

  #wait(timer: Timer, leftMs: number): void {
    const waitMs = Math.min(Math.ceil(leftMs), timeoutMsMax);
    timer.timeout = setTimeout(() => this.#check(timer), waitMs);
    timer.timeout.unref();
  }

  #check(timer: Timer): void {
    const leftMs = timer.dueMs - this.#monoMs();
    if (leftMs > 0) {
      if (leftMs < 1) this.#early.add(timer);
      this.#wait(timer, leftMs);
      return;
    }
    const before = [...this.#early].filter(({ dueMs }) => dueMs <= timer.dueMs);
    for (const due of [...before.sort((a, b) => a.dueMs - b.dueMs), timer]) {
      // One that fires may cancel the next.
      if (due.isOver) continue;
      this.#end(due);
      due.wake();
    }
  }

  #end(timer: Timer): void {
    timer.isOver = true;
    clearTimeout(timer.timeout);
    this.#early.delete(timer);
  }
}

function readBootId(): string {
  try {
    return readFileSync(bootIdPath, "utf8").trim();
  } catch {
    // No such file where there is no Linux: an id of our own compares with nobody's.
    return randomUUID();
  }
}
