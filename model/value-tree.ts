// A value that knows where it came from: the one form that the validator reads.
//
// A YAML file, the flags of a command and an object of the SDK all become such a tree, so there is
// one validator and every message points at what the user wrote. Scalars keep their text: an
// environment variable `010` or `1.0` arrives as it was written, not as a number printed again.

import { SkyError } from "./errors.ts";
import type { Place } from "./problem.ts";

export type Tree =
  | { readonly kind: "map"; readonly place: Place; readonly entries: readonly Entry[] }
  | { readonly kind: "list"; readonly place: Place; readonly items: readonly Tree[] }
  | {
      readonly kind: "scalar";
      readonly place: Place;
      readonly value: string | number | boolean | null;
      readonly text: string;
    };

export interface Entry {
  readonly key: string;
  readonly keyPlace: Place;
  readonly value: Tree;
}

/** Deeper than any task. What is deeper surely contains itself. */
const depthMax = 32;

/**
 * The tree of an object that a program passed. `undefined` members are absent.
 * @throws SkyError `task/invalid` if the object contains itself, or what is no data.
 */
export function treeOf(value: unknown, path: string, depth = 0): Tree {
  const place: Place = { kind: "value", path };
  if (depth > depthMax) {
    const problems = `${path.slice(0, 80)}…: more than ${depthMax} values inside of each other`;
    throw new SkyError("task/invalid", { problems });
  }
  if (Array.isArray(value)) {
    const items = value.map((item, index) => treeOf(item, `${path}[${index}]`, depth + 1));
    return { kind: "list", place, items };
  }
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .map(([key, member]): Entry => {
        const at = `${path}.${key}`;
        return { key, keyPlace: { kind: "value", path: at }, value: treeOf(member, at, depth + 1) };
      });
    return { kind: "map", place, entries };
  }
  return scalar(value, place);
}

function scalar(value: unknown, place: Place): Tree {
  switch (typeof value) {
    case "string":
    case "number":
    case "boolean":
      return { kind: "scalar", place, value, text: String(value) };
    case "undefined":
      return { kind: "scalar", place, value: null, text: "" };
    case "object":
      return { kind: "scalar", place, value: null, text: "null" };
    default:
      throw noData(place, typeof value);
  }
}

function noData(place: Place, type: string): SkyError {
  const path = place.kind === "value" ? place.path : "";
  const hint = type === "function" ? "; a command can use $SKYPILOT_NODE_RANK" : "";
  const problems = `${path}: a ${type} cannot be sent to a node${hint}`;
  return new SkyError("task/invalid", { problems });
}

/** The tree of a flag's text: a number where it reads as one. */
export function treeOfFlag(text: string, flag: string): Tree {
  const place: Place = { kind: "value", path: flag };
  const numeric = /^[-+]?\d+(\.\d+)?$/.test(text);
  return { kind: "scalar", place, value: numeric ? Number(text) : text, text };
}

/** `tree` with the entries of `over` in place of its own; maps in both are merged. */
export function overlaid(tree: Tree, over: readonly Entry[]): Tree {
  const base: Tree = isNull(tree) ? { kind: "map", place: tree.place, entries: [] } : tree;
  if (base.kind !== "map") return tree;
  const kept = base.entries.filter((entry) => !over.some(({ key }) => key === entry.key));
  const laid = over.map((entry): Entry => {
    const below = base.entries.findLast(({ key }) => key === entry.key);
    if (entry.value.kind !== "map" || below === undefined) return entry;
    return { ...below, value: overlaid(below.value, entry.value.entries) };
  });
  return { ...base, entries: [...kept, ...laid] };
}

/** `tree` without the entry at `path`. What `--cpus none` does. */
export function without(tree: Tree, path: readonly string[]): Tree {
  const [key, ...rest] = path;
  if (key === undefined || tree.kind !== "map") return tree;
  const entries = tree.entries.flatMap((entry): readonly Entry[] => {
    if (entry.key !== key) return [entry];
    return rest.length === 0 ? [] : [{ ...entry, value: without(entry.value, rest) }];
  });
  return { ...tree, entries };
}

export function isNull(tree: Tree): boolean {
  return tree.kind === "scalar" && tree.value === null;
}

/** How a value is called in a message: `0`, `"abc"`, `a list`. */
export function shown(tree: Tree): string {
  if (tree.kind !== "scalar") return tree.kind === "map" ? "a mapping" : "a list";
  if (tree.value === null) return "nothing";
  const text = tree.text.length > 40 ? `${tree.text.slice(0, 40)}…` : tree.text;
  return typeof tree.value === "string" ? JSON.stringify(text) : text;
}
