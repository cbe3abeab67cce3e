// What is said after a launch of how to log into the cluster's hosts: by the names that `ssh`
// knows, and why it does not know one.

import { existsSync, readFileSync } from "node:fs";
import { namesOf, type SshNames, sshName } from "../../clouds/ssh/ssh-config.ts";
import type { Home } from "../../model/home.ts";

/** What the head has written for `ssh`; nothing is known of a cluster that it does not tell of. */
export function sshNamesAt(home: Home, cluster: string): SshNames {
  const path = `${home.root}/ssh/config`;
  return namesOf(existsSync(path) ? readFileSync(path, "utf8") : "", cluster);
}

/** Of the head and of one worker, if there are any. */
export function sshHints(
  { left }: SshNames,
  { name, nodes }: { readonly name: string; readonly nodes: readonly unknown[] },
): readonly string[] {
  const lineOf = (begin: string, index: number): string => {
    const host = sshName(name, index);
    const why = left.find((one) => one.name === host)?.why;
    return why === undefined ? `${begin} ssh ${host}` : `\`ssh ${host}\` is not set up: ${why}.`;
  };
  const head = lineOf("To log into its head:        ", 0);
  return nodes.length > 1 ? [head, lineOf("To log into a worker:        ", 1)] : [head];
}
