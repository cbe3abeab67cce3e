// ENTRYPOINT and flags of launch and exec as a validated task.
//
// Everything that is wrong with them is told at once, before anything is asked or started: in a
// file with line and column, down to the first byte that is no text.

import { isUtf8 } from "node:buffer";
import { readFileSync, statSync } from "node:fs";
import { isSkyError, SkyError } from "../../model/errors.ts";
import { type Problem, problemsText } from "../../model/problem.ts";
import type { Task } from "../../model/task.ts";
import { isNull, type Tree } from "../../model/value-tree.ts";
import type { FileReading } from "../entrypoint.ts";
import { commandTree, entryText, resolveEntrypoint } from "../entrypoint.ts";
import { type Dag, dagOf } from "../task-dag.ts";
import { demandNothing, mattering, type ReadTask } from "../task-file.ts";
import { world } from "../world-os.ts";
import { WrongUse } from "./exit-codes.ts";
import { flagFiles } from "./flag-files.ts";
import { isSet, type Parsed } from "./flags.ts";
import type { Shell } from "./shell.ts";
import { taskFlagsOf } from "./task-flags.ts";

const fileBytesMax = 4 * 1024 * 1024;

/** What the command line said, and of which command. */
export interface Asked extends Parsed {
  /** The command brings no files of `file_mounts`, so what they need does not matter. */
  readonly filesStay?: boolean;
}

/**
 * The task, or `undefined` where there are no words.
 * @throws SkyError `task/invalid`; `cloud/needed`, unless it is for a dry run.
 */
export async function taskFromEntry(
  shell: Shell,
  words: readonly string[],
  parsed: Asked,
): Promise<Task | undefined> {
  const text = entryText(words);
  const file: FileReading = text === "" ? { kind: "missing" } : readEntry(text);
  // A command is the common case and needs no parser.
  const yaml = file.kind === "text" ? await import("../../model/yaml-tree.ts") : undefined;
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
export function taskFromFlags(shell: Shell, parsed: Parsed): Promise<Task> {
  const place = { kind: "value", path: "task" } as const;
  return validTask(shell, parsed, { documents: [{ kind: "map", place, entries: [] }] });
}

/** What was read beside each task: what a dry run shows, and what the head may find wrong. */
const readings = new WeakMap<Task, ReadTask>();

export function readingOf(task: Task): ReadTask | undefined {
  return readings.get(task);
}

/** What the head's sentence is about. */
const demands = [
  { says: /^\d+ nodes? asked/, of: "num_nodes" },
  { says: /^cpus /, of: "cpus" },
  { says: /^memory /, of: "memory" },
  { says: /^\S+:[\d.]+ asked/, of: "accelerators" },
] as const;

/** A refusal of the task with its place in the file, where it has one; any other error as it is. */
export function withPlace(error: unknown, task: Task): unknown {
  if (!isSkyError(error, "task/too-big")) return error;
  const what = String(error.params["why"]);
  const demand = demands.find(({ says }) => says.test(what));
  const place = demand && readings.get(task)?.demands[demand.of];
  // A flag is named by the sentence itself.
  if (place?.kind !== "text") return error;
  return new SkyError(
    "task/invalid",
    { problems: problemsText([{ place, what }]) },
    { cause: error },
  );
}

function validCommand(shell: Shell, parsed: Asked, command: string): Promise<Task> {
  const from = `command: ${command}`;
  return validTask(shell, parsed, { documents: [commandTree(command)], from });
}

interface Read {
  readonly documents: readonly Tree[];
  /** What the user is told that the task was made of. */
  readonly from?: string;
  readonly problems?: readonly Problem[];
}

async function validTask(shell: Shell, parsed: Asked, read: Read): Promise<Task> {
  const { documents, from, problems = [] } = read;
  const flags = { ...taskFlagsOf(parsed, process.env), ...(await flagFiles(parsed)) };
  const dag = dagOf({ documents, flags, world: world() });
  const all = [...problems, ...(dag.ok ? severalTasks(dag, documents) : dag.problems)];
  const [reading] = dag.ok ? dag.tasks : [];
  if (all.length > 0 || reading === undefined) {
    throw new SkyError("task/invalid", { problems: problemsText(all) });
  }
  readings.set(reading.task, reading);
  if (from !== undefined) shell.say(`Task from ${from}`);
  if (reading.notes.length > 0) shell.say(`Note: ${problemsText(reading.notes)}`);
  // A dry run shows the plan first.
  if (!isSet(parsed, "dryrun")) demandNothing(mattering(reading, parsed.filesStay === true));
  return reading.task;
}

/** Launch and exec take one task. Source: SkyPilot, which has pipelines as managed jobs. */
function severalTasks({ tasks }: Dag, documents: readonly Tree[]): readonly Problem[] {
  const last = documents.findLast((tree) => !isNull(tree));
  if (tasks.length < 2 || last === undefined) return [];
  const what =
    `the file has ${tasks.length} tasks: a pipeline is for \`sky jobs launch\`, ` +
    "`sky launch` and `sky exec` take a single task";
  return [{ place: last.place, what }];
}

function readEntry(path: string): FileReading {
  try {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) return { kind: "missing" };
    if (!stat.isFile()) return { kind: "not-a-file" };
    if (stat.size > fileBytesMax) {
      return { kind: "too-large", bytes: stat.size, bytesMax: fileBytesMax };
    }
    return fileReading(readFileSync(path));
  } catch (error) {
    // A command is often no possible path at all: too long, or through a file.
    const why = error instanceof Error ? error.message : String(error);
    return { kind: "unreadable", why };
  }
}

function fileReading(bytes: Buffer): FileReading {
  const text = bytes.toString("utf8");
  if (isUtf8(bytes)) return { kind: "text", text };
  // What cannot be read is replaced, so the first difference is the first byte that cannot.
  const again = Buffer.from(text);
  const at = bytes.findIndex((byte, index) => byte !== again[index]);
  return { kind: "not-text", textBefore: bytes.subarray(0, at).toString("utf8") };
}
