// When the limits on a cluster's past are looked at: a while after something settled, and again as
// long as there is more to remove. One round at a time; a failure is told and the next round tries
// again, because nothing was lost by it.

import { errorText } from "../model/errors.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { Store } from "../runtime/store.ts";
import type { Announcement, Board } from "./board.ts";
import type { HistoryLimits, RetentionOptions } from "./retention.ts";
import { Retention } from "./retention.ts";

export interface RetentionPorts extends Omit<RetentionOptions, "store"> {
  readonly store: RetentionOptions["store"] & Pick<Store, "trim">;
  readonly board: Pick<Board, "onAnnouncement">;
  readonly clock: Clock;
  readonly log: Log;
}

export interface RetentionKeeper {
  tookLogs(job: number): Promise<boolean>;
  readonly limits: HistoryLimits;
  close(): Promise<void>;
}

/** How soon after something settled, and how often while logs of live jobs grow. */
const soonMs = 1_000;
const growingMs = 10_000;
/** Events beyond the limit that a subject may have for a while, as a part of the limit. */
const slack = 0.1;

export function keepRetention(ports: RetentionPorts): RetentionKeeper {
  const keeper = new Keeper(ports);
  return {
    tookLogs: (job) => keeper.retention.tookLogs(job),
    limits: ports.limits,
    close: () => keeper.close(),
  };
}

class Keeper {
  readonly retention: Retention;
  readonly #ports: RetentionPorts;
  readonly #stopHearing: () => void;
  /** Events of each subject since it was trimmed last. */
  readonly #counts = new Map<string, number>();
  #stopTimer: (() => void) | undefined;
  #round: Promise<void> | undefined;
  #closed = false;

  constructor(ports: RetentionPorts) {
    this.#ports = ports;
    this.retention = new Retention(ports);
    this.#stopHearing = ports.board.onAnnouncement((announcement) => this.#heard(announcement));
    // Whatever an earlier head left to do, and subjects that it had not counted to the end.
    this.#count("cluster", ports.limits.events);
    this.#soon(soonMs);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#stopHearing();
    this.#stopTimer?.();
    await this.#round;
  }

  #heard({ settled = [], events, nodes = [] }: Announcement): void {
    for (const { subject } of events) this.#count(subject, 1);
    // A node's events are few, unless it comes and goes: it is looked at when it is first seen.
    for (const { id } of nodes) {
      const subject = `node/${id}`;
      if (!this.#counts.has(subject)) this.#count(subject, this.#ports.limits.events);
    }
    for (const job of settled) this.#counts.delete(`job/${job}`);
    if (settled.length > 0 || this.#isOver()) this.#soon(soonMs);
  }

  #count(subject: string, events: number): void {
    this.#counts.set(subject, (this.#counts.get(subject) ?? 0) + events);
  }

  #isOver(): boolean {
    return [...this.#counts.values()].some((count) => count > this.#slackEvents());
  }

  #slackEvents(): number {
    return Math.ceil(this.#ports.limits.events * slack);
  }

  #soon(ms: number): void {
    if (this.#closed || this.#round !== undefined) return;
    this.#stopTimer ??= this.#ports.clock.after(ms, () => {
      this.#stopTimer = undefined;
      this.#round = this.#act();
    });
  }

  async #act(): Promise<void> {
    let more = false;
    try {
      await this.#trim();
      more = await this.retention.round();
    } catch (error) {
      this.#ports.log.warn("the history was not shortened", { why: errorText(error) });
    }
    this.#round = undefined;
    if (more) this.#soon(0);
    else if (this.#ports.openBytes() > 0) this.#soon(growingMs);
  }

  async #trim(): Promise<void> {
    const { cluster, limits, store } = this.#ports;
    for (const [subject, count] of this.#counts) {
      if (count <= this.#slackEvents()) continue;
      this.#counts.set(subject, 0);
      const stored = subject === "cluster" ? cluster : `${cluster}/${subject}`;
      await store.trim(stored, limits.events);
    }
  }
}
