// A task file, a task object and the flags of a command: text or value in, a `Task` out, or every
// problem at once. Pure: the one thing it must ask of the machine (is the workdir a folder?) is
// passed in, and so is what the enabled clouds can do. Nothing else in the client makes a `Task`.
//
// The order of layers: the file's fields, then the command's flags in place of them; then the
// variables of `envs` in paths; then the fields by themselves, and what they say of each other.

import { SkyError } from "../model/errors.ts";
import type { Findings } from "../model/field-values.ts";
import { refuse } from "../model/field-values.ts";
import type { Place, Problem } from "../model/problem.ts";
import { problemsText } from "../model/problem.ts";
import type { FileMount, Task, TaskConfig } from "../model/task.ts";
import type { Tree } from "../model/value-tree.ts";
import { treeOf } from "../model/value-tree.ts";
import type { Candidates } from "./task-candidate.ts";
import type { Choice } from "./task-choice.ts";
import { decide, needsCloud, resourcesOf } from "./task-choice.ts";
import type { CloudSkills } from "./task-clouds.ts";
import { enabledClouds } from "./task-clouds.ts";
import { configOf } from "./task-config.ts";
import { checkDocker } from "./task-envs.ts";
import type { TaskSaid, WorkdirSaid } from "./task-fields.ts";
import { taskFields } from "./task-fields.ts";
import type { TaskFlags } from "./task-flags.ts";
import { withFlags } from "./task-flags.ts";
import { readTable } from "./task-groups.ts";
import { type Mounts, mountsOf } from "./task-mounts.ts";
import { absolutePath, type TaskWorld } from "./task-path.ts";
import { candidatesOf, noResources } from "./task-resources.ts";
import { filledIn } from "./task-variables.ts";

export type TaskReading =
  | (ReadTask & { readonly ok: true })
  | { readonly ok: false; readonly problems: readonly Problem[] };

export interface ReadTask {
  /** What can be launched, if nothing needs a cloud. */
  readonly task: Task;
  readonly choice: Choice;
  /** What would come from buckets: sources as they are written. */
  readonly buckets: readonly FileMount[];
  /** What is right and cannot be had on the enabled clouds; empty if all can. */
  readonly needs: readonly Problem[];
  /** Those of them that are about file mounts, which `sky exec` does not look at. */
  readonly fileNeeds: readonly Problem[];
  /** What is taken and without effect. */
  readonly notes: readonly Problem[];
  /** Where demands were written that a cluster may turn out to be too small for. */
  readonly demands: Demands;
}

export type Demands = Readonly<
  Partial<Record<"num_nodes" | "cpus" | "memory" | "accelerators", Place>>
>;

/** What a reading asks of where it happens. */
export interface Around {
  readonly world: TaskWorld;
  readonly clouds?: readonly CloudSkills[];
}

/** Validates a tree with the flags laid over it. */
export function taskOf(tree: Tree, flags: TaskFlags, around: Around): TaskReading {
  const { world, clouds = enabledClouds } = around;
  const found: Findings = { problems: [], notes: [] };
  const task = filledIn(withFlags(tree, flags));
  const said = readTable(task, { of: "a task", fields: taskFields }, found);
  const { num_nodes: numNodes = 1, resources = noResources(tree) } = said.values;
  const candidates = candidatesOf(resources, numNodes, found);
  checkDocker([said.trees.get("envs"), said.trees.get("secrets")], found);
  const workdir = workdirOf(said, world, found);
  const hasWorkdir = said.trees.has("workdir") && !isEmpty(said.values.workdir);
  const mounts = mountsOf(said.values.file_mounts ?? [], { world, found, hasWorkdir });
  const config = said.values.config && configOf(said.values.config, found);
  if (found.problems.length > 0) return { ok: false, problems: found.problems };
  return { ok: true, ...wholeTask({ said, candidates, workdir, mounts, config, found }, clouds) };
}

interface Parts {
  readonly said: TaskSaid;
  readonly candidates: Candidates;
  readonly workdir: string | undefined;
  readonly mounts: Mounts;
  readonly config: TaskConfig | undefined;
  readonly found: Findings;
}

function wholeTask(parts: Parts, clouds: readonly CloudSkills[]): ReadTask {
  const { said, candidates, workdir, mounts, config, found } = parts;
  const { values } = said;
  const decision = decide(candidates, clouds);
  const candidate = decision.candidate ?? candidates.of[0];
  const autostop = candidate?.autostop?.rule;
  const { secrets } = values;
  const task: Task = {
    ...(values.name === undefined ? {} : { name: values.name }),
    ...(workdir === undefined ? {} : { workdir }),
    ...(mounts.mounts.length === 0 ? {} : { fileMounts: mounts.mounts }),
    numNodes: values.num_nodes ?? 1,
    resources: resourcesOf(candidate?.wanted ?? {}),
    envs: values.envs ?? {},
    secrets: secrets?.kind === "values" ? secrets.values : {},
    ...(values.setup === undefined ? {} : { setup: values.setup }),
    ...(values.run === undefined ? {} : { run: values.run }),
    priority: values.priority ?? candidate?.priority ?? 0,
    maxRestarts: values.max_restarts ?? 0,
    ...(values.timeout === undefined ? {} : { timeoutMs: values.timeout }),
    ...(config === undefined ? {} : { config }),
    ...(autostop === undefined ? {} : { autostop }),
  };
  return {
    task,
    choice: decision.choice,
    buckets: mounts.buckets,
    needs: [...decision.needs, ...mounts.needs, ...otherNeeds(said)],
    fileNeeds: mounts.needs,
    notes: [...found.notes, ...notesOf(said), ...decision.notes],
    demands: demandsOf(said, candidate),
  };
}

function demandsOf({ trees }: TaskSaid, candidate: Candidates["of"][number] | undefined): Demands {
  const nodes = trees.get("num_nodes");
  const own = (["cpus", "memory", "accelerators"] as const).flatMap((key) => {
    const origin = candidate?.origins.get(key);
    return origin === undefined ? [] : [[key, origin.tree.place] as const];
  });
  return {
    ...(nodes === undefined ? {} : { num_nodes: nodes.place }),
    ...Object.fromEntries(own),
  };
}

/** Fields outside of `resources` that only a cloud or a server could do. */
function otherNeeds({ values, trees }: TaskSaid): readonly Problem[] {
  const of = (key: keyof typeof taskFields, what: string | undefined): readonly Problem[] => {
    const tree = trees.get(key);
    if (tree === undefined || what === undefined) return [];
    return [{ place: tree.place, what: needsCloud(what) }];
  };
  const { workdir, volumes = [], secrets, managed_secrets: managed = [] } = values;
  return [
    ...of("workdir", workdir?.kind === "git" ? `a workdir from git (${workdir.url})` : undefined),
    ...of("volumes", volumes.length === 0 ? undefined : `volume ${volumes[0]?.name}`),
    ...of("secrets", secrets?.kind === "elsewhere" ? "a list of secrets" : undefined),
    ...of("managed_secrets", managed.length === 0 ? undefined : "managed_secrets"),
  ];
}

/** Fields that are taken and do nothing, and why. */
const inVain = {
  inputs: "it is for estimates of egress cost",
  outputs: "it is for estimates of egress cost",
  event_callback: "callbacks are for managed jobs; `sky logs` and `sky queue` tell the events",
  experimental: "settings of a task are under `config`",
  api_server_access: "there is no API server",
} as const satisfies Partial<Record<keyof typeof taskFields, string>>;

function notesOf({ trees }: TaskSaid): readonly Problem[] {
  return (Object.keys(inVain) as (keyof typeof inVain)[]).flatMap((key) => {
    const tree = trees.get(key);
    if (tree === undefined || (tree.kind === "map" && tree.entries.length === 0)) return [];
    return [{ place: tree.place, what: `${key} has no effect here: ${inVain[key]}` }];
  });
}

function isEmpty(workdir: WorkdirSaid | undefined): boolean {
  return workdir?.kind === "path" && workdir.path === "";
}

function workdirOf(
  { values, trees }: TaskSaid,
  world: TaskWorld,
  found: Findings,
): string | undefined {
  const workdir: WorkdirSaid | undefined = values.workdir;
  const tree = trees.get("workdir");
  if (tree === undefined || workdir?.kind !== "path") return undefined;
  if (isEmpty(workdir)) {
    // As a path it would be the current folder, which nobody named.
    const what = "an empty workdir is none: no folder is brought (`.` is the current one)";
    found.notes.push({ place: tree.place, what });
    return undefined;
  }
  const path = absolutePath(workdir.path, world);
  const kind = world.kindOf(path);
  if (kind === "directory") return path;
  const typed = tree.kind === "scalar" ? tree.text : workdir.path;
  const where = path === typed ? "" : ` (${path})`;
  const what = kind === "missing" ? "does not exist" : "is not a directory";
  return refuse(found, tree.place, `workdir ${JSON.stringify(typed)}${where} ${what}`);
}

/**
 * A task in the YAML's shape, from a program.
 * @throws SkyError `task/invalid`; `cloud/needed` if it is right and cannot be had here.
 */
export function taskFromSpec(spec: unknown, path: string, world: TaskWorld): Task {
  if (typeof spec !== "object" || spec === null) {
    const problems = `${path}: should be an object with the fields of a task, not ${typeof spec}`;
    throw new SkyError("task/invalid", { problems: spec === null ? `${path}: is null` : problems });
  }
  return taskOrThrow(taskOf(treeOf(spec, path), {}, { world }));
}

/**
 * @param filesStay no files of `file_mounts` are brought, so what they need does not matter.
 * @throws SkyError `task/invalid` or `cloud/needed`, with all problems in its text.
 */
export function taskOrThrow(reading: TaskReading, filesStay = false): Task {
  const read = readOrThrow(reading);
  demandNothing(mattering(read, filesStay));
  return read.task;
}

/** What is needed, with or without the files of `file_mounts`. */
export function mattering({ needs, fileNeeds }: ReadTask, filesStay: boolean): readonly Problem[] {
  return filesStay ? needs.filter((one) => !fileNeeds.includes(one)) : needs;
}

/** @throws SkyError `cloud/needed` if there is something that it is needed for. */
export function demandNothing(needs: readonly Problem[]): void {
  if (needs.length > 0) throw new SkyError("cloud/needed", { problems: problemsText(needs) });
}

/** @throws SkyError `task/invalid`. What needs a cloud is for the caller to look at. */
export function readOrThrow(reading: TaskReading): ReadTask {
  if (reading.ok) return reading;
  throw new SkyError("task/invalid", { problems: problemsText(reading.problems) });
}
