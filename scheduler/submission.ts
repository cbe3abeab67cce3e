// What must hold of a submission, whoever sends it. Pure.
//
// `sky` has checked the task file long before, with lines and columns; a program that speaks gRPC
// has not. Nothing here repeats the wording of task files: it names the field and what is wrong.

import {
  clusterNameLengthMax,
  clusterPattern,
  envNamePattern,
  envNameProblem,
  taskNamePattern,
  userNameProblem,
} from "../model/ids.ts";
import { leaseMsMin } from "../model/lease.ts";
import type { Accelerators } from "../model/resources.ts";
import type { FileMount, Task } from "../model/task.ts";
import { graceMsMax } from "../model/task.ts";
import type { TreeRef } from "../model/tree.ts";
import { chunkBytesMax, digestPattern } from "../transfer/chunks/chunk.ts";

export interface FieldProblem {
  readonly field: string;
  readonly why: string;
}

export const nodesMax = 10_000;
/** Tasks of one call. */
export const tasksMax = 100_000;
/** The key of a submission, the name of a device: they are kept, and shown in tables. */
export const labelBytesMax = 256;
/** The command line that is shown with a cluster; a longer one is cut. */
const commandCharactersMax = 4_096;
/** Devices of one kind on a node: the ledger has an entry for each. */
export const devicesMax = 1_024;
/**
 * Scripts and variables of a task, together. They travel to each node in one message of the bus,
 * beside the addresses of all nodes; what is larger belongs in the workdir.
 */
export const taskTextBytesMax = 512 * 1024;
/** File mounts of a task: each is a tree of its own. */
export const mountsMax = 256;
/** Where they go, together: nodes are told of them beside the scripts. */
export const mountsTextBytesMax = 64 * 1024;
/** One variable, as `NAME=value` with its end. Source: execve(2), MAX_ARG_STRLEN of Linux. */
export const variableBytesMax = 128 * 1024;

/** The first thing that is wrong with these tasks, if anything is. */
export function submissionProblem(tasks: readonly Task[]): FieldProblem | undefined {
  if (tasks.length === 0) return { field: "tasks", why: "there are none" };
  if (tasks.length > tasksMax) {
    return {
      field: "tasks",
      why: `there are ${tasks.length}, at most ${tasksMax} are taken at once`,
    };
  }
  for (const [index, task] of tasks.entries()) {
    const found = taskProblem(task);
    if (found !== undefined) return { field: `tasks[${index}].${found.field}`, why: found.why };
  }
  return undefined;
}

export function clusterNameProblem(name: string): FieldProblem | undefined {
  const field = "cluster";
  if (name.length > clusterNameLengthMax) {
    return { field, why: `'${name}' is longer than ${clusterNameLengthMax} letters` };
  }
  if (clusterPattern.test(name)) return undefined;
  return {
    field,
    why: `'${name}' is no cluster name: lower-case letters, digits and dashes, a letter first`,
  };
}

export function nodeCountProblem(count: number): FieldProblem | undefined {
  if (Number.isInteger(count) && count >= 1 && count <= nodesMax) return undefined;
  return { field: "num_nodes", why: `${count} is not a whole number from 1 to ${nodesMax}` };
}

/** A command line as it is kept. */
export function keptCommand(text: string): string {
  if (text.length <= commandCharactersMax) return text;
  return `${text.slice(0, commandCharactersMax)} …`;
}

/** Whether a text of the caller's is short enough to be kept. */
export function lengthProblem(
  field: string,
  text: string,
  bytesMax: number,
): FieldProblem | undefined {
  const bytes = Buffer.byteLength(text);
  if (bytes <= bytesMax) return undefined;
  return { field, why: `it has ${bytes} bytes, at most ${bytesMax} are taken` };
}

/** Who asks. Nobody is somebody, too. */
export function userProblem(user: string): FieldProblem | undefined {
  const why = userNameProblem(user);
  return why === undefined ? undefined : { field: "user", why };
}

function taskProblem(task: Task): FieldProblem | undefined {
  return (
    nodeCountProblem(task.numNodes) ??
    nameProblem(task.name) ??
    workdirProblem(task) ??
    mountsProblem(task.fileMounts ?? []) ??
    envProblem("envs", task.envs) ??
    envProblem("secrets", task.secrets) ??
    textProblem("setup", task.setup) ??
    textProblem("run", task.run) ??
    sizeProblem(task) ??
    amountProblem("cpus", task.resources.cpus?.amount) ??
    amountProblem("memory", task.resources.memoryGb?.amount) ??
    devicesProblem(task.resources.accelerators) ??
    restartsProblem(task.maxRestarts) ??
    timeProblem("timeout", task.timeoutMs, { min: 1, max: Number.MAX_SAFE_INTEGER }) ??
    timeProblem("config.grace_seconds", task.config?.graceMs, { min: 0, max: graceMsMax }) ??
    leaseProblem(task.config?.leaseMs)
  );
}

function nameProblem(name: string | undefined): FieldProblem | undefined {
  if (name === undefined || taskNamePattern.test(name)) return undefined;
  return { field: "name", why: `'${name}' is no task name` };
}

function workdirProblem({ workdir, workdirTree }: Task): FieldProblem | undefined {
  const field = "workdir";
  if (workdirTree !== undefined) {
    const why = workdir === undefined ? treeProblem(workdirTree) : "is a path and a tree";
    return why === undefined ? undefined : { field, why: `it ${why}` };
  }
  if (workdir === undefined || workdir.startsWith("/")) return undefined;
  return { field, why: `'${workdir}' is not an absolute path` };
}

function treeProblem({ digest, bytes }: TreeRef): string | undefined {
  if (!digestPattern.test(digest)) return `names a tree '${digest}', which is no digest`;
  const fits = Number.isSafeInteger(bytes) && bytes > 0 && bytes <= chunkBytesMax;
  return fits ? undefined : `names a tree of ${bytes} bytes`;
}

function mountsProblem(mounts: readonly FileMount[]): FieldProblem | undefined {
  const field = "file_mounts";
  if (mounts.length > mountsMax) {
    return { field, why: `there are ${mounts.length}, at most ${mountsMax} are taken` };
  }
  const bytes = mounts.reduce((sum, one) => sum + Buffer.byteLength(one.destination), 0);
  if (bytes > mountsTextBytesMax) {
    const most = `at most ${mountsTextBytesMax} are taken`;
    return { field, why: `their destinations have ${bytes} bytes, ${most}` };
  }
  const seen = new Set<string>();
  for (const { destination, source, tree } of mounts) {
    const why = mountProblem(destination, source) ?? (tree && treeProblem(tree.tree));
    const twice = seen.has(destination) ? "is there twice" : undefined;
    seen.add(destination);
    const found = why ?? twice;
    if (found !== undefined) return { field, why: `${JSON.stringify(destination)}: it ${found}` };
  }
  return undefined;
}

/** A destination leads nowhere but where it says. */
function mountProblem(destination: string, source: string): string | undefined {
  const steps = destination.split("/");
  const isAbsolute = steps[0] === "";
  const named = isAbsolute || steps[0] === "~" ? steps.slice(1) : steps;
  if (named.length === 0 || named.includes("")) return "names no file";
  if (named.some((step) => step === "." || step === "..")) return "has a step . or ..";
  if (`${destination}/`.startsWith("~/.sky/")) return "is in ~/.sky, the node's own state";
  if (destination.includes("\0")) return "holds a NUL byte";
  if (!source.startsWith("/")) return `has a source '${source}' that is not an absolute path`;
  return source.includes("\0") ? "has a source with a NUL byte" : undefined;
}

function envProblem(
  field: string,
  envs: Readonly<Record<string, string>>,
): FieldProblem | undefined {
  for (const [name, value] of Object.entries(envs)) {
    if (!envNamePattern.test(name)) return { field, why: `'${name}' is no variable name` };
    const taken = envNameProblem(name);
    if (taken !== undefined) return { field, why: taken };
    if (value.includes("\0")) return { field, why: `${name} holds a NUL byte` };
    const bytes = Buffer.byteLength(name) + Buffer.byteLength(value) + "=\0".length;
    if (bytes > variableBytesMax) {
      return { field, why: `${name} has ${bytes} bytes, at most ${variableBytesMax} are taken` };
    }
  }
  return undefined;
}

function textProblem(field: string, text: string | undefined): FieldProblem | undefined {
  return text?.includes("\0") ? { field, why: "it holds a NUL byte" } : undefined;
}

function amountProblem(field: string, amount: number | undefined): FieldProblem | undefined {
  if (amount === undefined || (Number.isFinite(amount) && amount > 0)) return undefined;
  return { field, why: `${amount} is not above 0` };
}

function sizeProblem({ setup = "", run = "", envs, secrets }: Task): FieldProblem | undefined {
  const texts = [setup, run, ...Object.entries({ ...envs, ...secrets }).flat()];
  const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  if (bytes <= taskTextBytesMax) return undefined;
  const what = "setup, run, envs and secrets together have";
  const help = "put what is large into a file of the workdir";
  return { field: "run", why: `${what} ${bytes} bytes, at most ${taskTextBytesMax}: ${help}` };
}

/** A name that fits into tables and variables as it is. */
const devicePattern = /^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$/;

/** A share of one device, or a whole number of them. */
export function devicesProblem(devices: Accelerators | undefined): FieldProblem | undefined {
  if (devices === undefined) return undefined;
  const { name, count } = devices;
  const field = "accelerators";
  if (!devicePattern.test(name)) return { field, why: `${JSON.stringify(name)} is no name` };
  if (count > devicesMax)
    return { field, why: `${count} devices, at most ${devicesMax} are taken` };
  if (count > 0 && (count <= 1 || Number.isInteger(count))) return undefined;
  return { field, why: `${count}: a share below 1, or a whole number` };
}

function restartsProblem(restarts: number): FieldProblem | undefined {
  if (Number.isInteger(restarts) && restarts >= 0) return undefined;
  return { field: "max_restarts", why: `${restarts} is not a whole number of at least 0` };
}

function timeProblem(
  field: string,
  ms: number | undefined,
  { min, max }: { readonly min: number; readonly max: number },
): FieldProblem | undefined {
  if (ms === undefined || (Number.isSafeInteger(ms) && ms >= min && ms <= max)) return undefined;
  return { field, why: `${ms} ms is not a whole number from ${min} to ${max}` };
}

function leaseProblem(ms: number | undefined): FieldProblem | undefined {
  if (ms === 0) return undefined;
  const field = "config.lease_seconds";
  return timeProblem(field, ms, { min: leaseMsMin, max: Number.MAX_SAFE_INTEGER });
}
