// The name of a cluster that nobody named, as SkyPilot makes them: `sky-<4 hex>-<user>`.
// Two at the same moment differ with all but certainty.

import { randomBytes } from "node:crypto";

export function newClusterName(user: string): string {
  const plain = user.toLowerCase().replace(/[^a-z0-9-]/g, "");
  const end = plain.slice(0, 40).replace(/^-+|-+$/g, "");
  return `sky-${randomBytes(2).toString("hex")}-${end === "" ? "user" : end}`;
}
