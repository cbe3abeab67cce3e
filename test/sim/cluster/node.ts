// A node of a simulated cluster: a machine that lives on, and agents that come and go on it.
//
// The agent is the production one, whole (`agent/agent-os.ts`), over ports in memory. Its files and
// processes answer late, so that it can be killed in the middle of anything; it can be stopped like
// any process, its disk be full, and its machine be switched off or replaced by an empty one.

import { startAgent } from "../../../agent/agent-os.ts";
import { skyletIncarnation } from "../../../bin/skylet/orders.ts";
import { SkyError } from "../../../model/errors.ts";
import { nodeHomeAt } from "../../../model/home.ts";
import type { Node } from "../../../model/node.ts";
import type { Bus } from "../../../runtime/bus.ts";
import { nodePermissions } from "../../../runtime/bus-permissions.ts";
import type { Files } from "../../../runtime/files.ts";
import type { MemoryTree } from "../../../runtime/files-memory.ts";
import { createMemoryFiles } from "../../../runtime/files-memory.ts";
import type { ProcessPort } from "../../../runtime/process.ts";
import type { MachineChange, MemoryMachine } from "../../../runtime/process-memory.ts";
import { createMemoryMachine } from "../../../runtime/process-memory.ts";
import type { StreamPort } from "../../../runtime/stream.ts";
import type { ActorSystem } from "../../../runtime/system-actor.ts";
import { createSystem } from "../../../runtime/system-actor.ts";
import { createMemoryContentStore } from "../../../transfer/chunks/content-store-memory.ts";
import { createInlineWork } from "../../../transfer/chunks/work-inline.ts";
import { mortalFiles, noRoomAt } from "./disk.ts";
import { freezable, ofEarlierVersion, withSmallMailboxes } from "./process.ts";
import { clusterName, logTarget } from "./setting.ts";
import type { Sim } from "./sim.ts";
import { programOf } from "./tasks.ts";
import { Life, MachineClock } from "./time.ts";

const root = "/node";

export class SimNode {
  readonly node: Node;
  readonly clock: MachineClock;
  /** Nothing can be written to its disk. */
  full = false;
  /** Of each rank that is prepared, after how long its shim is killed if it still stands ready. */
  shimsDieMs: (() => number) | undefined;
  /** Added to every wait for its disk and its processes. */
  slowMs = 0;
  readonly #sim: Sim;
  readonly #tree: MemoryTree = new Map();
  readonly #written = new Map<string, Buffer>();
  /** Ranks that were swept before. */
  readonly #swept = new Set<string>();
  readonly #watchers = new Map<string, Set<() => void>>();
  #machine: MemoryMachine;
  #files: Files;
  #life: Life | undefined;
  #bus: Bus | undefined;
  #incarnation = 0;
  #off = false;
  system: ActorSystem | undefined;
  /** Resolves when the agent that was started last is up, which a slow disk puts off. */
  started: Promise<void> = Promise.resolve();

  constructor(sim: Sim, node: Node) {
    this.#sim = sim;
    this.node = node;
    this.clock = new MachineClock(sim.timeline, { name: node.id, rate: sim.clockRate(node.id) });
    this.#machine = this.#newMachine();
    this.#files = this.#filesOfMachine();
  }

  get isUp(): boolean {
    return this.#life !== undefined;
  }

  /** Switched off: no agent starts there. */
  get isOff(): boolean {
    return this.#off;
  }

  /** Names of what its disk still holds of ranks. */
  rankDirs(): Promise<readonly string[]> {
    return this.#files.list(nodeHomeAt(root).ranks);
  }

  start(): void {
    if (this.#life !== undefined || this.#off) return;
    const { id, capacity } = this.node;
    const life = new Life(this.clock);
    this.#life = life;
    this.#incarnation += 1;
    const { clock } = life;
    const { network, mutant, observe, log } = this.#sim;
    const raw = network.connect(id, nodePermissions(clusterName, id));
    const spoken = this.#sim.earlierAgents ? ofEarlierVersion(raw) : raw;
    const bus = freezable(mutant.nodeBus(spoken, id), life);
    this.#bus = bus;
    const names = { cluster: clusterName, node: id };
    const incarnation = skyletIncarnation(this.#sim.head.incarnation, this.#incarnation);
    const system = createSystem({ ...names, incarnation, clock, bus, log, observe });
    this.system = mutant.nodeSystem(withSmallMailboxes(system, this.#sim.mailboxMax));
    const { promise, resolve } = Promise.withResolvers<void>();
    this.started = promise;
    startAgent({
      ...{ ...names, system: this.system, bus, clock, log, capacity, version: "1" },
      process: mutant.process(this.#processes(life), this.#machine),
      streams: mutant.streams(whileAlive(this.#sim.streams.connect(`${clusterName}/${id}`), life)),
      streamTarget: logTarget,
      chunks: createMemoryContentStore(),
      work: createInlineWork(),
      files: mortalFiles(this.#files, life, {
        latencyMs: () => this.#latencyMs(),
        full: () => this.full,
      }),
      home: nodeHomeAt(root),
      random: this.#sim.random.fork(`${id}/${this.#incarnation}`),
      openLog: (path, onChange) => this.#openLog(path, onChange),
    }).then(
      () => resolve(),
      (error: unknown) => {
        if (life.alive && this.full) this.#sim.onAgentFailed(this);
        else if (life.alive) {
          this.#sim.truth.broken("no crash", `the agent of ${id} does not start: ${error}`);
        }
      },
    );
    this.#sim.say(`${id}: agent ${this.#incarnation} starts`);
  }

  /** `kill -9` of the agent; what runs runs on. */
  kill(): void {
    if (this.#life === undefined) return;
    this.#sim.say(`${this.node.id}: agent ${this.#incarnation} is killed`);
    this.#life.end();
    this.#life = undefined;
    this.system = undefined;
    this.#machine.crash();
    void this.#bus?.close();
    this.#sim.streams.cut(`${clusterName}/${this.node.id}`);
  }

  /** SIGSTOP; what is returned goes on with it. */
  freeze(): () => void {
    const life = this.#life;
    life?.freeze();
    return () => life?.thaw();
  }

  /** The machine goes down with all that runs on it, and comes up without an agent. */
  reboot(): void {
    this.kill();
    this.#sim.say(`${this.node.id}: reboots`);
    this.#machine.reboot();
    this.clock.reboot();
  }

  /** Another machine takes its place, with nothing on its disk. */
  replace(): void {
    this.reboot();
    this.#sim.say(`${this.node.id}: comes back with an empty disk`);
    this.#sim.truth.cutOff(this.node.id);
    this.#tree.clear();
    this.#written.clear();
    this.#machine = this.#newMachine();
    this.#files = this.#filesOfMachine();
  }

  switchOff(): void {
    this.reboot();
    this.#off = true;
  }

  switchOn(): void {
    this.#off = false;
  }

  #latencyMs(): number {
    return this.#sim.latencyMs() + this.slowMs;
  }

  #newMachine(): MemoryMachine {
    return createMemoryMachine({
      clock: this.clock,
      append: (path, bytes) => this.#append(path, bytes),
      observe: (change) => this.#changed(change),
    });
  }

  #changed(change: MachineChange): void {
    this.#sim.truth.changed(this.node.id, change);
    this.#sim.times.changed(change);
    if (change.kind !== "claimed" || this.shimsDieMs === undefined) return;
    this.clock.after(this.shimsDieMs(), () => this.#machine.killShim(change.dir));
  }

  #processes(life: Life): ProcessPort {
    const port = this.#machine.open();
    const slow = <A extends readonly unknown[], R>(work: (...args: A) => Promise<R>) =>
      life.through(() => this.#latencyMs(), work);
    return {
      ...port,
      prepare: slow(async (spec) => {
        if (this.full) throw noRoomAt(spec.dir);
        // As `mkdir` would say: a tombstone is in the way.
        const taken = (await this.#files.list(spec.dir)).length > 0;
        if (taken) throw new SkyError("process/claimed", { dir: spec.dir });
        const { env } = spec;
        const rank = Number(env["SKYPILOT_NODE_RANK"] ?? env["SKYPILOT_SETUP_NODE_RANK"]);
        await port.prepare({ ...spec, script: programOf(spec.script, rank) });
      }),
      signal: slow(port.signal),
      sweep: slow(async (dir) => this.#hardToKill(dir) ?? (await port.sweep(dir))),
      inventory: slow(port.inventory),
      onEvent: (hear) => port.onEvent((event) => life.awake(() => hear(event))),
    };
  }

  /** Some of what a rank left behind survives the first sweep. */
  #hardToKill(dir: string): Awaited<ReturnType<ProcessPort["sweep"]>> | undefined {
    const name = dir.slice(dir.lastIndexOf("/") + 1);
    const survivors = this.#sim.truth.ranks.get(name)?.survivors ?? 0;
    if (survivors === 0 || this.#swept.has(name)) return undefined;
    this.#swept.add(name);
    if (this.#sim.random.unit() < 0.6) return undefined;
    return { found: survivors, killed: 0, survivors, unproven: [] };
  }

  /** Removing a rank's directory takes its claim and its log away. */
  #filesOfMachine(): Files {
    const files = createMemoryFiles(root, this.#tree);
    return {
      ...files,
      remove: async (path) => {
        this.#machine.remove(path);
        this.#written.delete(`${path}/log`);
        this.#swept.delete(path.slice(path.lastIndexOf("/") + 1));
        await files.remove(path);
      },
    };
  }

  #append(path: string, bytes: Uint8Array): void {
    this.#written.set(path, Buffer.concat([this.#written.get(path) ?? Buffer.alloc(0), bytes]));
    this.#sim.truth.wrote(path.split("/").at(-2) ?? "", bytes);
    for (const hear of this.#watchers.get(path) ?? []) hear();
  }

  #openLog(path: string, onChange: () => void) {
    const others = this.#watchers.get(path) ?? new Set();
    this.#watchers.set(path, others.add(onChange));
    return {
      read: (into: Buffer, offset: number, length: number) =>
        (this.#written.get(path) ?? Buffer.alloc(0)).copy(into, 0, offset, offset + length),
      close: () => {
        others.delete(onChange);
        if (others.size === 0) this.#watchers.delete(path);
      },
    };
  }
}

/** A killed agent dials no more. */
function whileAlive(port: StreamPort, life: Life): StreamPort {
  const dead = () => Promise.reject(new SkyError("stream/closed", { why: "dead" }));
  return { ...port, dial: (...to) => (life.alive ? port.dial(...to) : dead()) };
}
