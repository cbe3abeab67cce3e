// How many nodes a cluster has: what the look of its logs depends on.
//
// It is asked of the list of clusters, so that an unknown name is told with the close ones.

import { unknownCluster } from "../cluster-name.ts";
import type { Head } from "../head.ts";
import type { Shell } from "./shell.ts";

/** How many nodes a cluster has. @throws SkyError `cluster/not-found`. */
export async function nodesOf(shell: Shell, head: Head, cluster: string): Promise<number> {
  const known = await head.status([], shell.interrupt);
  const found = known.find(({ name }) => name === cluster);
  if (found !== undefined) return found.nodes.length;
  throw unknownCluster(
    cluster,
    known.map(({ name }) => name),
  );
}
