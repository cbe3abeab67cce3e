// `sky launch --dryrun`: what a launch would do. It starts nothing, no head either: what becomes of
// the cluster is told where a head runs already.

import type { ClusterStatus } from "../../model/cluster.ts";
import { SkyError } from "../../model/errors.ts";
import { hintText } from "../../model/suggest.ts";
import { type Plan, planText } from "../dryrun.ts";
import { demandNothing } from "../task-file.ts";
import { noPools, poolsOf } from "./check-hosts.ts";
import { type ExitCode, exitCodes } from "./exit-codes.ts";
import type { Shell } from "./shell.ts";

/**
 * @throws SkyError `cluster/mismatch` where the task does not fit the cluster that is there;
 * `cloud/needed` behind the plan, if no enabled cloud can do it.
 */
export async function dryrun(shell: Shell, plan: Omit<Plan, "status">): Promise<ExitCode> {
  const { status, cloud } = await statusNow(shell, plan);
  const there = cloud === undefined ? { pools: await poolsFor(shell, plan) } : { cloud };
  shell.print(planText({ ...plan, status, ...there }));
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

/**
 * The pools whose hosts would be looked at. Nobody logs in to them here.
 * @throws SkyError `pools/invalid`; `pool/no-fit` where there is no such pool, or no host in any.
 */
async function poolsFor(
  shell: Shell,
  { task: { resources } }: Omit<Plan, "status">,
): Promise<NonNullable<Plan["pools"]>> {
  const { cloud, region } = resources;
  if (cloud !== "ssh") return [];
  const all = await poolsOf(shell);
  if (all.length === 0) throw new SkyError("pool/no-fit", { why: noPools(shell) });
  const names = all.map(({ name }) => name);
  const pools = all.filter(({ name }) => region === undefined || name === region);
  if (pools.length === 0) {
    const hint = hintText(region ?? "", names) || ` There are ${names.join(", ")}.`;
    throw new SkyError("pool/no-fit", { why: `there is no pool '${region}'.${hint}` });
  }
  return pools.map(({ name, hosts }) => ({ name, hosts: hosts.map((host) => host.name) }));
}

interface Fate {
  /** A sentence without a full stop. */
  readonly status: string;
  /** Of the cluster, if it is there. */
  readonly cloud?: string;
}

async function statusNow(shell: Shell, plan: Omit<Plan, "status">): Promise<Fate> {
  const [{ demandFit }, { runningHead }] = await Promise.all([
    import("../launch-plan.ts"),
    import("../doctor-head-os.ts"),
  ]);
  const head = await runningHead(shell.home);
  const known = (await head?.status([], shell.interrupt)) ?? [];
  head?.close();
  const found = known.find(({ name }) => name === plan.cluster);
  if (found === undefined) return { status: "a new one would be launched" };
  demandFit(found, plan.task);
  return { status: fates[found.status], cloud: found.cloud };
}
