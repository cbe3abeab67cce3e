// A stream session over a link that carries frames: the protocol of the bulk wire, without I/O.
//
// The memory version links two sessions directly, the TCP version puts `runtime/framing.ts` and a
// socket between them; both obey the same rules because they share this file. The side that
// dialled opens channels with odd ids, the other with even ones, each in rising order, so that a
// late frame of a channel that is over (ignored) differs from one of a channel that never was
// (a breach). Channels that may send take turns, one frame each.
//
// What must always hold: a breach ends the session; no reply is owed to a peer that does not read.

import { errorText, isSkyError, SkyError } from "../model/errors.ts";
import type { Clock } from "./clock.ts";
import {
  brokenFrame,
  type Frame,
  type FrameCapability,
  frameBytesMax,
  largeFrameBytesMax,
} from "./framing.ts";
import type { StreamChannel, StreamSession } from "./stream.ts";
import { channelHeaderBytesMax } from "./stream.ts";
import { ChannelCore, type ChannelHost, windowInitialBytes } from "./stream-channel.ts";

/** What carries frames. It reports to its end through `LinkEnd`. */
export interface FrameLink {
  /** `number` only for a peer with `lanes`. */
  send(frame: Frame, number?: number): void;
  /** Bytes that wait to leave this process. */
  queuedBytes(): number;
  /** Sends what is queued, then closes. */
  close(): void;
}

/** Who takes the frames of a link: what the link calls. */
export interface LinkEnd {
  receive(frame: Frame, number?: number): void;
  /** The link has room again. */
  resume(): void;
  /** The link is gone. */
  lost(why: string): void;
}

/** The session, and what its link calls. */
export interface SessionEnd extends LinkEnd {
  readonly session: StreamSession;
}

export interface SessionOptions {
  readonly peer: string;
  /** Which side this is. */
  readonly side: "dialler" | "listener";
  readonly link: FrameLink;
  /** What both sides can do; absent = the frames of version 1. */
  readonly capabilities?: ReadonlySet<FrameCapability>;
  /** For pings; without it a silent peer is never given up. */
  readonly clock?: Clock;
  readonly limits?: Partial<SessionLimits>;
  /** Hears of a breach, before the session ends. */
  readonly onBreach?: (why: string) => void;
}

export interface SessionLimits {
  /** Live channels that the peer may have opened. */
  readonly channelsMax: number;
  /** How far a peer may be ahead of the reader of one channel… */
  readonly windowBytes: number;
  /** …as long as all wide windows together stay within this. */
  readonly windowsBytesMax: number;
  /** No data is given to a link that holds this much; it ends at the higher mark. */
  readonly linkBytesHigh: number;
  readonly linkBytesMax: number;
  /** A ping goes out after this long without a word; so many of them and the peer is given up. */
  readonly pingMs: number;
  readonly silentPingsMax: number;
}

export const sessionLimits: SessionLimits = {
  channelsMax: 1_024,
  windowBytes: 1024 * 1024,
  windowsBytesMax: 64 * 1024 * 1024,
  linkBytesHigh: 512 * 1024,
  linkBytesMax: 8 * 1024 * 1024,
  pingMs: 5_000,
  silentPingsMax: 3,
};

export function createSession(options: SessionOptions): SessionEnd {
  const core = new SessionCore(options);
  const session: StreamSession = {
    peer: options.peer,
    open: (header) => core.open(header),
    onChannel: (take) => core.onChannel(take),
    closed: core.closed,
    close: () => core.close(),
  };
  return {
    session,
    receive: (frame) => core.receive(frame),
    resume: () => core.pump(),
    lost: (why) => core.over(why),
  };
}

class SessionCore implements ChannelHost {
  readonly closed: Promise<string>;
  readonly #options: SessionOptions;
  readonly #limits: SessionLimits;
  readonly #dataBytesMax: number;
  readonly #channels = new Map<number, ChannelCore>();
  #sendQueue: ChannelCore[] = [];
  #take: ((channel: StreamChannel) => void) | undefined;
  #untaken: StreamChannel[] = [];
  #nextId: number;
  #peerIdLast = 0;
  #wide = new Set<ChannelCore>();
  #pumpDue = false;
  /** The answer to the last ping: pings are answered, but piled up for nobody. */
  #pongOwed: Frame | undefined;
  #silentPings = 0;
  #stopPings: () => void = () => {};
  #resolveClosed: (why: string) => void = () => {};
  #over = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#limits = { ...sessionLimits, ...options.limits };
    const isLarge = options.capabilities?.has("large-frames") ?? false;
    this.#dataBytesMax = isLarge ? largeFrameBytesMax : frameBytesMax;
    this.#nextId = options.side === "dialler" ? 1 : 2;
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    this.#schedulePing();
  }

  // ---- what users call

  open(header: Uint8Array): StreamChannel {
    if (this.#over) throw new SkyError("stream/closed", { why: "the session is over" });
    if (header.length > channelHeaderBytesMax) {
      throw new SkyError("core/broken-invariant", { what: `a header of ${header.length} bytes` });
    }
    const core = new ChannelCore({ id: this.#nextId, header, host: this });
    this.#nextId += 2;
    this.#channels.set(core.id, core);
    this.#send({ type: "open", channel: core.id, header });
    this.#widen(core);
    return core.face;
  }

  onChannel(take: (channel: StreamChannel) => void): void {
    this.#take = take;
    for (const channel of this.#untaken.splice(0)) take(channel);
  }

  close(): void {
    this.over("closed by us");
  }

  // ---- what the link calls

  receive(frame: Frame): void {
    if (this.#over) return;
    this.#silentPings = 0;
    try {
      this.#dispatch(frame);
    } catch (error) {
      if (!isSkyError(error, "stream/protocol")) throw error;
      this.#options.onBreach?.(errorText(error));
      this.over(errorText(error));
    }
  }

  #dispatch(frame: Frame): void {
    switch (frame.type) {
      case "hello":
        throw new SkyError("stream/protocol", { why: "a second hello" });
      case "join":
      case "ack":
        throw brokenFrame(`a ${frame.type} on a session of one lane`);
      case "ping":
        this.#pongOwed = { ...frame, type: "pong" };
        this.#schedulePump();
        return;
      case "pong":
        return;
      case "open":
        this.#takeOpen(frame.channel, frame.header);
        return;
      case "data":
        this.#find(frame.channel)?.takeData(frame.parts, frame.bytes);
        return;
      case "credit":
        this.#find(frame.channel)?.takeCredit(frame.bytes);
        return;
      case "end":
        this.#find(frame.channel)?.takeEnd();
        return;
      case "abort":
        this.#find(frame.channel)?.fail(`aborted by the peer: ${frame.why}`, "drop");
        return;
    }
  }

  over(why: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#stopPings();
    for (const core of [...this.#channels.values()]) core.fail(why, "keep");
    this.#channels.clear();
    this.#sendQueue = [];
    this.#options.link.close();
    this.#resolveClosed(why);
  }

  /** The channel, or `undefined` if it is over and this is a late frame. */
  #find(id: number): ChannelCore | undefined {
    const core = this.#channels.get(id);
    if (core !== undefined) return core;
    const last = this.#isOurs(id) ? this.#nextId - 2 : this.#peerIdLast;
    if (id > last) throw new SkyError("stream/protocol", { why: `no channel ${id}` });
    return undefined;
  }

  #isOurs(id: number): boolean {
    return id % 2 === (this.#options.side === "dialler" ? 1 : 0);
  }

  #takeOpen(id: number, header: Uint8Array): void {
    if (this.#isOurs(id) || id <= this.#peerIdLast) {
      throw new SkyError("stream/protocol", { why: `channel ${id} was opened out of turn` });
    }
    this.#peerIdLast = id;
    if (this.#channels.size >= this.#limits.channelsMax) {
      this.#send({ type: "abort", channel: id, why: "too many channels" });
      return;
    }
    const core = new ChannelCore({ id, header, host: this });
    this.#channels.set(id, core);
    this.#widen(core);
    if (this.#take === undefined) this.#untaken.push(core.face);
    else this.#take(core.face);
  }

  #widen(core: ChannelCore): void {
    const { windowBytes, windowsBytesMax } = this.#limits;
    const more = windowBytes - windowInitialBytes;
    if ((this.#wide.size + 1) * more > windowsBytesMax) return;
    this.#wide.add(core);
    core.widen(windowBytes);
  }

  // ---- what channels call

  ready(core: ChannelCore): void {
    if (core.queued) return;
    core.queued = true;
    this.#sendQueue.push(core);
    this.#schedulePump();
  }

  sendEnd(core: ChannelCore): void {
    this.#send({ type: "end", channel: core.id });
  }

  sendAbort(core: ChannelCore, why: string): void {
    this.#send({ type: "abort", channel: core.id, why: why.slice(0, 1_000) });
  }

  sendCredit(core: ChannelCore, bytes: number): void {
    this.#send({ type: "credit", channel: core.id, bytes });
  }

  finished(core: ChannelCore): void {
    this.#channels.delete(core.id);
    this.#wide.delete(core);
  }

  // ---- sending

  /** Writes of one turn leave together, in as few frames as they fit in. */
  #schedulePump(): void {
    if (this.#pumpDue || this.#over) return;
    this.#pumpDue = true;
    queueMicrotask(() => {
      this.#pumpDue = false;
      this.pump();
    });
  }

  pump(): void {
    const { link } = this.#options;
    const { linkBytesHigh } = this.#limits;
    while (!this.#over && link.queuedBytes() < linkBytesHigh) {
      if (this.#pongOwed !== undefined) {
        const pong = this.#pongOwed;
        this.#pongOwed = undefined;
        this.#send(pong);
      }
      const core = this.#sendQueue.shift();
      if (core === undefined) return;
      core.queued = false;
      if (!core.maySend()) continue;
      const parts = core.takeFrame(this.#dataBytesMax);
      const bytes = parts.reduce((sum, part) => sum + part.length, 0);
      this.#send({ type: "data", channel: core.id, parts, bytes });
      core.afterFrame();
      if (core.maySend()) this.ready(core);
    }
  }

  #send(frame: Frame): void {
    if (this.#over) return;
    const { link } = this.#options;
    link.send(frame);
    // Data stops at the lower mark: only a peer that makes us answer and never reads gets here.
    if (link.queuedBytes() > this.#limits.linkBytesMax) this.over("the peer does not read");
  }

  #schedulePing(): void {
    const { clock } = this.#options;
    if (clock === undefined || this.#over) return;
    this.#stopPings = clock.after(this.#limits.pingMs, () => this.#ping());
  }

  #ping(): void {
    const { silentPingsMax, pingMs } = this.#limits;
    if (this.#silentPings >= silentPingsMax) {
      this.over(`the peer was silent for ${silentPingsMax * pingMs} ms`);
      return;
    }
    this.#silentPings += 1;
    this.#send({ type: "ping" });
    this.#schedulePing();
  }
}
