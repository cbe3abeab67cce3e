// The cloud of a head that runs on a host of its cluster: machines that were given to it.
//
// Whoever owns the hosts names them (`give`); their agents come by themselves, and are told to
// leave when the cluster stops or goes: workers first, and the head's own host last, because the
// others hear of it over its bus. Nothing is switched on or off. Which of them have left is on disk
// in one small file, so that a head that is started anew asks nobody twice.
//
// What must always hold: a machine counts as gone when its agent said that it left, or when nobody
// is there who could: whoever owns the hosts looks after that one.

import { isDeepStrictEqual } from "node:util";
import { errorText, SkyError } from "../model/errors.ts";
import type { Node } from "../model/node.ts";
import type { Files } from "../runtime/files.ts";
import type { Log } from "../runtime/log.ts";
import type { Cloud, Machine, MachineRequest } from "./cloud.ts";

export const hostsCloud = "hosts";

export interface HostsCloudOptions {
  readonly files: Files;
  /** Where the given machines are on record. */
  readonly path: string;
  readonly log: Log;
  readonly agents: HostAgents;
}

/** What agents of a cluster can be asked for. */
export interface HostAgents {
  /** Whether there is an agent that can be told to leave. */
  canLeave(cluster: string, node: string, signal: AbortSignal): Promise<boolean>;
  /** Resolves when it has left. @throws SkyError `bus/timeout` and the like. */
  leave(cluster: string, node: string, order: LeaveOrder): Promise<HostLeft>;
}

export interface LeaveOrder {
  readonly remove: boolean;
  readonly why: string;
  readonly signal: AbortSignal;
}

export interface HostLeft {
  readonly kept: readonly string[];
}

/** The machines of one cluster. */
export interface GivenHosts {
  readonly cluster: string;
  readonly token: string;
  readonly nodes: readonly Node[];
}

export interface HostsCloud extends Cloud {
  readonly stop: NonNullable<Cloud["stop"]>;
  readonly start: NonNullable<Cloud["start"]>;
  /** These machines are the cluster's, where they are now. One that had left has left. */
  give(hosts: GivenHosts): Promise<void>;
  given(): GivenHosts | undefined;
  /** What agents left behind when they went for good: files that are the user's. */
  readonly kept: NonNullable<Cloud["kept"]>;
  close(): Promise<void>;
}

type Phase = "up" | "stopped" | "gone";

interface Kept extends GivenHosts {
  /** By node; absent: up. */
  readonly phases: Readonly<Record<string, Phase>>;
  readonly kept: readonly string[];
}

/** Reads what is on record. */
export async function openHostsCloud(options: HostsCloudOptions): Promise<HostsCloud> {
  const bytes = await options.files.read(options.path);
  const kept = bytes && (JSON.parse(Buffer.from(bytes).toString()) as Kept);
  return new Hosts(options, kept);
}

class Hosts implements HostsCloud {
  readonly name = hostsCloud;
  readonly #options: HostsCloudOptions;
  #kept: Kept | undefined;
  readonly #leaving = new Map<string, Promise<void>>();
  /** One change of the record at a time. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: HostsCloudOptions, kept: Kept | undefined) {
    this.#options = options;
    this.#kept = kept;
  }

  given(): GivenHosts | undefined {
    return this.#kept;
  }

  kept = (cluster: string): readonly string[] =>
    this.#kept?.cluster === cluster ? this.#kept.kept : [];

  /** Agents of hosts are none of ours: they live on. */
  async close(): Promise<void> {
    await this.#turn;
  }

  async give(hosts: GivenHosts): Promise<void> {
    const { cluster, token, nodes } = hosts;
    const known = this.#kept;
    if (known !== undefined && known.token !== token) {
      const why = `this head is for another ${known.cluster}`;
      throw new SkyError("request/invalid", { field: "token", why });
    }
    // Said again by each that connects: a disk that is full must keep nobody from its head.
    if (known !== undefined && isDeepStrictEqual(known.nodes, nodes)) return;
    await this.#save(({ phases, kept }) => ({ cluster, token, nodes, phases, kept }));
  }

  async launch({ nodes }: MachineRequest): Promise<void> {
    await this.#mark(
      nodes.map(({ id }) => id),
      "up",
    );
  }

  async list(cluster: string): Promise<readonly Machine[]> {
    const kept = this.#kept;
    if (kept === undefined || kept.cluster !== cluster) return [];
    return kept.nodes.flatMap(({ id, ip }) => {
      const phase = kept.phases[id] ?? "up";
      return phase === "gone" ? [] : [{ id, node: id, ip, phase }];
    });
  }

  start = (ids: readonly string[]): Promise<void> => this.#mark(ids, "up");

  stop = (ids: readonly string[], signal: AbortSignal): Promise<void> =>
    this.#send(ids, { phase: "stopped", signal });

  terminate(ids: readonly string[], signal: AbortSignal): Promise<void> {
    return this.#send(ids, { phase: "gone", signal });
  }

  /** All workers, and then the head's host. What failed is thrown when the others have left. */
  async #send(ids: readonly string[], to: Going): Promise<void> {
    const kept = this.#kept;
    if (kept === undefined) return;
    const asked = kept.nodes.filter(({ id }) => ids.includes(id));
    const workers = asked.filter(({ index }) => index > 0);
    const left = await Promise.allSettled(workers.map((node) => this.#sendOne(node, to)));
    for (const one of left) if (one.status === "rejected") throw one.reason;
    for (const node of asked) if (node.index === 0) await this.#sendOne(node, to);
  }

  /** Whoever asks while it is on its way waits for the same end. */
  #sendOne(node: Node, to: Going): Promise<void> {
    const known = this.#leaving.get(node.id);
    if (known !== undefined) return known;
    const leaving = this.#tell(node, to).finally(() => this.#leaving.delete(node.id));
    this.#leaving.set(node.id, leaving);
    return leaving;
  }

  async #tell(node: Node, { phase, signal }: Going): Promise<void> {
    const { agents, log } = this.#options;
    const { cluster = "" } = this.#kept ?? {};
    const { id } = node;
    if (this.#kept?.phases[id] === phase) return;
    const remove = phase === "gone";
    const why = remove ? "the cluster is taken down" : "the cluster is stopped";
    let kept: readonly string[] = [];
    if (await agents.canLeave(cluster, id, signal)) {
      ({ kept } = await agents.leave(cluster, id, { remove, why, signal }));
      log.info("a node left", { cluster, node: id, kept });
    } else {
      log.warn("a node is not there to be told to leave", { cluster, node: id });
    }
    const named = kept.map((one) => `${node.host ?? id}: ${one}`);
    await this.#mark([id], phase, named);
  }

  #mark(ids: readonly string[], phase: Phase, kept: readonly string[] = []): Promise<void> {
    const changed = Object.fromEntries(ids.map((id) => [id, phase]));
    return this.#save((known) => ({
      ...known,
      phases: { ...known.phases, ...changed },
      kept: [...known.kept, ...kept],
    }));
  }

  #save(change: (known: Kept) => Kept): Promise<void> {
    const saving = this.#turn.then(async () => {
      const next = change(this.#kept ?? nothing);
      const text = `${JSON.stringify(next)}\n`;
      await this.#options.files.replace(this.#options.path, Buffer.from(text), 0o600);
      this.#kept = next;
    });
    this.#turn = saving.catch((error: unknown) => {
      this.#options.log.warn("what became of hosts was not kept", { why: errorText(error) });
    });
    return saving;
  }
}

interface Going {
  readonly phase: "stopped" | "gone";
  readonly signal: AbortSignal;
}

const nothing: Kept = { cluster: "", token: "", nodes: [], phases: {}, kept: [] };
