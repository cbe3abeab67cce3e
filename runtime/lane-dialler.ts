// Keeps the lanes of a session that we dialled: dials the others after the first, and again what
// breaks.
//
// This is the one place where a lane is dialled again; who uses the session does not. Each lane
// waits longer after each failure, up to a cap. A listener that does not know the session any
// more says so, and the session is over at once.
//
// What must always hold: one dial at a time for each lane; nothing is dialled for a session that
// is over; no dial outlives it.

import { errorText, isSkyError } from "../model/errors.ts";
import { type Backoff, backoff, backoffMs } from "./backoff.ts";
import type { Clock } from "./clock.ts";
import type { Random } from "./random.ts";
import type { LanedSession } from "./stream-lanes.ts";

export interface LaneDiallerOptions {
  readonly session: LanedSession;
  readonly lanes: number;
  readonly resumeMs: number;
  readonly clock: Clock;
  readonly random: Random;
  /** Resolves when the lane has joined. @throws SkyError `stream/denied`, `stream/closed`. */
  readonly connect: (index: number, signal: AbortSignal) => Promise<void>;
}

const initialMs = 50;
const capMs = 2_000;
/** A lane that has lived for so long was a good one. */
const livedMs = 1_000;

interface Dialled {
  failures: number;
  joinedAtMs: number;
  stopWaiting: () => void;
}

export class LaneDialler {
  readonly #options: LaneDiallerOptions;
  readonly #policy: Backoff;
  readonly #dialled: readonly Dialled[];
  readonly #cancelled = new AbortController();

  constructor(options: LaneDiallerOptions) {
    this.#options = options;
    const resumeCapMs = options.resumeMs === 0 ? capMs : options.resumeMs / 4;
    this.#policy = backoff({ initialMs, capMs: Math.max(initialMs, Math.min(capMs, resumeCapMs)) });
    this.#dialled = Array.from({ length: options.lanes }, () => ({
      ...{ failures: 0, joinedAtMs: this.#nowMs(), stopWaiting: () => {} },
    }));
  }

  /** The first lane has joined: dials the others. */
  start(): void {
    for (let index = 1; index < this.#dialled.length; index += 1) this.#dial(index);
  }

  /** A lane that had joined is gone. */
  lost(index: number): void {
    const dialled = this.#dialled[index];
    if (dialled === undefined) return;
    if (this.#nowMs() - dialled.joinedAtMs >= livedMs) dialled.failures = 0;
    this.#later(index, dialled);
  }

  /** The session is over. */
  stop(): void {
    this.#cancelled.abort();
    for (const { stopWaiting } of this.#dialled) stopWaiting();
  }

  #later(index: number, dialled: Dialled): void {
    const { clock, random } = this.#options;
    dialled.failures += 1;
    dialled.stopWaiting();
    if (this.#isOver()) return;
    const waitMs = backoffMs(this.#policy, dialled.failures, random);
    dialled.stopWaiting = clock.after(waitMs, () => this.#dial(index));
  }

  #dial(index: number): void {
    const dialled = this.#dialled[index];
    if (dialled === undefined || this.#isOver()) return;
    const { connect } = this.#options;
    void connect(index, this.#cancelled.signal).then(
      () => {
        dialled.joinedAtMs = this.#nowMs();
      },
      (error: unknown) => this.#failed(index, dialled, error),
    );
  }

  #failed(index: number, dialled: Dialled, error: unknown): void {
    if (this.#isOver()) return;
    if (!isSkyError(error, "stream/denied")) {
      this.#later(index, dialled);
      return;
    }
    // Asking again would be refused again. The other lanes may go on without this one.
    const { session } = this.#options;
    if (session.lanesLive() === 0) session.fail(errorText(error));
  }

  #isOver(): boolean {
    return this.#cancelled.signal.aborted || this.#options.session.isOver();
  }

  #nowMs(): number {
    return this.#options.clock.now().monoMs;
  }
}
