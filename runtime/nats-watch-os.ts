// Watches one nats-server after another: whether its process lives, and whether it answers.
//
// It answers if a ping over our own standing connection comes back, or else if a fresh connection
// gets as far as TLS, each within a deadline. The standing connection is that of a user who may do
// nothing. What follows from the looks is decided in `nats-watch.ts`.

import { setTimeout as pause } from "node:timers/promises";
import type { Bus } from "./bus.ts";
import { connectNats } from "./bus-nats.ts";
import { createOsClock } from "./clock-os.ts";
import type { NatsRun } from "./nats-files-os.ts";
import type { ProbeTarget } from "./nats-probe-tcp.ts";
import { probeNats } from "./nats-probe-tcp.ts";
import type { Silence, WatchLimits } from "./nats-watch.ts";
import { afterLook, noSilence, whyToEnd } from "./nats-watch.ts";
import { activityOf, isAlive } from "./process-identity-os.ts";
import { createOsRandom } from "./random-os.ts";

export interface WatchOptions {
  readonly limits: WatchLimits;
  /** Which one runs now; `undefined` while none does. */
  readonly run: () => NatsRun | undefined;
  /** How it is reached. */
  readonly target: () => ProbeTarget;
  /** Of the user who may do nothing. Secret. */
  readonly seed: string;
  /** The process is gone; it was not us who ended it. */
  readonly onGone: (run: NatsRun) => void;
  /** It has been silent for too long. Resolves when something was done about it. */
  readonly onSilent: (run: NatsRun, why: string) => Promise<void>;
}

export interface NatsWatch {
  /** For how long it has given no answer; 0 if it gave one to the last look. */
  silentMs(): number;
  close(): Promise<void>;
}

export function watchNats(options: WatchOptions): NatsWatch {
  const watch = new Watch(options);
  const ended = watch.goOn();
  return {
    silentMs: () => watch.silence.allMs,
    close: async () => {
      watch.stop.abort();
      await ended;
    },
  };
}

/** Waits until one that nobody watches yet answers. Resolves with why it does not, if so. */
export async function answersInTime(options: {
  readonly run: NatsRun;
  readonly limits: WatchLimits;
  readonly target: () => ProbeTarget;
}): Promise<string | undefined> {
  const { run, limits, target } = options;
  const progress = new Progress();
  let silence = noSilence;
  while (isAlive(run)) {
    const startedAt = performance.now();
    const outcome = await probeNats(target(), limits.answerMs);
    if (outcome.kind === "answers") return undefined;
    if (outcome.kind === "other") return outcome.why;
    await pause(probeEveryMs);
    const elapsedMs = performance.now() - startedAt;
    const look = { answered: false, elapsedMs, getsOn: progress.since(run) };
    silence = afterLook(silence, look, limits);
    const why = whyToEnd(silence, limits);
    if (why !== undefined) return `${why}: ${outcome.why}`;
  }
  return "it ended";
}

const probeEveryMs = 100;

/** How long the standing connection may take to come about; without it each look is a fresh one. */
const connectMs = 20_000;

class Watch {
  readonly stop = new AbortController();
  silence: Silence = noSilence;
  readonly #options: WatchOptions;
  #bus: Bus | undefined;
  #connecting: Promise<void> | undefined;
  readonly #progress = new Progress();
  #lookedAt = performance.now();
  #wake: () => void = () => {};

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  async goOn(): Promise<void> {
    this.stop.signal.addEventListener("abort", () => this.#wake(), { once: true });
    while (!this.stop.signal.aborted) {
      await this.#nextLook();
      const run = this.#options.run();
      if (run === undefined || this.stop.signal.aborted) this.silence = noSilence;
      else if (isAlive(run)) await this.#look(run);
      else this.#options.onGone(run);
    }
    await this.#connecting;
    await this.#bus?.close();
  }

  /** After a while, or at once when the standing connection breaks. */
  async #nextLook(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    const timer = setTimeout(resolve, this.#options.limits.lookMs);
    if (!this.stop.signal.aborted) await promise;
    clearTimeout(timer);
  }

  async #look(run: NatsRun): Promise<void> {
    const { limits, onSilent } = this.#options;
    const answered = await this.#answers();
    const nowMs = performance.now();
    const elapsedMs = nowMs - this.#lookedAt;
    this.#lookedAt = nowMs;
    const look = { answered, elapsedMs, getsOn: this.#progress.since(run) };
    if (this.#options.run() !== run) this.silence = noSilence;
    else this.silence = afterLook(this.silence, look, limits);
    const why = whyToEnd(this.silence, limits);
    if (why === undefined || this.stop.signal.aborted) return;
    this.silence = noSilence;
    await onSilent(run, why);
  }

  async #answers(): Promise<boolean> {
    const { limits, target } = this.#options;
    this.#connecting ??= this.#connect();
    if (this.#bus?.connected()) {
      const flushed = this.#bus.flush(limits.answerMs).then(
        () => true,
        () => false,
      );
      if (await flushed) return true;
    }
    return (await probeNats(target(), limits.answerMs)).kind === "answers";
  }

  async #connect(): Promise<void> {
    const { target, seed } = this.#options;
    const { own, authority } = target();
    try {
      this.#bus = await connectNats({
        servers: () => [`tls://${target().host}:${target().port}`],
        name: "watch",
        identity: { kind: "nkey", seed },
        ...{ ...own, authority, connectMs, signal: this.stop.signal },
        ...{ clock: createOsClock(), random: createOsRandom() },
      });
      this.#bus.onChange((connected) => connected || this.#wake());
    } catch {
      // The next look tries again; until then each is a fresh connection.
      this.#connecting = undefined;
    }
  }
}

/** Whether a process has got on since it was last looked at. */
class Progress {
  #before: { readonly pid: number; readonly ticks: number } | undefined;

  /** It is busy, has used processor time since the last look, or was not looked at before. */
  since(run: NatsRun): boolean {
    const before = this.#before;
    const activity = activityOf(run);
    this.#before = { pid: run.pid, ticks: activity?.ticks ?? 0 };
    if (activity === undefined || before?.pid !== run.pid) return true;
    return activity.busy || activity.ticks > before.ticks;
  }
}
