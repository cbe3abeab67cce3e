// The heads of a home: one system of actors for each cluster, with its board, logs and workdirs.
//
// A head is opened when its cluster's record is on disk and stays open while the record exists, so
// that jobs and logs of a stopped cluster can still be read. Nodes reach it over the bus and the
// bulk wire of their cluster's isolation; both are handed in.
//
// What must always hold: `close` resolves when no job of the cluster runs any more and its logs
// have come; `clear` keeps the logs before it removes anything, and leaves nothing else.

import { lstat } from "node:fs/promises";
import type { ClusterRecord } from "../clouds/cluster-record.ts";
import type { Cleared, HeadsPort } from "../clouds/fleet-actor.ts";
import { defaultConfig } from "../model/config.ts";
import { assert, errorText } from "../model/errors.ts";
import type { Node } from "../model/node.ts";
import { graceMsMax } from "../model/task.ts";
import type { Clock } from "../runtime/clock.ts";
import { batchOf } from "../runtime/journal.ts";
import { removeTree } from "../runtime/removal-os.ts";
import type { Store } from "../runtime/store.ts";
import { prefixEnd } from "../runtime/store-keys.ts";
import type { StreamSession } from "../runtime/stream.ts";
import { clusterPins } from "../transfer/tree/pins.ts";
import type { Head } from "./head.ts";
import type { HeadsOptions } from "./heads-options.ts";
import type { Misfit } from "./join-grpc.ts";
import { archiveLogs, limitArchives } from "./log-archive-os.ts";
import type { LogStore } from "./log-store-os.ts";
import type { Done, SchedulerMessage } from "./messages.ts";
import { openHead } from "./open-head-os.ts";
import { recordKeys } from "./records.ts";
import { serveWorkdirs, type WorkdirServing } from "./workdir-serving.ts";

export interface Heads extends HeadsPort {
  get(cluster: string): Head | undefined;
  /** The same; of one that is being opened, as after a start of the process, when it is open. */
  whenOpen(cluster: string, signal: AbortSignal): Promise<Head | undefined>;
  /** A node may join and speaks no wire version of ours. */
  misfit(misfit: Misfit): void;
  /** Takes a session of the bulk wire: its peer is `<cluster>/<node>`, proven. */
  take(session: StreamSession): void;
  closeAll(reason: string): Promise<void>;
}

export function createHeads(options: HeadsOptions): Heads {
  return new HeadTable(options);
}

/** Longer than any grace, drain and sweep. */
const closeMs = graceMsMax + 600_000;
const disarmMs = 30_000;
/** How long the last bytes of logs may take once all jobs have ended. */
const logsMs = 10_000;
/** How long a request waits for a head that is being opened. */
const openMs = 20_000;
/** Records that one commit removes when a cluster goes. */
const removedMax = 2_000;

class HeadTable implements Heads {
  readonly #options: HeadsOptions;
  readonly #heads = new Map<string, Head>();
  readonly #opening = new Map<string, Promise<Head>>();
  readonly #waiting = new Set<() => void>();
  readonly #serving: WorkdirServing;

  constructor(options: HeadsOptions) {
    this.#options = options;
    this.#serving = serveWorkdirs({
      ...options,
      mend: async (cluster, tree) => await this.#heads.get(cluster)?.workdirs.mend(tree),
    });
  }

  get(cluster: string): Head | undefined {
    return this.#heads.get(cluster);
  }

  async whenOpen(cluster: string, signal: AbortSignal): Promise<Head | undefined> {
    const until = AbortSignal.any([signal, AbortSignal.timeout(openMs)]);
    while (!this.#heads.has(cluster) && !until.aborted) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake);
          resolve();
        };
        this.#waiting.add(wake);
        until.addEventListener("abort", wake, { once: true });
      });
    }
    return this.#heads.get(cluster);
  }

  async open(record: ClusterRecord): Promise<void> {
    const known = this.#heads.get(record.name);
    if (known !== undefined) {
      // A cluster that was stopped takes jobs again.
      if (record.goal === "running") known.system.tell(known.scheduler, { kind: "open" });
      return;
    }
    const opening = this.#opening.get(record.name) ?? openHead(this.#options, record);
    this.#opening.set(record.name, opening);
    try {
      const head = await opening;
      this.#heads.set(record.name, head);
      for (const wake of [...this.#waiting]) wake();
      if (record.status === "INIT") head.system.tell(head.scheduler, { kind: "open" });
    } finally {
      this.#opening.delete(record.name);
    }
  }

  declare(name: string, nodes: readonly Node[]): void {
    this.#heads.get(name)?.declare(nodes);
  }

  dismiss({ name, nodes }: ClusterRecord): void {
    this.#heads.get(name)?.dismiss(nodes.map(({ id }) => id));
  }

  async close(record: ClusterRecord, verb: "stopped" | "terminated"): Promise<void> {
    const { name } = record;
    try {
      await this.open(record);
    } catch (error) {
      // A cluster that never had a job has nothing to end.
      if ((await this.#options.store.read(`${name}/job/`)).length > 0) throw error;
      return;
    }
    const head = this.#heads.get(name);
    assert(head !== undefined, `the head of ${name} is open`);
    await head.system.ask<SchedulerMessage, Done>(
      head.scheduler,
      (replyTo) => ({ kind: "close", verb, replyTo }),
      { timeoutMs: closeMs },
    );
    await completeLogs(head.logs, this.#options.clock);
  }

  async disarm(name: string): Promise<void> {
    const head = this.#heads.get(name);
    await head?.system.ask<SchedulerMessage, Done>(
      head.scheduler,
      (replyTo) => ({ kind: "set-autostop", setting: undefined, replyTo }),
      { timeoutMs: disarmMs },
    );
  }

  async clear({ name, purge }: ClusterRecord): Promise<Cleared> {
    const { home, store, clock } = this.#options;
    const head = this.#heads.get(name);
    this.#heads.delete(name);
    await head?.close("the cluster is gone");
    const archive = `${home.logs}/${name}-${stamp(clock.now().wallMs)}`;
    const kept = await archiveLogs(home.cluster(name).logs, archive);
    await limitArchives(home.logs, this.#options.history ?? defaultConfig.history);
    // In parts: a long history would hold up everybody else's commits.
    for (const prefix of [recordKeys.dones(name), recordKeys.orders(name)]) {
      await removeAll(store, prefix);
    }
    await store.forget(name);
    await store.commit(batchOf({ deletePrefixes: [`${name}/`] }));
    await this.#unpin(name);
    const leftBehind = await this.#removeFolder(name, purge === true);
    return { logsArchive: kept ? archive : "", ...leftBehind };
  }

  async #removeFolder(name: string, purge: boolean): Promise<Pick<Cleared, "leftBehind">> {
    const { root } = this.#options.home.cluster(name);
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
  async #unpin(name: string): Promise<void> {
    const { chunks, log } = this.#options;
    try {
      for (const pin of await chunks.pins(clusterPins(name))) await chunks.unpin(pin);
    } catch (error) {
      log.warn("workdirs of a cluster that ended stay pinned", { name, why: errorText(error) });
    }
  }

  misfit({ cluster, node, why }: Misfit): void {
    const head = this.#heads.get(cluster);
    head?.system.tell(head.scheduler, { kind: "node-misfit", node, why });
  }

  take(session: StreamSession): void {
    const [cluster = "", node = ""] = session.peer.split("/");
    const head = this.#heads.get(cluster);
    if (head === undefined) session.close();
    else {
      session.onChannel((channel) => {
        if (!this.#serving.take(session, channel)) head.logs.receive(node, channel);
      });
    }
  }

  async closeAll(reason: string): Promise<void> {
    const heads = [...this.#heads.values()];
    this.#heads.clear();
    await this.#serving.close();
    await Promise.all(heads.map((head) => head.close(reason)));
  }
}

/** Nodes that are switched off send no more: what they have to say is waited for, for a while. */
export function completeLogs(logs: LogStore, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    const giveUp = clock.after(logsMs, resolve);
    void logs.complete().then(() => {
      giveUp();
      resolve();
    });
  });
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
