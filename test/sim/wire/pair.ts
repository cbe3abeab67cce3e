// One session of the simulated wire: a dialler that keeps its lanes, and the end that a listener
// gave it; with what is seen of both.
//
// All that decides is the product's: sessions, lanes, joins, names and dials. The world gives
// connections and time.

import { SkyError } from "../../../model/errors.ts";
import type { Frame } from "../../../runtime/framing.ts";
import { frameCost, heldFrameCostBytes, type LaneLimits } from "../../../runtime/lane.ts";
import { LaneDialler } from "../../../runtime/lane-dialler.ts";
import { admitLane, askToJoin } from "../../../runtime/lane-join.ts";
import type { LaneNames, LaneSessions } from "../../../runtime/lane-sessions.ts";
import { Lanes, type LanesHost } from "../../../runtime/lanes.ts";
import type { MemoryRandom } from "../../../runtime/random-memory.ts";
import { type LanedOptions, LanedSession } from "../../../runtime/stream-lanes.ts";
import type { SessionLimits } from "../../../runtime/stream-session.ts";
import type { Machine } from "./machine.ts";
import type { Mutant } from "./mutant.ts";
import type { Connection } from "./network.ts";
import { BrokenWire } from "./promises.ts";
import { SeenEnd } from "./truth.ts";

export interface PairSetting {
  readonly index: number;
  readonly lanes: number;
  readonly resumeMs: number;
  readonly limits: Partial<SessionLimits>;
  readonly laneLimits: LaneLimits;
  readonly mutant: Mutant;
  readonly random: MemoryRandom;
}

/** What the world does for a pair. */
export interface PairWorld {
  /** A new connection from the dialler to the listener, or `undefined` if there is none now. */
  connect(pair: Pair): Connection | undefined;
  /** How long a connection takes to be there, or not to be. */
  readonly connectMs: () => number;
  /** A rule was broken where nobody can catch it. */
  readonly broken: (error: unknown) => void;
  /** An end has begun, or is over. */
  readonly began: (pair: Pair, side: Side, end: PairEnd) => void;
  readonly isOver: (pair: Pair, side: Side, end: PairEnd) => void;
}

export type Side = "dialler" | "listener";

/** One end, while its machine lives. */
export interface PairEnd {
  readonly machine: Machine;
  readonly laned: LanedSession;
  readonly lanes: Lanes;
  readonly seen: SeenEnd;
  over: string | undefined;
  /** Since when it has no lane. */
  lanelessSinceMs: number | undefined;
}

export class Pair {
  readonly setting: PairSetting;
  readonly ends: { dialler?: PairEnd; listener?: PairEnd } = {};
  readonly #world: PairWorld;
  readonly #dialler: Machine;

  constructor(setting: PairSetting, world: PairWorld, dialler: Machine) {
    this.setting = setting;
    this.#world = world;
    this.#dialler = dialler;
  }

  name(side: Side): string {
    return `${side} of ${this.setting.index}`;
  }

  peer(): string {
    return `demo/n${this.setting.index % 2}`;
  }

  /** The first lane; the user dials again if it fails. */
  begin(): void {
    const { clock } = this.#dialler;
    const { lanes, resumeMs, random } = this.setting;
    const again = (): void => {
      if (!this.#dialler.crashed && this.ends.dialler === undefined) {
        clock.after(200, () => this.begin());
      }
    };
    const connection = this.#world.connect(this);
    if (connection === undefined) {
      again();
      return;
    }
    const joined = (name: Uint8Array): LanedSession => {
      const end = this.#end("dialler", this.#dialler, {
        resumeMs,
        onLaneLost: (index) => dialler.lost(index),
        onOver: () => dialler.stop(),
      });
      const session = end.laned;
      const connect = (lane: number, cancelled: AbortSignal): Promise<void> =>
        this.#again(session, { lane, name, cancelled });
      const dialler = new LaneDialler({ session, lanes, resumeMs, clock, random, connect });
      dialler.start();
      return session;
    };
    const link = connection.near.link();
    const failed = (): void => {
      link.close();
      again();
    };
    const ask = { link, clock, lane: 0, resumeMs, joined, failed };
    this.#dialler.owns(connection.near).attach(askToJoin(ask));
  }

  async #again(session: LanedSession, { lane, name, cancelled }: Again): Promise<void> {
    const { clock } = this.#dialler;
    await new Promise<void>((resolve, reject) => {
      clock.after(this.#world.connectMs(), () => {
        const connection = cancelled.aborted ? undefined : this.#world.connect(this);
        if (connection === undefined) {
          reject(new SkyError("stream/closed", { why: "there is no way there" }));
          return;
        }
        const link = connection.near.link();
        const failed = (error: SkyError): void => {
          link.close();
          reject(error);
        };
        cancelled.addEventListener("abort", () => connection.near.lose("cancelled"));
        const joined = (): LanedSession => {
          resolve();
          return session;
        };
        const known = { name, session };
        const { resumeMs } = this.setting;
        const asked = askToJoin({ link, clock, lane, resumeMs, known, joined, failed });
        this.#dialler.owns(connection.near).attach(asked);
      });
    });
  }

  /** The listener's end of a connection of this pair's dialler. */
  admit(connection: Connection, listener: Machine, sessions: LaneSessions): void {
    const link = connection.far.link();
    const make = (given: { readonly resumeMs: number; forget: () => void }): LanedSession => {
      const end = this.#end("listener", listener, {
        resumeMs: given.resumeMs,
        onLaneLost: () => sessions.lanesChanged(end.laned),
        onOver: given.forget,
      });
      return end.laned;
    };
    const admitted = admitLane({
      ...{ link, clock: listener.clock, peer: this.peer(), make },
      sessions: this.#guarded(sessions),
      begun: () => {},
      failed: () => {},
    });
    listener.owns(connection.far).attach(admitted);
  }

  /** A lane must join the session that this pair was given, and no other. */
  #guarded(sessions: LaneSessions): LaneNames {
    return {
      limits: sessions.limits,
      begin: (peer, make) => sessions.begin(peer, make),
      lanesChanged: (session) => sessions.lanesChanged(session),
      find: (name, peer) => {
        const found = sessions.find(name, peer);
        if (found !== undefined && found !== this.ends.listener?.laned) {
          throw new BrokenWire("own session", `a lane of ${this.setting.index} joins another`);
        }
        return found;
      },
    };
  }

  #end(side: Side, machine: Machine, hooks: Hooks): PairEnd {
    const { limits, laneLimits, mutant } = this.setting;
    const seen = new SeenEnd();
    let made: Lanes | undefined;
    const options: LanedOptions = mutant.session({
      ...{ peer: this.peer(), side, clock: machine.clock, limits, laneLimits },
      capabilities: new Set(["lanes", "timed-pings"]),
      ...hooks,
      onBreach: (why) => this.#world.broken(new BrokenWire("lane alone", why)),
      makeLanes: ({ host, limits: given }) => {
        const counting: LanesHost = {
          deliver: (frame) => {
            host.deliver(frame);
            seen.delivered += 1;
          },
          resume: () => host.resume(),
          breach: (lane, why, fault) => host.breach(lane, why, fault),
        };
        const sender = mutant.sender(given);
        const receiver = mutant.receiver(given, (frame) => counting.deliver(frame));
        made = new Lanes({ host: counting, limits: given, sender, receiver });
        return made;
      },
    });
    const laned = new LanedSession({
      ...options,
      onOver: (why) => {
        end.over = why;
        options.onOver?.(why);
        this.#world.isOver(this, side, end);
      },
    });
    if (made === undefined) throw new Error("a session made no lanes");
    const end: PairEnd = { machine, laned, lanes: made, seen, over: undefined, lanelessSinceMs: 0 };
    this.ends[side] = end;
    this.#world.began(this, side, end);
    return end;
  }

  // ---- what is seen

  /** A frame leaves an end. */
  sent(side: Side, frame: Frame, number: number | undefined): void {
    const end = this.ends[side];
    if (end === undefined) return;
    if (number !== undefined) end.seen.sent(number, frameCost(frame));
    const said = frame.type === "ack" || frame.type === "join" ? frame.received : undefined;
    if (said === undefined) return;
    if (said > end.seen.delivered) {
      const what = `the ${side} says ${said} of ${end.seen.delivered} frames`;
      throw new BrokenWire("true word", what);
    }
    this.ends[side === "dialler" ? "listener" : "dialler"]?.seen.acknowledged(said);
  }

  checkBounds(): void {
    const { heldBytesMax, heldFramesMax } = this.setting.laneLimits;
    const slackBytes = 60_000 + heldFrameCostBytes * 200;
    for (const side of ["dialler", "listener"] as const) {
      const end = this.ends[side];
      if (end === undefined) continue;
      const sending = end.lanes.sender.held();
      const early = end.lanes.receiver.held();
      const underWay = end.seen.underWay();
      const tooMuch =
        sending.bytes > heldBytesMax + slackBytes ||
        early.bytes > heldBytesMax ||
        early.frames > heldFramesMax ||
        underWay.bytes > heldBytesMax ||
        underWay.frames > heldFramesMax;
      if (!tooMuch) continue;
      const numbers = JSON.stringify({ sending, early, underWay });
      throw new BrokenWire("bounds", `${this.name(side)}: ${numbers}`);
    }
  }
}

interface Again {
  readonly lane: number;
  readonly name: Uint8Array;
  readonly cancelled: AbortSignal;
}

interface Hooks {
  readonly resumeMs: number;
  readonly onLaneLost: (index: number) => void;
  readonly onOver: (why: string) => void;
}
