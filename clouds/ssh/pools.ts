// Pools of hosts, as `SKY_HOME/ssh_node_pools.yaml` names them. Types; `pools-file.ts` reads it.
//
// Source: SkyPilot's SSH node pools, whose file this is.

import { homeAt } from "../../model/home.ts";
import type { SshTarget } from "../../runtime/ssh.ts";

export interface Pool {
  readonly name: string;
  /** In the order of the file, each once. */
  readonly hosts: readonly PoolHost[];
}

export interface PoolHost {
  /** As the user wrote it: unique in its pool, and what is shown. */
  readonly name: string;
  readonly target: SshTarget;
}

/** The file that the pools of a home are in. */
export function poolsPath(home: string): string {
  return homeAt(home).pools;
}
