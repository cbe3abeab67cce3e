// `sky launch --dryrun`: what a launch would do. It starts nothing, no head either: what becomes of
// the cluster is told where a head runs already.

import type { ClusterStatus } from "../../model/cluster.ts";
import { type Plan, planText } from "../dryrun.ts";
import { demandNothing } from "../task-file.ts";
import { type ExitCode, exitCodes } from "./exit-codes.ts";
import type { Shell } from "./shell.ts";

/**
 * @throws SkyError `cluster/mismatch` where the task does not fit the cluster that is there;
 * `cloud/needed` behind the plan, if no enabled cloud can do it.
 */
export async function dryrun(shell: Shell, plan: Omit<Plan, "status">): Promise<ExitCode> {
  const status = await statusNow(shell, plan);
  shell.print(planText({ ...plan, status }));
  demandNothing(plan.reading?.needs ?? []);
  shell.print("Dryrun finished.");
  return exitCodes.done;
}

const fates: Readonly<Record<ClusterStatus, string>> = {
  INIT: "it is not up (INIT): it would be brought up",
  UP: "it is UP: it would be used as it is",
  STOPPING: "it is STOPPING: it would be started again",
  STOPPED: "it is STOPPED: it would be started again",
};

async function statusNow(shell: Shell, plan: Omit<Plan, "status">): Promise<string> {
  const [{ demandFit }, { runningHead }] = await Promise.all([
    import("../launch-plan.ts"),
    import("../doctor-head-os.ts"),
  ]);
  const head = await runningHead(shell.home);
  const known = (await head?.status([], shell.interrupt)) ?? [];
  head?.close();
  const found = known.find(({ name }) => name === plan.cluster);
  if (found === undefined) return "a new one would be launched";
  demandFit(found, plan.task);
  return fates[found.status];
}
