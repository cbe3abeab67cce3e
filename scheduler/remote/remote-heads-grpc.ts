// The heads of all clusters that run on hosts, as the fleets and the API of this home see them.
//
// One is known as long as its cluster has a record. Ending a cluster is asked of its own head: a
// stop ends its jobs, proven, and its agents; with a down they take away what they laid out, too,
// and the logs come here before anything on the hosts is removed. A head that has ended before has
// done all that.
//
// What must always hold: no cluster's logs are given up but with `purge`, and then that is said.

import type { ClusterRecord } from "../../clouds/cluster-record.ts";
import type { Cleared } from "../../clouds/fleet-actor.ts";
import type { HeadHosting } from "../../clouds/head-hosting.ts";
import { errorText, isSkyError, SkyError } from "../../model/errors.ts";
import type { Invitation } from "../../model/host-file.ts";
import type { Node } from "../../model/node.ts";
import type { Ssh } from "../../runtime/ssh.ts";
import { type ClearingOptions, clearCluster } from "../clearing-os.ts";
import type { HeadsOptions } from "../heads-options.ts";
import { Giving } from "./giving-os.ts";
import { fetchLogs } from "./log-fetch-ssh.ts";
import { NodeWire } from "./node-wire-os.ts";
import type { RemoteHead, RemoteHeads } from "./remote.ts";
import { KeptHead, type RemoteHeadOptions } from "./remote-head-grpc.ts";
import { sweepSockets } from "./tunnel-sockets-os.ts";

export interface RemoteHeadsOptions
  extends ClearingOptions,
    Pick<HeadsOptions, "work" | "reading" | "memory">,
    Pick<RemoteHeadOptions, "fleets" | "random"> {
  readonly ssh: Pick<Ssh, "tunnel" | "open" | "run">;
  /** Of a cluster's cloud; `undefined` where heads run here. */
  readonly hosting: (record: ClusterRecord) => HeadHosting | undefined;
  /** So long whoever stops a cluster or takes it down waits for a head that does not answer. */
  readonly endPatienceMs?: number;
}

export function createRemoteHeads(options: RemoteHeadsOptions): RemoteHeads {
  return new RemoteTable(options);
}

type EndVerb = Parameters<RemoteHeads["close"]>[1];

interface Known {
  readonly kept: KeptHead;
  readonly giving: Giving;
  readonly wire: NodeWire;
  readonly head: RemoteHead;
  /** What its nodes left of the user's when they went. */
  filesKept: readonly string[];
  /** Since when (monotonic) its head cannot be asked to end. */
  failingSinceMs: number | undefined;
  /** What ends it at the moment. */
  closing: { readonly verb: EndVerb; readonly done: Promise<void> } | undefined;
}

const disarmMs = 30_000;
const patienceMs = 15_000;
const inviteMs = 30_000;

class RemoteTable implements RemoteHeads {
  readonly #options: RemoteHeadsOptions;
  readonly #dir: string;
  readonly #known = new Map<string, Known>();
  readonly #over = new AbortController();

  constructor(options: RemoteHeadsOptions) {
    this.#options = options;
    this.#dir = `${options.home.root}/ssh/heads`;
    sweepSockets(this.#dir);
  }

  get(cluster: string): RemoteHead | undefined {
    const known = this.#known.get(cluster);
    if (known !== undefined) return known.head;
    const record = this.#options.fleets.record(cluster);
    if (record === undefined || this.#options.hosting(record) === undefined) return undefined;
    return this.#of(record).head;
  }

  async open(record: ClusterRecord): Promise<void> {
    const { kept } = this.#of(record);
    if (record.goal === "running") await kept.keep(record);
    else kept.release(record);
  }

  declare(name: string, nodes: readonly Node[]): void {
    this.#known.get(name)?.kept.declare(nodes);
  }

  dismiss(record: ClusterRecord): void {
    this.#known.get(record.name)?.kept.release(record);
  }

  /** One at a time: whoever asks for the same meanwhile joins. */
  async close(record: ClusterRecord, verb: EndVerb): Promise<void> {
    const known = this.#of(record);
    const before = known.closing;
    if (before?.verb === verb) return await before.done;
    const work = async (): Promise<void> => {
      // What went wrong with the other is told to whoever asked for that.
      await Promise.allSettled([before?.done]);
      await this.#close(record, verb);
    };
    const closing = { verb, done: work() };
    known.closing = closing;
    await closing.done.finally(() => {
      if (known.closing === closing) known.closing = undefined;
    });
  }

  /** @throws SkyError that may be tried again only as long as that may help whoever waits. */
  async #close(record: ClusterRecord, verb: EndVerb): Promise<void> {
    const known = this.#of(record);
    const { signal } = this.#over;
    const nowMs = (): number => this.#options.clock.now().monoMs;
    known.kept.release(record);
    try {
      await this.#endHead(record, verb, signal);
      if (verb === "terminated") await this.#fetchLogs(record, signal);
      known.failingSinceMs = undefined;
    } catch (error) {
      if (signal.aborted || !isSkyError(error)) throw error;
      known.failingSinceMs ??= nowMs();
      const { endPatienceMs = patienceMs } = this.#options;
      const mayPass = error.remedy === "retry" && nowMs() - known.failingSinceMs < endPatienceMs;
      if (mayPass) throw error;
      if (verb === "stopped") throw await this.#lasting(record, error);
      await this.#closeWithout(record, error, signal);
    }
  }

  /**
   * Its head does not do it, but its hosts can be reached: what runs there is ended with what is
   * removed, and what is known of its jobs is fetched before that.
   */
  async #closeWithout(record: ClusterRecord, cause: SkyError, signal: AbortSignal): Promise<void> {
    const { log } = this.#options;
    const { name } = record;
    try {
      await this.#hosting(record).endOf(record, signal);
      log.warn("a cluster goes without its head", { cluster: name, why: errorText(cause) });
      await this.#of(record).kept.close("the cluster is terminated");
      await this.#fetchLogs(record, signal);
    } catch (error) {
      if (signal.aborted || !isSkyError(error)) throw error;
      throw await this.#lasting(record, error);
    }
  }

  async disarm(name: string): Promise<void> {
    const known = this.#known.get(name);
    if (known === undefined) return;
    const signal = AbortSignal.any([this.#over.signal, AbortSignal.timeout(disarmMs)]);
    const { clusters } = await known.kept.client(signal);
    await clusters.setAutostop({ cluster: name, idleSeconds: -1, down: false }, { signal });
  }

  async clear(record: ClusterRecord): Promise<Cleared> {
    const known = this.#known.get(record.name);
    this.#known.delete(record.name);
    await known?.giving.close();
    await known?.wire.close();
    await known?.kept.end();
    const cleared = await clearCluster(this.#options, record);
    return { ...cleared, kept: known?.filesKept ?? [] };
  }

  async invite(cluster: string, node: string, signal: AbortSignal): Promise<Invitation> {
    const known = this.#known.get(cluster);
    if (known === undefined) throw notHere(cluster);
    const { hosts } = await known.kept.client(signal);
    const wanted = { signal, timeoutMs: inviteMs };
    const { host, port, token, authority, certificate, key } = await hosts.invite(
      { cluster, node },
      wanted,
    );
    return { host, port, token, authority, certificate, key };
  }

  async closeAll(): Promise<void> {
    this.#over.abort(new SkyError("core/cancelled", { what: "this head" }));
    const all = [...this.#known.values()];
    this.#known.clear();
    await Promise.all(all.map(({ wire }) => wire.close()));
    await Promise.all(all.map(({ kept }) => kept.end()));
    await Promise.all(all.map(({ giving }) => giving.close()));
  }

  /** Its jobs are over, and its agents have left. One that is not there any more has ended. */
  async #endHead(record: ClusterRecord, verb: EndVerb, signal: AbortSignal): Promise<void> {
    if (!(await this.#hasEnded(record, signal))) await this.#askToEnd(record, verb, signal);
    await this.#of(record).kept.close(`the cluster is ${verb}`);
  }

  /** Whoever waits here is told by the same words, with this reason. */
  async #lasting(record: ClusterRecord, error: SkyError): Promise<SkyError> {
    const isTheirs = error.code === "cluster/stop-failed" || error.code === "head/unreachable";
    const why = isTheirs ? String(error.params["why"]) : errorText(error);
    const { host } = await this.#hosting(record).placeOf(record);
    const what = `its head on host ${host}`;
    return new SkyError("process/failed", { what, why }, { cause: error });
  }

  async #askToEnd(record: ClusterRecord, verb: EndVerb, signal: AbortSignal): Promise<void> {
    const { name: cluster, busy } = record;
    const known = this.#of(record);
    const { clusters } = await known.kept.client(signal);
    const user = busy?.user ?? "";
    if (verb === "stopped") await clusters.stop({ cluster, user }, { signal });
    else {
      const gone = await clusters.down({ cluster, user, purge: false }, { signal });
      known.filesKept = gone.kept;
    }
  }

  /** A connection that is there needs no look at the hosts. */
  async #hasEnded(record: ClusterRecord, signal: AbortSignal): Promise<boolean> {
    if (this.#of(record).kept.isThere) return false;
    const end = await this.#hosting(record).endOf(record, signal);
    if (end?.kept !== undefined) this.#of(record).filesKept = end.kept;
    return end !== undefined;
  }

  async #fetchLogs(record: ClusterRecord, signal: AbortSignal): Promise<void> {
    const { ssh, home } = this.#options;
    const place = await this.#hosting(record).placeOf(record);
    const { logs: into } = home.cluster(record.name);
    await fetchLogs({ ssh, place, cluster: record.name, into }, signal);
  }

  #hosting(record: ClusterRecord): HeadHosting {
    const hosting = this.#options.hosting(record);
    if (hosting === undefined) throw notHere(record.name);
    return hosting;
  }

  #of(record: ClusterRecord): Known {
    const { name: cluster } = record;
    const known = this.#known.get(cluster);
    if (known !== undefined) return known;
    const dir = this.#dir;
    const hosting = (of: ClusterRecord): HeadHosting => this.#hosting(of);
    const kept = new KeptHead({ ...this.#options, dir, hosting }, record);
    const giving = new Giving({
      ...this.#options,
      ...{ cluster, dir, copies: this.#options.home.cluster(cluster).workdirs },
      line: (signal) => kept.line(signal),
    });
    const wire = new NodeWire({
      ...{ ...this.#options, cluster, dir },
      line: (signal) => kept.line(signal),
    });
    const head: RemoteHead = {
      cluster,
      client: (signal) => kept.client(signal),
      submit: (request, signal) => giving.submit(request, signal),
      openNode: (node, header, signal) => wire.open({ node, header }, signal),
      view: () => kept.view(),
      silence: () => kept.silence(),
    };
    const made: Known = {
      kept,
      ...{ giving, wire },
      head,
      filesKept: [],
      failingSinceMs: undefined,
      closing: undefined,
    };
    this.#known.set(cluster, made);
    return made;
  }
}

function notHere(cluster: string): SkyError {
  return new SkyError("head/unreachable", { why: `${cluster} has none on a host` });
}
