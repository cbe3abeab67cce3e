// `sky launch`: bring a cluster up, or reuse it, and run a task on it.
//
// What is wrong with the request is found before anything is asked or started.

import { randomUUID } from "node:crypto";
import type { ClusterStatus, ClusterView, Isolation, NodeProgress } from "../../model/cluster.ts";
import { isSkyError } from "../../model/errors.ts";
import type { Task } from "../../model/task.ts";
import { checkedClusterName } from "../cluster-name.ts";
import type { IdleRule } from "../head.ts";
import type { LaunchResult, Watch } from "../launch.ts";
import { launchTask } from "../launch.ts";
import { untilUpBy } from "../until-up-os.ts";
import { userName } from "../world-os.ts";
import { type CliCommand, serverFlags, waitForFlags, yesFlag } from "./command.ts";
import { dryrun } from "./dryrun.ts";
import { readingOf, taskFromEntry, taskFromFlags, withPlace } from "./entry.ts";
import { type ExitCode, exitCodes } from "./exit-codes.ts";
import { type Flag, isSet, type Parsed, textFlag, wordsAt } from "./flags.ts";
import { withHostKeys } from "./host-keys.ts";
import { idleRuleOf, idleSecondsFlag, withFile } from "./idle.ts";
import { newName } from "./new-name.ts";
import { refuseReserved } from "./reserved.ts";
import type { Shell } from "./shell.ts";
import { sshHints, sshNamesAt } from "./ssh-hints.ts";
import { submitted } from "./submitted.ts";
import { commandText, commandTip, taskFlagTable } from "./task-flags.ts";
import { idleText } from "./times.ts";

/** When it stops by itself, and how long it is tried: launch and the interactive nodes. */
export const lifeFlags: readonly Flag[] = [
  {
    usage: "-i, --idle-minutes-to-autostop <MIN>",
    about: "Stop the cluster when idle so long: minutes, or 90s, 10m, 1h.",
  },
  idleSecondsFlag,
  ...waitForFlags,
  { usage: "--down", about: "Take the cluster down when idle, not only stop it." },
  { usage: "-r, --retry-until-up", about: "Try again and again until it is up; Ctrl-C ends it." },
];

/** Flags of SkyPilot's for what a local cluster has not. */
const cloudFlags: readonly Flag[] = [
  { usage: "--docker", about: "Run in a container here.", hidden: true, needsCloud: true },
  {
    usage: "--clone-disk-from <CLUSTER>",
    about: "Begin with the disk of another cluster.",
    hidden: true,
    needsCloud: true,
  },
  { usage: "--clone <CLUSTER>", about: "The same.", hidden: true, needsCloud: true },
];

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
    { usage: "-c, --cluster <CLUSTER>", about: "The cluster. Default: a new name." },
    ...taskFlagTable,
    { usage: "-d, --detach-run", about: "Submit and return: do not follow the log." },
    {
      usage: "-s, --detach-setup",
      about: "Setup is part of the job: always so, kept for scripts.",
    },
    { usage: "--no-setup", about: "Skip the task's setup." },
    { usage: "--fast", about: "Skip the setup where the cluster is up already." },
    ...lifeFlags,
    {
      usage: "--isolation <KIND>",
      about: "How local nodes run: embedded or process.",
      values: ["embedded", "process"],
    },
    { usage: "--dryrun", about: "Check everything, show what would happen, start nothing." },
    ...cloudFlags,
    ...serverFlags,
    yesFlag,
  ],
  run: async (shell, parsed) => {
    const cluster = checkedClusterName(textFlag(parsed, "cluster") ?? newName());
    refuseReserved(cluster, "launching a cluster called");
    const isNew = textFlag(parsed, "cluster") === undefined;
    const flagged = idleRuleOf(parsed);
    const words = wordsAt(parsed, 0);
    const task =
      (await taskFromEntry(shell, words, parsed)) ?? (await taskFromFlags(shell, parsed));
    const autostop = withFile(parsed, flagged, task.autostop);
    const plan = { cluster, task, ...(autostop === undefined ? {} : { autostop }) };
    if (isSet(parsed, "dryrun")) {
      const reading = readingOf(task);
      return dryrun(shell, { ...plan, ...(reading === undefined ? {} : { reading }) });
    }
    // A yes given ahead needs no look at the cluster, unless what happens depends on it.
    const looks = !isSet(parsed, "yes") || isSet(parsed, "fast");
    const status = looks && !isNew ? await statusOf(shell, cluster) : undefined;
    await askFirst(shell, parsed, { cluster, status });
    const noSetup = isSet(parsed, "fast") && status === "UP";
    const result = await broughtUpWith(shell, parsed, { ...plan, noSetup });
    if (autostop !== undefined) shell.say(endText(result, autostop));
    return launched(shell, result, parsed);
  },
};

interface Plan {
  readonly cluster: string;
  readonly task: Task;
  readonly autostop?: IdleRule;
  /** Beside `--no-setup`. */
  readonly noSetup: boolean;
}

/** A launch with everything that flags say of it. */
export async function broughtUpWith(
  shell: Shell,
  parsed: Parsed,
  { noSetup, ...plan }: Plan,
): Promise<LaunchResult> {
  const isolation = isolationOf(parsed);
  const order = {
    ...{ ...plan, noSetup: noSetup || parsed.flags["setup"] === false },
    ...(isolation === undefined ? {} : { isolation }),
    command: commandText(process.argv.slice(2)),
    user: userName(),
    idempotencyKey: randomUUID(),
  };
  const watching = watch(shell, parsed);
  let isUp = false;
  const onUp = (cluster: ClusterView): void => {
    isUp = true;
    watching.onUp?.(cluster);
  };
  const head = await shell.head();
  const launching = withHostKeys(shell, parsed, (trusted) => {
    const trustedHostKeys = trusted.length === 0 ? {} : { trustedHostKeys: trusted };
    return launchTask(head, { ...order, ...trustedHostKeys }, { ...watching, onUp });
  });
  return launching.catch((error: unknown) => {
    if (isUp && isForGood(error)) shell.say(`No job was submitted to ${plan.cluster}.`);
    throw withPlace(error, plan.task);
  });
}

/** Whether the head said no: after silence, or Ctrl-C, nobody knows what it took. */
function isForGood(error: unknown): boolean {
  return isSkyError(error) && error.remedy !== "retry" && error.code !== "core/cancelled";
}

/** What is shown of a launch or a start while it goes on. */
export function watch(shell: Shell, parsed: Parsed): Watch {
  return {
    signal: shell.interrupt,
    ...(isSet(parsed, "retryUntilUp") ? { untilUp: untilUpBy(shell.interrupt) } : {}),
    onProgress: ({ text }: NodeProgress): void => shell.progress(text),
    onUp: ({ name, nodes }: ClusterView): void => {
      const count = nodes.length === 1 ? "1 node" : `${nodes.length} nodes`;
      shell.progress(undefined);
      shell.say(`Cluster ${name} is up: ${count}.`);
    },
  };
}

async function launched(shell: Shell, result: LaunchResult, parsed: Parsed): Promise<ExitCode> {
  const { cluster, jobId } = result;
  if (jobId === undefined) {
    shell.print("Run commands not specified or empty.");
    sayHints(shell, cluster);
    return exitCodes.done;
  }
  const { name, nodes } = cluster;
  const job = { cluster: name, jobId, clusterNodes: nodes.length };
  const code = await submitted(shell, job, parsed);
  if (code !== exitCodes.interrupted) sayHints(shell, cluster);
  return code;
}

/** What becomes of a cluster that is armed: nobody sees it go who does not follow the job. */
function endText({ cluster: { name }, jobId }: LaunchResult, rule: IdleRule): string {
  const { idleSeconds, down } = rule;
  const time = idleSeconds === 0 ? "" : ` for ${idleText(idleSeconds * 1_000)}`;
  const after = jobId === undefined ? "" : ", after this job and what else is in its queue";
  const what = down ? "be taken down" : "stop";
  const keep = `To keep it: sky autostop ${name} --cancel`;
  return `Cluster ${name} will ${what} when it is idle${time}${after}. ${keep}`;
}

/** What can be done with a cluster that is up. Source: SkyPilot 0.3.0. */
function sayHints(shell: Shell, { name, nodes, cloud }: ClusterView): void {
  shell.say(`\nCluster name: ${name}`);
  if (cloud === "local") {
    const hasDevices = nodes.some(({ capacity }) =>
      capacity.accelerators.some(({ count }) => count > 0),
    );
    shell.say(`To open a shell on its head:  sky ${hasDevices ? "gpunode" : "cpunode"} -c ${name}`);
  } else {
    const known = sshNamesAt(shell.home, name);
    for (const line of sshHints(known, { name, nodes })) shell.say(line);
  }
  shell.say(`To submit a job:              sky exec ${name} yaml_file`);
  shell.say(`To stop the cluster:          sky stop ${name}`);
  shell.say(`To take the cluster down:     sky down ${name}`);
}

/** `undefined`: there is no such cluster. */
async function statusOf(shell: Shell, cluster: string): Promise<ClusterStatus | undefined> {
  const known = await (await shell.head()).status([], shell.interrupt);
  return known.find(({ name }) => name === cluster)?.status;
}

interface Found {
  readonly cluster: string;
  readonly status: ClusterStatus | undefined;
}

/** No question where the cluster is up: nothing new is begun. Source: SkyPilot 0.3.0. */
export async function askFirst(
  shell: Shell,
  parsed: Parsed,
  { cluster, status }: Found,
): Promise<void> {
  if (status === "UP" || status === "INIT") {
    shell.say(`Running task on cluster ${cluster}...`);
    return;
  }
  const question =
    status === undefined
      ? `Launching a new cluster '${cluster}'. Proceed?`
      : `Restarting the stopped cluster '${cluster}'. Proceed?`;
  if (isSet(parsed, "yes")) return;
  if (!(await shell.confirm(question))) throw new Error("Aborted.");
}

/** The table of flags has made sure of its values. */
function isolationOf(parsed: Parsed): Isolation | undefined {
  const text = textFlag(parsed, "isolation");
  return text === "embedded" || text === "process" ? text : undefined;
}
