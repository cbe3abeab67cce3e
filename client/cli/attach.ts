// A shell on the first node of a cluster, in its home, with the terminal of the user.
//
// A local node is a folder of this machine, so its shell is a process of the user's own: it is no
// job, holds none of the node's devices, and ends with the terminal.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import type { ClusterView } from "../../model/cluster.ts";
import { type ExitCode, exitCodes } from "./exit-codes.ts";
import type { Shell } from "./shell.ts";

/** What of the user's environment a shell on a node has: as little as a job has, and a terminal. */
const inherited = ["PATH", "LANG", "LC_ALL", "LC_CTYPE", "TERM", "COLORTERM", "TZ"].concat([
  ...["USER", "LOGNAME", "NO_COLOR"],
]);

export async function attach(shell: Shell, view: ClusterView, kind: string): Promise<ExitCode> {
  const [first] = view.nodes;
  const { home } = shell.home.cluster(view.name).node(first?.id ?? "head");
  if (!existsSync(home)) {
    shell.say(`Cluster ${view.name} has no home for its first node yet: ${home} is missing.`);
    return exitCodes.refused;
  }
  if (!shell.interactive) {
    shell.say(`There is no terminal here. To open a shell on it:  sky ${kind} -c ${view.name}`);
    return exitCodes.done;
  }
  shell.say(`Opening a shell on ${view.name} (${home}). To leave it: exit`);
  await openShell(home);
  sayHints(shell, view.name, kind);
  return exitCodes.done;
}

/** Ends when the user leaves it, with whatever code its last command had. */
function openShell(home: string): Promise<void> {
  const given = inherited.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  const env = { ...Object.fromEntries(given), HOME: home, SHELL: "/bin/bash" };
  const child = spawn("bash", ["-i"], { cwd: home, env, stdio: "inherit" });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", () => resolve());
  });
}

/** Source: SkyPilot 0.3.0. */
function sayHints(shell: Shell, cluster: string, kind: string): void {
  shell.say(`To attach to it again:     sky ${kind} -c ${cluster}`);
  shell.say(`To stop the cluster:       sky stop ${cluster}`);
  shell.say(`To take the cluster down:  sky down ${cluster}`);
}
