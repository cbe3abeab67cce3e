// `${NAME}` and `$NAME` of the task's own `envs`, filled in where SkyPilot fills them in: workdir,
// file_mounts and volumes. A name that `envs` does not have stays as it is. Pure.
//
// Secrets are not filled in: a path is shown in tables and records.
// Source: SkyPilot's variables in file_mounts.

import type { Entry, Tree } from "../model/value-tree.ts";
import { isNull } from "../model/value-tree.ts";

const filledFields = ["workdir", "file_mounts", "volumes"];

/** The task's tree with its variables filled in. Messages still show what was typed. */
export function filledIn(task: Tree): Tree {
  if (task.kind !== "map") return task;
  const values = valuesOf(task.entries.find(({ key }) => key === "envs")?.value);
  if (values.size === 0) return task;
  const entries = task.entries.map((entry) => {
    if (!filledFields.includes(entry.key)) return entry;
    return { ...entry, value: filled(entry.value, values) };
  });
  return { ...task, entries };
}

function valuesOf(envs: Tree | undefined): ReadonlyMap<string, string> {
  const entries = envs?.kind === "map" ? envs.entries : [];
  return new Map(
    entries.flatMap(({ key, value }) => {
      return value.kind === "scalar" && !isNull(value) ? [[key, value.text] as const] : [];
    }),
  );
}

function filled(tree: Tree, values: ReadonlyMap<string, string>): Tree {
  switch (tree.kind) {
    case "scalar":
      return typeof tree.value === "string"
        ? { ...tree, value: filledText(tree.value, values) }
        : tree;
    case "list":
      return { ...tree, items: tree.items.map((item) => filled(item, values)) };
    case "map":
      return {
        ...tree,
        entries: tree.entries.map(
          ({ key, keyPlace, value }): Entry => ({
            key: filledText(key, values),
            keyPlace,
            value: filled(value, values),
          }),
        ),
      };
  }
}

function filledText(text: string, values: ReadonlyMap<string, string>): string {
  return text.replace(/\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))/g, (whole, braced, bare) => {
    return values.get(braced ?? bare) ?? whole;
  });
}
