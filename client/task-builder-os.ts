// A task that a program builds step by step: SkyPilot's `Task`.
//
// Inside it is the tree that the validator reads, so that what came from a file keeps its line and
// column, and what a setter put there is told by the setter's field. The tree itself never changes:
// a call of `Sky` takes the task as it is at that moment. A YAML parser is loaded with the first
// file, and not before.

import { SkyError } from "../model/errors.ts";
import { problemsText } from "../model/problem.ts";
import { overlaid, type Tree, treeOf, without } from "../model/value-tree.ts";
import { type Resources, specOf } from "./resources-builder.ts";
import { taskOf, taskOrThrow } from "./task-file.ts";
import type { ConfigSpec, EnvsSpec, EnvValue, ResourcesSpec, TaskSpec } from "./task-spec.ts";
import { plainTask } from "./tree-plain.ts";
import { world } from "./world-os.ts";
import { oneDocument, readDocuments, yamlText } from "./yaml-file-os.ts";

/** Variables as an object, a Map or pairs; of pairs a name may be there once. */
export type Variables = EnvsSpec | Iterable<readonly [string, EnvValue | null]>;

/** What stands over the file's own. */
export interface YamlOptions {
  readonly envs?: Variables;
  readonly secrets?: Variables;
}

/** The tree inside of a task, for those who validate it. */
export let treeOfTask: (task: Task) => Tree;
/** The task of a tree. */
export let taskOfTree: (tree: Tree) => Task;

/**
 * A task, built step by step. Each setter **changes the task** and gives it back, as SkyPilot's do;
 * `null` takes a field away. What is wrong is told when the task is used, all of it at once, or by
 * `validate`. `new Task(other.toSpec())` is a copy.
 *
 * @example
 * const task = new Task({ name: "train", run: "python train.py" })
 *   .setNumNodes(2)
 *   .updateEnvs({ EPOCHS: 3 });
 * await sky.launch(task, { cluster: "demo" });
 */
export class Task {
  static {
    treeOfTask = (task) => task.#tree;
    taskOfTree = (tree) => {
      const task = new Task();
      task.#tree = tree;
      return task;
    };
  }

  #tree: Tree;

  /** @throws SkyError `task/invalid` for what is no object, or holds what is no data. */
  constructor(spec: TaskSpec = {}) {
    this.#tree = taskTree(spec, "task");
  }

  /**
   * The task of a YAML file. A file with several tasks is a pipeline: see `Dag.fromYaml`.
   *
   * @example const task = await Task.fromYaml("train.yaml", { envs: { EPOCHS: 3 } });
   * @throws SkyError `task/invalid` with every problem's file, line and column.
   */
  static async fromYaml(path: string, options: YamlOptions = {}): Promise<Task> {
    return ofYaml(oneDocument(await readDocuments({ path }), path), options);
  }

  /**
   * The same from a text; `file` is how its problems call it.
   *
   * @example const task = await Task.fromYamlText("run: echo hello");
   * @throws SkyError `task/invalid`.
   */
  static async fromYamlText(
    text: string,
    options: YamlOptions & { readonly file?: string } = {},
  ): Promise<Task> {
    const path = options.file ?? "task.yaml";
    return ofYaml(oneDocument(await readDocuments({ path, text }), path), options);
  }

  /** As in its specification; undefined if it has none. */
  get name(): string | undefined {
    return this.toSpec().name;
  }

  setName(name: string | null): this {
    return this.#set("name", name);
  }

  setWorkdir(workdir: TaskSpec["workdir"] | null): this {
    return this.#set("workdir", workdir);
  }

  setNumNodes(numNodes: number | null): this {
    return this.#set("num_nodes", numNodes);
  }

  setSetup(setup: string | null): this {
    return this.#set("setup", setup);
  }

  setRun(run: string | null): this {
    return this.#set("run", run);
  }

  /** One value; a list: the first that can be had; a `Set`: a choice without an order. */
  setResources(resources: ResourcesChoice | null): this {
    return this.#set("resources", resources === null ? null : resourcesSpec(resources));
  }

  /** All of them anew. @throws SkyError `task/invalid` for a name that is given twice. */
  setEnvs(envs: Variables | null): this {
    return this.#set("envs", envs === null ? null : recordOf("envs", envs));
  }

  /** These in place of those with the same names; the others stay. */
  updateEnvs(envs: Variables): this {
    return this.#update("envs", recordOf("envs", envs));
  }

  setSecrets(secrets: Variables | null): this {
    return this.#set("secrets", secrets === null ? null : recordOf("secrets", secrets));
  }

  updateSecrets(secrets: Variables): this {
    return this.#update("secrets", recordOf("secrets", secrets));
  }

  /** Where on the nodes → which file or folder of this machine. */
  setFileMounts(mounts: TaskSpec["file_mounts"] | null): this {
    return this.#set("file_mounts", mounts);
  }

  updateFileMounts(mounts: NonNullable<TaskSpec["file_mounts"]>): this {
    return this.#update("file_mounts", mounts);
  }

  /** Higher goes first. */
  setPriority(priority: number | null): this {
    return this.#set("priority", priority);
  }

  /** How often a lost or failed attempt may be started again. */
  setMaxRestarts(maxRestarts: number | null): this {
    return this.#set("max_restarts", maxRestarts);
  }

  /** Of one attempt with its setup: seconds, or `"90s"`, `"10m"`, `"2d"`. */
  setTimeout(timeout: number | string | null): this {
    return this.#set("timeout", timeout);
  }

  /** Settings of config.yaml that are others for this task. */
  setConfig(config: ConfigSpec | null): this {
    return this.#set("config", config);
  }

  /**
   * Checks everything that can be known without a cluster.
   *
   * @throws SkyError `task/invalid` with every problem; `cloud/needed`.
   */
  validate(): this {
    taskOrThrow(taskOf(this.#tree, {}, { world: world() }));
    return this;
  }

  /** As plain data, with the YAML's names. Secrets are in it. */
  toSpec(): TaskSpec {
    return plainTask(this.#tree) as TaskSpec;
  }

  /** As the text of a YAML file. Secrets are in it. */
  async toYaml(): Promise<string> {
    return yamlText([plainTask(this.#tree)]);
  }

  #set(field: keyof TaskSpec, value: unknown): this {
    const rest = without(this.#tree, [field]);
    this.#tree = value === null || value === undefined ? rest : laidOver(rest, { [field]: value });
    return this;
  }

  #update(field: keyof TaskSpec, value: object): this {
    this.#tree = laidOver(this.#tree, { [field]: value });
    return this;
  }
}

export type ResourcesChoice =
  | Resources
  | ResourcesSpec
  | readonly (Resources | ResourcesSpec)[]
  | ReadonlySet<Resources | ResourcesSpec>;

function resourcesSpec(resources: ResourcesChoice): ResourcesSpec {
  if (resources instanceof Set) return { any_of: [...resources].map(specOf) };
  if (Array.isArray(resources)) return { ordered: resources.map(specOf) };
  return specOf(resources as Resources | ResourcesSpec);
}

/** The tree of what a program passed for a task. @throws SkyError `task/invalid`. */
export function taskTree(spec: unknown, path: string): Tree {
  if (typeof spec === "object" && spec !== null && !Array.isArray(spec)) return treeOf(spec, path);
  if (typeof spec !== "string") {
    const what = spec === null ? "null" : Array.isArray(spec) ? "a list" : `a ${typeof spec}`;
    throw invalid(`${path}: should be an object with the fields of a task, not ${what}`);
  }
  const text = JSON.stringify(spec.slice(0, 40));
  const help = `a command is { run: ${text} }, a file is await Task.fromYaml(${text})`;
  throw invalid(`${path}: a text is no task\n  help: ${help}`);
}

function ofYaml(tree: Tree, { envs, secrets }: YamlOptions): Task {
  const task = taskOfTree(tree);
  if (envs !== undefined) task.updateEnvs(envs);
  if (secrets !== undefined) task.updateSecrets(secrets);
  // What needs a cloud can be read; it is a launch that cannot have it.
  const reading = taskOf(treeOfTask(task), {}, { world: world() });
  if (!reading.ok) throw invalid(problemsText(reading.problems));
  return task;
}

function laidOver(tree: Tree, spec: object): Tree {
  const over = treeOf(spec, "task");
  return over.kind === "map" ? overlaid(tree, over.entries) : tree;
}

function recordOf(field: string, variables: Variables): EnvsSpec {
  if (!(Symbol.iterator in variables)) return variables;
  const pairs = [...variables];
  const twice = pairs.find(([name], index) => pairs.findIndex(([other]) => other === name) < index);
  if (twice === undefined) return Object.fromEntries(pairs);
  throw invalid(`task.${field}: ${JSON.stringify(twice[0])} is given twice`);
}

function invalid(problems: string): SkyError {
  return new SkyError("task/invalid", { problems });
}
