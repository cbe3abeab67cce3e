// Names for clusters that the user has not named.
// Source of their forms: SkyPilot 0.3.0.

import { randomBytes } from "node:crypto";
import { userName } from "../world-os.ts";

/** `sky-<4hex>-<user>`. */
export function newName(): string {
  return `sky-${randomBytes(2).toString("hex")}-${cleanedUser()}`;
}

/** `sky-cpunode-<user>`. */
export function nodeName(kind: string): string {
  return `sky-${kind}-${cleanedUser()}`;
}

/** What of the user's name may stand in a cluster's. */
function cleanedUser(): string {
  const user = userName()
    .toLowerCase()
    .replace(/[^a-z0-9-]/g, "")
    .slice(0, 32)
    .replace(/-+$/, "");
  return user === "" ? "user" : user;
}
