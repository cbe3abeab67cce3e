// Work of a user who may not read everything.

import { execFileSync } from "node:child_process";

const nobody = 65_534;

/** Root is refused nothing: it is somebody else meanwhile, and `root` is theirs. */
export async function asUser(root: string, work: () => Promise<void>): Promise<void> {
  if (process.getuid?.() !== 0) return await work();
  execFileSync("chown", ["-R", `${nobody}`, root]);
  process.seteuid?.(nobody);
  try {
    await work();
  } finally {
    process.seteuid?.(0);
  }
}
