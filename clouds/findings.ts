// What a cloud's list says about a cluster that was up or stopped. Pure.
//
// Source: SkyPilot 0.3.0, the table of its status refresh.

import type { Machine } from "./cloud.ts";

export type Finding =
  /** All there, all up. */
  | { readonly kind: "up" }
  /** None there. */
  | { readonly kind: "gone" }
  | { readonly kind: "stopped" }
  /** More than were launched: somebody pays for what nobody knows of. */
  | { readonly kind: "more"; readonly machines: readonly string[] }
  /** Anything else; `soon` if it may be up in a moment. */
  | { readonly kind: "mixed"; readonly up: number; readonly soon: boolean };

export function findingOf(nodes: readonly string[], machines: readonly Machine[]): Finding {
  const living = machines.filter(({ phase }) => phase !== "gone");
  if (living.length === 0) return { kind: "gone" };
  if (living.length > nodes.length) return { kind: "more", machines: living.map(({ id }) => id) };
  const phases = nodes.map((id) => living.find(({ node }) => node === id)?.phase);
  if (phases.every((phase) => phase === "up")) return { kind: "up" };
  if (phases.every((phase) => phase === "stopped")) return { kind: "stopped" };
  const up = phases.filter((phase) => phase === "up").length;
  return {
    kind: "mixed",
    up,
    soon: phases.every((phase) => phase === "up" || phase === "starting"),
  };
}
