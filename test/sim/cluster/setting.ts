// What all parts of a simulated cluster agree on: its name, where logs go, how long things take.

import type { SchedulerOptions } from "../../../scheduler/table.ts";

export const clusterName = "demo";
export const logTarget = { host: "head", port: 0 };

/** Shorter than in production, so that a minute holds many of them. */
export const schedulerOptions: Partial<SchedulerOptions> = {
  ...{ graceMs: 2_000, prepareMs: 6_000, prepareMaxMs: 30_000, drainMs: 20_000 },
  ...{ reconcileMs: 1_000, pauseMs: 500, shunMs: 1_000, pauseMaxMs: 8_000, leaseMs: 10_000 },
};
