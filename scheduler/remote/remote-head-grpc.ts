// One cluster's head on a host, as long as the cluster has a record: keeps a connection to it.
//
// A connection that breaks is made again, later each time. Before that the hosts are asked whether
// the runtime has ended on purpose meanwhile: then the cluster winds down here, too, and nothing is
// started. Whoever calls while no connection is there waits for the try that goes on, and begins
// one if the last was a while ago.
//
// What must always hold: one try at a time; nothing is tried for a cluster that is not to run,
// unless whoever ends it asks.

import type { ClusterRecord } from "../../clouds/cluster-record.ts";
import type { Fleets } from "../../clouds/fleets-actor.ts";
import type { HeadHosting } from "../../clouds/head-hosting.ts";
import type { ClusterView, Silence } from "../../model/cluster.ts";
import { errorText, isSkyError, SkyError } from "../../model/errors.ts";
import type { HostEnd } from "../../model/host-file.ts";
import type { Node } from "../../model/node.ts";
import type { HeadClient } from "../../proto/client-grpc.ts";
import { clusterFromProto } from "../../proto/converters-cluster.ts";
import type { sky } from "../../proto/gen/sky.js";
import { type Backoff, backoff, backoffMs } from "../../runtime/backoff.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { Random } from "../../runtime/random.ts";
import type { Ssh } from "../../runtime/ssh.ts";
import { type HeadLine, type LineOptions, lostText, openLine, whyText } from "./head-line-grpc.ts";
import { NodeCare } from "./node-care.ts";

export interface RemoteHeadOptions {
  readonly ssh: Pick<Ssh, "tunnel" | "open" | "run">;
  /** Of the cluster's cloud. */
  readonly hosting: (record: ClusterRecord) => HeadHosting;
  readonly fleets: Pick<Fleets, "record" | "alive" | "windDown">;
  /** Where our ends of tunnels are. */
  readonly dir: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

const retry: Backoff = backoff({ initialMs: 200, capMs: 30_000 });
/** Where it will not mend by itself. */
const stuck: Backoff = backoff({ initialMs: 60_000, capMs: 60_000 });
/** How long a head that lives may take to listen, and one that was just started. */
const livingMs = 1_000;
const startedMs = 20_000;
/** How long a call waits for a try, counted from the try's beginning. */
const patienceMs = 5_000;
/** A call begins a try if the last one ended so long ago. */
const freshMs = 1_000;

interface Try {
  readonly line: Promise<HeadLine>;
  readonly sinceMs: number;
}

export class KeptHead {
  readonly cluster: string;
  readonly #options: RemoteHeadOptions;
  readonly #care: NodeCare;
  readonly #over = new AbortController();
  #record: ClusterRecord;
  #nodes: readonly Node[] | undefined;
  #isKept = false;
  #isRenewed = false;
  #line: HeadLine | undefined;
  #try: Try | undefined;
  #failures = 0;
  #failedAtMs = Number.NEGATIVE_INFINITY;
  #stopWaiting = (): void => {};
  #told: ClusterView | undefined;
  #silence: Silence | undefined;

  constructor(options: RemoteHeadOptions, record: ClusterRecord) {
    this.cluster = record.name;
    this.#options = options;
    this.#record = record;
    this.#care = new NodeCare({
      clock: options.clock,
      revive: (nodes) => void this.#revive(nodes),
    });
  }

  get isThere(): boolean {
    return this.#line !== undefined;
  }

  view(): ClusterView | undefined {
    return this.#told;
  }

  silence(): Silence | undefined {
    return this.#silence;
  }

  /** It is to be there from now on. Waits for it where that is to bring the cluster up. */
  async keep(record: ClusterRecord): Promise<void> {
    this.#record = record;
    this.#isKept = true;
    if (this.#line !== undefined) return;
    if (record.status === "INIT" && !record.unasked) await this.#connected(this.#over.signal);
    else this.#begin();
  }

  /** It is not to be there any more; one that is there stays until `close`. */
  release(record: ClusterRecord): void {
    this.#record = record;
    this.#isKept = false;
    this.#stopWaiting();
    this.#care.rest();
  }

  declare(nodes: readonly Node[]): void {
    this.#nodes = nodes;
    const { signal } = this.#over;
    this.#line?.host(nodes, signal).catch((error: unknown) => {
      // The next connection says it again.
      this.#options.log.info("the head has not heard of its nodes", { why: errorText(error) });
    });
  }

  /** @throws SkyError `head/unreachable`. */
  async client(signal: AbortSignal): Promise<HeadClient> {
    return (await this.line(signal)).client;
  }

  /** @throws SkyError `head/unreachable`. */
  async line(signal: AbortSignal): Promise<HeadLine> {
    if (this.#line !== undefined) return this.#line;
    const { clock } = this.#options;
    const sinceFailure = clock.now().monoMs - this.#failedAtMs;
    if (this.#try === undefined && sinceFailure < freshMs) throw this.#unreachable();
    const sinceMs = this.#try?.sinceMs ?? clock.now().monoMs;
    const leftMs = sinceMs + patienceMs - clock.now().monoMs;
    const takesLong = this.#unreachable();
    if (leftMs <= 0) throw takesLong;
    const late = new AbortController();
    const stop = clock.after(leftMs, () => late.abort(takesLong));
    try {
      return await this.#connected(AbortSignal.any([signal, late.signal]));
    } catch (error) {
      throw signal.aborted ? signal.reason : this.#unreachable(whyText(error));
    } finally {
      stop();
    }
  }

  /** Ends the connection. A later `keep` or call makes one again. */
  async close(why: string): Promise<void> {
    this.#isKept = false;
    this.#stopWaiting();
    this.#care.rest();
    const line = this.#line ?? (await this.#try?.line.catch(noLine));
    this.#told = undefined;
    await line?.close(why);
    this.#silence = undefined;
  }

  /** For good. */
  async end(): Promise<void> {
    this.#over.abort(new SkyError("core/cancelled", { what: `the head of ${this.cluster}` }));
    await this.close("this head ends");
  }

  /** The connection, or the error of the try that goes on; another signal ends the wait alone. */
  #connected(signal: AbortSignal): Promise<HeadLine> {
    const { line } = this.#begin();
    return new Promise((resolve, reject) => {
      const leave = (): void => reject(signal.reason);
      signal.addEventListener("abort", leave, { once: true });
      if (signal.aborted) leave();
      line.then(resolve, reject).finally(() => signal.removeEventListener("abort", leave));
    });
  }

  #begin(): Try {
    if (this.#try !== undefined) return this.#try;
    this.#stopWaiting();
    const line = this.#connect();
    const sinceMs = this.#options.clock.now().monoMs;
    this.#try = { line, sinceMs };
    line.then(
      (made) => this.#made(made),
      (error: unknown) => this.#failed(error),
    );
    return this.#try;
  }

  async #connect(): Promise<HeadLine> {
    const { signal } = this.#over;
    const record = this.#options.fleets.record(this.cluster) ?? this.#record;
    const hosting = this.#options.hosting(record);
    const bringUp = record.status === "INIT" && !record.unasked;
    if (!bringUp) {
      // What runs there is good as it is.
      const place = await hosting.placeOf(record);
      const line = await this.#lineTo(record, { place, bringUp, listenMs: livingMs }).catch(
        ifSilent,
      );
      if (line !== undefined) return line;
      const end = await hosting.endOf(record, signal);
      if (end !== undefined) throw this.#ended(end);
    }
    // It may have gone while we looked: nothing is started for what is not there any more.
    if (this.#options.fleets.record(this.cluster) === undefined) throw this.#unreachable();
    const place = await hosting.openHead(record, signal);
    return await this.#lineTo(record, { place, bringUp, listenMs: startedMs });
  }

  #lineTo(
    record: ClusterRecord,
    to: Pick<LineOptions, "place" | "bringUp" | "listenMs">,
  ): Promise<HeadLine> {
    const { ssh, dir, clock } = this.#options;
    const nodes = this.#nodes ?? record.nodes.map((node) => ({ ...node, ip: node.ip ?? "" }));
    const onTold = (told: sky.v1.WatchResponse): void => this.#hear(told);
    return openLine({ ssh, record, nodes, dir, clock, onTold, ...to }, this.#over.signal);
  }

  /** Nothing is healed that ended on purpose: the cluster goes the same way here. */
  #ended({ verb, why, kept = [] }: HostEnd): SkyError {
    const { fleets, log } = this.#options;
    log.info("the cluster has ended on its hosts", { cluster: this.cluster, verb, why, kept });
    if (this.#isComing()) return this.#unreachable(`it had ended: ${why}`);
    if (this.#isKept) fleets.windDown(this.cluster, verb, why || "it ended on its hosts");
    this.#isKept = false;
    return this.#unreachable(`it has ended: ${why}`);
  }

  #made(line: HeadLine): void {
    this.#try = undefined;
    this.#line = line;
    this.#failures = 0;
    this.#silence = undefined;
    void this.#renew();
    void line.ended.then((why) => {
      this.#line = undefined;
      this.#silent(lostText(this.cluster, line.place.host, why));
      if (this.#isKept && !this.#over.signal.aborted) this.#begin();
    });
  }

  /** Once in our life, which may be that of a new version; what runs there stays if it fails. */
  async #renew(): Promise<void> {
    const { fleets, hosting, log } = this.#options;
    const cluster = this.cluster;
    const record = fleets.record(cluster);
    const isNew = record?.status === "INIT";
    if (this.#isRenewed || record === undefined) return;
    this.#isRenewed = true;
    if (isNew || record.goal !== "running") return;
    try {
      await hosting(record).renew?.(record, this.#over.signal);
    } catch (error) {
      log.warn("what runs on hosts is of another version", { cluster, why: errorText(error) });
    }
  }

  #failed(error: unknown): void {
    const { clock, random, log } = this.#options;
    this.#try = undefined;
    this.#failures += 1;
    this.#failedAtMs = clock.now().monoMs;
    this.#silent(whyText(error));
    log.info("the head on a host is not reached", { cluster: this.cluster, why: errorText(error) });
    // Whoever brings it up tries again by himself.
    const isUp = this.#options.fleets.record(this.cluster)?.status === "UP";
    if (!this.#isKept || !isUp || this.#over.signal.aborted) return;
    const mends = isSkyError(error) && error.remedy === "retry";
    const ms = backoffMs(mends ? retry : stuck, this.#failures, random);
    this.#stopWaiting = clock.after(ms, () => this.#begin());
  }

  #silent(why: string): void {
    this.#care.rest();
    const since = this.#silence?.since ?? this.#options.clock.now().wallMs;
    this.#silence = { since, why };
  }

  #hear({ cluster, why }: sky.v1.WatchResponse): void {
    const view = cluster === null ? undefined : clusterFromProto(cluster);
    this.#told = view;
    if (!this.#isKept) return;
    const verb = endIn(view);
    if (verb !== undefined) this.#wentDown(verb, why);
    else if (view !== undefined) this.#sawNodes(view);
  }

  #sawNodes({ status, nodes }: ClusterView): void {
    const alive = nodes.flatMap(({ id, phase }) => (phase === "alive" ? [id] : []));
    // It is up when its own head takes jobs: one is held back until then.
    const isUp = status === "UP" || alive.length < nodes.length;
    this.#options.fleets.alive(this.cluster, isUp ? alive : alive.slice(1));
    // Before it is up, nodes that are not there yet are its launch's to bring.
    this.#care.saw(status === "UP" ? nodes : []);
  }

  /** It is being brought up: an end that is heard of now is one of before. */
  #isComing(): boolean {
    const record = this.#options.fleets.record(this.cluster);
    return record?.status === "INIT" && record.unasked === undefined;
  }

  #wentDown(verb: "stop" | "down", why: string): void {
    if (!this.#isKept || this.#isComing()) return;
    this.#isKept = false;
    this.#care.rest();
    this.#options.fleets.windDown(this.cluster, verb, why || "it was idle");
  }

  async #revive(nodes: readonly string[]): Promise<void> {
    const { fleets, hosting, log } = this.#options;
    const record = fleets.record(this.cluster);
    if (record?.goal !== "running" || !this.#isKept) return;
    const cluster = this.cluster;
    log.info("nodes are silent: their hosts are looked at", { cluster, nodes });
    try {
      await hosting(record).revive(record, nodes, this.#over.signal);
    } catch (error) {
      // They are still silent, so they are looked at again.
      log.info("silent nodes were not revived", { cluster, nodes, why: errorText(error) });
    }
  }

  #unreachable(why = this.#silence?.why ?? this.#notYet()): SkyError {
    return new SkyError("head/unreachable", { why });
  }

  #notYet(): string {
    return `there is no connection to host ${this.#record.nodes[0]?.host ?? "?"} yet`;
  }
}

/** How a cluster ends by itself, if it does. */
function endIn(view: ClusterView | undefined): "stop" | "down" | undefined {
  if (view === undefined) return "down";
  if (view.status === "STOPPED") return "stop";
  if (view.status !== "STOPPING") return undefined;
  return /^(autodown|down)/.test(view.busyWith ?? "") ? "down" : "stop";
}

/** A try that failed leaves nothing to close. */
function noLine(): undefined {
  return undefined;
}

/** Nobody listens there. That its host cannot be reached is no reason to ask it for more. */
function ifSilent(error: unknown): undefined {
  const isSilent = isSkyError(error, "head/unreachable") || isSkyError(error, "ssh/failed");
  if (!isSilent) throw error;
}
