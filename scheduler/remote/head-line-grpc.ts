// One connection to a head on a host: the tunnel, the calls through it, and what the head tells.
//
// It begins with the head saying yes to the cluster (`Host`), and is over when the tunnel is, when
// the head ends what it tells, or when it does not answer any more. Nothing is tried twice here but
// the first call: a head that was just started does not listen yet.
//
// What must always hold: `ended` resolves once, with a sentence; every call that is open then ends,
// and nothing of the connection is left.

import { setTimeout as pause } from "node:timers/promises";
import type { ClusterRecord } from "../../clouds/cluster-record.ts";
import type { HeadPlace } from "../../clouds/head-hosting.ts";
import { errorText, isSkyError, SkyError } from "../../model/errors.ts";
import type { Node } from "../../model/node.ts";
import { dialHead, type HeadClient } from "../../proto/client-grpc.ts";
import { nodeToProto } from "../../proto/converters-cluster.ts";
import { clusterStatuses } from "../../proto/enums.ts";
import type { sky } from "../../proto/gen/sky.js";
import type { Clock } from "../../runtime/clock.ts";
import { type SocketAddress, socketAddress } from "../../runtime/socket-os.ts";
import type { OpenTunnel, Ssh } from "../../runtime/ssh.ts";
import { type CallGuard, guardCalls } from "./guarded-client.ts";
import { freshSocket } from "./tunnel-sockets-os.ts";

export interface LineOptions {
  readonly ssh: Pick<Ssh, "tunnel" | "run">;
  readonly place: HeadPlace;
  /** The cluster is to be brought up; otherwise one that has stopped stays so. */
  readonly bringUp: boolean;
  /** How long the head may take until it listens. */
  readonly listenMs: number;
  readonly record: ClusterRecord;
  /** As far as their addresses are known. */
  readonly nodes: readonly Node[];
  /** Where our ends of tunnels are. */
  readonly dir: string;
  readonly clock: Clock;
  readonly onTold: (told: sky.v1.WatchResponse) => void;
}

export interface HeadLine {
  readonly place: HeadPlace;
  readonly client: HeadClient;
  /** Where it takes chunks, and how we prove who we are. */
  readonly bulk: sky.v1.HostResponse;
  /** Resolves, with a sentence, when it is over. Never rejects. */
  readonly ended: Promise<string>;
  /** The cluster as it is now. */
  host(nodes: readonly Node[], signal: AbortSignal): Promise<void>;
  close(why: string): Promise<void>;
}

const listenPauseMs = 50;
const callMs = 15_000;
const pulseMs = 3_000;
const pulseWaitMs = 5_000;

/** @throws what the tunnel throws; SkyError `head/unreachable`. */
export async function openLine(options: LineOptions, signal: AbortSignal): Promise<HeadLine> {
  const { ssh, place, record, dir } = options;
  const path = freshSocket(dir, record.name);
  const remote = await absolute(options, place, signal);
  const tunnel = await ssh.tunnel(place.target, { local: path, remote }, signal);
  const address = socketAddress(path);
  const line = new Line(options, { tunnel, address });
  try {
    await line.begin(signal);
    return line;
  } catch (error) {
    await line.close("the head did not answer");
    throw error;
  }
}

/**
 * An OpenSSH server knows no home, and takes absolute paths alone; the kernel takes none above some
 * hundred bytes (unix(7)). A longer one gets a short link, which goes with the cluster's folder.
 */
const socketPathScript = `
LC_ALL=C
path=$HOME/$1
if [ \${#path} -gt 100 ]; then
  link=$HOME/.skylet/head-$2
  [ "$(readlink "$link")" = "$path" ] || { rm -f "$link" && ln -s "$path" "$link"; } || exit 1
  path=$link
fi
printf %s "$path"`;

async function absolute(
  { ssh, record }: LineOptions,
  { host, target, socket }: HeadPlace,
  signal: AbortSignal,
): Promise<string> {
  if (socket.startsWith("/")) return socket;
  const args = [socket, record.token.slice(0, 8)];
  const call = { script: socketPathScript, args, timeoutMs: callMs };
  const { stdout: path } = await ssh.run(target, call, signal);
  if (path.startsWith("/")) return path;
  throw new SkyError("host/failed", { host, what: "the head's socket", why: `it is '${path}'` });
}

interface LineParts {
  readonly tunnel: OpenTunnel;
  readonly address: SocketAddress;
}

class Line implements HeadLine {
  readonly place: HeadPlace;
  readonly ended: Promise<string>;
  readonly #options: LineOptions;
  readonly #tunnel: OpenTunnel;
  readonly #address: SocketAddress;
  readonly #guard: CallGuard;
  readonly #over = new AbortController();
  #end: (why: string) => void = () => {};
  #bulk: sky.v1.HostResponse | undefined;
  #stopPulse = (): void => {};
  #closed: Promise<void> | undefined;

  constructor(options: LineOptions, { tunnel, address }: LineParts) {
    this.place = options.place;
    this.#options = options;
    this.#tunnel = tunnel;
    this.#address = address;
    this.#guard = guardCalls(dialHead(`unix:${address.path}`), (why) => this.#lost(why));
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    void tunnel.ended.then((why) => this.#finish(why));
  }

  get client(): HeadClient {
    return this.#guard.client;
  }

  get bulk(): sky.v1.HostResponse {
    if (this.#bulk === undefined) throw this.#lost("it has not said yes yet");
    return this.#bulk;
  }

  async begin(signal: AbortSignal): Promise<void> {
    const { nodes, bringUp, listenMs, clock } = this.#options;
    const until = AbortSignal.any([signal, this.#over.signal]);
    const lastMs = clock.now().monoMs + listenMs;
    for (;;) {
      try {
        if (bringUp || !(await this.#isGoing(until))) await this.host(nodes, until);
        break;
      } catch (error) {
        const isLate = clock.now().monoMs > lastMs || until.aborted;
        if (isLate || !isSkyError(error, "head/unreachable")) throw error;
        // It does not listen yet. Who gives up meanwhile learns of that by the next call.
        await pause(listenPauseMs, undefined, { signal: until }).catch(() => {});
      }
    }
    void this.#watch();
    this.#beat();
  }

  /** Whether the cluster is on its way down, or is there already: what it tells says why. */
  async #isGoing(signal: AbortSignal): Promise<boolean> {
    const { name } = this.#options.record;
    const { clusters } = await this.client.clusters.status({}, { signal, timeoutMs: callMs });
    const found = clusters.find((cluster) => cluster.name === name);
    if (found === undefined) return false;
    const status = clusterStatuses.fromProto(found.status);
    return status === "STOPPING" || status === "STOPPED";
  }

  async host(nodes: readonly Node[], signal: AbortSignal): Promise<void> {
    const { name: cluster, token, region = "", command, user = "" } = this.#options.record;
    const shown = nodes.map((node) => nodeToProto({ ...node, phase: "absent" }));
    const request = { cluster, token, nodes: shown, region, command, user };
    this.#bulk = await this.client.hosts.host(request, { signal, timeoutMs: callMs });
  }

  async close(why: string): Promise<void> {
    this.#finish(why);
    await this.#closed;
  }

  async #watch(): Promise<void> {
    const { record, onTold } = this.#options;
    const { signal } = this.#over;
    try {
      const watched = this.client.hosts.watch({ cluster: record.name }, { signal });
      for await (const told of watched) onTold(told);
      this.#finish("the head ended what it tells");
    } catch (error) {
      this.#finish(whyText(error));
    }
  }

  /** A tunnel whose other end is gone may say nothing for long. */
  #beat(): void {
    this.#stopPulse = this.#options.clock.after(pulseMs, () => {
      const wanted = { signal: this.#over.signal, timeoutMs: pulseWaitMs };
      this.client.debug.version({}, wanted).then(
        () => {
          if (!this.#over.signal.aborted) this.#beat();
        },
        // Whatever it said instead: a head that lives answers this.
        () => this.#finish("it does not answer"),
      );
    });
  }

  #finish(why: string): void {
    if (this.#closed !== undefined) return;
    this.#stopPulse();
    this.#guard.cut(this.#lost(why));
    this.#over.abort();
    this.client.close();
    this.#address.release();
    this.#closed = this.#tunnel.close();
    this.#end(why);
  }

  #lost(why: string): SkyError {
    const { name } = this.#options.record;
    return new SkyError("head/unreachable", { why: lostText(name, this.place.host, why) });
  }
}

/** Of a head that cannot be reached only why: whose it is gets said again. */
export function whyText(error: unknown): string {
  return isSkyError(error, "head/unreachable") ? String(error.params["why"]) : errorText(error);
}

/** As it is shown to whoever asked for something: which head, where, and why. */
export function lostText(cluster: string, host: string, why: string): string {
  const start = `that of ${cluster} on host ${host}: `;
  return why.startsWith(start) ? why : `${start}${why}`;
}
