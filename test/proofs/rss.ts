// What processes hold in memory, as the kernel counts it.
//
// The peak is the kernel's own high water mark: nothing between two looks is missed.
// Source: proc(5), /proc/PID/status (VmRSS, VmHWM) and clear_refs.

import { readFileSync, writeFileSync } from "node:fs";

export interface Rss {
  readonly nowMib: number;
  /** Since its start, or since `forgetPeak`. */
  readonly peakMib: number;
}

export function rssOf(pid: number): Rss {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const mib = (field: string): number => {
    const kib = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status)?.[1];
    if (kib === undefined) throw new Error(`process ${pid} has no ${field}`);
    return Number(kib) / 1_024;
  };
  return { nowMib: mib("VmRSS"), peakMib: mib("VmHWM") };
}

/** From here on its peak counts anew. */
export function forgetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
}
