// What the client asks of the machine it runs on: folders, and who the user is.
// What the pure files need of it is passed in from here.

import { statSync } from "node:fs";
import { homedir, userInfo } from "node:os";
import { SkyError } from "../model/errors.ts";
import { userNameProblem } from "../model/ids.ts";
import type { TaskWorld } from "./task-path.ts";

/** What the validator of tasks may ask. */
export function world(): TaskWorld {
  return { cwd: process.cwd(), home: homedir(), kindOf };
}

function kindOf(path: string): "directory" | "file" | "missing" {
  try {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) return "missing";
    return stat.isDirectory() ? "directory" : "file";
  } catch {
    // Through a file, too long, forbidden: as far as this user goes it is not there.
    return "missing";
  }
}

/**
 * Who the head's records name: `SKYPILOT_USER` where it is set, else the user of the machine.
 * @throws SkyError `request/invalid` if that is no name.
 */
export function userName(): string {
  const given = process.env["SKYPILOT_USER"]?.trim() ?? "";
  const why = userNameProblem(given);
  if (why !== undefined) throw new SkyError("request/invalid", { field: "SKYPILOT_USER", why });
  if (given !== "") return given;
  try {
    return userInfo().username;
  } catch {
    // A user id without a name: common in containers.
    return process.env["USER"] ?? String(process.getuid?.() ?? "unknown");
  }
}
