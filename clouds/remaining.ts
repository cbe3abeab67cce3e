// What must still be done for the machines of a cluster to be as wanted: asked again and again.
//
// No call to a cloud needs to succeed, be remembered or be answered. Whatever happened, the next
// look at the cloud's list says what is left, and an empty answer is the only proof of "done".

import type { Machine } from "./cloud.ts";
import type { Goal } from "./cluster-record.ts";

export type CloudAction =
  | { readonly kind: "launch"; readonly nodes: readonly string[] }
  | { readonly kind: "start" | "stop" | "terminate"; readonly ids: readonly string[] };

/** The actions that lead from `seen` to what is wanted. Empty when nothing must be done. */
export function remaining(
  wanted: { readonly goal: Goal; readonly nodes: readonly string[] },
  seen: readonly Machine[],
): readonly CloudAction[] {
  const living = seen.filter(({ phase }) => phase !== "gone");
  const isWanted = ({ node }: Machine) => wanted.goal !== "absent" && wanted.nodes.includes(node);
  const ours = living.filter(isWanted);
  const strangers = living.filter((machine) => !isWanted(machine));
  const asleep = ours.filter(({ phase }) => phase === "stopped");
  const awake = ours.filter(({ phase }) => phase !== "stopped");
  const missing = wanted.nodes.filter((id) => !ours.some(({ node }) => node === id));

  const actions: CloudAction[] = [];
  const add = (kind: "start" | "stop" | "terminate", machines: readonly Machine[]) => {
    if (machines.length > 0) actions.push({ kind, ids: machines.map(({ id }) => id) });
  };
  add("terminate", strangers);
  if (wanted.goal === "running") {
    add("start", asleep);
    if (missing.length > 0) actions.push({ kind: "launch", nodes: missing });
  }
  if (wanted.goal === "stopped") add("stop", awake);
  return actions;
}
