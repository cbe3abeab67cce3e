// Which home a client works with: `SKY_HOME`, or `~/.sky`. Two homes never meet.
// Everything that the client writes lies below it.

import { homedir } from "node:os";
import { resolve } from "node:path";
import { type Home, homeAt } from "../model/home.ts";

export function homeOf(root: string | undefined): Home {
  const chosen = root ?? process.env["SKY_HOME"] ?? "";
  return homeAt(chosen === "" ? `${homedir()}/.sky` : resolve(chosen));
}
