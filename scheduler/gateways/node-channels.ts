// Channels that a head opens to its nodes, over the sessions of the bulk wire that they dial.
//
// A node has a session when it needed one; a node that has none is told to have one (`connect` on
// the bus), again and again, because any message may be lost. What a program of an older version
// cannot do it is never asked for: what it can do is asked first, once for each session.
//
// What must always hold: a cluster is busy, for autostop, as long as a channel of ours to one of
// its nodes is open.

import { isSkyError, SkyError } from "../../model/errors.ts";
import type { Inspection } from "../../proto/messages.ts";
import type { PeerName } from "../../runtime/certificates.ts";
import { peerText } from "../../runtime/certificates.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { StreamChannel, StreamSession } from "../../runtime/stream.ts";
import type { Head } from "../head.ts";
import { openWatched } from "./channels.ts";

export type NodeHead = Pick<Head, "system" | "board" | "holdTransfer">;

export interface NodeChannelsOptions {
  readonly heads: { get(cluster: string): NodeHead | undefined };
  readonly clock: Clock;
  /** So long a node may take to dial. */
  readonly dialMs?: number;
}

const dialMsUsual = 10_000;
/** What may have been lost is said again after so long. */
const againMs = 500;
const askMs = 2_000;

export class NodeChannels {
  readonly #options: NodeChannelsOptions;
  /** The newest of each node. */
  readonly #sessions = new Map<string, StreamSession>();
  readonly #able = new WeakMap<StreamSession, Promise<boolean>>();
  readonly #waiting = new Map<string, Set<() => void>>();

  constructor(options: NodeChannelsOptions) {
    this.#options = options;
  }

  /** A session that a node dialled; whoever knows its other channels hears of them. */
  take(session: StreamSession): void {
    const { peer } = session;
    this.#sessions.set(peer, session);
    void session.closed.then(() => {
      if (this.#sessions.get(peer) === session) this.#sessions.delete(peer);
    });
    for (const wake of this.#waiting.get(peer) ?? []) wake();
  }

  /**
   * @throws SkyError `cluster/not-found`, `transfer/no-gateway` (it cannot), `stream/closed` (it is
   *   not there, or did not come); what `signal` says.
   */
  async open(whom: PeerName, header: string, signal: AbortSignal): Promise<StreamChannel> {
    const head = this.#headOf(whom);
    const session = await this.#session(head, whom, signal);
    if (!(await this.#isAble(session, { head, whom, signal }))) throw tooOld(whom);
    signal.throwIfAborted();
    const release = head.holdTransfer();
    try {
      return openWatched(session, Buffer.from(header), release);
    } catch (error) {
      release();
      throw error;
    }
  }

  #headOf({ cluster }: PeerName): NodeHead {
    const head = this.#options.heads.get(cluster);
    if (head !== undefined) return head;
    throw new SkyError("cluster/not-found", { name: `'${cluster}'`, hint: "" });
  }

  async #session(head: NodeHead, whom: PeerName, signal: AbortSignal): Promise<StreamSession> {
    const known = this.#sessions.get(peerText(whom));
    if (known !== undefined) return known;
    if (!(await this.#can({ head, whom, signal }))) throw tooOld(whom);
    const { clock, dialMs = dialMsUsual } = this.#options;
    const untilMs = clock.now().monoMs + dialMs;
    for (;;) {
      signal.throwIfAborted();
      const session = this.#sessions.get(peerText(whom));
      if (session !== undefined) return session;
      if (clock.now().monoMs > untilMs) throw absent(whom, "does not dial its head");
      head.system.tell(addressOf(whom), { kind: "connect" });
      await this.#arrival(peerText(whom), signal);
    }
  }

  /** Resolves when it came, or it is time to ask again. */
  #arrival(peer: string, signal: AbortSignal): Promise<void> {
    const waiting = this.#waiting.get(peer) ?? new Set();
    this.#waiting.set(peer, waiting);
    return new Promise((resolve) => {
      const done = (): void => {
        stop();
        waiting.delete(done);
        if (waiting.size === 0) this.#waiting.delete(peer);
        signal.removeEventListener("abort", done);
        resolve();
      };
      const stop = this.#options.clock.after(againMs, done);
      waiting.add(done);
      signal.addEventListener("abort", done, { once: true });
    });
  }

  #isAble(session: StreamSession, asked: Asked): Promise<boolean> {
    const known = this.#able.get(session);
    if (known !== undefined) return known;
    const able = this.#can(asked);
    this.#able.set(session, able);
    able.catch(() => this.#able.delete(session));
    return able;
  }

  /** Its program says what it can do. */
  async #can({ head, whom, signal }: Asked): Promise<boolean> {
    const { clock, dialMs = dialMsUsual } = this.#options;
    const untilMs = clock.now().monoMs + dialMs;
    for (;;) {
      const phase = head.board.nodePhase(whom.node);
      if (phase !== "alive" && phase !== "suspect") throw absent(whom, `is ${phase}`);
      try {
        const { json } = await head.system.ask<{ kind: "inspect"; replyTo: object }, Inspection>(
          addressOf(whom),
          (replyTo) => ({ kind: "inspect", replyTo }),
          { timeoutMs: askMs, signal },
        );
        const { capabilities = [] } = JSON.parse(json) as { capabilities?: readonly string[] };
        return capabilities.includes("gateways");
      } catch (error) {
        const isGone = isSkyError(error, "bus/no-such-actor");
        if (!isGone && !isSkyError(error, "bus/timeout")) throw error;
        if (isGone || clock.now().monoMs > untilMs) throw absent(whom, "does not answer");
      }
    }
  }
}

interface Asked {
  readonly head: NodeHead;
  readonly whom: PeerName;
  readonly signal: AbortSignal;
}

function absent({ cluster, node }: PeerName, what: string): SkyError {
  return new SkyError("stream/closed", { why: `${node} of ${cluster} ${what}` });
}

function tooOld(whom: PeerName): SkyError {
  return new SkyError("transfer/no-gateway", {
    gateway: peerText(whom),
    why: "its skylet is of an older version: upgrade it",
  });
}

function addressOf({ cluster, node }: PeerName) {
  return { cluster, node, kind: "agent", id: "main" };
}
