// What is known and being done about each host of one cluster: the table that its parts share.
//
// It can be lost at any time: whatever is not known is looked at again.

import { assert, errorText, isSkyError, SkyError } from "../../model/errors.ts";
import type { HeadSettings, Invitation } from "../../model/host-file.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { SshTarget } from "../../runtime/ssh.ts";
import type { Machine } from "../cloud.ts";
import type { ClusterRecord, RecordNode } from "../cluster-record.ts";
import { doingText, type Fault, nextFault, type Stage } from "./host-standing.ts";
import type { HostPlace, HostStatus, HostSteps } from "./host-steps.ts";

export interface HostWorksPorts {
  readonly steps: HostSteps;
  readonly clock: Clock;
  readonly log: Log;
  /** Of the home: they hold on its hosts, too. */
  readonly settings: HeadSettings;
  recordOf(cluster: string): ClusterRecord | undefined;
  /** How the pools file says now that a host is reached; `undefined` if it says nothing. */
  targetOf(pool: string, host: string): Promise<SshTarget | undefined>;
  /** The hash of the bundle that should run. */
  bundleOf(arch: string): Promise<string>;
  invite(cluster: string, node: string, signal: AbortSignal): Promise<Invitation>;
  onDoing(cluster: string, text: string): void;
  /** Something that belongs into the cluster's history. */
  onNote(cluster: string, text: string): void;
  /** Nothing of this cluster is on the host any more. */
  leave(place: HostPlace): Promise<void>;
}

/** One node of the cluster on its host. */
export interface Work {
  /** As last seen; absent: not seen yet. */
  phase?: Machine["phase"] | undefined;
  seenMs: number;
  stage?: Stage | undefined;
  busy?: Promise<void> | undefined;
  fault?: Fault | undefined;
  /** Nothing of the cluster is left there. */
  removed: boolean;
  /** Since when a node that runs was told to be silent. */
  silentMs?: number | undefined;
  /** It is being stopped, or removed. */
  ending?: { readonly verb: "stop" | "remove"; readonly done: Promise<void> } | undefined;
  /** Failures in a row to stop or remove it. */
  failures: number;
  /** Tries to stop or remove it now, if that waits for its time. */
  wake?: (() => void) | undefined;
  away?: Away | undefined;
  /** It was seen ended on purpose, after the launch of this time. */
  endedAfter?: number | undefined;
}

/** A host that could not be looked at. */
export interface Away {
  readonly why: string;
  /** In a row, since the launch of `askedAt`. */
  readonly tries: number;
  readonly sinceMs: number;
  readonly atMs: number;
  readonly askedAt: number;
}

/** Long enough for a host that answers, short enough for whoever waits. */
const lookMs = 10_000;
const tellMs = 100;

export class HostWorks {
  readonly name: string;
  readonly token: string;
  readonly ports: HostWorksPorts;
  readonly #works = new Map<string, Work>();
  #tells = false;

  constructor({ name, token }: Pick<ClusterRecord, "name" | "token">, ports: HostWorksPorts) {
    this.name = name;
    this.token = token;
    this.ports = ports;
  }

  work({ id }: Pick<RecordNode, "id">): Work {
    const known = this.#works.get(id);
    if (known !== undefined) return known;
    const made: Work = { seenMs: Number.NEGATIVE_INFINITY, removed: false, failures: 0 };
    this.#works.set(id, made);
    return made;
  }

  /** What is being done now. */
  busy(): readonly Promise<void>[] {
    return [...this.#works.values()].flatMap(({ busy }) => busy ?? []);
  }

  /** The record as it is now; `undefined` when the cluster is gone, or another has its name. */
  record(): ClusterRecord | undefined {
    const record = this.ports.recordOf(this.name);
    return record?.token === this.token ? record : undefined;
  }

  saw(node: RecordNode, phase: Machine["phase"]): void {
    const work = this.work(node);
    work.phase = phase;
    work.seenMs = this.nowMs();
  }

  enter(node: RecordNode, stage: Stage | undefined): void {
    const work = this.work(node);
    if (work.stage === stage) return;
    work.stage = stage;
    if (this.#tells) return;
    this.#tells = true;
    this.ports.clock.after(tellMs, () => this.#tell());
  }

  /** Hosts are done one after the other, within moments. */
  #tell(): void {
    this.#tells = false;
    const nodes = this.record()?.nodes ?? [];
    const stages = nodes.map((one) => ({ host: hostOf(one), stage: this.work(one).stage }));
    this.ports.onDoing(this.name, doingText(stages));
  }

  failed(record: ClusterRecord, node: RecordNode, error: unknown): void {
    const work = this.work(node);
    const retry = isSkyError(error) && error.remedy === "retry";
    const why = troubleText(hostOf(node), error);
    const askedAt = record.launchedAt;
    work.fault = nextFault(work.fault, { why, retry, atMs: this.nowMs(), askedAt });
    this.ports.log.warn("a node does not run", { cluster: this.name, why });
  }

  machine(node: RecordNode, phase: Machine["phase"], fault: Fault | undefined): Machine {
    const { id, ip = "" } = node;
    const told = fault && { trouble: fault.why, ...(fault.stuck && { stuck: true }) };
    return { id: `${this.name}/${id}`, node: id, ip, phase, ...told };
  }

  /** By the pools file as it is now, and else by the record. */
  async place(record: ClusterRecord, node: RecordNode): Promise<HostPlace> {
    const { host, ip = "", arch = "" } = node;
    assert(host !== undefined && node.target !== undefined, `${node.id} is a host`);
    const { region = "" } = record;
    const target = (await this.ports.targetOf(region, host)) ?? node.target;
    return { host, target, ip, arch, cluster: this.name, token: this.token };
  }

  async status(place: HostPlace, signal: AbortSignal): Promise<HostStatus> {
    const { clock, steps } = this.ports;
    const late = new AbortController();
    const cancel = clock.after(lookMs, () => late.abort());
    try {
      return await steps.status(place, AbortSignal.any([signal, late.signal]));
    } catch (error) {
      if (!late.signal.aborted || signal.aborted) throw error;
      const why = `no answer within ${lookMs / 1_000} s`;
      throw new SkyError("ssh/unreachable", { host: place.host, why }, { cause: error });
    } finally {
      cancel();
    }
  }

  nowMs(): number {
    return this.ports.clock.now().monoMs;
  }
}

export function headNodeOf(record: ClusterRecord): RecordNode {
  const [node] = record.nodes;
  assert(node !== undefined, `${record.name} has a node`);
  return node;
}

export function hostOf({ host, id }: RecordNode): string {
  return host ?? id;
}

/** Errors of hosts name them; others do not. */
export function troubleText(host: string, error: unknown): string {
  const text = errorText(error);
  return text.includes(host) ? text : `${host}: ${text}`;
}
