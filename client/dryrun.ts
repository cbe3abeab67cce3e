// What a launch would do, as text: the cluster, what its nodes have and why, the files that would
// arrive, and what would run.
//
// Pure: the command adds what becomes of a cluster that is there already.

import type { Task } from "../model/task.ts";
import type { Wanted } from "../model/wanted.ts";
import type { IdleRule } from "./head.ts";
import { hasNothingToDo } from "./launch.ts";
import { wishText } from "./task-accelerator.ts";
import type { Choice } from "./task-choice.ts";
import { cloudTitle } from "./task-clouds.ts";
import type { ReadTask } from "./task-file.ts";

export interface Plan {
  readonly cluster: string;
  readonly task: Task;
  /** What a flag of the command says, in place of what the task says. */
  readonly autostop?: IdleRule;
  /** Absent where the task was not read from a file or a command. */
  readonly reading?: ReadTask;
  /** What becomes of the cluster: a sentence without a full stop. */
  readonly status: string;
  /** Of the cluster that is there; absent for a new one. */
  readonly cloud?: string;
  /** Whose hosts may become its nodes, where they are the user's own. */
  readonly pools?: readonly { readonly name: string; readonly hosts: readonly string[] }[];
}

/** Lines without a final newline. */
export function planText(plan: Plan): string {
  const { cluster, task } = plan;
  const what = hasNothingToDo(task, false) ? "nothing to run" : `task ${task.name ?? "-"}`;
  const rows = rowsOf(plan).filter((row): row is readonly [string, string] => {
    return row[1] !== undefined && row[1] !== "";
  });
  return [
    `Cluster ${cluster}: ${shapeText(plan)}, ${what}.`,
    ...rows.map(([title, text]) => `  ${title.padEnd(9)}  ${text}`),
  ].join("\n");
}

type Row = readonly [title: string, text: string | undefined];

function rowsOf({
  task,
  autostop = task.autostop,
  reading,
  status,
  pools = [],
}: Plan): readonly Row[] {
  const { workdir, fileMounts = [], envs, secrets, config } = task;
  const names = [...Object.keys(envs), ...Object.keys(secrets).map((name) => `${name} (secret)`)];
  const stop = autostop && `after ${secondsText(autostop.idleSeconds)} idle`;
  return [
    ["cluster", status],
    ...pools.map(({ name, hosts }): Row => ["pool", `${name}: ${hosts.join(", ")}`]),
    ...choiceRows(reading?.choice),
    ["workdir", workdir && `${workdir} -> ~/sky_workdir`],
    ...fileMounts.map((mount): Row => ["files", `${mount.source} -> ${mount.destination}`]),
    ...(reading?.buckets ?? []).map(
      (mount): Row => ["bucket", `${mount.source} -> ${mount.destination}`],
    ),
    ["variables", names.join(", ")],
    ["setup", task.setup && scriptText(task.setup)],
    ["run", task.run && scriptText(task.run)],
    ["timeout", timeText(task.timeoutMs)],
    ["priority", task.priority === 0 ? undefined : String(task.priority)],
    ["restarts", task.maxRestarts === 0 ? undefined : `at most ${task.maxRestarts}`],
    ["grace", timeText(config?.graceMs)],
    ["lease", timeText(config?.leaseMs)],
    [autostop?.down === true ? "autodown" : "autostop", stop],
    ...(reading?.notes ?? []).map(({ what }): Row => ["note", what]),
  ];
}

/** `2x Local(cpus=4)`, or what is wished where no enabled cloud can do it. */
function shapeText({ task, reading, cloud: there }: Plan): string {
  const { choice } = reading ?? {};
  const wish = choice?.wishes[choice.taken ?? 0];
  const { cloud, ...wanted } = wish?.wanted ?? {};
  const isFar = choice !== undefined && choice.taken === undefined;
  const name = isFar ? (cloud ?? "any cloud") : cloudTitle(there ?? choice?.cloud ?? "local");
  return `${task.numNodes}x ${name}(${partsOf(wanted, isFar).join(", ")})`;
}

function choiceRows(choice: Choice | undefined): readonly Row[] {
  if (choice === undefined || choice.wishes.length < 2) return [];
  const how = { one: "", "any-of": "any of these", ordered: "the first of these" }[choice.kind];
  return choice.wishes.map((wish, index): Row => {
    const text = partsOf(wish.wanted, true).join(", ");
    const shown = text === "" ? "anything" : text;
    if (index === choice.taken) {
      return ["resources", `${shown}: taken, ${how} that ${choice.cloud ?? "a cloud"} can do`];
    }
    const lacks = wish.lacks.join(", ");
    return ["resources", `${shown}: ${lacks === "" ? "not needed" : `needs a cloud (${lacks})`}`];
  });
}

function partsOf(wanted: Wanted, isWhole: boolean): readonly string[] {
  const { cpus, memory, accelerators } = wanted;
  const place = [wanted.cloud, wanted.region, wanted.zone].filter((part) => part !== undefined);
  return [
    ...(isWhole && place.length > 0 ? [place.join("/")] : []),
    ...(wanted.instance_type === undefined ? [] : [wanted.instance_type]),
    ...(cpus === undefined ? [] : [`cpus=${cpus.amount}`]),
    ...(memory === undefined ? [] : [`memory=${memory.amount}GB`]),
    ...(accelerators === undefined ? [] : [wishText(accelerators)]),
    ...(wanted.use_spot === true ? ["spot"] : []),
  ];
}

/** Of a script: its first line, cut, in characters. */
const scriptWidth = 60;

function scriptText(script: string): string {
  const [first = "", ...more] = script.trim().split("\n");
  const cut = first.length > scriptWidth ? `${first.slice(0, scriptWidth - 1)}…` : first;
  return more.length === 0 ? cut : `${cut} (and ${more.length} more lines)`;
}

function timeText(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : secondsText(ms / 1_000);
}

/** `1h30m`, `90s`: the largest units, none that is 0. */
function secondsText(seconds: number): string {
  const whole = Math.floor(seconds);
  const parts = [
    [Math.floor(whole / 86_400), "d"],
    [Math.floor(whole / 3_600) % 24, "h"],
    [Math.floor(whole / 60) % 60, "m"],
    [(whole % 60) + (seconds - whole), "s"],
  ] as const;
  const text = parts.map(([count, unit]) => (count === 0 ? "" : `${count}${unit}`)).join("");
  return text === "" ? "0s" : text;
}
