// What a program passes for a task, as the validated task: an object, a `Task`, a `Dag` of one.
//
// The one place where the SDK meets the validator. Options of a call stand over the task's fields;
// what has no effect here is told as a warning, all that is wrong is told at once.

import { isSkyError, SkyError } from "../model/errors.ts";
import { problemsText } from "../model/problem.ts";
import type { Task } from "../model/task.ts";
import { type Entry, overlaid, type Tree, treeOf, without } from "../model/value-tree.ts";
import { Dag } from "./dag-os.ts";
import { Task as TaskBuilder, taskTree, treeOfTask } from "./task-builder-os.ts";
import { taskOf, taskOrThrow } from "./task-file.ts";
import { inWishes, onCloud, withoutInfra } from "./task-flags.ts";
import type { ResourcesSpec, TaskSpec } from "./task-spec.ts";
import { world } from "./world-os.ts";

/** What stands for a task in every call: plain data, a builder, or a dag that holds one. */
export type TaskInput = TaskSpec | TaskBuilder | Dag;

/** Options that stand over a task's fields. */
export interface Shape {
  readonly numNodes?: number;
  readonly cpus?: ResourcesSpec["cpus"];
  readonly memory?: ResourcesSpec["memory"];
  readonly accelerators?: ResourcesSpec["accelerators"];
  readonly cloud?: string;
  readonly region?: string;
}

export interface Intake {
  readonly shape?: Shape;
  /** The call brings no files of `file_mounts`, so what they need does not matter. */
  readonly filesStay?: boolean;
  /** Hears of what is valid and has no effect here. */
  readonly onNote?: (text: string) => void;
}

/** @throws SkyError `task/invalid`, `cloud/needed`. */
export function validatedTask(input: unknown, path: string, intake: Intake = {}): Task {
  const tree = withShape(treeOfInput(input, path), intake.shape ?? {});
  const reading = taskOf(tree, {}, { world: world() });
  const task = taskOrThrow(reading, intake.filesStay);
  if (reading.ok && reading.notes.length > 0) intake.onNote?.(problemsText(reading.notes));
  return task;
}

/** All problems of all tasks at once. @throws SkyError `task/invalid`, `cloud/needed`. */
export function validatedTasks(inputs: unknown, intake: Intake = {}): readonly Task[] {
  if (!Array.isArray(inputs)) throw invalid("tasks: should be a list of tasks");
  const problems: string[] = [];
  const needs: SkyError[] = [];
  const valid = inputs.flatMap((input: unknown, index) => {
    try {
      return [validatedTask(input, `tasks[${index}]`, intake)];
    } catch (error) {
      if (isSkyError(error, "cloud/needed")) needs.push(error);
      else if (isSkyError(error, "task/invalid")) problems.push(error.message);
      else throw error;
      return [];
    }
  });
  if (problems.length > 0) throw invalid(problems.join("\n"));
  if (needs.length > 0) {
    const all = needs.map(({ message }) => message).join("\n");
    throw new SkyError("cloud/needed", { problems: all });
  }
  return valid;
}

function treeOfInput(input: unknown, path: string): Tree {
  if (input instanceof TaskBuilder) return treeOfTask(input);
  if (!(input instanceof Dag)) return taskTree(input, path);
  const [task, ...more] = input.tasks;
  if (task !== undefined && more.length === 0) return treeOfTask(task);
  if (task === undefined) throw invalid(`${path}: the dag has no task`);
  const what = `a dag of ${input.tasks.length} tasks is a pipeline, and a cluster runs one task`;
  throw invalid(`${path}: ${what}\n  help: pipelines are for managed jobs, which need a cloud`);
}

/** Options over fields: a problem of one is told by the option's name. */
function withShape(tree: Tree, shape: Shape): Tree {
  const { numNodes, cpus, memory, accelerators, cloud, region } = shape;
  const given = Object.entries({ cpus, memory, accelerators, cloud, region }).filter(isGiven);
  const inner = given.map(([name, value]) => entryOf(name, name, value));
  const outer = numNodes === undefined ? [] : [entryOf("num_nodes", "numNodes", numNodes)];
  if (inner.length > 0) {
    const place = { kind: "value", path: "options" } as const;
    const value = { kind: "map", place, entries: inner } as const;
    outer.push({ key: "resources", keyPlace: place, value });
  }
  // An option holds for every choice of the task, and its map is not merged with the task's own.
  const names = [...given.map(([name]) => name), ...(accelerators === undefined ? [] : ["gpus"])];
  const open = region === undefined ? tree : inWishes(tree, withoutInfra);
  const there = cloud === undefined ? open : onCloud(open, cloud);
  const bare = inWishes(there, (wish) => {
    return names.reduce((rest, name) => without(rest, [name]), wish);
  });
  return outer.length === 0 ? tree : overlaid(bare, outer);
}

function isGiven([, value]: readonly [string, unknown]): boolean {
  return value !== undefined;
}

function entryOf(key: string, option: string, value: unknown): Entry {
  const path = `options.${option}`;
  return { key, keyPlace: { kind: "value", path }, value: treeOf(value, path) };
}

function invalid(problems: string): SkyError {
  return new SkyError("task/invalid", { problems });
}
