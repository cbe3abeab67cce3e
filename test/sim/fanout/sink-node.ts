// One life of a sink in a simulation: the production decisions (`sink.ts`) over a simulated disk,
// connections and exchanges.

import type { Parent, SinkMessage } from "../../../transfer/fanout/control.ts";
import type { WithoutTime } from "../../../transfer/fanout/rules.ts";
import {
  type SinkEffect,
  type SinkEnd,
  type SinkEvent,
  type SinkState,
  type SinkStep,
  sinkRulesDefault,
  startSink,
} from "../../../transfer/fanout/sink.ts";
import { type Content, Exchange, type Supplier, type Taker } from "./exchange.ts";
import type { Process, Wire } from "./network.ts";
import { keep } from "./promises.ts";
import type { Host, World } from "./world.ts";

const tickMs = 250;
const againMax = 3;

interface Fetching {
  readonly run: number;
  readonly from: string;
  wire: Wire | undefined;
  exchange: Exchange | undefined;
  readonly wanted: Set<number>;
  readonly again: Map<number, number>;
}

export class SinkNode implements Process, Supplier, Taker {
  readonly name: string;
  readonly process = this;
  alive = true;
  ended: SinkEnd | undefined;
  readonly host: Host;
  readonly serving = new Set<Exchange>();
  readonly #world: World;
  #state: SinkState | undefined;
  #control: Wire | undefined;
  readonly #named = new Set<string>();
  /** The list of chunks is chunk 0, and is in memory only. */
  #list = false;
  #known = new Map<number, boolean>();
  #safe = 0;
  #idleFrom = 0;
  #fetching: Fetching | undefined;

  constructor(world: World, host: Host) {
    this.#world = world;
    this.host = host;
    this.name = host.name;
    this.#idleFrom = world.timeline.now;
    const rules = world.mutant.sinkRules({
      ...sinkRulesDefault,
      redialMs: 500 + world.below(1_000),
    });
    this.#take(startSink(rules, world.timeline.now));
    this.#tick();
  }

  /** Whom it takes from now, if the connection stands. */
  get feeder(): string | undefined {
    return this.#fetching?.exchange?.open ? this.#fetching.from : undefined;
  }

  get isWhole(): boolean {
    return this.#state?.whole === true;
  }

  // ---- deciding

  #tell(event: WithoutTime<SinkEvent>): void {
    if (!this.alive || this.#state === undefined) return;
    const before = this.#state;
    const step = this.#world.mutant.step(before, { ...event, at: this.#world.timeline.now });
    this.#checkStep(event, step);
    this.#take(step);
  }

  #checkStep(event: WithoutTime<SinkEvent>, [, effects]: SinkStep): void {
    const away = event.type === "cut" || event.type === "tick";
    const drops = effects.some(({ type }) => type === "stop" || type === "fetch");
    const ends = effects.some(({ type }) => type === "end");
    keep(
      "goes on alone",
      !(away && drops && !ends && this.feeder !== undefined),
      () => `${this.name} leaves ${this.feeder}`,
    );
  }

  #checkIdle(): void {
    const { timeline, network, source } = this.#world;
    const { link, whole, order } = this.#state ?? {};
    const isHeard = link === "up" && source !== undefined && !network.isCut(this, source);
    const mayIdle = whole || order === undefined || this.#fetching !== undefined || !isHeard;
    if (mayIdle) this.#idleFrom = timeline.now;
    const ms = timeline.now - this.#idleFrom;
    keep("not idle", ms < 3_000, () => `${this.name} for ${ms} ms`);
  }

  #take([state, effects]: SinkStep): void {
    this.#state = state;
    for (const effect of effects) this.#perform(effect);
  }

  #perform(effect: SinkEffect): void {
    if (effect.type === "dial") this.#dial();
    else if (effect.type === "say") this.#say(effect.message);
    else if (effect.type === "stop") this.#stopFetch();
    else if (effect.type === "fetch") this.#fetch(effect.run, effect.from);
    else this.#end(effect.outcome);
  }

  #tick(): void {
    this.#world.timeline.after(tickMs, () => {
      if (!this.alive) return;
      this.#tell({ type: "tick" });
      this.#checkIdle();
      this.#tick();
    });
  }

  #end(outcome: SinkEnd): void {
    this.ended = outcome;
    if (outcome.outcome === "done") this.#world.checkWhole(this.name);
    if (outcome.outcome === "abandoned") {
      const silentMs = this.#world.timeline.now - this.host.heardAt;
      keep("patient", silentMs >= sinkRulesDefault.silenceMs, () => `${this.name}: ${silentMs} ms`);
    }
    this.#world.network.kill(this);
    this.#world.sinkEnded(this);
  }

  // ---- control

  #dial(): void {
    const { network } = this.#world;
    network.dial(
      this,
      () => this.#world.source,
      (wire, why) => {
        const head = this.#world.source;
        if (wire === undefined || head === undefined) {
          this.#tell({ type: "cut", why });
          return;
        }
        this.#control = wire;
        wire.onClosed(this, (reason) => {
          if (this.#control === wire) this.#cut(reason);
        });
        wire.send(this, () => head.accept(wire, this));
        this.#say({ type: "join", serves: this.host.serves, safe: this.#safe });
      },
    );
  }

  #cut(why: string): void {
    this.#control = undefined;
    this.host.heardAt = this.#world.timeline.now;
    // An exchange with the source lives on the same session.
    if (this.#fetching?.from === "source") this.#fetching.wire?.break(why);
    this.#tell({ type: "cut", why });
  }

  #say(message: SinkMessage): void {
    const wire = this.#control;
    const head = this.#world.source;
    if (wire === undefined || head === undefined) return;
    wire.send(this, () => head.hear(this, wire, message));
  }

  welcome(wire: Wire): void {
    if (this.#control === wire) this.#tell({ type: "joined" });
  }

  follow(move: number, parent: string | undefined): void {
    this.#tell({ type: "follow", move, parent: this.#placeOf(parent) });
  }

  serve(children: readonly string[]): void {
    for (const child of children) this.#named.add(child);
    this.#lookAll();
  }

  released(): void {
    this.#tell({ type: "released" });
  }

  dropped(why: string): void {
    this.#tell({ type: "dropped", why });
  }

  #placeOf(parent: string | undefined): Parent | undefined {
    if (parent === undefined || parent === "source") return parent;
    return { peer: parent, host: parent, port: 1 };
  }

  // ---- taking

  #fetch(run: number, from: Parent): void {
    this.#stopFetch();
    const name = from === "source" ? "source" : from.peer;
    const fetching: Fetching = {
      ...{ run, from: name, exchange: undefined, wire: undefined },
      ...{ wanted: new Set(), again: new Map() },
    };
    this.#fetching = fetching;
    const fail = (why: string): void => {
      if (this.#fetching !== fetching) return;
      this.#fetching = undefined;
      this.#tell({ type: "fetch-failed", run, why });
    };
    if (from === "source" && this.#control === undefined) {
      this.#world.timeline.after(1, () => fail("no session"));
      return;
    }
    this.#world.network.dial(
      this,
      () => this.#world.process(name),
      (wire, why) => {
        const supplier = this.#world.process(name);
        if (this.#fetching !== fetching) wire?.close(this);
        else if (wire === undefined || supplier === undefined) fail(why);
        else {
          wire.onClosed(this, fail);
          fetching.wire = wire;
          fetching.exchange = new Exchange(this.#world, { supplier, taker: this, wire });
          this.#want(fetching);
        }
      },
    );
  }

  #stopFetch(): void {
    this.#fetching?.wire?.close(this);
    this.#fetching = undefined;
  }

  /** The list first; then what lacks by it. */
  #want(fetching: Fetching): void {
    const lacks = this.#list ? this.#lacking() : [0];
    for (const chunk of lacks) fetching.wanted.add(chunk);
    if (lacks.length > 0) fetching.exchange?.want(lacks);
    else this.#fetched(fetching);
  }

  #fetched(fetching: Fetching): void {
    fetching.wire?.close(this);
    this.#fetching = undefined;
    this.#tell({ type: "fetched", run: fetching.run });
  }

  arrived(chunk: number, content: Content): "kept" | "again" {
    const fetching = this.#fetching;
    if (fetching === undefined || !fetching.wanted.has(chunk)) return "kept";
    if (content === "damaged" && this.#world.mutant.proves) {
      const times = (fetching.again.get(chunk) ?? 0) + 1;
      fetching.again.set(chunk, times);
      if (times < againMax) return "again";
      fetching.wire?.close(this);
      this.#fetching = undefined;
      this.#tell({ type: "fetch-failed", run: fetching.run, why: "what comes is damaged" });
      return "kept";
    }
    keep("bytes proven", content === "good", () => `${this.name} keeps a damaged ${chunk}`);
    if (!this.#world.mutant.waitsForDisk) this.#count(chunk, true, false);
    this.#world.timeline.after(this.#world.below(20), () => this.#kept(fetching, chunk));
    return "kept";
  }

  /** The disk has it. */
  #kept(fetching: Fetching, chunk: number): void {
    if (!this.alive) return;
    if (chunk === 0) this.#learn();
    else {
      this.host.disk.set(chunk, "good");
      this.host.given.add(chunk);
      this.#count(chunk, true, false);
    }
    this.#lookAll();
    if (this.#fetching !== fetching || !fetching.wanted.delete(chunk)) return;
    if (chunk === 0) this.#want(fetching);
    else if (fetching.wanted.size === 0) this.#fetched(fetching);
  }

  #learn(): void {
    if (this.#list) return;
    this.#list = true;
    this.#known.set(0, true);
    this.#safe += this.#world.sizes[0] ?? 0;
    for (const chunk of this.host.disk.keys()) {
      this.#known.set(chunk, true);
      this.#safe += this.#world.sizes[chunk] ?? 0;
    }
    this.#tellSafe(true);
  }

  #lacking(): readonly number[] {
    return this.#world.sizes.flatMap((_, chunk) =>
      this.#known.get(chunk) === true ? [] : [chunk],
    );
  }

  #count(chunk: number, here: boolean, found: boolean): void {
    if ((this.#known.get(chunk) === true) === here) return;
    this.#known.set(chunk, here);
    this.#safe += (here ? 1 : -1) * (this.#world.sizes[chunk] ?? 0);
    this.#tellSafe(found);
  }

  #tellSafe(found: boolean): void {
    const whole = this.#list && this.#lacking().length === 0;
    if (whole) this.host.wholeAt ??= this.#world.timeline.now;
    this.#tell({ type: "safe", bytes: this.#safe, whole, found });
  }

  // ---- giving

  #lookAll(): void {
    for (const exchange of [...this.serving]) exchange.look();
  }

  thaw(): void {
    this.#lookAll();
  }

  content(chunk: number): Content | undefined {
    if (chunk === 0) return this.#list ? "good" : undefined;
    if (!this.#list || this.#known.get(chunk) !== true) return undefined;
    return this.host.disk.get(chunk) ?? "damaged";
  }

  lost(chunk: number): void {
    this.host.disk.delete(chunk);
    this.#count(chunk, false, true);
  }

  named(child: string): boolean {
    return this.#named.has(child);
  }

  rate(): number {
    return this.host.rate;
  }

  isStuck(): boolean {
    return this.host.stuckUntil > this.#world.timeline.now;
  }

  gave(): void {}
}
