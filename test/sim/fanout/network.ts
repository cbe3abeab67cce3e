// The network between simulated processes: connections that keep order, break and are cut.
//
// A connection of a process that dies is reset: the other end hears of it at once. Between two that
// are cut apart nothing arrives; what was sent is kept, as TCP would send it again, until the cut
// is healed or the silence has lasted so long that both ends give the connection up.

import type { Timeline } from "./timeline.ts";

/** A process that can be killed. A new life is a new one. */
export interface Process {
  readonly name: string;
  alive: boolean;
}

/** The wire's own answer to silence: a few pings that nobody answers. */
export const silenceMs = 15_000;
const dialTimeoutMs = 10_000;

export class Network {
  readonly timeline: Timeline;
  readonly #latencyMs: () => number;
  readonly #cuts = new Map<string, number>();
  readonly #wires = new Set<Wire>();
  #cutCount = 0;

  constructor(timeline: Timeline, latencyMs: () => number) {
    this.timeline = timeline;
    this.#latencyMs = latencyMs;
  }

  latencyMs(): number {
    return this.#latencyMs();
  }

  isCut(a: Process, b: Process): boolean {
    return this.#cuts.has(pairOf(a.name, b.name));
  }

  cut(a: string, b: string): void {
    const pair = pairOf(a, b);
    this.#cutCount += 1;
    const cut = this.#cutCount;
    this.#cuts.set(pair, cut);
    this.timeline.after(silenceMs, () => {
      if (this.#cuts.get(pair) !== cut) return;
      for (const wire of [...this.#wires]) if (wire.pair === pair) wire.break("silence");
    });
  }

  heal(a: string, b: string): void {
    const pair = pairOf(a, b);
    this.#cuts.delete(pair);
    for (const wire of [...this.#wires]) if (wire.pair === pair) wire.flush();
  }

  healAll(): void {
    this.#cuts.clear();
    for (const wire of [...this.#wires]) wire.flush();
  }

  kill(process: Process): void {
    process.alive = false;
    for (const wire of [...this.#wires]) if (wire.joins(process)) wire.break("reset");
  }

  /** Gives the connection, or why there is none, after a while. */
  dial(
    from: Process,
    to: () => Process | undefined,
    done: (wire: Wire | undefined, why: string) => void,
  ): void {
    const answer = (wire: Wire | undefined, why: string): void => {
      if (from.alive) done(wire, why);
    };
    this.timeline.after(this.latencyMs(), () => {
      const peer = to();
      if (peer === undefined || !peer.alive) answer(undefined, "refused");
      else if (this.isCut(from, peer)) {
        this.timeline.after(dialTimeoutMs, () => answer(undefined, "no answer"));
      } else if (from.alive) {
        const wire = new Wire(this, from, peer);
        this.#wires.add(wire);
        answer(wire, "");
      }
    });
  }

  forget(wire: Wire): void {
    this.#wires.delete(wire);
  }
}

function pairOf(a: string, b: string): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}

export class Wire {
  readonly pair: string;
  readonly #network: Network;
  readonly #ends: readonly [Process, Process];
  readonly #lastAt = [0, 0];
  readonly #held: (() => void)[] = [];
  readonly #onClosed = new Map<Process, (why: string) => void>();
  open = true;

  constructor(network: Network, a: Process, b: Process) {
    this.#network = network;
    this.#ends = [a, b];
    this.pair = pairOf(a.name, b.name);
  }

  joins(process: Process): boolean {
    return this.#ends.includes(process);
  }

  onClosed(process: Process, hear: (why: string) => void): void {
    this.#onClosed.set(process, hear);
  }

  /** `act` happens at the other end, after all that was sent before. */
  send(from: Process, act: () => void): void {
    if (!this.open || !from.alive) return;
    const { timeline } = this.#network;
    const side = from === this.#ends[0] ? 0 : 1;
    const dueAt = Math.max(this.#lastAt[side] ?? 0, timeline.now + this.#network.latencyMs());
    this.#lastAt[side] = dueAt;
    const [a, b] = this.#ends;
    const deliver = (): void => {
      if (!this.open || !(side === 0 ? b : a).alive) return;
      if (this.#network.isCut(a, b)) this.#held.push(deliver);
      else act();
    };
    timeline.after(dueAt - timeline.now, deliver);
  }

  flush(): void {
    for (const deliver of this.#held.splice(0)) deliver();
  }

  /** Closed by one end: the other hears of it, unless they are cut apart. */
  close(from: Process): void {
    if (!this.open) return;
    this.#onClosed.delete(from);
    const [a, b] = this.#ends;
    if (!this.#network.isCut(a, b)) this.break("closed by the peer");
    else this.#network.timeline.after(silenceMs, () => this.break("silence"));
  }

  break(why: string): void {
    if (!this.open) return;
    this.open = false;
    this.#network.forget(this);
    for (const process of this.#ends) {
      const hear = this.#onClosed.get(process);
      if (hear === undefined) continue;
      this.#network.timeline.after(this.#network.latencyMs(), () => {
        if (process.alive) hear(why);
      });
    }
  }
}
