// Tasks and the order between them: SkyPilot's `Dag`.
//
// A chain of tasks is a pipeline, which is for managed jobs; a dag of one task is that task. A YAML
// file of several documents is a chain, and its first document may be nothing but a name.

import { assert, SkyError } from "../model/errors.ts";
import { problemsText } from "../model/problem.ts";
import { Task, taskOfTree, taskTree, treeOfTask } from "./task-builder-os.ts";
import { dagOf } from "./task-dag.ts";
import type { TaskSpec } from "./task-spec.ts";
import { plainTask } from "./tree-plain.ts";
import { world } from "./world-os.ts";
import { readDocuments, type YamlSource, yamlText } from "./yaml-file-os.ts";

/**
 * Tasks and the order between them. `sky.launch` takes a dag of one task; a longer one is for
 * `sky.optimize`, and for managed jobs.
 *
 * @example
 * const dag = new Dag({ name: "nightly" }).chain({ run: "make data" }, { run: "make model" });
 * console.log(dag.tasks.length, dag.isChain());
 */
export class Dag {
  readonly name: string | undefined;
  readonly #tasks: Task[] = [];
  readonly #edges: (readonly [Task, Task])[] = [];

  constructor(options: { readonly name?: string } = {}) {
    this.name = options.name;
  }

  /**
   * The tasks of a YAML file, one after the other: a pipeline, or one task.
   *
   * @example const dag = await Dag.fromYaml("pipeline.yaml");
   * @throws SkyError `task/invalid` with every problem of every task.
   */
  static async fromYaml(path: string): Promise<Dag> {
    return ofDocuments({ path });
  }

  /** The same from a text; `file` is how its problems call it. */
  static async fromYamlText(text: string, file = "dag.yaml"): Promise<Dag> {
    return ofDocuments({ path: file, text });
  }

  /** In the order in which they were added. */
  get tasks(): readonly Task[] {
    return [...this.#tasks];
  }

  /** Which task comes before which. */
  get edges(): readonly (readonly [Task, Task])[] {
    return [...this.#edges];
  }

  /** Adds tasks that wait for nothing. What is there already stays as it is. */
  add(...tasks: readonly (Task | TaskSpec)[]): this {
    for (const task of tasks) this.#added(task);
    return this;
  }

  /** Each of these comes after the one before it: SkyPilot's `a >> b >> c`. */
  chain(...tasks: readonly (Task | TaskSpec)[]): this {
    const added = tasks.map((task) => this.#added(task));
    for (const [index, after] of added.entries()) {
      const before = added[index - 1];
      if (before !== undefined) this.#connect(before, after);
    }
    return this;
  }

  /** Whether its tasks stand in one line, each after the one before. */
  isChain(): boolean {
    const starts = new Set(this.#edges.map(([before]) => before));
    const ends = new Set(this.#edges.map(([, after]) => after));
    const unique = starts.size === this.#edges.length && ends.size === this.#edges.length;
    return unique && this.#edges.length === Math.max(0, this.#tasks.length - 1);
  }

  /** As the text of a YAML file of several documents. Secrets are in it. */
  async toYaml(): Promise<string> {
    if (!this.isChain()) throw invalid("dag: only a chain of tasks can be written as YAML");
    const name = this.name === undefined ? [] : [{ name: this.name }];
    const specs = this.#inOrder().map((task) => plainTask(treeOfTask(task)));
    return yamlText([...name, ...specs]);
  }

  #added(task: Task | TaskSpec): Task {
    const known = task instanceof Task ? task : taskOfTree(taskTree(task, "task"));
    if (!this.#tasks.includes(known)) this.#tasks.push(known);
    return known;
  }

  #connect(before: Task, after: Task): void {
    if (this.#edges.some((edge) => edge[0] === before && edge[1] === after)) return;
    if (this.#reaches(after, before)) {
      const [from, to] = [before, after].map((task) => this.#called(task));
      throw invalid(`dag: ${to} cannot come after ${from}, which comes after it`);
    }
    this.#edges.push([before, after]);
  }

  #reaches(from: Task, to: Task): boolean {
    const next = this.#edges.filter(([before]) => before === from);
    return from === to || next.some(([, after]) => this.#reaches(after, to));
  }

  #called(task: Task): string {
    return task.name ?? `tasks[${this.#tasks.indexOf(task)}]`;
  }

  /** The tasks of a chain from its first to its last. */
  #inOrder(): readonly Task[] {
    const next = new Map(this.#edges);
    const first = this.#tasks.find((task) => !this.#edges.some(([, after]) => after === task));
    const order: Task[] = [];
    for (let task = first; task !== undefined; task = next.get(task)) order.push(task);
    assert(order.length === this.#tasks.length, "a chain goes through all of its tasks");
    return order;
  }
}

async function ofDocuments(source: YamlSource): Promise<Dag> {
  const documents = await readDocuments(source);
  const reading = dagOf({ documents, flags: {}, world: world() });
  if (!reading.ok) throw invalid(problemsText(reading.problems));
  const { name, execution, tasks } = reading;
  const isPipeline = documents.length > 1;
  const dag = new Dag(isPipeline && name !== undefined ? { name } : {});
  // A header is no task.
  const built = documents.slice(documents.length - tasks.length).map(taskOfTree);
  return execution === "serial" ? dag.chain(...built) : dag.add(...built);
}

function invalid(problems: string): SkyError {
  return new SkyError("task/invalid", { problems });
}
