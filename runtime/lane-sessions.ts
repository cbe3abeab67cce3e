// The sessions with lanes that a listener has, by the names that it gave them.
//
// A connection joins a session whose name it knows and whose peer it has proven to be. A name is
// 128 random bits; it is looked up by its digest and then compared in constant time, so that
// nothing is learned from how long a refusal takes.
//
// What must always hold: a name leads to one session of one peer; how many sessions there are, how
// many of them wait without a lane and what these keep in memory is bounded.

import { hash, timingSafeEqual } from "node:crypto";
import { SkyError } from "../model/errors.ts";
import { sessionNameBytes } from "./framing.ts";
import type { Random } from "./random.ts";
import type { LanedSession } from "./stream-lanes.ts";

export interface LaneSessionsLimits {
  readonly sessionsMax: number;
  /** Sessions without a lane: the one that lost its last lane first is given up. */
  readonly waitingMax: number;
  /** What they keep, all together: likewise. */
  readonly waitingBytesMax: number;
  /** A session waits no longer than this without a lane, whatever its dialler asks for. */
  readonly resumeMsMax: number;
}

export const laneSessionsLimits: LaneSessionsLimits = {
  sessionsMax: 4_096,
  waitingMax: 256,
  waitingBytesMax: 256 * 1024 * 1024,
  resumeMsMax: 600_000,
};

interface Entry {
  readonly name: Uint8Array;
  readonly peer: string;
  readonly session: LanedSession;
}

/** What those who admit lanes need of it. */
export type LaneNames = Pick<LaneSessions, "limits" | "begin" | "find" | "lanesChanged">;

export class LaneSessions {
  readonly limits: LaneSessionsLimits;
  readonly #random: Random;
  readonly #entries = new Map<string, Entry>();
  /** In the order in which they lost their last lane. */
  readonly #waiting = new Set<LanedSession>();

  constructor(random: Random, limits: Partial<LaneSessionsLimits> = {}) {
    this.#random = random;
    this.limits = { ...laneSessionsLimits, ...limits };
  }

  get size(): number {
    return this.#entries.size;
  }

  /**
   * A new session and its name. `forget` is to be called when the session is over.
   * @throws SkyError `stream/denied` when there are too many.
   */
  begin(
    peer: string,
    make: (forget: () => void) => LanedSession,
  ): { readonly name: Uint8Array; readonly session: LanedSession } {
    if (this.#entries.size >= this.limits.sessionsMax) {
      const why = `there are ${this.limits.sessionsMax} sessions with lanes already`;
      throw new SkyError("stream/denied", { why });
    }
    const name = this.#random.bytes(sessionNameBytes);
    const key = keyOf(name);
    const session = make(() => {
      this.#entries.delete(key);
      this.#waiting.delete(session);
    });
    this.#entries.set(key, { name, peer, session });
    return { name, session };
  }

  /** The session of that name, if it is this peer's. */
  find(name: Uint8Array, peer: string): LanedSession | undefined {
    const entry = this.#entries.get(keyOf(name));
    if (entry === undefined || entry.name.length !== name.length) return undefined;
    const isIt = timingSafeEqual(entry.name, name) && entry.peer === peer;
    return isIt && !entry.session.isOver() ? entry.session : undefined;
  }

  /** A session has a lane, or has lost its last one. */
  lanesChanged(session: LanedSession): void {
    this.#waiting.delete(session);
    if (session.isOver() || session.lanesLive() > 0) return;
    this.#waiting.add(session);
    this.#giveUpSome();
  }

  /** All of them are over. */
  end(why: string): void {
    for (const { session } of [...this.#entries.values()]) session.fail(why);
  }

  #giveUpSome(): void {
    const { waitingMax, waitingBytesMax } = this.limits;
    let bytes = 0;
    for (const session of this.#waiting) bytes += session.heldBytes();
    for (const session of [...this.#waiting]) {
      if (this.#waiting.size <= waitingMax && bytes <= waitingBytesMax) return;
      bytes -= session.heldBytes();
      session.fail("too many sessions wait for a lane");
    }
  }
}

function keyOf(name: Uint8Array): string {
  return hash("sha256", name, "hex");
}
