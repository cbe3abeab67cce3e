// A node of a simulated cluster: a machine that lives on, and agents that come and go on it.
//
// The agent is the production one, whole (`agent/agent-os.ts`), over ports in memory. Its files and
// processes answer late, so that it can be killed in the middle of anything.

import { startAgent } from "../../../agent/agent-os.ts";
import { SkyError } from "../../../model/errors.ts";
import { nodeHomeAt } from "../../../model/home.ts";
import type { Node } from "../../../model/node.ts";
import type { Bus } from "../../../runtime/bus.ts";
import { nodePermissions } from "../../../runtime/bus-permissions.ts";
import type { Files } from "../../../runtime/files.ts";
import { createMemoryFiles } from "../../../runtime/files-memory.ts";
import type { ProcessPort } from "../../../runtime/process.ts";
import type { MemoryMachine } from "../../../runtime/process-memory.ts";
import { createMemoryMachine } from "../../../runtime/process-memory.ts";
import type { StreamPort } from "../../../runtime/stream.ts";
import type { ActorSystem } from "../../../runtime/system-actor.ts";
import { createSystem } from "../../../runtime/system-actor.ts";
import { mortalFiles } from "./disk.ts";
import { clusterName, logTarget } from "./setting.ts";
import type { Sim } from "./sim.ts";
import { programOf } from "./tasks.ts";
import { Life, MachineClock } from "./time.ts";

const root = "/node";

export class SimNode {
  readonly node: Node;
  readonly clock: MachineClock;
  readonly #sim: Sim;
  readonly #machine: MemoryMachine;
  readonly #files: Files;
  readonly #written = new Map<string, Buffer>();
  readonly #watchers = new Map<string, Set<() => void>>();
  #life: Life | undefined;
  #bus: Bus | undefined;
  #incarnation = 0;
  system: ActorSystem | undefined;

  constructor(sim: Sim, node: Node) {
    this.#sim = sim;
    this.node = node;
    this.clock = new MachineClock(sim.timeline, { name: node.id, rate: sim.clockRate(node.id) });
    this.#machine = createMemoryMachine({
      clock: this.clock,
      append: (path, bytes) => this.#append(path, bytes),
      observe: (change) => sim.truth.changed(node.id, change),
    });
    this.#files = this.#filesOfMachine();
  }

  get isUp(): boolean {
    return this.#life !== undefined;
  }

  start(): void {
    if (this.#life !== undefined) return;
    const { id, capacity } = this.node;
    const life = new Life(this.clock);
    this.#life = life;
    this.#incarnation += 1;
    const { clock } = life;
    const { network, mutant, observe, log } = this.#sim;
    const bus = mutant.nodeBus(network.connect(id, nodePermissions(clusterName, id)), id);
    this.#bus = bus;
    const names = { cluster: clusterName, node: id };
    const incarnation = this.#incarnation;
    this.system = createSystem({ ...names, incarnation, clock, bus, log, observe });
    startAgent({
      ...{ ...names, system: this.system, bus, clock, log, capacity, version: "1" },
      process: mutant.process(this.#processes(life), this.#machine),
      streams: whileAlive(this.#sim.streams.connect(`${clusterName}/${id}`), life),
      streamTarget: logTarget,
      files: mortalFiles(this.#files, life, () => this.#sim.latencyMs()),
      home: nodeHomeAt(root),
      random: this.#sim.random.fork(`${id}/${this.#incarnation}`),
      openLog: (path, onChange) => this.#openLog(path, onChange),
    }).catch((error: unknown) => {
      if (life.alive) this.#sim.truth.broken(`the agent of ${id} does not start: ${error}`);
    });
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

  /** The machine goes down with all that runs on it, and comes up without an agent. */
  reboot(): void {
    this.kill();
    this.#sim.say(`${this.node.id}: reboots`);
    this.#machine.reboot();
    this.clock.reboot();
  }

  #processes(life: Life): ProcessPort {
    const port = this.#machine.open();
    const slow = <A extends readonly unknown[], R>(work: (...args: A) => Promise<R>) =>
      life.through(() => this.#sim.latencyMs(), work);
    return {
      ...port,
      prepare: slow(async (spec) => {
        // As `mkdir` would say: a tombstone is in the way.
        const taken = (await this.#files.list(spec.dir)).length > 0;
        if (taken) throw new SkyError("process/claimed", { dir: spec.dir });
        const { env } = spec;
        const rank = Number(env["SKYPILOT_NODE_RANK"] ?? env["SKYPILOT_SETUP_NODE_RANK"]);
        await port.prepare({ ...spec, script: programOf(spec.script, rank) });
      }),
      signal: slow(port.signal),
      sweep: slow(port.sweep),
      inventory: slow(port.inventory),
    };
  }

  /** Removing a rank's directory takes its claim and its log away. */
  #filesOfMachine(): Files {
    const files = createMemoryFiles(root);
    return {
      ...files,
      remove: async (path) => {
        this.#machine.remove(path);
        this.#written.delete(`${path}/log`);
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
      close: () => void others.delete(onChange),
    };
  }
}

/** A killed agent dials no more. */
function whileAlive(port: StreamPort, life: Life): StreamPort {
  const dead = () => Promise.reject(new SkyError("stream/closed", { why: "dead" }));
  return { ...port, dial: (...to) => (life.alive ? port.dial(...to) : dead()) };
}
