// A stream session over a link that carries frames: the protocol of the bulk wire, without I/O.
//
// The memory version links two sessions directly, the TCP version puts `runtime/framing.ts` and a
// socket between them; both obey the same rules because they share this file. The side that
// dialled opens channels with odd ids, the other with even ones, each in rising order, so that a
// late frame of a channel that is over (ignored) differs from one of a channel that never was
// (a breach). Channels that may send take turns, one frame each.
//
// What must always hold: a breach ends the session, a fault of one channel only that channel; no
// reply is owed to a peer that does not read; who is busy or slow is not taken for dead.

import { errorText, isSkyError, SkyError } from "../model/errors.ts";
import type { Clock } from "./clock.ts";
import { Fifo } from "./fifo.ts";
import { FloodMeter } from "./flood-meter.ts";
import { type Frame, type FrameCapability, frameBytesMax, largeFrameBytesMax } from "./framing.ts";
import { type BudgetShare, MemoryBudget } from "./memory-budget.ts";
import { RoundTrip } from "./round-trip.ts";
import { type SessionLimits, sessionLimits } from "./session-limits.ts";
import { SilenceWatch } from "./silence-watch.ts";
import type { StreamChannel, StreamSession } from "./stream.ts";
import { channelHeaderBytesMax } from "./stream.ts";
import { ChannelCore, type ChannelHost } from "./stream-channel.ts";
import { faultOf, type StreamFault, streamFault } from "./stream-fault.ts";

export { type SessionLimits, sessionLimits };

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
  /** Something came, if only a part of a frame. */
  heard?(): void;
}

/** The session, and what its link calls. */
export interface SessionEnd extends LinkEnd {
  readonly session: StreamSession;
}

export interface SessionOptions extends SharedOptions {
  readonly peer: string;
  /** Which side this is. */
  readonly side: "dialler" | "listener";
  readonly link: FrameLink;
  /** What both sides can do; absent = the frames of version 1. */
  readonly capabilities?: ReadonlySet<FrameCapability>;
  /** For pings and round trips; without it a silent peer is never given up. */
  readonly clock?: Clock;
  readonly limits?: Partial<SessionLimits>;
  /** Hears of a breach, before the session ends. */
  readonly onBreach?: (why: string, fault: StreamFault) => void;
}

/** What sessions of one port share. */
export interface SharedOptions {
  /** Of all sessions of the process; absent = one of its own. */
  readonly budget?: MemoryBudget;
  readonly tally?: SessionTally;
  /** Hears of what ended one channel only, or of an open that was refused. */
  readonly onFault?: (why: string, fault: StreamFault) => void;
}

/** Counted by the sessions that share it. */
export interface SessionTally {
  framesSent: number;
  framesReceived: number;
  creditsSent: number;
}

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
    resume: () => core.resume(),
    lost: (why) => core.over(why),
    heard: () => core.heard(),
  };
}

class SessionCore implements ChannelHost {
  readonly closed: Promise<string>;
  readonly window: SessionLimits;
  readonly share: BudgetShare;
  readonly #options: SessionOptions;
  readonly #limits: SessionLimits;
  readonly #dataBytesMax: number;
  readonly #isTimed: boolean;
  readonly #channels = new Map<number, ChannelCore>();
  readonly #trips = new RoundTrip();
  readonly #flood = new FloodMeter();
  readonly #silence: SilenceWatch | undefined;
  #sendQueue = new Fifo<ChannelCore>();
  #take: ((channel: StreamChannel) => void) | undefined;
  #untaken: StreamChannel[] = [];
  #nextId: number;
  #peerIdLast = 0;
  #pumpDue = false;
  /** The answer to the last ping: pings are answered, but piled up for nobody. */
  #pongOwed: Frame | undefined;
  #faults = 0;
  #resolveClosed: (why: string) => void = () => {};
  #over = false;

  constructor(options: SessionOptions) {
    const { capabilities, clock } = options;
    this.#options = options;
    this.#limits = { ...sessionLimits, ...options.limits };
    this.window = this.#limits;
    this.share = (options.budget ?? new MemoryBudget()).share((why) => this.#breach("memory", why));
    const isLarge = capabilities?.has("large-frames") ?? false;
    this.#dataBytesMax = isLarge ? largeFrameBytesMax : frameBytesMax;
    this.#isTimed = clock !== undefined && (capabilities?.has("timed-pings") ?? false);
    this.#nextId = options.side === "dialler" ? 1 : 2;
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    if (clock === undefined) return;
    this.#silence = new SilenceWatch(clock, this.#limits, {
      ping: () => this.#send({ type: "ping" }),
      silent: (why) => {
        options.onFault?.(why, "silent");
        this.over(why);
      },
    });
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
    core.widen();
    this.#askTrip();
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

  heard(): void {
    this.#silence?.heard();
  }

  /** Some of what was queued has left, so the peer's machine takes bytes. */
  resume(): void {
    this.heard();
    this.pump();
  }

  receive(frame: Frame): void {
    if (this.#over) return;
    this.heard();
    const { tally } = this.#options;
    if (tally !== undefined) tally.framesReceived += 1;
    try {
      this.#demandWork(frame);
      this.#dispatch(frame);
    } catch (error) {
      if (!isSkyError(error, "stream/protocol")) throw error;
      this.#breach(faultOf(error), errorText(error));
    }
  }

  #dispatch(frame: Frame): void {
    switch (frame.type) {
      case "hello":
        throw streamFault("out-of-order", "a second hello");
      case "join":
      case "ack":
        throw streamFault("out-of-order", `a ${frame.type} on a session of one lane`);
      case "ping":
        this.#pongOwed = { ...frame, type: "pong" };
        this.#schedulePump();
        return;
      case "pong":
        if (frame.token !== undefined) this.#trips.answer(frame.token, this.#nowMs());
        return;
      case "open":
        this.#takeOpen(frame.channel, frame.header);
        return;
      case "data":
        this.#onChannel(frame.channel, (core) => core.takeData(frame.parts, frame.bytes));
        return;
      case "credit":
        this.#onChannel(frame.channel, (core) => core.takeCredit(frame.bytes));
        return;
      case "end":
        this.#onChannel(frame.channel, (core) => core.takeEnd());
        return;
      case "abort":
        this.#find(frame.channel)?.fail(`aborted by the peer: ${frame.why}`, "drop");
        return;
    }
  }

  over(why: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#silence?.stop();
    for (const core of [...this.#channels.values()]) core.fail(why, "keep");
    this.#channels.clear();
    this.#sendQueue = new Fifo();
    this.share.leave();
    this.#options.link.close();
    this.#resolveClosed(why);
  }

  #breach(fault: StreamFault, why: string): void {
    if (this.#over) return;
    this.#options.onBreach?.(why, fault);
    this.over(why);
  }

  /** @throws SkyError `stream/protocol` where frames move nothing, again and again. */
  #demandWork(frame: Frame): void {
    if (this.#options.clock === undefined) return;
    if (frame.type === "data" && this.#channels.has(frame.channel)) this.#flood.moved(frame.bytes);
    else if (!this.#flood.talked(frame.type, this.#nowMs())) {
      throw streamFault("flood", "more frames than they move bytes");
    }
  }

  /** What is wrong with one channel ends it and no other, unless it happens again and again. */
  #onChannel(id: number, happens: (core: ChannelCore) => void): void {
    const core = this.#find(id);
    if (core === undefined) return;
    try {
      happens(core);
    } catch (error) {
      if (!isSkyError(error, "stream/protocol")) throw error;
      this.#faults += 1;
      if (this.#faults > this.#limits.faultsMax) throw error;
      this.#options.onFault?.(errorText(error), faultOf(error));
      core.abort(errorText(error));
    }
  }

  /** The channel, or `undefined` if it is over and this is a late frame. */
  #find(id: number): ChannelCore | undefined {
    const core = this.#channels.get(id);
    if (core !== undefined) return core;
    const last = this.#isOurs(id) ? this.#nextId - 2 : this.#peerIdLast;
    if (id > last) throw streamFault("out-of-order", `no channel ${id}`);
    return undefined;
  }

  #isOurs(id: number): boolean {
    return id % 2 === (this.#options.side === "dialler" ? 1 : 0);
  }

  #takeOpen(id: number, header: Uint8Array): void {
    if (this.#isOurs(id) || id <= this.#peerIdLast) {
      throw streamFault("out-of-order", `channel ${id} was opened out of turn`);
    }
    this.#peerIdLast = id;
    if (this.#channels.size >= this.#limits.channelsMax) {
      const why = "too many channels";
      this.#options.onFault?.(why, "channels");
      this.#send({ type: "abort", channel: id, why });
      return;
    }
    const core = new ChannelCore({ id, header, host: this });
    this.#channels.set(id, core);
    // A peer that tells its round trip gets more credit when it has sent something.
    if (this.#isTimed) this.#askTrip();
    else core.widen();
    if (this.#take === undefined) this.#untaken.push(core.face);
    else this.#take(core.face);
  }

  // ---- what channels call

  tripNow(): { readonly nowMs: number; readonly roundTripMs: number | undefined } {
    if (!this.#isTimed) return neverTimed;
    return { nowMs: this.#nowMs(), roundTripMs: this.#trips.ms };
  }

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
    const { tally } = this.#options;
    if (tally !== undefined) tally.creditsSent += 1;
    this.#send({ type: "credit", channel: core.id, bytes });
    this.#askTrip();
  }

  finished(core: ChannelCore): void {
    this.#channels.delete(core.id);
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
      let bytes = 0;
      for (const part of parts) bytes += part.length;
      this.#flood.moved(bytes);
      this.#send({ type: "data", channel: core.id, parts, bytes });
      core.afterFrame();
      if (core.maySend()) this.ready(core);
    }
  }

  #send(frame: Frame): void {
    if (this.#over) return;
    const { link, tally } = this.#options;
    if (tally !== undefined) tally.framesSent += 1;
    link.send(frame);
    // Data stops at the lower mark: only a peer that makes us answer and never reads gets here.
    if (link.queuedBytes() <= this.#limits.linkBytesMax) return;
    this.#breach("memory", "the peer does not read");
  }

  #askTrip(): void {
    if (!this.#isTimed || this.#over) return;
    const token = this.#trips.ask(this.#nowMs());
    if (token !== undefined) this.#send({ type: "ping", token });
  }

  #nowMs(): number {
    return this.#options.clock?.now().monoMs ?? 0;
  }
}

const neverTimed = { nowMs: 0, roundTripMs: undefined } as const;
