// What of a node goes from its host when the cluster is taken down: `skylet remove DIR`, and the
// end of a node that was told so.
//
// The files of jobs are dealt with first (`agent/laid-removal-os.ts`), the processes of whatever is
// left of ranks next, and then all that is ours: the node's folder, and its claims.

import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { readdir, readFile, readlink, unlink } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, dirname } from "node:path";
import { finished } from "node:stream/promises";
import { setTimeout as pause } from "node:timers/promises";
import { findCgroups } from "../../agent/cgroup-os.ts";
import { removeLaid } from "../../agent/laid-removal-os.ts";
import type { NodeHome } from "../../model/home.ts";
import { hostHomeAt } from "../../model/home.ts";
import type { HostFile } from "../../model/host-file.ts";
import { parseHostFile } from "../../model/host-file.ts";
import { removeTree } from "../../runtime/removal-os.ts";

/** Where the node of a cluster's folder on this host is. */
export function hostHome(dir: string, { workdir }: Pick<HostFile, "workdir">): NodeHome {
  return hostHomeAt(`${dir}/node`, { home: homedir(), workdir });
}

/** The node's agent has ended. */
export async function removeNode(dir: string, home: NodeHome): Promise<void> {
  await removeTree(home.root);
  const claims = `${dirname(dirname(dir))}/claims`;
  const names = existsSync(claims) ? await readdir(claims) : [];
  for (const name of names) {
    const holder = await readlink(`${claims}/${name}`).catch(orNothing);
    if (holder === basename(dir)) await unlink(`${claims}/${name}`);
  }
}

/** What of the bundle takes everything of a cluster away: see `clouds/ssh/host-steps.sh`. */
const scripts = ["host-steps.sh", "host-keep.sh"];

export function canRemoveAll(dir: string): boolean {
  return scripts.every((name) => existsSync(`${dir}/bundle/${name}`));
}

/**
 * Starts the removal of all that is left of the cluster on this host, ourselves and our supervisor
 * included. It is known by neither our mark nor our folder, so that it does not end itself.
 */
export async function removeAll(dir: string): Promise<void> {
  const texts = scripts.map((name) => readFileSync(`${dir}/bundle/${name}`));
  const { HOME = homedir(), USER = "", PATH = "/usr/bin:/bin" } = process.env;
  const child = spawn("sh", ["-s", "remove", basename(dir)], {
    cwd: "/",
    env: { HOME, USER, PATH },
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  // One that does not start leaves what there is, for whoever comes.
  child.on("error", () => {});
  child.unref();
  await finished(child.stdin.end(Buffer.concat(texts)));
}

/** By somebody from outside, when its agent has ended, whatever became of its ranks. */
export async function removeHost(dir: string): Promise<{ readonly kept: readonly string[] }> {
  const file = parseHostFile(await readFile(`${dir}/host.json`, "utf8"));
  const home = hostHome(dir, file);
  await endRanks(home, `${file.cluster}-${file.node}`);
  const kept = existsSync(home.state) ? await removeLaid(home, basename(dir)) : [];
  await removeNode(dir, home);
  return { kept };
}

/** It has gone, or is no link: then it is no claim. */
function orNothing(error: NodeJS.ErrnoException): undefined {
  if (error.code === "ENOENT" || error.code === "EINVAL") return undefined;
  throw error;
}

const roundsMax = 100;
const roundMs = 20;

/** Those that are in cgroups of ours; whoever called us looks for others. */
async function endRanks({ state }: NodeHome, name: string): Promise<void> {
  if (!existsSync(state)) return;
  const cgroups = findCgroups({ stateDir: state, name });
  for (let round = 0; round < roundsMax; round += 1) {
    const leaves = cgroups?.leaves() ?? [];
    for (const leaf of leaves) cgroups?.killAll(leaf);
    const left = await Promise.all(leaves.map((leaf) => cgroups?.remove(leaf)));
    if (left.every((isGone) => isGone !== false)) break;
    await pause(roundMs);
  }
  cgroups?.removeParent();
}
