// A shell on the first node of a cluster, in its home, with the terminal of the user.
//
// A local node is a folder of this machine, so its shell is a process of the user's own: it is no
// job, holds none of the node's devices, and ends with the terminal.

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import type { ClusterView } from "../../model/cluster.ts";
import { type ExitCode, exitCodes } from "./exit-codes.ts";
import type { Shell } from "./shell.ts";
import { idleText } from "./times.ts";

/** What of the user's environment a shell on a node has: as little as a job has, and a terminal. */
const inherited = ["PATH", "LANG", "LC_ALL", "LC_CTYPE", "TERM", "COLORTERM", "TZ"].concat([
  ...["USER", "LOGNAME", "NO_COLOR"],
]);

export interface Attachment {
  /** The command that comes back to it. */
  readonly kind: string;
  /** Opens a shell in a folder; for tests, which have no terminal. */
  readonly open?: (home: string) => Promise<void>;
}

export async function attach(
  shell: Shell,
  cluster: ClusterView,
  { kind, open = openShell }: Attachment,
): Promise<ExitCode> {
  const { name, nodes } = cluster;
  if (cluster.cloud !== "local") return attachFar(shell, cluster, kind);
  const [first] = nodes;
  const { home } = shell.home.cluster(name).node(first?.id ?? "head");
  if (!existsSync(home)) {
    shell.say(`Cluster ${name} has no home for its first node yet: ${home} is missing.`);
    return exitCodes.refused;
  }
  if (!shell.interactive) {
    shell.say(`There is no terminal here. To open a shell on it:  sky ${kind} -c ${name}`);
    return exitCodes.done;
  }
  // The shell's first line is not behind a word of how the cluster came up.
  shell.progress(undefined);
  // Looked at again: its autostop may have been set just now.
  const rule = (await seenNow(shell, name))?.cluster?.autostop;
  if (rule !== undefined) {
    const what = rule.verb === "down" ? "is taken down" : "stops";
    const after = `after ${idleText(rule.idleMs)} without a job`;
    shell.say(`Autostop: ${name} ${what} ${after}; an open shell does not hold it.`);
  }
  shell.say(`Opening a shell on ${name} (${home}). To leave it: exit`);
  await open(home);
  sayFarewell(shell, { name, kind, seen: await seenNow(shell, name) });
  return exitCodes.done;
}

/** By the name that the cluster has in the user's SSH configuration. */
async function attachFar(shell: Shell, { name }: ClusterView, kind: string): Promise<ExitCode> {
  if (!shell.interactive) {
    shell.say(`There is no terminal here. To open a shell on it:  ssh ${name}`);
    return exitCodes.done;
  }
  shell.progress(undefined);
  shell.say(`Opening a shell on ${name} (ssh ${name}). To leave it: exit`);
  await ended(spawn("ssh", [name], { stdio: "inherit" }));
  sayFarewell(shell, { name, kind, seen: await seenNow(shell, name) });
  return exitCodes.done;
}

interface Seen {
  /** Absent if it is gone. */
  readonly cluster: ClusterView | undefined;
}

/** `undefined` if nobody can tell: what is said around a shell is worth no failure. */
async function seenNow(shell: Shell, cluster: string): Promise<Seen | undefined> {
  try {
    const known = await (await shell.head()).status([], shell.interrupt);
    return { cluster: known.find(({ name }) => name === cluster) };
  } catch {
    return undefined;
  }
}

/** Ends when the user leaves it, with whatever code its last command had. */
function openShell(home: string): Promise<void> {
  const given = inherited.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  const env = { ...Object.fromEntries(given), HOME: home, SHELL: "/bin/bash" };
  return ended(spawn("bash", ["-i"], { cwd: home, env, stdio: "inherit" }));
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", () => resolve());
  });
}

interface Farewell {
  readonly name: string;
  readonly kind: string;
  readonly seen: Seen | undefined;
}

/** Source of the hints: SkyPilot 0.3.0. */
function sayFarewell(shell: Shell, { name, kind, seen }: Farewell): void {
  if (seen !== undefined && seen.cluster === undefined) {
    shell.say(`Cluster ${name} is gone: it was taken down meanwhile.`);
    shell.say(`To launch it anew:  sky ${kind} -c ${name}`);
    return;
  }
  const status = seen?.cluster?.status ?? "UP";
  if (status !== "UP") {
    shell.say(`Cluster ${name} is not up any more (status: ${status}).`);
    shell.say(`To start it again:         sky ${kind} -c ${name}`);
  } else {
    shell.say(`To attach to it again:     sky ${kind} -c ${name}`);
    shell.say(`To stop the cluster:       sky stop ${name}`);
  }
  shell.say(`To take the cluster down:  sky down ${name}`);
}
