// A stream session over lanes: the session, its lanes, and what happens when they come and go.
//
// Connections join with an index; one that joins under the index of another replaces it, so a
// session never has more lanes than it was asked for. Without any lane a session waits for
// `resumeMs`, then it is over. Closing it sends an abort of channel 0 as the last numbered frame,
// so that everything before it arrives, and waits for its acknowledgement for a while.
//
// An abort of channel 0 without a number ends it at once, whatever is still under way.
//
// What must always hold: a session that is over has no lane and no timer; no lane is silent for
// longer than the pings allow.

import type { Clock } from "./clock.ts";
import type { Frame, FrameCapability } from "./framing.ts";
import { brokenFrame } from "./framing.ts";
import { type LaneLimits, laneLimits } from "./lane.ts";
import { type Came, type Lane, Lanes, type LanesOptions } from "./lanes.ts";
import type { BudgetShare } from "./memory-budget.ts";
import { SilenceWatch } from "./silence-watch.ts";
import type { StreamSession } from "./stream.ts";
import type { StreamFault } from "./stream-fault.ts";
import {
  createSession,
  type FrameLink,
  type LinkEnd,
  type SessionEnd,
  type SessionLimits,
  type SharedOptions,
  sessionLimits,
} from "./stream-session.ts";

export interface LanedOptions {
  readonly peer: string;
  readonly side: "dialler" | "listener";
  readonly clock: Clock;
  readonly capabilities: ReadonlySet<FrameCapability>;
  /** How long it waits for a lane when it has none. */
  readonly resumeMs: number;
  readonly limits?: Partial<SessionLimits>;
  readonly laneLimits?: Partial<LaneLimits>;
  readonly shared?: SharedOptions;
  /** The session (not a lane) broke the protocol, and is over. */
  readonly onBreach?: (why: string, fault: StreamFault) => void;
  /** A lane is gone and may be dialled again; with its fault, if its frames broke the rules. */
  readonly onLaneLost?: (index: number, why: string, fault: StreamFault | undefined) => void;
  /** Nothing of it is left. */
  readonly onOver?: (why: string) => void;
  readonly makeLanes?: (options: LanesOptions) => Lanes;
}

/** The index of a lane, and what the peer says it had received when it joined. */
export interface LaneJoin {
  readonly index: number;
  readonly received: number;
}

const noChannel = 0;
/** What was sent before a session was closed may take this long to be acknowledged. */
const lingerMs = 5_000;

interface Joined {
  readonly lane: Lane;
  readonly silence: SilenceWatch;
}

export class LanedSession {
  readonly session: StreamSession;
  readonly #options: LanedOptions;
  readonly #limits: SessionLimits;
  readonly #laneLimits: LaneLimits;
  readonly #lanes: Lanes;
  readonly #end: SessionEnd;
  readonly #joined = new Map<number, Joined>();
  /** What waits for its turn is memory that the peer fills, like what waits to be read. */
  readonly #share: BudgetShare | undefined;
  #heldEarly = 0;
  #state: "live" | "closing" | "over" = "live";
  #closedByPeer: string | undefined;
  #stopTick: () => void = () => {};
  #tickAtMs: number | undefined;
  #stopWaiting: () => void = () => {};
  #stopLinger: () => void = () => {};

  constructor(options: LanedOptions) {
    this.#options = options;
    this.#limits = { ...sessionLimits, ...options.limits };
    const waitBytes = this.#limits.linkBytesHigh;
    this.#laneLimits = { ...laneLimits, waitBytes, ...options.laneLimits };
    const { peer, side, clock, capabilities, onBreach } = options;
    this.#end = createSession({
      ...{ ...options.shared, peer, side, clock, capabilities, link: this.#link() },
      limits: { ...this.#limits, silentPingsMax: Number.POSITIVE_INFINITY },
      ...(onBreach === undefined ? {} : { onBreach }),
    });
    this.session = this.#end.session;
    const host = {
      deliver: (frame: Frame) => this.#deliver(frame),
      resume: () => this.#end.resume(),
      breach: (lane: Lane, why: string, fault: StreamFault) => this.#breached(lane, why, fault),
    };
    const make = options.makeLanes ?? ((given: LanesOptions) => new Lanes(given));
    this.#lanes = make({ host, limits: this.#laneLimits });
    this.#share = options.shared?.budget?.share((why) => {
      onBreach?.(why, "memory");
      this.fail(why);
    });
    this.#stopWaiting = this.#waitForLane("no lane ever joined");
  }

  /** The highest number up to which everything was received: what we say when a lane joins. */
  received(): number {
    return this.#lanes.receiver.received;
  }

  isOver(): boolean {
    return this.#state === "over";
  }

  lanesLive(): number {
    return this.#joined.size;
  }

  /** What is kept for it, in both directions. */
  heldBytes(): number {
    return this.#lanes.sender.held().bytes + this.#lanes.receiver.held().bytes;
  }

  /**
   * A connection becomes a lane.
   * @throws SkyError `stream/protocol` if the peer cannot have received what it says.
   */
  join(link: FrameLink, { index, received }: LaneJoin): LinkEnd {
    if (this.#state === "over") throw brokenFrame("the session is over");
    const before = this.#joined.get(index);
    if (before !== undefined) this.#drop(index, before, "another took its place");
    this.#stopWaiting();
    const joined = this.#begin(link, { index, received });
    return {
      receive: (frame, number) => this.#receive(index, joined, { frame, number }),
      resume: () => {
        joined.silence.heard();
        this.#during(() => this.#lanes.room(this.#nowMs()));
      },
      heard: () => joined.silence.heard(),
      lost: (why) => this.#lose(index, joined, why),
    };
  }

  /** It is over at once, and the peer is told so on each lane: nothing more is waited for. */
  fail(why: string): void {
    if (this.#state === "over") return;
    for (const { lane } of this.#joined.values()) {
      lane.link.send({ type: "abort", channel: noChannel, why });
    }
    this.#over(why);
  }

  #begin(link: FrameLink, { index, received }: LaneJoin): Joined {
    const lane = this.#lanes.join(link, received, this.#nowMs());
    const silence = new SilenceWatch(this.#options.clock, this.#limits, {
      ping: () => link.send({ type: "ping" }),
      silent: (why) => this.#lose(index, joined, why),
    });
    const joined: Joined = { lane, silence };
    this.#joined.set(index, joined);
    this.#arm();
    return joined;
  }

  // ---- what comes

  #receive(index: number, joined: Joined, came: Came): void {
    if (this.#joined.get(index) !== joined) return;
    joined.silence.heard();
    this.#during(() => {
      const { frame, number } = came;
      if (number !== undefined || frame.type === "ack") {
        this.#lanes.take(joined.lane, came, this.#nowMs());
        return;
      }
      const { link } = joined.lane;
      if (frame.type === "abort") this.#over(frame.why);
      else if (frame.type === "pong" || frame.type === "ping") this.#takePing(frame, link);
      else this.#breached(joined.lane, `a ${frame.type} on a lane`, "out-of-order");
    });
  }

  /** Those with a token measure round trips for the session; the others are the lane's. */
  #takePing(frame: Extract<Frame, { type: "ping" | "pong" }>, link: FrameLink): void {
    if (frame.token !== undefined) this.#end.receive(frame);
    else if (frame.type === "ping" && link.queuedBytes() < this.#laneLimits.laneBytesHigh) {
      link.send({ type: "pong" });
    }
  }

  #deliver(frame: Frame): void {
    const isLast = frame.type === "abort" && frame.channel === noChannel;
    if (isLast) this.#closedByPeer = frame.why;
    else this.#end.receive(frame);
  }

  #breached(lane: Lane, why: string, fault: StreamFault): void {
    for (const [index, joined] of this.#joined) {
      if (joined.lane !== lane) continue;
      this.#drop(index, joined, why);
      this.#options.onLaneLost?.(index, why, fault);
    }
  }

  #lose(index: number, joined: Joined, why: string): void {
    if (this.#joined.get(index) !== joined) return;
    this.#drop(index, joined, why);
    this.#options.onLaneLost?.(index, why, undefined);
  }

  #drop(index: number, joined: Joined, why: string): void {
    this.#joined.delete(index);
    joined.silence.stop();
    joined.lane.link.close();
    this.#lanes.broken(joined.lane, this.#nowMs());
    if (this.#joined.size === 0 && this.#state === "live") {
      this.#stopWaiting();
      this.#stopWaiting = this.#waitForLane(why);
    }
    this.#arm();
  }

  #waitForLane(why: string): () => void {
    const { resumeMs, clock } = this.#options;
    const give = (): void =>
      this.#over(resumeMs === 0 ? why : `no lane for ${resumeMs} ms; the last one: ${why}`);
    return clock.after(resumeMs, give);
  }

  // ---- what goes

  #link(): FrameLink {
    return {
      send: (frame) => this.#send(frame),
      queuedBytes: () => this.#lanes.sender.queuedBytes(),
      close: () => this.#close(),
    };
  }

  #send(frame: Frame): void {
    if (this.#state !== "live") return;
    if (frame.type === "ping" || frame.type === "pong") this.#leastBusy()?.send(frame);
    else this.#during(() => this.#lanes.send(frame, this.#nowMs()));
  }

  /** Round trips are measured where there is the least in the way. */
  #leastBusy(): FrameLink | undefined {
    let best: FrameLink | undefined;
    for (const { lane } of this.#joined.values()) {
      if (best === undefined || lane.link.queuedBytes() < best.queuedBytes()) best = lane.link;
    }
    return best;
  }

  // ---- the end

  /** The session is over at our side: what it sent still goes out. */
  #close(): void {
    if (this.#state !== "live") return;
    this.#state = "closing";
    const why = "the peer closed the session";
    this.#during(() => this.#lanes.send({ type: "abort", channel: noChannel, why }, this.#nowMs()));
    this.#stopWaiting();
    this.#stopLinger = this.#options.clock.after(lingerMs, () => this.#over("closed by us"));
  }

  #over(why: string): void {
    if (this.#state === "over") return;
    this.#state = "over";
    this.#stopWaiting();
    this.#stopLinger();
    this.#stopTick();
    this.#share?.leave();
    for (const [index, { lane, silence }] of [...this.#joined]) {
      this.#joined.delete(index);
      silence.stop();
      lane.link.close();
    }
    this.#end.lost(why);
    this.#options.onOver?.(why);
  }

  // ---- time

  /** Something happens to the lanes; afterwards it is known when to look again. */
  #during(happens: () => void): void {
    if (this.#state === "over") return;
    happens();
    this.#account();
    if (this.#closedByPeer !== undefined) {
      this.#lanes.acknowledgeNow(this.#nowMs());
      this.#over(this.#closedByPeer);
    }
    if (this.#state === "closing" && this.#lanes.sender.isDone()) this.#over("closed by us");
    this.#arm();
  }

  #account(): void {
    const { bytes } = this.#lanes.receiver.held();
    const more = bytes - this.#heldEarly;
    this.#heldEarly = bytes;
    if (more !== 0) this.#share?.hold(more);
  }

  #arm(): void {
    if (this.#state === "over") return;
    const dueAtMs = this.#lanes.dueAtMs();
    const isEarlyEnough = this.#tickAtMs !== undefined && this.#tickAtMs <= (dueAtMs ?? 0);
    if (dueAtMs === undefined || isEarlyEnough) return;
    this.#stopTick();
    this.#tickAtMs = dueAtMs;
    this.#stopTick = this.#options.clock.after(dueAtMs - this.#nowMs(), () => {
      this.#tickAtMs = undefined;
      this.#during(() => this.#lanes.tick(this.#nowMs()));
    });
  }

  #nowMs(): number {
    return this.#options.clock.now().monoMs;
  }
}
