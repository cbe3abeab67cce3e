// What the steps of `host-steps.sh` say on a host, read. Pure.

import type { RoleStatus } from "./host-steps.ts";

/** Lines of "key value"; of a key that comes twice the last one counts. */
export function linesOf(said: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const line of said.split("\n")) {
    const [, key, value = ""] = /^([a-z]+)(?: (.*))?$/.exec(line) ?? [];
    if (key !== undefined) found.set(key, value);
  }
  return found;
}

export function roleStatusOf(word: string | undefined): RoleStatus {
  return word === "running" || word === "dead" ? word : "absent";
}

/** What the agent's `remove` prints as JSON: `kept`, sentences. `unknown`: why it did not. */
export function keptIn(printed: string, unknown?: string): readonly string[] {
  const doubt = unknown === undefined ? [] : [`files of its jobs, maybe: ${unknown}`];
  if (printed === "") return doubt;
  try {
    const { kept }: { readonly kept?: unknown } = JSON.parse(printed);
    if (Array.isArray(kept)) return [...kept.map(String), ...doubt];
  } catch {
    // Not what we know: it is told as it is.
  }
  return [printed, ...doubt];
}
