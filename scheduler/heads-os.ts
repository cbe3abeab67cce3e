// The heads of a home: one system of actors for each cluster, with its board, logs and workdirs.
//
// A head is opened when its cluster's record is on disk and stays open while the record exists, so
// that jobs and logs of a stopped cluster can still be read. Nodes reach it over the bus and the
// bulk wire of their cluster's isolation; both are handed in.
//
// What must always hold: `close` resolves when no job of the cluster runs any more and its logs
// have come; `clear` keeps the logs before it removes anything, and leaves nothing else.

import type { ClusterRecord } from "../clouds/cluster-record.ts";
import type { Cleared, HeadsPort } from "../clouds/fleet-actor.ts";
import { assert } from "../model/errors.ts";
import type { Node } from "../model/node.ts";
import { graceMsMax } from "../model/task.ts";
import { homeNode } from "../runtime/certificates.ts";
import type { Clock } from "../runtime/clock.ts";
import type { StreamSession } from "../runtime/stream.ts";
import { clearCluster } from "./clearing-os.ts";
import { NodeChannels } from "./gateways/node-channels.ts";
import { relayToNode } from "./gateways/relayed.ts";
import type { Head } from "./head.ts";
import type { HeadsOptions } from "./heads-options.ts";
import type { Misfit } from "./join-grpc.ts";
import type { LogStore } from "./log-store-os.ts";
import type { Done, SchedulerMessage } from "./messages.ts";
import { openHead } from "./open-head-os.ts";
import { serveWorkdirs, type WorkdirServing } from "./workdir-serving.ts";

export interface Heads extends HeadsPort {
  get(cluster: string): Head | undefined;
  /** The same; of one that is being opened, as after a start of the process, when it is open. */
  whenOpen(cluster: string, signal: AbortSignal): Promise<Head | undefined>;
  /** A node may join and speaks no wire version of ours. */
  misfit(misfit: Misfit): void;
  /** Takes a session of the bulk wire: its peer is `<cluster>/<node>`, proven. */
  take(session: StreamSession): void;
  /** Channels to the nodes of all of them. */
  readonly nodes: Pick<NodeChannels, "open">;
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

class HeadTable implements Heads {
  readonly #options: HeadsOptions;
  readonly #heads = new Map<string, Head>();
  readonly #opening = new Map<string, Promise<Head>>();
  readonly #waiting = new Set<() => void>();
  readonly #serving: WorkdirServing;
  readonly nodes: NodeChannels;

  constructor(options: HeadsOptions) {
    this.#options = options;
    this.nodes = new NodeChannels({ heads: this, clock: options.clock });
    this.#serving = serveWorkdirs({
      ...options,
      mend: async (cluster, tree) => await this.#heads.get(cluster)?.workdirs.mend(tree),
      hold: (cluster) => this.#heads.get(cluster)?.holdSubmit() ?? (() => {}),
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

  async clear(record: ClusterRecord): Promise<Cleared> {
    const { name } = record;
    const head = this.#heads.get(name);
    this.#heads.delete(name);
    await head?.close("the cluster is gone");
    return await clearCluster(this.#options, record);
  }

  misfit({ cluster, node, why }: Misfit): void {
    const head = this.#heads.get(cluster);
    head?.system.tell(head.scheduler, { kind: "node-misfit", node, why });
  }

  take(session: StreamSession): void {
    const [cluster = "", node = ""] = session.peer.split("/");
    const head = this.#heads.get(cluster);
    if (head === undefined) {
      session.close();
      return;
    }
    const isHome = node === homeNode;
    if (!isHome) this.nodes.take(session);
    session.onChannel((channel) => {
      if (this.#serving.take(session, channel)) return;
      if (!isHome) head.logs.receive(node, channel);
      else void relayToNode(this.nodes, cluster, channel);
    });
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
