// The grammar of every name that a user or the system gives.
//
// Names end up in NATS subjects, paths, hosts and environment variables, so one strict grammar
// serves them all. A subject token may not hold a dot, a star, a `>` or a space; a host name has
// dots, so a node id is not a host name.

/** A cluster's name. Source: SkyPilot's cluster name rule. */
export const clusterPattern = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;

/** A task's name. Source: SkyPilot's task name rule. */
export const taskNamePattern = /^[a-z0-9]+(?:[._-]{1,2}[a-z0-9]+)*$/;

/** One token of a subject: node ids, actor kinds and actor ids. */
export const tokenPattern = /^[A-Za-z0-9_-]+$/;

/** The name of an environment variable. */
export const envNamePattern = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Variables that bash keeps for itself and lets nobody set. Source: bash(1), "Shell Variables". */
const bashOwnNames: ReadonlySet<string> = new Set([
  ...["BASHOPTS", "BASH_VERSINFO", "EUID", "PPID", "SHELLOPTS", "UID"],
]);
const shimPrefix = "__skylet_";

/** Why a job cannot have a variable of this name, though it is one; `undefined` if it can. */
export function envNameProblem(name: string): string | undefined {
  if (bashOwnNames.has(name)) return `${name} is read-only in bash`;
  return name.startsWith(shimPrefix) ? `${name} is a name of ours` : undefined;
}

/** The longest cluster name that we take; it is part of paths and host names. */
export const clusterNameLengthMax = 63;

/** The id of the n-th node of a cluster, counted from 0: `head`, `worker1`, `worker2`, … */
export function nodeId(index: number): string {
  return index === 0 ? "head" : `worker${index}`;
}

/** Who asks: kept, and shown in tables. In bytes. */
export const userNameBytesMax = 256;

/** Why nobody can have this name; `undefined` if somebody can. */
export function userNameProblem(name: string): string | undefined {
  const bytes = new TextEncoder().encode(name).length;
  if (bytes > userNameBytesMax)
    return `it has ${bytes} bytes, at most ${userNameBytesMax} are taken`;
  return /\p{Cc}/u.test(name) ? "it holds a control character" : undefined;
}
