// A home's clusters on a seeded world: the production fleet actors over clouds that are slow and
// fail, heads that fail, a head process that is killed at any moment, and users who change their
// minds.
//
// What is promised is checked as it happens: the record of a cluster is on disk before its cloud is
// asked for machines; whoever is told that a cluster is up finds its machines; after `down` the
// cloud has none, unless a purge said so; a refresh takes a cluster for gone only if its machines
// are; usage is open while a cluster is wanted and closed when it is stopped or gone. Then the
// world is healed, everything is taken down, and nothing may be left.

import { strict as assert } from "node:assert";
import type { Cloud } from "../../../clouds/cloud.ts";
import { createMemoryCloud, type MemoryCloud } from "../../../clouds/cloud-memory.ts";
import type { ClusterRecord, LaunchRequest } from "../../../clouds/cluster-record.ts";
import {
  fleetKind,
  fleetRecordKey,
  type HeadsPort,
  isGoneKey,
} from "../../../clouds/fleet-actor.ts";
import {
  createFleets,
  type DownOutcome,
  type Finding,
  type Fleets,
} from "../../../clouds/fleets-actor.ts";
import { homeCluster } from "../../../clouds/home-records.ts";
import { type GoneCluster, isOpen, neverUsed } from "../../../clouds/usage.ts";
import { headNode } from "../../../model/address.ts";
import { isSkyError, SkyError } from "../../../model/errors.ts";
import { createBusHub } from "../../../runtime/bus-memory.ts";
import type { Clock } from "../../../runtime/clock.ts";
import { createMemoryClock } from "../../../runtime/clock-memory.ts";
import { silentLog } from "../../../runtime/log.ts";
import { createMemoryRandom } from "../../../runtime/random-memory.ts";
import { createMemoryDisk, createMemoryStore } from "../../../runtime/store-memory.ts";
import { createSystem } from "../../../runtime/system-actor.ts";

const names = ["a", "b"];
const actions = 80;
const stepMsMax = 20_000;
/** Requests that come while the one before is still being carried out. */
const burstMsMax = 50;
/** Longer than any request is waited for. */
const everythingMs = 3_660_000;

/** One life of the head's process. */
interface Life {
  readonly fleets: Fleets;
  over: boolean;
}

export class FleetWorld {
  readonly #random;
  readonly #clock = createMemoryClock();
  readonly #disk = createMemoryDisk();
  readonly #clouds = new Map<string, MemoryCloud>();
  readonly #opened = new Set<string>();
  #life: Life | undefined;
  #lives = 0;
  #faults = true;
  /** Nodes come up and never speak: a launch must not wait for them for ever. */
  readonly #mute;
  #launches = 0;
  /** How often somebody asked for something: an answer tells only of what was asked last. */
  readonly #asked = new Map<string, number>();
  readonly #refreshing = new Map<string, number>();
  /** Those whose cloud has listed nothing since they were launched. */
  readonly #seenEmpty = new Set<string>();
  /** Those of which a purge may have left machines. */
  readonly #purged = new Set<string>();
  #broken: Error | undefined;
  told = 0;

  constructor(seed: number) {
    this.#random = createMemoryRandom(seed);
    this.#mute = this.#chance(0.1);
    for (const name of names) {
      this.#clouds.set(
        name,
        createMemoryCloud({
          listsUntilUp: this.#random.below(3),
          fault: () => this.#fault("the cloud", 0.2),
          takesEffect: () => this.#chance(0.5),
        }),
      );
    }
  }

  async run(): Promise<void> {
    await this.#start();
    for (let action = 0; action < actions; action += 1) {
      await this.#act();
      await this.#pass(this.#random.below(this.#chance(0.6) ? burstMsMax : stepMsMax));
      this.#checkUsage();
    }
    this.#faults = false;
    if (this.#life?.over !== false) await this.#start();
    await this.#pass(everythingMs);
    // What a purge left behind goes with the next cluster of that name.
    for (const name of this.#purged) this.#user(name, "launch");
    await this.#pass(everythingMs);
    for (const name of names) this.#user(name, "down");
    await this.#pass(everythingMs);
    for (const name of names) {
      assert.deepEqual(this.#cloud(name).machines(), [], `machines of ${name} are left`);
      assert.equal(this.#record(name), undefined, `the record of ${name} is left`);
    }
    assert.deepEqual([...this.#opened], [], "heads are left");
    assert.equal(this.#clock.waiting().count, 0, "timers are left");
    if (this.#broken !== undefined) throw this.#broken;
  }

  async #act(): Promise<void> {
    const name = names[this.#random.below(names.length)] ?? "a";
    const verbs = [
      "launch",
      "launch",
      "start",
      "stop",
      "down",
      "used",
      "wind",
      "lose",
      "flap",
      "refresh",
      "turn",
      "note",
    ];
    const verb = this.#chance(0.12) ? "kill" : (verbs[this.#random.below(verbs.length)] ?? "");
    const fleets = this.#life?.fleets;
    if (verb === "kill") await this.#restart();
    else if (verb === "used") fleets?.used(name, "sky exec");
    else if (verb === "wind") this.#wind(name);
    else if (verb === "note") fleets?.note(name, "something was done");
    else if (verb === "flap") fleets?.alive(name, []);
    else if (verb === "lose") this.#lose(name);
    else if (verb === "turn") await this.#turn(name);
    else this.#user(name, verb);
  }

  /** The cluster ends itself. */
  #wind(name: string): void {
    this.#note(name);
    this.#life?.fleets.windDown(name, this.#chance(0.5) ? "stop" : "down", "idle");
  }

  /** A machine goes, though nobody asked for it. */
  #lose(name: string): void {
    const machines = this.#cloud(name).machines();
    const lost = machines[this.#random.below(Math.max(1, machines.length))];
    if (lost !== undefined) this.#cloud(name).lose(lost.id);
  }

  /** Machines change though nobody asked: switched off in a console, or gone, or one too many. */
  async #turn(name: string): Promise<void> {
    const cloud = this.#cloud(name);
    const what = this.#random.below(10);
    for (const { id } of cloud.machines()) {
      if (what < 4) cloud.turn(id, "stopped");
      else if (what < 6) cloud.turn(id, "up");
      else if (what < 9) cloud.lose(id);
    }
    if (what === 9 && this.#record(name)?.status === "UP") cloud.stray(name);
    // Whoever did it looks at once, and again.
    for (let times = this.#random.below(3); times > 0; times -= 1) {
      this.#user(name, "refresh");
      await this.#pass(burstMsMax);
    }
  }

  #awakeAndSilent(name: string): void {
    const cloud = this.#cloud(name);
    for (const { id } of cloud.machines()) cloud.turn(id, "up");
    this.#life?.fleets.alive(name, []);
  }

  /** Somebody asks, and what he is told must be true at that moment. */
  #user(name: string, verb: string): void {
    const life = this.#life;
    if (life === undefined) return;
    const signal = new AbortController().signal;
    const { fleets } = life;
    this.#note(name);
    const since = this.#asked.get(name);
    const told = (check: () => void) => () => {
      this.told += 1;
      if (!life.over && this.#asked.get(name) === since) this.#check(check);
    };
    const refused = (error: unknown): void => {
      const isForgotten = isSkyError(error, "bus/timeout");
      if (isForgotten && !life.over) this.#broken ??= new Error(`${verb} of ${name} is forgotten`);
      if (!life.over && !isSkyError(error)) this.#broken ??= error as Error;
    };
    const done = told(() => {});
    if (verb === "launch") {
      // A refresh that was asked for before may find otherwise just then.
      const isDoubted = (this.#refreshing.get(name) ?? 0) > 0;
      const up = told(() => {
        if (!isDoubted) assert.equal(this.#record(name)?.status, "UP");
      });
      void fleets.launch(this.#request(name), signal).then(up, refused);
    } else if (verb === "start") {
      const wanted = { command: "start", user: "", force: this.#chance(0.5) };
      void fleets.start(name, wanted, signal).then(done, refused);
    } else if (verb === "stop") void fleets.stop(name, "ada", signal).then(done, refused);
    else if (verb === "refresh") {
      // All machines run, and nobody has heard of them yet.
      if (this.#chance(0.4)) this.#awakeAndSilent(name);
      const found = ({ text }: Finding) => told(() => this.#checkFound(name, text))();
      this.#countRefresh(name, 1);
      const asked = fleets.refresh(name, { isAutodown: false }, signal);
      void asked.then(found, refused).finally(() => this.#countRefresh(name, -1));
    } else {
      const purge = this.#faults && this.#chance(0.2);
      if (purge) this.#purged.add(name);
      const gone = (outcome: DownOutcome) => told(() => this.#checkGone(name, outcome))();
      void fleets.down(name, { user: "ada", purge }, signal).then(gone, refused);
    }
  }

  #countRefresh(name: string, change: number): void {
    this.#refreshing.set(name, (this.#refreshing.get(name) ?? 0) + change);
  }

  #checkFound(name: string, text: string): void {
    if (!text.startsWith("Cluster(s) terminated")) return;
    const { status = "STOPPING" } = this.#record(name) ?? {};
    assert.equal(status, "STOPPING", `${name} is gone and on record`);
  }

  #checkGone(name: string, { leftBehind }: DownOutcome): void {
    assert.ok(this.#purged.has(name) || leftBehind === "", leftBehind);
    const left = this.#cloud(name).machines();
    if (leftBehind === "") assert.deepEqual(left, [], `${name} is down and has machines`);
    assert.equal(this.#record(name), undefined, `${name} is down and on record`);
  }

  #request(name: string): LaunchRequest {
    this.#launches += 1;
    return {
      ...{ name, numNodes: 1 + this.#random.below(3), asked: {}, cloud: name, command: "launch" },
      capacity: { cpus: 1, memoryBytes: 1_024, accelerators: [] },
      isolation: "embedded",
      token: `t${this.#launches}`,
    };
  }

  /** `kill -9`: nothing of that life reaches the world any more, and the next begins from disk. */
  async #restart(): Promise<void> {
    if (this.#life !== undefined) this.#life.over = true;
    await this.#pass(this.#random.below(5_000));
    await this.#start();
  }

  async #start(): Promise<void> {
    this.#lives += 1;
    const now: { over: boolean } = { over: false };
    const store = createMemoryStore({
      disk: this.#disk,
      beforeCommit: async () => {
        if (now.over) throw new Error("the process is dead");
      },
    });
    const clock: Clock = {
      now: () => this.#clock.now(),
      after: (ms, wake) => this.#clock.after(ms, () => (now.over ? undefined : wake())),
    };
    const bus = createBusHub().connect(headNode, { publish: [">"], subscribe: [">"] });
    const incarnation = this.#lives;
    const system = createSystem({
      ...{ cluster: homeCluster, node: headNode, incarnation, clock, bus, store, log: silentLog },
    });
    const ports = { cloud: (name: string) => this.#guarded(name, now), heads: this.#heads(now) };
    const fleets = createFleets({ system, store, ports });
    this.#life = Object.assign(now, { fleets });
    await fleets.restore();
  }

  /** A cloud as one life of the head sees it. */
  #guarded(name: string, now: { readonly over: boolean }): Cloud {
    const cloud = this.#cloud(name);
    const call = <T>(act: () => Promise<T>): Promise<T> => (now.over ? never() : act());
    return {
      name,
      declare: (asked) => cloud.declare(asked, 1),
      launch: (request, signal) =>
        call(() => {
          const status = this.#record(name)?.status;
          const isKnown = status === "INIT" || status === "UP" || status === "STOPPING";
          this.#check(() => assert.ok(isKnown, `machines of ${name} before its record`));
          this.#seenEmpty.delete(name);
          return cloud.launch(request, signal);
        }),
      list: (cluster, signal) =>
        call(async () => {
          const machines = await cloud.list(cluster, signal);
          if (machines.length === 0) this.#seenEmpty.add(name);
          return machines;
        }),
      start: (ids, signal) => call(() => cloud.start(ids, signal)),
      stop: (ids, signal) => call(() => cloud.stop(ids, signal)),
      terminate: (ids, signal) => call(() => cloud.terminate(ids, signal)),
    };
  }

  #heads(now: { readonly over: boolean }): HeadsPort {
    const call = async (name: string, act: () => void): Promise<void> => {
      if (now.over) return never();
      const fault = this.#fault(`the head of ${name}`, 0.1);
      if (fault !== undefined) throw fault;
      act();
    };
    return {
      open: ({ name }) => call(name, () => this.#opened.add(name)),
      declare: () => {},
      dismiss: () => {},
      close: ({ name, unasked, goal }) => {
        const isTaken = unasked === true && goal === "absent";
        const isTrue = !isTaken || this.#seenEmpty.has(name);
        this.#check(() => assert.ok(isTrue, `${name} is taken for gone and has machines`));
        // Jobs may take their time to end.
        const lastsMs = this.#faults && this.#chance(0.1) ? 8_000 : 0;
        const ended = new Promise<void>((resolve) => {
          if (lastsMs === 0) resolve();
          else this.#clock.after(lastsMs, resolve);
        });
        return ended.then(() => call(name, () => {}));
      },
      clear: async ({ name }) => {
        await call(name, () => this.#opened.delete(name));
        return { logsArchive: "" };
      },
      disarm: (name) => call(name, () => {}),
    };
  }

  /** Moves the clock in small steps; after each the nodes that are up beat. */
  async #pass(ms: number): Promise<void> {
    const stepMs = this.#faults ? 5_000 : 30_000;
    for (let left = ms; left > 0; left -= stepMs) {
      await this.#clock.pass(Math.min(left, stepMs), settle);
      for (const name of names) {
        const up = this.#cloud(name)
          .machines()
          .filter(({ phase }) => phase === "up");
        if (this.#record(name) === undefined || up.length === 0) continue;
        if (this.#mute && this.#faults) continue;
        this.#life?.fleets.alive(name, [...new Set(up.map(({ node }) => node))]);
      }
      await settle();
    }
  }

  #checkUsage(): void {
    for (const name of names) {
      const record = this.#record(name);
      const { status = "INIT", usage = neverUsed } = record ?? {};
      if (status === "UP") assert.ok(isOpen(usage), `${name} is up and costs nothing`);
      if (status === "STOPPED") assert.ok(!isOpen(usage), `${name} is stopped and costs`);
      if (status === "UP" || status === "STOPPED") assert.equal(record?.busy, undefined);
    }
    for (const [key, text] of this.#disk.records) {
      if (!isGoneKey(key)) continue;
      const { usage } = JSON.parse(text) as GoneCluster;
      assert.ok(!isOpen(usage) && usage.intervals.length > 0, `${key} is gone and costs`);
    }
  }

  #record(name: string): ClusterRecord | undefined {
    const address = { cluster: homeCluster, node: headNode, kind: fleetKind, id: name };
    const text = this.#disk.records.get(fleetRecordKey(address));
    return text === undefined ? undefined : (JSON.parse(text) as ClusterRecord);
  }

  #cloud(name: string): MemoryCloud {
    const cloud = this.#clouds.get(name);
    assert.ok(cloud);
    return cloud;
  }

  #fault(who: string, likelihood: number): SkyError | undefined {
    if (!this.#faults || !this.#chance(likelihood)) return undefined;
    if (this.#chance(0.8)) return new SkyError("head/unreachable", { why: `${who} is away` });
    return new SkyError("process/failed", { what: who, why: "it does not want to" });
  }

  #chance(likelihood: number): boolean {
    return this.#random.unit() < likelihood;
  }

  #note(name: string): void {
    this.#asked.set(name, (this.#asked.get(name) ?? 0) + 1);
  }

  #check(check: () => void): void {
    try {
      check();
    } catch (error) {
      this.#broken ??= error as Error;
    }
  }
}

function never<T>(): Promise<T> {
  return new Promise(() => {});
}

async function settle(): Promise<void> {
  for (let round = 0; round < 3; round += 1) await new Promise((resolve) => setImmediate(resolve));
}
