// The way back from a tree to plain values: what `toSpec()` and `toYaml()` of a builder give. Pure.
//
// Variables are text, whatever they look like: `010` and `1.0` come out as they were written.

import type { Tree } from "../model/value-tree.ts";

export type Plain =
  | string
  | number
  | boolean
  | null
  | readonly Plain[]
  | { readonly [key: string]: Plain };

/** Fields whose values are texts for the job's environment. */
const variableFields = ["envs", "secrets"];

/** The plain form of a task. */
export function plainTask(tree: Tree): Plain {
  if (tree.kind !== "map") return plainOf(tree);
  return Object.fromEntries(
    tree.entries.map(({ key, value }) => {
      return [key, variableFields.includes(key) ? textsOf(value) : plainOf(value)];
    }),
  );
}

export function plainOf(tree: Tree): Plain {
  switch (tree.kind) {
    case "scalar":
      return tree.value;
    case "list":
      return tree.items.map(plainOf);
    case "map":
      return Object.fromEntries(tree.entries.map(({ key, value }) => [key, plainOf(value)]));
  }
}

function textsOf(tree: Tree): Plain {
  if (tree.kind !== "map") return plainOf(tree);
  return Object.fromEntries(
    tree.entries.map(({ key, value }) => {
      const isText = value.kind === "scalar" && value.value !== null;
      return [key, isText ? value.text : plainOf(value)];
    }),
  );
}
