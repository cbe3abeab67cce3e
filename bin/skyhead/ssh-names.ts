// `ssh CLUSTER` follows the clusters on hosts of the user's own: their names are there from the
// moment in which it is decided where they run until their record is gone.
//
// A stopped cluster keeps its names: its hosts are where they were. What must always hold: one look
// at a time, in the order in which things happened; what cannot be written is in the log, and keeps
// no cluster from running.

import type { ClusterRecord } from "../../clouds/cluster-record.ts";
import { loadPools } from "../../clouds/ssh/pools-file-os.ts";
import { type SshEntry, sshName } from "../../clouds/ssh/ssh-config.ts";
import { createSshConfig, type SshConfig } from "../../clouds/ssh/ssh-config-os.ts";
import { errorText } from "../../model/errors.ts";
import type { Home } from "../../model/home.ts";
import type { Log } from "../../runtime/log.ts";

export interface SshNamesOptions {
  readonly home: Home;
  readonly log: Log;
  /** Those whose nodes are hosts. */
  readonly isOurs: (record: ClusterRecord) => boolean;
}

export interface SshNamesKept {
  /** All that there are, once, when they are known. */
  begin(records: readonly ClusterRecord[]): void;
  /** One of them changed, or is gone. */
  hear(name: string, record: ClusterRecord | undefined): void;
  /** What is under way is done then. */
  close(): Promise<void>;
}

export function keepSshNames(options: SshNamesOptions): SshNamesKept {
  const { home, log, isOurs } = options;
  const dir = `${home.root}/ssh`;
  const config: SshConfig = createSshConfig({ dir, reserved: () => namesInPools(home, log) });
  /** What was written of a cluster. */
  const written = new Map<string, string>();
  let last: Promise<void> = Promise.resolve();
  const inTurn = (cluster: string, work: () => Promise<void>): void => {
    last = last.then(work).catch((error: unknown) => {
      // The next change of the cluster tries again.
      written.delete(cluster);
      log.warn("ssh does not know a cluster by its name", { cluster, why: errorText(error) });
    });
  };
  const set = (record: ClusterRecord, entries: readonly SshEntry[]): void => {
    const { name } = record;
    const text = JSON.stringify(entries);
    if (written.get(name) === text) return;
    written.set(name, text);
    inTurn(name, async () => {
      const { names, left } = await config.set(name, entries);
      log.info("ssh knows a cluster by its name", { cluster: name, names, left });
    });
  };
  const remove = (name: string): void => {
    written.delete(name);
    inTurn(name, () => config.remove(name));
  };
  const hear = (name: string, record: ClusterRecord | undefined): void => {
    if (record === undefined && written.has(name)) remove(name);
    if (record === undefined || !isOurs(record)) return;
    const entries = entriesOf(record);
    if (entries !== undefined) set(record, entries);
  };
  return {
    hear,
    begin: (records) => {
      const names = new Set(records.map(({ name }) => name));
      inTurn("all", async () => {
        // What a head that was killed did not come to.
        for (const name of await config.clusters()) if (!names.has(name)) await config.remove(name);
      });
      for (const record of records) hear(record.name, record);
    },
    close: () => last,
  };
}

/** Undefined: it is not known yet where they are. */
function entriesOf({ name, nodes }: ClusterRecord): readonly SshEntry[] | undefined {
  const entries = nodes.flatMap(({ index, target }): readonly SshEntry[] =>
    target === undefined ? [] : [{ name: sshName(name, index), target }],
  );
  return entries.length === nodes.length && entries.length > 0 ? entries : undefined;
}

/** Their hosts are looked up by these, also by us. */
async function namesInPools(home: Home, log: Log): Promise<ReadonlySet<string>> {
  try {
    const pools = await loadPools(home.root);
    const hosts = pools.flatMap((pool) => pool.hosts);
    return new Set(hosts.flatMap(({ name, target }) => [name, target.host]));
  } catch (error) {
    log.warn("the pools file cannot be read", { why: errorText(error) });
    return new Set();
  }
}
