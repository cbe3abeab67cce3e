// The sessions of a round with its peers: one with each, dialled by one of the two.
//
// Only those get in who have a pass of this transfer and are peers of this round. Whoever dials
// does so again when a session ends, after a wait that grows; whoever sends waits for a session for
// a while and then fails, which its hop's budget counts.
//
// What must always hold: a port is open only while a peer is to come in by it; when `close`
// resolves no session is left.

import { errorText, isSkyError, SkyError } from "../../model/errors.ts";
import { transferSecurity } from "../../runtime/certificates-transfer-os.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { Random } from "../../runtime/random.ts";
import type {
  StreamChannel,
  StreamListener,
  StreamPort,
  StreamSession,
  StreamTarget,
} from "../../runtime/stream.ts";
import type { StreamHub } from "../../runtime/stream-memory.ts";
import { createTcpStreams } from "../../runtime/stream-tcp.ts";
import type { Begin, GatewayPeer, GatewayWord } from "./orders.ts";
import { pause } from "./pace.ts";
import type { GatewayId } from "./program.ts";
import { Retries } from "./retries.ts";

export interface LinksOptions {
  readonly begin: Pick<Begin, "transfer" | "peers" | "pass">;
  /** Where this node may listen. */
  readonly addresses: readonly string[];
  /** Joins the gateways of this process: what they say to each other needs no wire. */
  readonly near?: StreamHub | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly say: (word: GatewayWord) => void;
  readonly onChannel: (session: StreamSession, channel: StreamChannel) => void;
}

const lanesUsual = 4;
const lanesMax = 16;
/** A connection that breaks is dialled again beneath its session for so long. */
const resumeMs = 5_000;
/** How long who sends waits for a session. */
const sessionWaitMs = 15_000;

export class Links {
  readonly #options: LinksOptions;
  readonly #streams: StreamPort;
  readonly #links = new Map<GatewayId, Link>();
  readonly #stopping = new AbortController();
  readonly #dialling = new Set<Promise<void>>();
  #listener: StreamListener | undefined;
  #nearListener: StreamListener | undefined;

  constructor(options: LinksOptions) {
    this.#options = options;
    const { begin, clock, random } = options;
    this.#streams = createTcpStreams({ security: transferSecurity(begin.pass), clock, random });
    for (const peer of begin.peers) this.#links.set(peer.peer, new Link(peer));
  }

  /** Listens, if a peer dials us, and says where. */
  async start(): Promise<void> {
    const { begin, addresses, say } = this.#options;
    const awaited = begin.peers.filter(({ dial }) => !dial).map(({ peer }) => peer);
    if (awaited.length === 0) return;
    const onSession = (session: StreamSession): void => this.#take(session);
    this.#nearListener = await this.#near?.listen({ target: this.#nearTo(this.#self), onSession });
    this.#listener = await this.#streams.listen({
      target: { host: hostFor(addresses), port: 0 },
      onSession,
      allow: (peer) => awaited.includes(peer),
    });
    say({ kind: "listening", target: this.#listener.target });
  }

  /** A peer that we dial is there. @throws SkyError `stream/protocol` for others. */
  told(peer: GatewayId, target: StreamTarget): void {
    const link = this.#links.get(peer);
    if (link === undefined || !link.peer.dial) {
      throw new SkyError("stream/protocol", { why: `${peer} is not to be dialled` });
    }
    link.target = target;
    if (link.isDialled) return;
    link.isDialled = true;
    const dialling = this.#keepDialled(link).finally(() => this.#dialling.delete(dialling));
    this.#dialling.add(dialling);
  }

  /** @throws SkyError `stream/closed` if there is none for a while. */
  async session(peer: GatewayId, signal: AbortSignal): Promise<StreamSession> {
    const link = this.#links.get(peer);
    if (link === undefined) throw closed(`${peer} is no peer of this round`);
    const waiting = AbortSignal.any([signal, this.#stopping.signal]);
    if (link.session === undefined) await this.#changed(link, waiting);
    if (link.session !== undefined) return link.session;
    throw closed(`${peer} cannot be reached: ${link.why}`);
  }

  async close(): Promise<void> {
    this.#stopping.abort(closed("the round is over"));
    for (const { session } of this.#links.values()) session?.close();
    await Promise.all(this.#dialling);
    await this.#nearListener?.close();
    await this.#listener?.close();
  }

  get #self(): GatewayId {
    return this.#options.begin.pass.peer;
  }

  get #near(): StreamPort | undefined {
    return this.#options.near?.connect(this.#self);
  }

  /** Where a gateway of this process is found by the others. */
  #nearTo(peer: GatewayId): StreamTarget {
    return { host: `${this.#options.begin.transfer} ${peer}`, port: 0, peer };
  }

  async #changed(link: Link, signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const waited = pause(
      this.#options.clock,
      sessionWaitMs,
      AbortSignal.any([signal, over.signal]),
    );
    try {
      await Promise.race([link.changed.promise, waited]);
    } finally {
      over.abort();
      // It ends because it is over.
      await waited.catch(() => undefined);
    }
  }

  async #keepDialled(link: Link): Promise<void> {
    const { signal } = this.#stopping;
    const { log, clock, random } = this.#options;
    const retries = new Retries({ clock, random });
    for (let failures = 0; !signal.aborted; ) {
      try {
        const session = await this.#dial(link);
        failures = 0;
        this.#take(session);
        link.why = await session.closed;
      } catch (error) {
        link.why = errorText(error);
        log.info("a peer is dialled again", { peer: link.peer.peer, why: link.why });
      }
      failures += 1;
      // A round that is over ends the wait.
      await retries.pause(failures, signal).catch(() => undefined);
    }
  }

  async #dial({ peer, target }: Link): Promise<StreamSession> {
    const { peer: name, connections = lanesUsual } = peer;
    const { signal } = this.#stopping;
    const near = await this.#near?.dial(this.#nearTo(name), signal).catch(unlessElsewhere);
    if (near !== undefined) return near;
    const lanes = Math.min(connections, lanesMax);
    const to = { ...(target ?? { host: "", port: 0 }), peer: name };
    return await this.#streams.dial(to, signal, { lanes, resumeMs });
  }

  #take(session: StreamSession): void {
    const link = this.#links.get(session.peer);
    if (link === undefined || this.#stopping.signal.aborted) {
      session.close();
      return;
    }
    session.onChannel((channel) => this.#options.onChannel(session, channel));
    // Who dials again has lost the one before, and we may not have heard of it yet.
    link.session?.close();
    link.session = session;
    link.changed.resolve();
    link.changed = Promise.withResolvers();
    void session.closed.then((why) => {
      link.why = why;
      if (link.session === session) link.session = undefined;
    });
  }
}

/** What there is with one peer. */
class Link {
  readonly peer: GatewayPeer;
  target: StreamTarget | undefined;
  session: StreamSession | undefined;
  isDialled = false;
  /** Why there is no session. */
  why = "nobody has dialled yet";
  /** Resolves when there is a new session. */
  changed = Promise.withResolvers<void>();

  constructor(peer: GatewayPeer) {
    this.peer = peer;
  }
}

/** One address is listened at itself; of several, peers know some that are not ours to bind. */
function hostFor(addresses: readonly string[]): string {
  const [first, ...others] = addresses;
  if (first === undefined) return "127.0.0.1";
  const isLocal = addresses.every((address) => address.startsWith("127."));
  if (isLocal) return first;
  return [first, ...others].some((address) => address.includes(":")) ? "::" : "0.0.0.0";
}

/** Nobody of that name listens in this process. */
function unlessElsewhere(error: unknown): undefined {
  if (!isSkyError(error, "stream/closed")) throw error;
}

function closed(why: string): SkyError {
  return new SkyError("stream/closed", { why });
}
