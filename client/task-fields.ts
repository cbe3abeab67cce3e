// The fields of a task: one table. Whoever adds a field adds a row.
//
// Source of the fields: SkyPilot 0.3.0, and those that newer versions added; `max_restarts`
// is ours. A field that belongs to another command of SkyPilot is known here and says where it
// belongs, so that a file written for SkyPilot either runs or says what it asks for in vain.

import { taskNamePattern } from "../model/ids.ts";
import type { Task } from "../model/task.ts";
import { readResources } from "./task-resources.ts";
import type { Entry, Tree } from "./task-tree.ts";
import { isNull } from "./task-tree.ts";
import type { Findings } from "./task-values.ts";
import { entriesOf, readEnvs, readText, readWhole, refuse, unknownField } from "./task-values.ts";

/** What the validator must ask of the machine it runs on. */
export interface TaskWorld {
  /** The folder that relative paths start from: where the command runs. */
  readonly cwd: string;
  /** What `~` stands for. */
  readonly home: string;
  kindOf(path: string): "directory" | "file" | "missing";
}

interface Reading extends Findings {
  readonly world: TaskWorld;
}

type Row = (tree: Tree, reading: Reading, name: string) => Partial<Task>;

const whole = { least: Number.MIN_SAFE_INTEGER, called: "an int" };

export const taskFields = {
  name: (tree, reading) => defined("name", readName(tree, reading)),
  workdir: (tree, reading) => defined("workdir", readWorkdir(tree, reading)),
  num_nodes: (tree, reading, name) => {
    const rule = { name, least: 1, called: "a positive int" };
    return defined("numNodes", readWhole(tree, rule, reading));
  },
  resources: (tree, reading) => ({ resources: readResources(tree, reading) }),
  envs: (tree, reading, name) => ({ envs: readEnvs(tree, name, reading) }),
  secrets: (tree, reading, name) => ({ secrets: readEnvs(tree, name, reading) }),
  setup: (tree, reading, name) => defined("setup", readText(tree, name, reading)),
  run: (tree, reading, name) => defined("run", readText(tree, name, reading)),
  priority: (tree, reading, name) => {
    return defined("priority", readWhole(tree, { name, ...whole }, reading));
  },
  max_restarts: (tree, reading, name) => {
    const rule = { name, least: 0, called: "an int of at least 0" };
    return defined("maxRestarts", readWhole(tree, rule, reading));
  },
  file_mounts: refusedUnlessEmpty("files cannot be mounted yet; put them into the workdir"),
  storage_mounts: refusedUnlessEmpty("buckets cannot be mounted yet"),
  volumes: refusedUnlessEmpty("volumes cannot be mounted yet"),
  inputs: withoutEffect("it is for estimates of egress cost"),
  outputs: withoutEffect("it is for estimates of egress cost"),
  config: withoutEffect("settings are read from config.yaml under SKY_HOME"),
  service: withoutEffect("a service is for `sky serve`"),
  event_callback: refusedUnlessEmpty("callbacks are for managed jobs; watch the events instead"),
} as const satisfies Record<string, Row>;

/** Reads every field; what is missing gets its default. Only valid if nothing was found. */
export function readTask(tree: Tree, reading: Reading): Task {
  let read: Partial<Task> = {};
  for (const entry of entriesOf(tree, "a task", reading)) {
    read = { ...read, ...readField(entry, reading) };
  }
  return {
    numNodes: 1,
    resources: {},
    envs: {},
    secrets: {},
    priority: 0,
    maxRestarts: 0,
    ...read,
  };
}

function readField(entry: Entry, reading: Reading): Partial<Task> {
  if (!isTaskField(entry.key)) {
    unknownField(entry, { of: "a task", known: Object.keys(taskFields) }, reading);
    return {};
  }
  const row: Row = taskFields[entry.key];
  return row(entry.value, reading, entry.key);
}

function isTaskField(key: string): key is keyof typeof taskFields {
  return Object.hasOwn(taskFields, key);
}

function readName(tree: Tree, reading: Reading): string | undefined {
  const name = readText(tree, "name", reading);
  if (name === undefined || taskNamePattern.test(name)) return name;
  const rule =
    "lower-case letters and digits, with single dots, dashes or underscores between them";
  return refuse(reading, tree.place, `name should be made of ${rule}, not ${JSON.stringify(name)}`);
}

function readWorkdir(tree: Tree, reading: Reading): string | undefined {
  if (tree.kind === "map") {
    return refuse(reading, tree.place, "workdir: a git repository cannot be fetched yet");
  }
  const text = readText(tree, "workdir", reading);
  if (text === undefined) return undefined;
  const path = absolutePath(text, reading.world);
  const kind = reading.world.kindOf(path);
  if (kind === "directory") return path;
  const where = path === text ? "" : ` (${path})`;
  const what = kind === "missing" ? "does not exist" : "is not a directory";
  return refuse(reading, tree.place, `workdir ${JSON.stringify(text)}${where} ${what}`);
}

/** `text` from `cwd`, with `~` expanded and dots resolved. */
export function absolutePath(text: string, { cwd, home }: Pick<TaskWorld, "cwd" | "home">): string {
  const expanded = /^~(?=\/|$)/.test(text) ? `${home}${text.slice(1)}` : text;
  const joined = expanded.startsWith("/") ? expanded : `${cwd}/${expanded}`;
  const parts: string[] = [];
  for (const part of joined.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

function refusedUnlessEmpty(why: string): Row {
  return (tree, reading, name) => {
    const size = tree.kind === "map" ? tree.entries.length : 1;
    if (!isNull(tree) && size > 0) refuse(reading, tree.place, `${name}: ${why}`);
    return {};
  };
}

function withoutEffect(why: string): Row {
  return (tree, reading, name) => {
    const given = entriesOf(tree, name, reading).length > 0;
    if (given)
      reading.notes.push({ place: tree.place, what: `${name} has no effect here: ${why}` });
    return {};
  };
}

function defined<K extends keyof Task>(key: K, value: Task[K] | undefined): Partial<Task> {
  return value === undefined ? {} : ({ [key]: value } as unknown as Partial<Task>);
}
