// What is left of a cluster whose head is closed: its logs are kept, all else goes.
//
// What must always hold: the logs are out of the way before anything is removed; twice is harmless,
// so whoever was cut off begins again.

import { lstat } from "node:fs/promises";
import type { ClusterRecord } from "../clouds/cluster-record.ts";
import type { Cleared } from "../clouds/fleet-actor.ts";
import { defaultConfig } from "../model/config.ts";
import { errorText } from "../model/errors.ts";
import { batchOf } from "../runtime/journal.ts";
import { removeTree } from "../runtime/removal-os.ts";
import type { Store } from "../runtime/store.ts";
import { prefixEnd } from "../runtime/store-keys.ts";
import { clusterPins } from "../transfer/tree/pins.ts";
import type { HeadsOptions } from "./heads-options.ts";
import { archiveLogs, limitArchives } from "./log-archive-os.ts";
import { recordKeys } from "./records.ts";

export type ClearingOptions = Pick<
  HeadsOptions,
  "home" | "store" | "chunks" | "clock" | "log" | "history"
>;

/** Records that one commit removes. */
const removedMax = 2_000;

export async function clearCluster(
  options: ClearingOptions,
  { name, purge }: Pick<ClusterRecord, "name" | "purge">,
): Promise<Cleared> {
  const { home, store, clock } = options;
  const archive = `${home.logs}/${name}-${stamp(clock.now().wallMs)}`;
  const kept = await archiveLogs(home.cluster(name).logs, archive);
  await limitArchives(home.logs, options.history ?? defaultConfig.history);
  // In parts: a long history would hold up everybody else's commits.
  for (const prefix of [recordKeys.dones(name), recordKeys.orders(name)]) {
    await removeAll(store, prefix);
  }
  await store.forget(name);
  await store.commit(batchOf({ deletePrefixes: [`${name}/`] }));
  await unpin(options, name);
  const leftBehind = await removeFolder(options, name, purge === true);
  return { logsArchive: kept ? archive : "", ...leftBehind };
}

async function removeFolder(
  { home }: ClearingOptions,
  name: string,
  purge: boolean,
): Promise<Pick<Cleared, "leftBehind">> {
  const { root } = home.cluster(name);
  try {
    // A file in its place is somebody else's.
    if ((await lstat(root).catch(ifMissing))?.isFile() !== true) await removeTree(root);
    return {};
  } catch (error) {
    if (!purge) throw error;
    return { leftBehind: `${root} (${errorText(error)})` };
  }
}

/** A cluster's end does not depend on the content store: what stays pinned only takes room. */
async function unpin({ chunks, log }: ClearingOptions, name: string): Promise<void> {
  try {
    for (const pin of await chunks.pins(clusterPins(name))) await chunks.unpin(pin);
  } catch (error) {
    log.warn("workdirs of a cluster that ended stay pinned", { name, why: errorText(error) });
  }
}

/** `20261122-021530-042`: sorts by time and is a plain name. */
function stamp(wallMs: number): string {
  const text = new Date(wallMs).toISOString();
  return text.replace(/[-:]/g, "").replace("T", "-").replace(".", "-").replace("Z", "");
}

async function removeAll(store: Store, prefix: string): Promise<void> {
  const before = prefixEnd(prefix) ?? "";
  for (;;) {
    const found = await store.range({ from: prefix, before, countMax: removedMax });
    if (found.length === 0) return;
    await store.commit(batchOf({ deletes: found.map(({ key }) => key) }));
  }
}

function ifMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code === "ENOENT") return undefined;
  throw error;
}
