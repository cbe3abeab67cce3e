// The clock over the operating system.
//
// The monotonic reading is CLOCK_MONOTONIC, so that two processes of one boot can compare theirs;
// `performance.now()` alone counts from the start of the process. It stands still while a machine
// is suspended. Where the boot has no id (not Linux) one is made up for this process: readings of
// two processes are then never compared, which is safe.
//
// Node's timers hold 31 bits of milliseconds and may fire up to a millisecond early; longer waits
// are split and early ones are waited out. Source: nodejs.org/api/timers.html, `setTimeout`.

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
  return {
    now: () => ({ wallMs: Date.now(), monoMs: monoMs(), bootId }),
    after: (ms, wake) => startTimer(monoMs, ms, wake),
  };
}

function startTimer(monoMs: () => number, ms: number, wake: () => void): () => void {
  const dueMs = monoMs() + ms;
  let timeout: NodeJS.Timeout;
  const wait = (leftMs: number): void => {
    timeout = setTimeout(check, Math.min(Math.ceil(leftMs), timeoutMsMax));
    timeout.unref();
  };
  const check = (): void => {
    const leftMs = dueMs - monoMs();
    if (leftMs <= 0) wake();
    else wait(leftMs);
  };
  wait(Math.max(0, ms));
  return () => clearTimeout(timeout);
}

function readBootId(): string {
  try {
    return readFileSync(bootIdPath, "utf8").trim();
  } catch {
    // No such file where there is no Linux: an id of our own compares with nobody's.
    return randomUUID();
  }
}
