// A file of several tasks: documents with `---` between them, and maybe a header before them.
//
// A chain (a pipeline) runs one after the other, a group at once. The header is a document with
// only a `name`, or with what a group says of itself.
// Source: SkyPilot 0.14.1, its chains and job groups.

import type { Findings } from "../model/field-values.ts";
import { refuse } from "../model/field-values.ts";
import type { Problem } from "../model/problem.ts";
import type { Tree } from "../model/value-tree.ts";
import { isNull } from "../model/value-tree.ts";
import type { Around, ReadTask } from "./task-file.ts";
import { taskOf } from "./task-file.ts";
import type { TaskFlags } from "./task-flags.ts";
import { anyMapping, byForm, fieldsOf, listOf, readTable } from "./task-groups.ts";
import { duration, oneOf, text, textLike } from "./task-kinds.ts";

export interface Dag {
  readonly name?: string;
  /** `serial`: each waits for the one before it. */
  readonly execution: "serial" | "parallel";
  /** At least one, in the order of the file. */
  readonly tasks: readonly ReadTask[];
}

export type DagReading =
  | (Dag & { readonly ok: true })
  | { readonly ok: false; readonly problems: readonly Problem[] };

export const headerFields = {
  name: {
    kind: textLike(/^[A-Za-z0-9]+(?:[._-]{1,2}[A-Za-z0-9]+)*$/, "a name such as my-pipeline"),
    about: "Of all tasks together.",
    example: "name: my-pipeline",
  },
  execution: {
    kind: oneOf(["serial", "parallel"]),
    about: "One after the other (the default), or all at once.",
    example: "execution: parallel",
  },
  primary_tasks: {
    kind: listOf(text),
    about: "Of a group: the tasks whose end is its end.",
    example: "primary_tasks: [train]",
  },
  termination_delay: {
    kind: byForm<unknown>({ scalar: duration("s"), map: anyMapping }, "a time such as 30s"),
    about: "Of a group: how long the others go on.",
    example: "termination_delay: 30s",
  },
  inter_connection: {
    kind: anyMapping,
    about: "Of a group: how its tasks reach each other.",
    example: "inter_connection: {}",
  },
} as const;

export const header = fieldsOf({ of: "the header", fields: headerFields, needs: ["name"] });

/** What a reading is of: the documents, the flags that hold for every task, the machine. */
export interface DagSource extends Around {
  readonly documents: readonly Tree[];
  readonly flags: TaskFlags;
}

/** The tasks of a file, or every problem of all of them. Empty documents are skipped. */
export function dagOf({ documents, flags, ...around }: DagSource): DagReading {
  const full = documents.filter((tree) => !isNull(tree));
  const [first] = full;
  const hasHeader = first !== undefined && isHeader(first, full.length);
  const found: Findings = { problems: [], notes: [] };
  const said = hasHeader
    ? readTable(first, { of: "the header", fields: headerFields, needs: ["name"] }, found)
    : undefined;
  const trees = hasHeader ? full.slice(1) : full;
  const readings = (trees.length === 0 ? documents.slice(0, 1) : trees).map((tree) => {
    return taskOf(tree, flags, around);
  });
  const execution = said?.values.execution ?? "serial";
  if (execution === "parallel") checkNames(trees, found);
  const problems = [...found.problems, ...readings.flatMap((one) => (one.ok ? [] : one.problems))];
  if (problems.length > 0) return { ok: false, problems };
  const tasks = readings.flatMap((one) => (one.ok ? [one] : []));
  const name = said?.values.name ?? (tasks.length === 1 ? tasks[0]?.task.name : undefined);
  return { ok: true, ...(name === undefined ? {} : { name }), execution, tasks };
}

function isHeader(tree: Tree, count: number): boolean {
  if (tree.kind !== "map" || count < 2) return false;
  const keys = tree.entries.map(({ key }) => key);
  const isNameAlone = keys.length === 1 && keys[0] === "name";
  return isNameAlone || keys.includes("execution");
}

/** In a group each task is called by its name. */
function checkNames(trees: readonly Tree[], found: Findings): void {
  const seen = new Set<string>();
  for (const tree of trees) {
    if (tree.kind !== "map") continue;
    const name = tree.entries.find(({ key }) => key === "name")?.value;
    const typed = name?.kind === "scalar" ? name.text : "";
    if (name === undefined || isNull(name)) {
      refuse(found, tree.place, "a task of a group should have a name");
    } else if (seen.has(typed)) {
      refuse(
        found,
        name.place,
        `${JSON.stringify(typed)} is the name of another task of the group`,
      );
    }
    seen.add(typed);
  }
}
