// Where in a task file a demand stands that no node of the cluster can hold. Pure.
//
// The head refuses such a demand in one sentence that names what was asked; the file has the line.

import type { Place } from "./problem.ts";
import type { Tree } from "./task-tree.ts";

/** What the head's sentence is about: the field, and the flag that would have set it instead. */
const demands = [
  { says: /^\d+ nodes? asked/, path: ["num_nodes"], flag: "numNodes" },
  { says: /^cpus /, path: ["resources", "cpus"], flag: "cpus" },
  { says: /^memory /, path: ["resources", "memory"], flag: "memory" },
  { says: /^\S+:[\d.]+ asked/, path: ["resources", "accelerators"], flag: "gpus" },
] as const;

/** The place of the demand in `tree`; undefined if a flag set it, or it is nowhere in the file. */
export function demandPlace(
  tree: Tree,
  why: string,
  flags: Readonly<Record<string, unknown>>,
): Place | undefined {
  const demand = demands.find(({ says }) => says.test(why));
  if (demand === undefined || flags[demand.flag] !== undefined) return undefined;
  let at: Tree | undefined = tree;
  for (const key of demand.path) {
    const inside: Tree | undefined = at;
    at =
      inside?.kind === "map" ? inside.entries.find((entry) => entry.key === key)?.value : undefined;
  }
  return at?.place;
}
