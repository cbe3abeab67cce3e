// `sky launch --dryrun`: what a launch would do. It starts nothing, no head either: what becomes of
// the cluster is told where a head runs already.

import type { ClusterStatus } from "../../model/cluster.ts";
import type { Task } from "../../model/task.ts";
import type { IdleRule } from "../head.ts";
import { hasNothingToDo } from "../launch.ts";
import { type ExitCode, exitCodes } from "./exit-codes.ts";
import type { Shell } from "./shell.ts";
import { truncated } from "./table.ts";
import { idleText } from "./times.ts";

/** Of a script: its first line, cut. */
const scriptWidth = 60;

export interface Plan {
  readonly cluster: string;
  readonly task: Task;
  readonly autostop?: IdleRule;
}

export async function dryrun(shell: Shell, plan: Plan): Promise<ExitCode> {
  const { cluster, task } = plan;
  const what = hasNothingToDo(task, false) ? "nothing to run" : `task ${task.name ?? "-"}`;
  shell.print(`Cluster ${cluster}: ${shapeText(task)}, ${what}.`);
  const status = await statusNow(shell, cluster);
  const rows = [["cluster", status], ...rowsOf(plan)];
  for (const [title = "", text = ""] of rows) shell.print(`  ${title.padEnd(9)}  ${text}`);
  shell.print("Dryrun finished.");
  return exitCodes.done;
}

function shapeText({ numNodes, resources }: Task): string {
  const { cpus, memoryGb, accelerators } = resources;
  const parts = [
    cpus && `cpus=${cpus.amount}`,
    memoryGb && `memory=${memoryGb.amount}GB`,
    accelerators && `${accelerators.name}:${accelerators.count}`,
  ].filter((part) => part !== undefined);
  return `${numNodes}x Local(${parts.join(", ")})`;
}

function rowsOf({ task, autostop }: Plan): readonly (readonly [string, string])[] {
  const { workdir, fileMounts = [], envs, secrets, setup, run } = task;
  const names = [...Object.keys(envs), ...Object.keys(secrets).map((name) => `${name} (secret)`)];
  const stop = autostop && `${idleText(autostop.idleSeconds * 1_000)} idle`;
  const rows: readonly (readonly [string, string | undefined])[] = [
    ["workdir", workdir && `${workdir} -> ~/sky_workdir`],
    ...fileMounts.map((mount) => ["files", `${mount.source} -> ${mount.destination}`] as const),
    ["variables", names.length === 0 ? undefined : names.join(", ")],
    ["setup", setup && scriptText(setup)],
    ["run", run && scriptText(run)],
    [autostop?.down === true ? "autodown" : "autostop", stop],
  ];
  return rows.flatMap(([title, text]) =>
    text === undefined || text === "" ? [] : [[title, text]],
  );
}

function scriptText(script: string): string {
  const [first = "", ...more] = script.trim().split("\n");
  const rest = more.length === 0 ? "" : ` (and ${more.length} more lines)`;
  return `${truncated(first, scriptWidth)}${rest}`;
}

const fates: Readonly<Record<ClusterStatus, string>> = {
  INIT: "it is not up (INIT): it would be brought up",
  UP: "it is UP: it would be used as it is",
  STOPPING: "it is STOPPING: it would be started again",
  STOPPED: "it is STOPPED: it would be started again",
};

async function statusNow(shell: Shell, cluster: string): Promise<string> {
  const { runningHead } = await import("../doctor-head-os.ts");
  const head = await runningHead(shell.home);
  const known = (await head?.status([], shell.interrupt)) ?? [];
  head?.close();
  const found = known.find(({ name }) => name === cluster);
  return found === undefined ? "a new one would be launched" : fates[found.status];
}
