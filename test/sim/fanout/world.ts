// A fan-out on a seeded world: the production coordinator and the production sinks' decisions over
// links of different and changing rates, disks that survive or do not, cuts, kills and damage.
//
// A calm world has slow sinks, late ones and ones that serve nobody, and nothing breaks: there the
// source's bytes and the time that it takes are held to bounds. In a storm everything breaks for
// some minutes; then the world is healed, and everybody must get everything.

import { createMemoryRandom, type MemoryRandom } from "../../../runtime/random-memory.ts";
import type { Rules } from "../../../transfer/fanout/rules.ts";
import type { Content, Supplier } from "./exchange.ts";
import { type Mutant, noMutant } from "./mutant.ts";
import { Network } from "./network.ts";
import { keep } from "./promises.ts";
import { SinkNode } from "./sink-node.ts";
import { SourceNode } from "./source-node.ts";
import { Timeline } from "./timeline.ts";

/** A sink's machine: what outlives its processes. */
export interface Host {
  readonly name: string;
  readonly serves: { readonly host: string; readonly port: number } | null;
  readonly isSlow: boolean;
  readonly startsAt: number;
  /** Chunks, but for the list. */
  disk: Map<number, Content>;
  readonly given: Set<number>;
  /** Bytes per millisecond, each way. */
  rate: number;
  stuckUntil: number;
  /** When it last lost its connection to the coordinator. */
  heardAt: number;
  sink: SinkNode | undefined;
  endedAt: number;
  wholeAt: number | undefined;
}

const stormMs = 150_000;
const restMs = 900_000;
const usualRate = 10_000;
/** How much longer a sink may take than the bytes need, whatever slow and stuck ones do. */
const holdUpMsMax = 75_000;

export interface WorldOptions {
  readonly seed: number;
  readonly mutant?: Mutant;
}

export class World {
  readonly mutant: Mutant;
  readonly timeline = new Timeline();
  readonly network: Network;
  readonly isCalm: boolean;
  readonly shape: Partial<Rules>;
  /** Of the chunks; the first is their list. */
  readonly sizes: readonly number[];
  readonly totalBytes: number;
  readonly largest: number;
  readonly hosts: readonly Host[];
  source: SourceNode | undefined;
  sourceRate = usualRate;
  sourceBytes = 0;
  sourceLives = 0;
  readonly #random: MemoryRandom;
  #storm: boolean;

  constructor({ seed, mutant = noMutant }: WorldOptions) {
    this.#random = createMemoryRandom(`fanout ${seed}`);
    this.mutant = mutant;
    this.isCalm = seed % 3 === 0;
    this.#storm = !this.isCalm;
    this.network = new Network(this.timeline, () => 1 + this.below(30));
    this.shape = { children: 1 + this.below(3) };
    const count = 20 + this.below(80);
    const bytes = Array.from({ length: count }, () => 500_000 + this.below(3_000_000));
    this.sizes = [1_000 + count * 36, ...bytes];
    this.totalBytes = this.sizes.reduce((sum, one) => sum + one, 0);
    this.largest = Math.max(...this.sizes);
    this.hosts = Array.from({ length: 2 + this.below(9) }, (_, index) => this.#host(index));
  }

  below(count: number): number {
    return this.#random.below(count);
  }

  draws(what: "corrupt"): boolean {
    return what === "corrupt" && this.#storm && this.#random.unit() < 0.02;
  }

  /** A process that one can take from. */
  process(name: string): (Supplier & (SinkNode | SourceNode)) | undefined {
    if (name === "source") return this.source;
    return this.hosts.find((host) => host.name === name)?.sink;
  }

  run(): void {
    this.#startSource();
    for (const host of this.hosts) {
      this.timeline.after(host.startsAt, () => this.#startSink(host));
    }
    if (!this.isCalm) this.#strike();
    else if (this.#random.unit() < 0.3) this.#stickForGood();
    const isOver = (): boolean => this.source?.finished === true;
    this.timeline.runUntil(stormMs, isOver);
    this.#heal();
    this.timeline.runUntil(stormMs + restMs, isOver);
    keep("comes to rest", isOver(), () => this.#shown());
    this.network.healAll();
    this.timeline.runUntil(this.timeline.now + 40_000);
    for (const { name, sink, wholeAt } of this.hosts) {
      keep("comes to rest", wholeAt !== undefined, () => `${name} never had all`);
      keep("comes to rest", sink === undefined, () => `${name} was not released`);
    }
    if (this.isCalm) this.#checkCalm();
  }

  // ---- what the world knows of its parties

  /** For how long nobody has lived there. */
  goneMs(name: string | undefined): number {
    const host = this.hosts.find((one) => one.name === name);
    return host === undefined || host.sink !== undefined ? 0 : this.timeline.now - host.endedAt;
  }

  /** The source calls it done: it had all. What was damaged since, it has not heard of. */
  checkDone(name: string): void {
    const host = this.hosts.find((one) => one.name === name);
    keep("true end", host?.wholeAt !== undefined, () => `${name} is called done and never was`);
  }

  /** It calls itself done. */
  checkWhole(name: string): void {
    const host = this.hosts.find((one) => one.name === name);
    for (const chunk of this.sizes.keys()) {
      if (chunk === 0) continue;
      const has = host?.disk.has(chunk) === true;
      keep("true end", has, () => `${name} is done without chunk ${chunk}`);
      keep("given by one", host?.given.has(chunk) === true, () => `${name} has ${chunk}`);
    }
  }

  sinkEnded(sink: SinkNode): void {
    sink.host.sink = undefined;
    sink.host.endedAt = this.timeline.now;
    // Whoever wants the chunks there asks again until the source knows of it.
    this.timeline.after(1_000 + this.below(4_000), () => this.#startSink(sink.host));
  }

  #host(index: number): Host {
    // In a calm world two serve from the start, one of them fast: the source need not feed two.
    const isFirst = this.isCalm && index < 2;
    const isSlow = !(isFirst && index === 1) && this.#random.unit() < 0.2;
    const isLate = this.#random.unit() < 0.3;
    const name = `c/s${index}`;
    const serves = isFirst || this.#random.unit() < 0.9 ? { host: name, port: 1 } : null;
    const rate =
      usualRate * (isSlow ? 0.03 + 0.1 * this.#random.unit() : 0.8 + this.#random.unit());
    return {
      ...{ name, serves, isSlow, rate, stuckUntil: 0, heardAt: 0 },
      startsAt: isFirst ? index * 10 : this.below(isLate ? 60_000 : 500),
      ...{ disk: new Map(), given: new Set(), sink: undefined },
      ...{ endedAt: 0, wholeAt: undefined },
    };
  }

  #startSource(): void {
    this.sourceLives += 1;
    this.source = new SourceNode(
      this,
      this.hosts.map(({ name }) => name),
    );
    for (const host of this.hosts) {
      if (this.sourceLives > 1) this.timeline.after(this.below(5_000), () => this.#startSink(host));
    }
  }

  #startSink(host: Host): void {
    if (host.sink === undefined && this.source?.finished !== true) {
      host.heardAt = this.timeline.now;
      host.sink = new SinkNode(this, host);
    }
  }

  // ---- what befalls them

  #strike(): void {
    this.timeline.after(this.below(12_000), () => {
      if (!this.#storm) return;
      const [one, other] = [this.#any(), this.#any()];
      const kind = this.below(100);
      if (kind < 20) this.#killSink(one);
      else if (kind < 28) this.#killSource();
      else if (kind < 48) this.#cut(one.name, other.name);
      else if (kind < 58) this.#cut(one.name, "head");
      else if (kind < 70) this.#stick(one);
      else if (kind < 82) this.#rot(one);
      else if (kind < 95) one.rate = usualRate * (0.05 + 1.5 * this.#random.unit());
      else this.sourceRate = usualRate * (0.2 + this.#random.unit());
      this.#strike();
    });
  }

  #any(): Host {
    const host = this.hosts[this.below(this.hosts.length)];
    if (host === undefined) throw new Error("there are hosts");
    return host;
  }

  #killSink(host: Host): void {
    if (host.sink === undefined) return;
    this.network.kill(host.sink);
    host.sink = undefined;
    host.endedAt = this.timeline.now;
    if (this.#random.unit() < 0.3) host.disk = new Map();
    this.timeline.after(this.below(40_000), () => this.#startSink(host));
  }

  #killSource(): void {
    if (this.source === undefined || this.source.finished) return;
    this.network.kill(this.source);
    this.source = undefined;
    this.timeline.after(this.below(40_000), () => {
      if (this.source === undefined) this.#startSource();
    });
  }

  #cut(one: string, other: string): void {
    if (one === other) return;
    this.network.cut(one, other);
    this.timeline.after(this.below(50_000), () => this.network.heal(one, other));
  }

  /** Its disk hangs: it gives nothing, though its connections live. */
  #stick(host: Host): void {
    const ms = this.below(90_000);
    host.stuckUntil = this.timeline.now + ms;
    this.timeline.after(ms + 1, () => host.sink?.thaw());
  }

  /** One of the calm world's feeders, at some time. */
  #stickForGood(): void {
    this.timeline.after(this.below(20_000), () => {
      const host = this.#any();
      if (this.hosts.indexOf(host) > 1) host.stuckUntil = Number.POSITIVE_INFINITY;
    });
  }

  #rot(host: Host): void {
    const chunks = [...host.disk.keys()];
    const chunk = chunks[this.below(chunks.length)];
    if (chunk !== undefined) host.disk.set(chunk, "damaged");
  }

  #heal(): void {
    this.#storm = false;
    this.network.healAll();
    this.sourceRate = usualRate;
    if (this.source === undefined) this.#startSource();
    for (const host of this.hosts) {
      host.rate = Math.max(host.rate, usualRate * 0.05);
      host.stuckUntil = 0;
      host.sink?.thaw();
      this.#startSink(host);
    }
  }

  // ---- what is promised of a calm world

  #checkCalm(): void {
    const moves = this.source?.coordinator.counts().sourceMoves ?? 0;
    const overlap = Math.max(0, moves - 1) * this.largest * 10;
    const most = this.totalBytes + overlap;
    keep("once from the source", this.sourceBytes <= most, () => {
      return `${this.sourceBytes} bytes of ${this.totalBytes} in ${moves} moves`;
    });
    const children = this.shape.children ?? 1;
    const flowMs = (this.totalBytes * children) / (usualRate * 0.8);
    for (const { name, isSlow, startsAt, wholeAt = 0 } of this.hosts) {
      if (isSlow) continue;
      const heldMs = wholeAt - startsAt - flowMs;
      keep("no hold-up", heldMs <= holdUpMsMax, () => `${name} by ${Math.round(heldMs)} ms`);
    }
  }

  #shown(): string {
    const lacking = this.hosts.map(({ name, sink, disk, wholeAt }) => {
      const state = sink === undefined ? "gone" : `from ${sink.feeder}`;
      return `${name} ${wholeAt ?? `${disk.size}/${this.sizes.length - 1}`} ${state}`;
    });
    return `after ${this.timeline.now} ms: ${lacking.join(", ")}`;
  }
}
