// A task file, a task object and the flags of a command: text or value in, a `Task` out, or every
// problem at once. Pure: the one thing it must ask of the machine (is the workdir a folder?) is
// passed in. Nothing else in the client makes a `Task`.
//
// The order of layers: the file's fields, then the command's flags in place of them; a flag's
// `none` takes the file's value away.

import { SkyError } from "../model/errors.ts";
import type { Task } from "../model/task.ts";
import type { Problem } from "./problem.ts";
import { problemsText } from "./problem.ts";
import type { TaskWorld } from "./task-fields.ts";
import { readTask } from "./task-fields.ts";
import type { Entry, Tree } from "./task-tree.ts";
import { overlaid, treeOf, treeOfFlag, without } from "./task-tree.ts";

export type TaskReading =
  | { readonly ok: true; readonly task: Task; readonly notes: readonly Problem[] }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Flags that stand in the place of a task's fields, as the user typed them. */
export interface TaskFlags {
  readonly name?: string;
  readonly workdir?: string;
  readonly numNodes?: string;
  readonly cloud?: string;
  readonly infra?: string;
  readonly region?: string;
  readonly zone?: string;
  readonly cpus?: string;
  readonly memory?: string;
  readonly gpus?: string;
  readonly instanceType?: string;
  readonly imageId?: string;
  readonly diskSize?: string;
  readonly useSpot?: boolean;
  readonly envs?: readonly NamedValue[];
  readonly secrets?: readonly NamedValue[];
}

export interface NamedValue {
  readonly name: string;
  readonly value: string;
}

/** Where each flag goes. `none` resets where SkyPilot lets it. */
const flagFields = {
  name: { flag: "--name", path: ["name"], none: false },
  workdir: { flag: "--workdir", path: ["workdir"], none: false },
  numNodes: { flag: "--num-nodes", path: ["num_nodes"], none: false },
  cloud: { flag: "--cloud", path: ["resources", "cloud"], none: true },
  infra: { flag: "--infra", path: ["resources", "infra"], none: true },
  region: { flag: "--region", path: ["resources", "region"], none: true },
  zone: { flag: "--zone", path: ["resources", "zone"], none: true },
  cpus: { flag: "--cpus", path: ["resources", "cpus"], none: true },
  memory: { flag: "--memory", path: ["resources", "memory"], none: true },
  gpus: { flag: "--gpus", path: ["resources", "accelerators"], none: true },
  instanceType: { flag: "--instance-type", path: ["resources", "instance_type"], none: true },
  imageId: { flag: "--image-id", path: ["resources", "image_id"], none: true },
  diskSize: { flag: "--disk-size", path: ["resources", "disk_size"], none: false },
} as const satisfies Partial<Record<keyof TaskFlags, FlagField>>;

interface FlagField {
  readonly flag: string;
  readonly path: readonly [string] | readonly [string, string];
  readonly none: boolean;
}

/** Validates a tree with the flags laid over it. */
export function taskOf(tree: Tree, flags: TaskFlags, world: TaskWorld): TaskReading {
  const reading = { problems: [], notes: [], world };
  const task = readTask(withFlags(tree, flags), reading);
  const { problems, notes } = reading;
  return problems.length > 0 ? { ok: false, problems } : { ok: true, task, notes };
}

/** A task in the YAML's shape, from a program. @throws SkyError `task/invalid`. */
export function taskFromSpec(spec: unknown, path: string, world: TaskWorld): Task {
  if (typeof spec !== "object" || spec === null) {
    const problems = `${path}: should be an object with the fields of a task, not ${typeof spec}`;
    throw new SkyError("task/invalid", { problems: spec === null ? `${path}: is null` : problems });
  }
  return taskOrThrow(taskOf(treeOf(spec, path), {}, world));
}

/** @throws SkyError `task/invalid` with all problems in its text. */
export function taskOrThrow(reading: TaskReading): Task {
  if (reading.ok) return reading.task;
  throw new SkyError("task/invalid", { problems: problemsText(reading.problems) });
}

function withFlags(tree: Tree, flags: TaskFlags): Tree {
  let laid = tree;
  for (const key of Object.keys(flagFields) as (keyof typeof flagFields)[]) {
    const text = flags[key];
    const row: FlagField = flagFields[key];
    if (text === undefined) continue;
    const resets = row.none && text.toLowerCase() === "none";
    laid = resets ? without(laid, row.path) : overlaid(laid, [entryAt(row, text)]);
  }
  if (flags.useSpot !== undefined) laid = withUseSpot(laid, flags.useSpot);
  return withVariables(withVariables(laid, "envs", flags.envs), "secrets", flags.secrets);
}

function entryAt(row: FlagField, text: string): Entry {
  const numeric = row.path[0] === "num_nodes" || row.path[1] === "disk_size";
  const place = { kind: "value", path: row.flag } as const;
  const value: Tree = numeric
    ? treeOfFlag(text, row.flag)
    : { kind: "scalar", place, value: text, text };
  const [outer, inner] = row.path;
  if (inner === undefined) return entry(outer, value);
  return entry(outer, { kind: "map", place, entries: [entry(inner, value)] });
}

function withUseSpot(tree: Tree, useSpot: boolean): Tree {
  const flag = useSpot ? "--use-spot" : "--no-use-spot";
  const place = { kind: "value", path: flag } as const;
  const value: Tree = { kind: "scalar", place, value: useSpot, text: String(useSpot) };
  const resources: Tree = { kind: "map", place, entries: [entry("use_spot", value)] };
  return overlaid(tree, [entry("resources", resources)]);
}

/** Merged over the file's own, as newer SkyPilot does; a name given twice takes the last. */
function withVariables(
  tree: Tree,
  field: "envs" | "secrets",
  values: readonly NamedValue[] | undefined,
): Tree {
  if (values === undefined || values.length === 0) return tree;
  const flag = field === "envs" ? "--env" : "--secret";
  const place = { kind: "value", path: flag } as const;
  const latest = new Map(values.map(({ name, value }) => [name, value]));
  const entries = [...latest].map(([name, text]) => {
    return entry(name, { kind: "scalar", place, value: text, text });
  });
  return overlaid(tree, [entry(field, { kind: "map", place, entries })]);
}

function entry(key: string, value: Tree): Entry {
  return { key, keyPlace: value.place, value };
}
