// `sky launch`: bring a cluster up, or reuse it, and run a task on it.
//
// What is wrong with the request is found before anything is asked or started.

import { randomBytes, randomUUID } from "node:crypto";
import type { ClusterView, Isolation, NodeProgress } from "../../model/cluster.ts";
import { SkyError } from "../../model/errors.ts";
import type { Task } from "../../model/task.ts";
import { checkedClusterName } from "../cluster-name.ts";
import type { IdleRule } from "../head.ts";
import type { LaunchResult } from "../launch.ts";
import { hasNothingToDo, launchTask } from "../launch.ts";
import { userName } from "../world-os.ts";
import { idleSecondsOf } from "./autostop.ts";
import { type CliCommand, yesFlag } from "./command.ts";
import { taskFromEntry, taskFromFlags, withPlace } from "./entry.ts";
import type { ExitCode } from "./exit-codes.ts";
import { exitCodes } from "./exit-codes.ts";
import { isSet, type Parsed, textFlag, wordsAt } from "./flags.ts";
import { followJob } from "./follow.ts";
import type { Shell } from "./shell.ts";
import { commandText, commandTip, taskFlagTable } from "./task-flags.ts";

export const launch: CliCommand = {
  name: "launch",
  args: "[ENTRYPOINT...]",
  about: "Bring a cluster up, or reuse it, and run a task (a YAML file or a command).",
  examples: [
    "sky launch -c demo task.yaml",
    "sky launch -y -c demo --num-nodes 4 --cpus 2 'hostname'",
    "sky launch -c demo --gpus V100:1 --down -i 10 train.yaml",
  ],
  tip: commandTip,
  flags: [
    { usage: "-c, --cluster <NAME>", about: "The cluster. Default: a new name." },
    ...taskFlagTable,
    { usage: "-d, --detach-run", about: "Submit and return: do not follow the log." },
    {
      usage: "-s, --detach-setup",
      about: "Setup is part of the job: always so, kept for scripts.",
    },
    { usage: "--no-setup", about: "Skip the task's setup." },
    { usage: "-i, --idle-minutes-to-autostop <MIN>", about: "Stop the cluster when idle so long." },
    { usage: "--idle-seconds <S>", about: "The same in seconds." },
    { usage: "--down", about: "Take the cluster down when idle, not only stop it." },
    { usage: "--isolation <KIND>", about: "How local nodes run: embedded or process." },
    { usage: "--dryrun", about: "Check everything and start nothing." },
    yesFlag,
  ],
  run: async (shell, parsed) => {
    const cluster = checkedClusterName(textFlag(parsed, "cluster") ?? newName());
    const autostop = idleRuleOf(parsed);
    const isolation = isolationOf(parsed);
    const words = wordsAt(parsed, 0);
    const task = (await taskFromEntry(shell, words, parsed)) ?? taskFromFlags(shell, parsed);
    if (isSet(parsed, "dryrun")) return dryrun(shell, cluster, task);
    if (!isSet(parsed, "yes")) await askFirst(shell, cluster);
    const order = {
      ...{ cluster, task, noSetup: parsed.flags["setup"] === false },
      ...(autostop === undefined ? {} : { autostop }),
      ...(isolation === undefined ? {} : { isolation }),
      command: commandText(process.argv.slice(2)),
      user: userName(),
      idempotencyKey: randomUUID(),
    };
    const launching = launchTask(await shell.head(), order, watch(shell));
    const result = await launching.catch((error: unknown) => {
      throw withPlace(error, task);
    });
    return launched(shell, result, parsed);
  },
};

function watch(shell: Shell) {
  let last = "";
  return {
    signal: shell.interrupt,
    onProgress: ({ text }: NodeProgress): void => {
      if (text !== last) shell.say(text);
      last = text;
    },
    onUp: ({ name, nodes }: ClusterView): void => {
      const count = nodes.length === 1 ? "1 node" : `${nodes.length} nodes`;
      shell.say(`Cluster ${name} is up: ${count}.`);
    },
  };
}

async function launched(shell: Shell, result: LaunchResult, parsed: Parsed): Promise<ExitCode> {
  const { cluster, jobId } = result;
  if (jobId === undefined) {
    shell.print("Run commands not specified or empty.");
    return exitCodes.done;
  }
  return submitted(
    shell,
    { cluster: cluster.name, jobId, clusterNodes: cluster.nodes.length },
    parsed,
  );
}

export interface Submitted {
  readonly cluster: string;
  readonly jobId: number;
  readonly clusterNodes: number;
}

/** What launch and exec do once there is a job: follow it, unless told not to. */
export async function submitted(
  shell: Shell,
  { cluster, jobId, clusterNodes }: Submitted,
  parsed: Parsed,
): Promise<ExitCode> {
  shell.print(`Job submitted with Job ID: ${jobId}`);
  if (isSet(parsed, "detachRun")) {
    shell.say(`To see its log:  sky logs ${cluster} ${jobId}`);
    shell.say(`To cancel it:    sky cancel ${cluster} ${jobId}`);
    return exitCodes.done;
  }
  return followJob(shell, { cluster, job: jobId, follow: true, tailLines: 0, clusterNodes });
}

function dryrun(shell: Shell, cluster: string, task: Task): ExitCode {
  const { numNodes, resources, name } = task;
  const { cpus, memoryGb, accelerators } = resources;
  const parts = [
    cpus && `cpus=${cpus.amount}`,
    memoryGb && `memory=${memoryGb.amount}GB`,
    accelerators && `${accelerators.name}:${accelerators.count}`,
  ].filter((part) => part !== undefined);
  const shape = `${numNodes}x Local(${parts.join(", ")})`;
  const what = hasNothingToDo(task, false) ? "nothing to run" : `task ${name ?? "-"}`;
  shell.print(`Cluster ${cluster}: ${shape}, ${what}.`);
  shell.print("Dryrun finished.");
  return exitCodes.done;
}

/** No question where the cluster is up: nothing new is begun. */
async function askFirst(shell: Shell, cluster: string): Promise<void> {
  const head = await shell.head();
  const known = await head.status([], shell.interrupt);
  const status = known.find(({ name }) => name === cluster)?.status;
  if (status === "UP" || status === "INIT") {
    shell.say(`Running task on cluster ${cluster}...`);
    return;
  }
  const question =
    status === undefined
      ? `Launching a new cluster '${cluster}'. Proceed?`
      : `Restarting the stopped cluster '${cluster}'. Proceed?`;
  if (!(await shell.confirm(question))) throw new Error("Aborted.");
}

function idleRuleOf(parsed: Parsed): IdleRule | undefined {
  const idleSeconds = idleSecondsOf(parsed, "idleMinutesToAutostop");
  const down = isSet(parsed, "down");
  if (idleSeconds === undefined && !down) return undefined;
  return { idleSeconds: idleSeconds ?? 0, down };
}

function isolationOf(parsed: Parsed): Isolation | undefined {
  const text = textFlag(parsed, "isolation");
  if (text === undefined || text === "embedded" || text === "process") return text;
  const why = `should be embedded or process, not '${text}'`;
  throw new SkyError("request/invalid", { field: "--isolation", why });
}

/** As SkyPilot names them: `sky-<4hex>-<user>`. */
function newName(): string {
  const user = userName()
    .toLowerCase()
    .replace(/[^a-z0-9-]/g, "")
    .replace(/-+$/, "");
  return `sky-${randomBytes(2).toString("hex")}-${user === "" ? "user" : user}`;
}
