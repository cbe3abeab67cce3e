// The simulated wire: a few sessions with lanes between two machines, over connections that are
// slow, break, fall silent, damage bytes and come back; and machines that die.
//
// A seed draws one of three stories: a storm of faults that ends, after which all must come to
// rest; one lane that turns slow beside wide ones, which nobody may wait for; and a session that
// is closed in haste while its lanes are cut. After every event the promises are checked.

import { createMemoryClock, type MemoryClock } from "../../../runtime/clock-memory.ts";
import { laneLimits } from "../../../runtime/lane.ts";
import type { LaneSessions } from "../../../runtime/lane-sessions.ts";
import { createMemoryRandom, type MemoryRandom } from "../../../runtime/random-memory.ts";
import { Machine } from "./machine.ts";
import { type Mutant, noMutant } from "./mutant.ts";
import { type Connection, Network, type Speed } from "./network.ts";
import { Pair, type PairEnd, type PairWorld, type Side } from "./pair.ts";
import { BrokenWire } from "./promises.ts";
import { Flow } from "./truth.ts";
import { type ChannelPlan, drawChannels, use } from "./users.ts";

export type Story = "storm" | "slow" | "hasty";

const sides = ["dialler", "listener"] as const;
const smallLimits = {
  ...laneLimits,
  ...{ heldBytesMax: 250_000, heldFramesMax: 300, laneBytesHigh: 60_000 },
  ...{ ackBytes: 30_000, waitBytes: 60_000 },
};
const sessionLimits = { linkBytesHigh: 60_000, linkBytesMax: 500_000, windowBytes: 128 * 1024 };
const wide: Speed = { rate: 1_000, delayMs: 5 };
/** A slow lane holds nobody up for longer. */
const slowDoneMs = 20_000;
/** A dialler finds its way back, or finds out that there is none, within this. */
const foundMsMax = 15_000;
const eventsMax = 400_000;

/** One channel on which its opener writes as fast as it may, and the other reads. */
function eagerPlan(eager: { label: string; opener: Side; total: number }): ChannelPlan {
  const { label, opener, total } = eager;
  const flowOf = (side: Side): Flow => {
    const written = side === opener ? total : 0;
    return new Flow({ label: `${label} of the ${side}`, total: written, abortAt: undefined });
  };
  return {
    ...{ label, opener, openAtMs: 0, pieceBytes: 20_000, pauseMs: 0 },
    flows: { dialler: flowOf("dialler"), listener: flowOf("listener") },
  };
}

export class WireWorld {
  readonly seed: number;
  readonly story: Story;
  readonly clock: MemoryClock = createMemoryClock();
  readonly network: Network;
  readonly pairs: Pair[] = [];
  events = 0;
  crashes = 0;
  readonly #random: MemoryRandom;
  readonly #mutant: Mutant;
  readonly #machines: Record<Side, Machine>;
  readonly #channels: readonly (readonly ChannelPlan[])[];
  readonly #atMs: number;
  readonly #healAtMs: number;
  #sessions: LaneSessions;
  #speed = wide;
  #closing = false;
  #isOut = false;
  #error: unknown;

  constructor(seed: number, mutant: Mutant = noMutant) {
    this.seed = seed;
    this.#mutant = mutant;
    this.#random = createMemoryRandom(`wire/${seed}`);
    const random = this.#random.fork("world");
    const drawn = random.unit();
    this.story = drawn < 0.7 ? "storm" : drawn < 0.85 ? "slow" : "hasty";
    this.network = new Network({
      clock: this.clock,
      random: this.#random.fork("network"),
      reader: mutant.reader,
      onSend: (by, frame, number) => {
        const [side, index] = by.split(" of ");
        this.pairs[Number(index)]?.sent(side as Side, frame, number);
      },
      onBreach: (why) => this.#breach(why),
    });
    this.#machines = {
      dialler: new Machine("dialler", this.clock),
      listener: new Machine("listener", this.clock),
    };
    this.#sessions = mutant.sessions(this.#random.fork("names"));
    this.#atMs = this.clock.now().monoMs;
    this.#healAtMs = this.story === "storm" ? 2_000 + random.below(12_000) : 0;
    const count = this.story === "storm" ? 1 + random.below(2) : 1;
    this.#channels = Array.from({ length: count }, (_, pair) => this.#drawUse(pair));
    for (let index = 0; index < count; index += 1) this.#addPair(index);
    if (this.story === "storm") this.#planStorm();
  }

  async run(): Promise<void> {
    for (const pair of this.pairs) pair.begin();
    await this.#runUntil("at rest", () => this.#isAtRest(), this.#restMs());
    if (this.story === "slow" && this.#nowMs() > slowDoneMs) {
      throw new BrokenWire("no waiting", `it took ${this.#nowMs()} ms`);
    }
    this.#closeAll();
    await this.#runUntil("over", () => this.#isOver(), this.#nowMs() + 700_000);
    // A session whose dialler never heard that it began waits for its time, too.
    await this.#runUntil("quiet", () => this.#isQuiet(), this.#nowMs() + 700_000);
  }

  // ---- who is there

  #drawUse(pair: number): readonly ChannelPlan[] {
    const random = this.#random.fork(`use ${pair}`);
    if (this.story === "storm") {
      return drawChannels(random, { pair, count: 1 + random.below(5), bytesMax: 150_000 });
    }
    const total = this.story === "slow" ? 2_000_000 : 150_000;
    const opener = sides[random.below(2)] ?? "dialler";
    return [eagerPlan({ label: `${pair}.0`, opener, total })];
  }

  #addPair(index: number): void {
    const random = this.#random.fork(`pair ${index}`);
    const pickedMs = [0, 2_000, 10_000, 600_000][random.below(4)] ?? 0;
    const setting = {
      index,
      lanes: this.story === "slow" ? 2 + random.below(3) : 1 + random.below(4),
      resumeMs: this.story === "hasty" ? 10_000 : pickedMs,
      limits: sessionLimits,
      laneLimits: smallLimits,
      mutant: this.#mutant,
      random,
    };
    const world: PairWorld = {
      connect: (pair) => this.#connect(pair),
      connectMs: () => 1 + random.below(100),
      broken: (error) => this.#broke(error),
      began: (pair, side, end) => this.#began(pair, side, end),
      isOver: (pair, side, end) => this.#checkOver(pair, side, end),
    };
    this.pairs.push(new Pair(setting, world, this.#machines.dialler));
  }

  #began(pair: Pair, side: Side, end: PairEnd): void {
    const { clock } = this.#machines[side];
    const { session } = end.laned;
    const channels = this.#channels[pair.setting.index] ?? [];
    use({ side, session, clock, channels, broken: (error) => this.#broke(error) });
    const inTime = this.story === "slow" && side === "dialler";
    if (inTime) clock.after(400, () => this.#slowOneDown());
    if (this.story === "hasty") this.#watchHaste(pair, side);
  }

  #connect(pair: Pair): Connection | undefined {
    if (this.#isOut || this.#machines.listener.crashed) return undefined;
    const names = [pair.name("dialler"), pair.name("listener")] as const;
    const connection = this.network.connect(...names, this.#speed);
    // Joins and their answers are damaged, too.
    const isStormy = this.story === "storm" && this.#nowMs() < this.#healAtMs;
    connection.corrupting = isStormy && this.#random.unit() < 0.1;
    pair.admit(connection, this.#machines.listener, this.#sessions);
    return connection;
  }

  // ---- stories

  #planStorm(): void {
    const random = this.#random.fork("storm");
    const count = 2 + random.below(25);
    for (let fault = 0; fault < count; fault += 1) {
      this.clock.after(random.below(this.#healAtMs), () => this.#strike(random));
    }
    if (random.unit() < 0.25) {
      const side = random.unit() < 0.5 ? "dialler" : "listener";
      this.clock.after(random.below(this.#healAtMs), () => this.#crash(side));
    }
    this.clock.after(this.#healAtMs, () => this.#heal());
  }

  #strike(random: MemoryRandom): void {
    const all = [...this.network.connections];
    const one = all[random.below(Math.max(1, all.length))];
    const speed = {
      rate: [0, 5, 50, 500, 5_000][random.below(5)] ?? 0,
      delayMs: random.below(random.unit() < 0.3 ? 400 : 30),
    };
    const faults: readonly (() => void)[] = [
      () => one?.cut(),
      () => one?.setSpeed(speed),
      () => one?.setSpeed(speed),
      () => {
        if (one !== undefined) one.corrupting = true;
      },
      () => {
        if (one !== undefined) one.dark = true;
      },
      () => {
        for (const connection of all) connection.cut();
      },
      () => {
        this.#speed = { ...speed, rate: Math.max(5, speed.rate) };
      },
      () => {
        this.#isOut = true;
        this.clock.after(random.below(5_000), () => {
          this.#isOut = false;
        });
      },
    ];
    faults[random.below(faults.length)]?.();
  }

  #heal(): void {
    this.#isOut = false;
    this.#speed = wide;
    for (const connection of this.network.connections) connection.setSpeed(wide);
  }

  /** What ran there is gone; a listener comes back and knows nothing. */
  #crash(side: Side): void {
    this.crashes += 1;
    this.#machines[side].crash();
    for (const connection of this.network.connections) {
      if (this.#random.unit() < 0.7) connection.cut();
      else connection.dark = true;
    }
    if (side === "dialler") return;
    this.#machines.listener = new Machine("listener", this.clock);
    this.#sessions = this.#mutant.sessions(this.#random.fork("names again"));
  }

  #slowOneDown(): void {
    const [one] = this.network.connections;
    one?.setSpeed({ rate: 1, delayMs: 100 });
  }

  /** Closes as soon as all is written, while lanes are cut. */
  #watchHaste(pair: Pair, side: Side): void {
    const [plan] = this.#channels[pair.setting.index] ?? [];
    if (plan?.opener !== side) return;
    const { clock } = this.#machines[side];
    const look = (): void => {
      if (plan.flows[side].wrote === undefined) {
        clock.after(1, look);
        return;
      }
      this.#closing = true;
      pair.ends[side]?.laned.session.close();
      clock.after(this.#random.below(60), () => {
        for (const connection of this.network.connections) connection.cut();
      });
    };
    look();
  }

  // ---- what must hold

  #breach(why: string): void {
    if (this.network.corrupted === 0) this.#broke(new BrokenWire("lane alone", why));
  }

  #broke(error: unknown): void {
    this.#error ??= error;
  }

  async #runUntil(what: string, done: () => boolean, limitMs: number): Promise<void> {
    while (!done()) {
      this.events += 1;
      if (this.events > eventsMax || this.#nowMs() > limitMs || !this.clock.advanceToNext()) {
        const promise = what === "quiet" ? "nothing left" : "comes to rest";
        throw new BrokenWire(promise, `not ${what} after ${this.#nowMs()} ms: ${this.#state()}`);
      }
      await new Promise((resolve) => setImmediate(resolve));
      this.#check();
    }
  }

  #check(): void {
    if (this.#error !== undefined) throw this.#error;
    for (const pair of this.pairs) {
      pair.checkBounds();
      for (const side of sides) {
        const end = pair.ends[side];
        if (end === undefined) continue;
        if (end.laned.lanesLive() > 0) end.lanelessSinceMs = undefined;
        else end.lanelessSinceMs ??= this.#nowMs();
      }
      this.#checkDialler(pair);
    }
  }

  /** Once there is a way, a dialler finds it. */
  #checkDialler(pair: Pair): void {
    const { dialler, listener } = pair.ends;
    if (dialler?.lanelessSinceMs === undefined || listener?.over !== undefined) return;
    if (dialler.over !== undefined || dialler.machine.crashed) return;
    const sinceMs = Math.max(dialler.lanelessSinceMs, this.#healAtMs);
    if (this.#nowMs() - sinceMs <= foundMsMax) return;
    throw new BrokenWire("comes to rest", `${pair.name("dialler")} finds no way back`);
  }

  /** An end is over only if somebody closed it, or it had no lane for so long, or the other is. */
  #checkOver(pair: Pair, side: Side, end: PairEnd): void {
    const other = pair.ends[side === "dialler" ? "listener" : "dialler"];
    const { resumeMs } = pair.setting;
    const lanelessMs = this.#nowMs() - (end.lanelessSinceMs ?? Number.POSITIVE_INFINITY);
    const mayBe =
      this.#closing ||
      this.crashes > 0 ||
      other?.over !== undefined ||
      (end.lanelessSinceMs !== undefined && lanelessMs >= resumeMs);
    if (mayBe) return;
    this.#broke(new BrokenWire("lane alone", `${pair.name(side)} is over: ${end.over}`));
  }

  #restMs(): number {
    const resumeMs = Math.max(...this.pairs.map(({ setting }) => setting.resumeMs));
    // A dialler that died is waited for; a listener that did is found out at once.
    const waitMs = this.crashes > 0 || this.story === "storm" ? resumeMs : 0;
    return this.#healAtMs + 90_000 + waitMs;
  }

  #isAtRest(): boolean {
    if (this.#nowMs() < this.#healAtMs) return false;
    return this.pairs.every((pair) => {
      const gone = sides.map((side) => this.#isGone(pair, side));
      if (gone.every(Boolean)) return true;
      if (gone.some(Boolean)) return false;
      const plans = this.#channels[pair.setting.index] ?? [];
      return plans.every(({ flows }) =>
        [flows.dialler, flows.listener].every(
          ({ wrote, read }) => wrote !== undefined && read !== undefined,
        ),
      );
    });
  }

  /** Its machine died, or its session is over. */
  #isGone(pair: Pair, side: Side): boolean {
    const end = pair.ends[side];
    if (end === undefined) return this.#machines.dialler.crashed;
    return end.over !== undefined || end.machine.crashed;
  }

  #closeAll(): void {
    this.#closing = true;
    for (const pair of this.pairs) {
      const side = sides[this.#random.below(2)] ?? "dialler";
      const end = pair.ends[side];
      if (end !== undefined && !end.machine.crashed) end.laned.session.close();
    }
  }

  #isOver(): boolean {
    return this.pairs.every((pair) => sides.every((side) => this.#isGone(pair, side)));
  }

  #isQuiet(): boolean {
    const timers = sides.reduce((sum, side) => sum + this.#machines[side].timers(), 0);
    return timers + this.network.connections.size + this.#sessions.size === 0;
  }

  #nowMs(): number {
    return this.clock.now().monoMs - this.#atMs;
  }

  #state(): string {
    const flows = this.#channels
      .flat()
      .flatMap((plan) => sides.map((side) => plan.flows[side]))
      .filter(({ wrote, read }) => wrote === undefined || read === undefined)
      .map(({ plan, received, wrote }) => `${plan.label} ${received}/${plan.total} ${wrote ?? ""}`);
    const ends = this.pairs.flatMap((pair) =>
      sides.map((side) => `${pair.name(side)} ${pair.ends[side]?.over ?? "lives"}`),
    );
    const timers = sides.map((side) => this.#machines[side].timers()).join("+");
    const { size } = this.network.connections;
    const names = `${this.#sessions.size} names`;
    return [...ends, ...flows, `${timers} timers`, `${size} connections`, names].join("; ");
  }
}
