// ENTRYPOINT and flags of launch and exec as a validated task.
//
// Everything that is wrong with them is told at once, before anything is asked or started: in a
// file with line and column, down to the first byte that is no text.

import { isUtf8 } from "node:buffer";
import { readFileSync, statSync } from "node:fs";
import { isSkyError, SkyError } from "../../model/errors.ts";
import type { Task } from "../../model/task.ts";
import type { FileReading } from "../entrypoint.ts";
import { commandTree, entryText, resolveEntrypoint } from "../entrypoint.ts";
import { type Problem, problemsText } from "../problem.ts";
import { taskOf, taskOrThrow } from "../task-file.ts";
import { demandPlace } from "../task-place.ts";
import type { Tree } from "../task-tree.ts";
import { world } from "../world-os.ts";
import { WrongUse } from "./exit-codes.ts";
import { isSet, type Parsed } from "./flags.ts";
import type { Shell } from "./shell.ts";
import { taskFlagsOf } from "./task-flags.ts";

const fileBytesMax = 4 * 1024 * 1024;

/** The task, or `undefined` where there are no words. @throws SkyError `task/invalid`. */
export async function taskFromEntry(
  shell: Shell,
  words: readonly string[],
  parsed: Parsed,
): Promise<Task | undefined> {
  const text = entryText(words);
  const file: FileReading = text === "" ? { kind: "missing" } : readEntry(text);
  // A command is the common case and needs no parser.
  const yaml = file.kind === "text" ? await import("../task-yaml.ts") : undefined;
  const entry = resolveEntrypoint(text, file, (content, path) => {
    return yaml?.readYaml(content, path) ?? { problems: [] };
  });
  switch (entry.kind) {
    case "none":
      return undefined;
    case "invalid":
      throw new SkyError("task/invalid", { problems: problemsText(entry.problems) });
    case "task":
      return validTask(shell, parsed, { ...entry, from: `YAML spec: ${entry.file}` });
    case "command":
      return validCommand(shell, parsed, entry.command);
    case "doubtful": {
      const question = `${entry.why} It will be treated as a command to be run remotely. Continue?`;
      if (isSet(parsed, "yes")) throw new WrongUse(entry.why);
      if (!(await shell.confirm(question))) throw new Error("Aborted.");
      return validCommand(shell, parsed, entry.command);
    }
  }
}

/** The task of flags alone: what `sky launch` without ENTRYPOINT brings up. */
export function taskFromFlags(shell: Shell, parsed: Parsed): Task {
  const place = { kind: "value", path: "task" } as const;
  return validTask(shell, parsed, { tree: { kind: "map", place, entries: [] } });
}

/** The file behind a task, for what only the head can find wrong with it. */
const origins = new WeakMap<Task, { readonly tree: Tree; readonly parsed: Parsed }>();

/** A refusal of the task with its place in the file, where it has one; any other error as it is. */
export function withPlace(error: unknown, task: Task): unknown {
  const origin = origins.get(task);
  if (origin === undefined || !isSkyError(error, "task/too-big")) return error;
  const what = String(error.params["why"]);
  const place = demandPlace(origin.tree, what, origin.parsed.flags);
  if (place === undefined) return error;
  return new SkyError(
    "task/invalid",
    { problems: problemsText([{ place, what }]) },
    { cause: error },
  );
}

function validCommand(shell: Shell, parsed: Parsed, command: string): Task {
  return validTask(shell, parsed, { tree: commandTree(command), from: `command: ${command}` });
}

interface Read {
  readonly tree: Tree;
  /** What the user is told that the task was made of. */
  readonly from?: string;
  readonly problems?: readonly Problem[];
}

function validTask(shell: Shell, parsed: Parsed, { tree, from, problems = [] }: Read): Task {
  const reading = taskOf(tree, taskFlagsOf(parsed, process.env), world());
  const more = reading.ok ? [] : reading.problems;
  if (problems.length > 0) return taskOrThrow({ ok: false, problems: [...problems, ...more] });
  const task = taskOrThrow(reading);
  if (tree.place.kind === "text") origins.set(task, { tree, parsed });
  if (from !== undefined) shell.say(`Task from ${from}`);
  if (reading.ok && reading.notes.length > 0) shell.say(`Note: ${problemsText(reading.notes)}`);
  return task;
}

function readEntry(path: string): FileReading {
  try {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) return { kind: "missing" };
    if (!stat.isFile()) return { kind: "not-a-file" };
    if (stat.size > fileBytesMax) {
      return { kind: "unreadable", why: `it has ${stat.size} bytes, at most ${fileBytesMax}` };
    }
    return readingOf(readFileSync(path));
  } catch (error) {
    // A command is often no possible path at all: too long, or through a file.
    const why = error instanceof Error ? error.message : String(error);
    return { kind: "unreadable", why };
  }
}

function readingOf(bytes: Buffer): FileReading {
  const text = bytes.toString("utf8");
  if (isUtf8(bytes)) return { kind: "text", text };
  // What cannot be read is replaced, so the first difference is the first byte that cannot.
  const again = Buffer.from(text);
  const at = bytes.findIndex((byte, index) => byte !== again[index]);
  return { kind: "not-text", textBefore: bytes.subarray(0, at).toString("utf8") };
}
