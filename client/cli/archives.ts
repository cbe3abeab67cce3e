// Where the logs of a cluster that is gone are: `sky down` and autodown keep them.
//
// The head moves them to `SKY_HOME/logs/<cluster>-<time>`; a name that was used again has several.

import { readdirSync } from "node:fs";
import type { Home } from "../../model/home.ts";

/** As `scheduler/log-archive-os.ts` names them: `demo-20261122-110738-268`. */
const stamp = /^\d{8}-\d{6}-\d{3}$/;

/** The folders, newest first; none if nothing was kept. */
export function archivesOf({ logs }: Home, cluster: string): readonly string[] {
  return namesIn(logs)
    .filter((name) => name.startsWith(`${cluster}-`) && stamp.test(name.slice(cluster.length + 1)))
    .sort()
    .reverse()
    .map((name) => `${logs}/${name}`);
}

/** What to say of a cluster that was there once; empty if nothing is known of it. */
export function archiveHint(home: Home, cluster: string): string {
  const [newest, ...older] = archivesOf(home, cluster);
  if (newest === undefined) return "";
  const others = older.length === 0 ? "" : ` (and ${older.length} older beside it)`;
  return ` It was taken down: its logs are in ${newest}${others}`;
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    // Nothing was ever kept, or it is not ours to read: there is nothing to tell.
    return [];
  }
}
