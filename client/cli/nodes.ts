// `sky cpunode`, `gpunode`, `tpunode`: a cluster of one node to work on by hand. The first time it
// is launched, later it is there; each time a shell is opened on it.
// Source of names, defaults and rules: SkyPilot 0.3.0.

import type { ClusterView } from "../../model/cluster.ts";
import { SkyError } from "../../model/errors.ts";
import type { Task } from "../../model/task.ts";
import { checkedClusterName } from "../cluster-name.ts";
import type { IdleRule } from "../head.ts";
import { broughtUp } from "../launch.ts";
import { userName } from "../world-os.ts";
import { attach } from "./attach.ts";
import { type CliCommand, yesFlag } from "./command.ts";
import { taskFromFlags } from "./entry.ts";
import { type ExitCode, WrongUse } from "./exit-codes.ts";
import { type Flag, isSet, longName, type Parsed, textFlag, textsFlag } from "./flags.ts";
import { idleRuleOf } from "./idle.ts";
import { askFirst, broughtUpWith, lifeFlags, watch } from "./launch.ts";
import { nodeName } from "./new-name.ts";
import { refuseReserved } from "./reserved.ts";
import type { Shell } from "./shell.ts";
import { commandText, taskFlagTable } from "./task-flags.ts";

type Kind = "cpunode" | "gpunode";

/** What a gpunode has that asks for nothing. Source: SkyPilot 0.3.0. */
const defaultGpus = "K80:1";

/** Those of a task's flags that say what the machine should be. */
const machineFlags = ["--cpus", "--memory", "--cloud", "--infra", "--region", "--zone"].concat([
  ...["--instance-type", "--disk-size", "--disk-tier", "--use-spot", "--no-use-spot"],
]);

function flagsOf(names: readonly string[]): readonly Flag[] {
  return taskFlagTable.filter((flag) => names.includes(longName(flag)));
}

const sshFlags: readonly Flag[] = [
  {
    usage: "-p, --port-forward <PORT>",
    about: "Reach a port of the node here: by SSH, on a cloud.",
    repeated: true,
  },
  { usage: "--screen", about: "Attach to a screen session: by SSH, on a cloud." },
  { usage: "--tmux", about: "Attach to a tmux session: by SSH, on a cloud." },
];

const nodeFlags: readonly Flag[] = [
  { usage: "-c, --cluster <CLUSTER>", about: "The cluster. Default: sky-KIND-USER." },
  ...flagsOf(machineFlags),
  ...lifeFlags,
  ...sshFlags,
  yesFlag,
];

export const cpunode: CliCommand = {
  name: "cpunode",
  args: "",
  about: "Launch a node, or find it again, and open a shell on it.",
  examples: ["sky cpunode", "sky cpunode -c dev --cpus 2 -i 1h"],
  flags: nodeFlags,
  run: (shell, parsed) => openNode(shell, parsed, "cpunode"),
};

export const gpunode: CliCommand = {
  name: "gpunode",
  args: "",
  about: "The same with accelerators.",
  examples: ["sky gpunode --gpus V100:1", "sky gpunode -c dev --gpus V100:1 -i 30m --down"],
  flags: [...flagsOf(["--gpus"]), ...nodeFlags],
  run: (shell, parsed) => openNode(shell, parsed, "gpunode"),
};

export const tpunode: CliCommand = {
  name: "tpunode",
  args: "",
  about: "The same with TPUs: needs a cloud.",
  examples: ["sky tpunode --tpus tpu-v2-8"],
  flags: [
    { usage: "--tpus <NAME>", about: "The TPU: tpu-v2-8 and others." },
    { usage: "--tpu-vm", about: "A TPU VM, not a TPU node." },
    ...nodeFlags,
  ],
  run: async (_shell, parsed) => {
    checkedName(parsed, "tpunode");
    checkSshFlags(parsed);
    const tpu = textFlag(parsed, "tpus") ?? "tpu-v2-8";
    const problems = `sky tpunode (${tpu}) needs a cloud: see \`sky check\``;
    throw new SkyError("cloud/needed", { problems });
  },
};

async function openNode(shell: Shell, parsed: Parsed, kind: Kind): Promise<ExitCode> {
  const cluster = checkedName(parsed, kind);
  checkSshFlags(parsed);
  const autostop = idleRuleOf(parsed);
  const asked = { ...parsed, flags: { ...gpusOf(parsed, kind), ...parsed.flags } };
  const task = await taskFromFlags(shell, asked);
  const head = await shell.head();
  const known = await head.status([], shell.interrupt);
  const found = known.find(({ name }) => name === cluster);
  if (found !== undefined) checkFits(found, parsed, { kind, task });
  const plan = { cluster, task, ...(autostop === undefined ? {} : { autostop }) };
  const view =
    found === undefined
      ? await launchedAnew(shell, parsed, plan)
      : await upAgain(shell, parsed, { found, ...(autostop === undefined ? {} : { autostop }) });
  return attach(shell, view, { kind });
}

function checkedName(parsed: Parsed, kind: string): string {
  const name = checkedClusterName(textFlag(parsed, "cluster") ?? nodeName(kind));
  refuseReserved(name, "a node called");
  return name;
}

function gpusOf(parsed: Parsed, kind: Kind): { readonly gpus?: string } {
  return kind === "gpunode" ? { gpus: textFlag(parsed, "gpus") ?? defaultGpus } : {};
}

/** @throws WrongUse for what is wrong in itself; SkyError `cloud/needed` for the others. */
function checkSshFlags(parsed: Parsed): void {
  const ports = textsFlag(parsed, "portForward");
  const wrong = ports.find((port) => !/^\d{1,5}$/.test(port) || Number(port) > 65_535);
  if (wrong !== undefined || ports.some((port) => Number(port) === 0)) {
    throw new WrongUse(`--port-forward should be a port from 1 to 65535, not '${wrong ?? "0"}'`);
  }
  const sessions = ["screen", "tmux"].filter((name) => isSet(parsed, name));
  if (sessions.length > 1) throw new WrongUse("--screen and --tmux exclude each other");
  const names = [...ports.slice(0, 1).map(() => "port-forward"), ...sessions];
  if (names.length === 0) return;
  const [verb, them] = names.length === 1 ? ["needs", "it goes"] : ["need", "they go"];
  const flags = names.map((name) => `--${name}`).join(", ");
  const problems = `${flags} ${verb} a cloud, ${them} over SSH: see \`sky check\``;
  throw new SkyError("cloud/needed", { problems });
}

interface Wish {
  readonly kind: Kind;
  readonly task: Task;
}

/** An existing cluster is of the right kind and has what the flags ask for. @throws WrongUse. */
function checkFits(found: ClusterView, parsed: Parsed, { kind, task }: Wish): void {
  const capacity = found.nodes[0]?.capacity;
  const devices = capacity?.accelerators ?? [];
  const hasSome = devices.some(({ count }) => count > 0);
  const is: Kind = hasSome ? "gpunode" : "cpunode";
  if (is !== kind) {
    const what = hasSome ? "has accelerators" : "has no accelerators";
    throw new WrongUse(`cluster '${found.name}' ${what}: use sky ${is} -c ${found.name}`);
  }
  const { cpus, memoryGb, accelerators } = task.resources;
  const wants = textFlag(parsed, "gpus") === undefined ? undefined : accelerators;
  const given = devices.find(({ name }) => name === wants?.name)?.count ?? 0;
  const lacks = [
    cpus !== undefined && cpus.amount > (capacity?.cpus ?? 0) && `--cpus ${cpus.amount}`,
    memoryGb !== undefined &&
      memoryGb.amount * 2 ** 30 > (capacity?.memoryBytes ?? 0) &&
      `--memory ${memoryGb.amount}`,
    wants !== undefined && wants.count > given && `--gpus ${wants.name}:${wants.count}`,
  ].filter((text) => text !== false);
  if (lacks.length === 0) return;
  const has = `cluster '${found.name}' has ${found.resources}`;
  throw new WrongUse(`${has}, which does not fit ${lacks.join(", ")}: give another name with -c`);
}

interface Plan {
  readonly cluster: string;
  readonly task: Task;
  readonly autostop?: IdleRule;
}

async function launchedAnew(shell: Shell, parsed: Parsed, plan: Plan): Promise<ClusterView> {
  await askFirst(shell, parsed, { cluster: plan.cluster, status: undefined });
  return (await broughtUpWith(shell, parsed, { ...plan, noSetup: true })).cluster;
}

interface Again {
  readonly found: ClusterView;
  readonly autostop?: IdleRule;
}

/** What is up stays as it is, but the flags of autostop hold; what is not is started as it was. */
async function upAgain(
  shell: Shell,
  parsed: Parsed,
  { found, ...armed }: Again,
): Promise<ClusterView> {
  const { name: cluster, status } = found;
  const head = await shell.head();
  if (status === "UP") {
    const { autostop } = armed;
    if (autostop !== undefined) await head.setAutostop(cluster, autostop, shell.interrupt);
    return found;
  }
  await askFirst(shell, parsed, { cluster, status });
  const wanted = { cluster, force: false, user: userName(), ...armed };
  const command = commandText(process.argv.slice(2));
  return broughtUp(() => head.start({ ...wanted, command }, shell.interrupt), watch(shell, parsed));
}
