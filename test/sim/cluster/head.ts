// The head of a simulated cluster: a machine with a disk, and heads that come and go on it.
//
// Its actors are the production ones under their production supervisor, and so is the keeper of the
// logs (`scheduler/open-head-os.ts`); only the disks and the wires below them are of the world.

import type { Address } from "../../../model/address.ts";
import { headNode } from "../../../model/address.ts";
import { isSkyError } from "../../../model/errors.ts";
import { homeAt } from "../../../model/home.ts";
import type { Bus } from "../../../runtime/bus.ts";
import { headPermissions } from "../../../runtime/bus-permissions.ts";
import { createMemoryFiles } from "../../../runtime/files-memory.ts";
import { createMetrics } from "../../../runtime/metrics.ts";
import type { StreamChannel } from "../../../runtime/stream.ts";
import type { ActorSystem } from "../../../runtime/system-actor.ts";
import { createSystem } from "../../../runtime/system-actor.ts";
import type { WritableBoard } from "../../../scheduler/board-memory.ts";
import { boardInMemory } from "../../../scheduler/board-memory.ts";
import { jobHistory } from "../../../scheduler/job-history.ts";
import type { LogStore } from "../../../scheduler/log-store-os.ts";
import type { HeadParts } from "../../../scheduler/open-head-os.ts";
import { keepLogs, startActors } from "../../../scheduler/open-head-os.ts";
import { createSourceMemory } from "../../../scheduler/source-memory.ts";
import { createMemoryContentStore } from "../../../transfer/chunks/content-store-memory.ts";
import { ContentCutter } from "../../../transfer/chunks/cut-content.ts";
import { createInlineWork } from "../../../transfer/chunks/work-inline.ts";
import { createInlineReading } from "../../../transfer/tree/reading-inline-os.ts";
import { HeadDisk, mortalFiles, type SimStore, simLogDisk, simStore } from "./disk.ts";
import { freezable, withSmallMailboxes } from "./process.ts";
import { clusterName, logTarget, schedulerOptions } from "./setting.ts";
import type { Sim } from "./sim.ts";
import { Life, MachineClock } from "./time.ts";

const root = "/sky";

interface Running {
  readonly life: Life;
  readonly system: ActorSystem;
  readonly bus: Bus;
  readonly store: SimStore;
  readonly board: WritableBoard;
  logs: LogStore | undefined;
  stopListening: () => void;
  /** Its actors are up and have said what they know. */
  ready: boolean;
  /** Its supervisor has given up, which was told already. */
  broken: boolean;
}

/** A head as its users reach it. */
export interface OpenHead {
  readonly life: Life;
  readonly system: ActorSystem;
  readonly board: WritableBoard;
  readonly logs: LogStore;
}

export class SimHead {
  readonly clock: MachineClock;
  readonly disk = new HeadDisk();
  /** Added to every wait for the disk. */
  diskMs = 0;
  readonly #sim: Sim;
  #files = createMemoryFiles(root);
  #running: Running | undefined;
  #incarnation = 0;
  /** Nobody reads what the nodes send of their logs until this resolves. */
  #reading: Promise<void> = Promise.resolve();

  constructor(sim: Sim) {
    this.#sim = sim;
    this.clock = new MachineClock(sim.timeline, { name: headNode, rate: sim.clockRate(headNode) });
  }

  /** The system of a head that takes requests. */
  get system(): ActorSystem | undefined {
    return this.open?.system;
  }

  get open(): OpenHead | undefined {
    const running = this.#running;
    if (running?.ready !== true || running.logs === undefined) return undefined;
    const { life, system, board, logs } = running;
    return { life, system, board, logs };
  }

  /** How often it was started. */
  get incarnation(): number {
    return this.#incarnation;
  }

  start(): void {
    if (this.#running !== undefined) return;
    this.#incarnation += 1;
    this.#sim.say(`head ${this.#incarnation} starts`);
    const life = new Life(this.clock);
    const { mutant, network, log, observe } = this.#sim;
    const raw = network.connect(headNode, headPermissions(clusterName));
    const bus = freezable(mutant.headBus(raw), life);
    const disk = simStore({
      ...{ disk: this.disk, life, latencyMs: () => this.#latencyMs(), recover: mutant.recover },
    });
    const store = mutant.store(disk);
    const system = createSystem({
      ...{ cluster: clusterName, node: headNode, incarnation: this.#incarnation },
      ...{ clock: life.clock, bus, store, log, observe },
    });
    const small = mutant.headSystem(withSmallMailboxes(system, this.#sim.mailboxMax));
    const history = jobHistory(store, clusterName);
    const running: Running = {
      ...{ life, system: small, bus, store: disk, board: boardInMemory(history) },
      ...{ logs: undefined, stopListening: () => {}, ready: false, broken: false },
    };
    this.#running = running;
    const { board } = running;
    board.onAnnouncement((told) => {
      if (!life.alive) return;
      this.#sim.truth.announced(told);
      this.#sim.times.announced(told);
    });
    this.#startUp(running, store).catch((error: unknown) => {
      if (life.alive && !running.broken) this.#sim.onBroken(`the head does not start: ${error}`);
    });
  }

  /** Says something to an actor of this head; false if it is not there to hear it. */
  tell(to: Address, message: object): boolean {
    if (this.open === undefined || this.open.life.frozen) return false;
    try {
      this.open.system.tell(to, message);
      return true;
    } catch (error) {
      if (isSkyError(error, "mailbox/full")) return false;
      throw error;
    }
  }

  /** `kill -9`. Some of what was being committed may have reached the disk. */
  kill(): void {
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    const { life, bus, store, stopListening } = running;
    const { random } = this.#sim;
    const count = random.below(store.pending() + 1);
    const left = store.pending();
    this.#sim.say(`head ${this.#incarnation} is killed, ${count} of ${left} commits stay`);
    life.end();
    store.crash(count, random.unit());
    void bus.close();
    stopListening();
    this.#sim.streams.cut(`${clusterName}/${headNode}`);
  }

  /** The power goes, and comes back. */
  reboot(): void {
    this.kill();
    this.#sim.say("the head's machine reboots");
    this.#sim.times.rebooted();
    this.disk.losePower(this.#sim.random.unit());
    this.clock.reboot();
  }

  /** As `sky down` leaves it: nothing of the cluster is on disk. */
  erase(): void {
    this.kill();
    this.#sim.times.forget();
    this.disk.erase();
    this.#files = createMemoryFiles(root);
  }

  freeze(): () => void {
    const life = this.#running?.life;
    life?.freeze();
    return () => life?.thaw();
  }

  /** Stops to read the wire of the logs until what is returned is called. */
  stopReading(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#reading = promise;
    return resolve;
  }

  secretsLeft(): Promise<readonly string[]> {
    return this.#files.list(homeAt(root).cluster(clusterName).secrets);
  }

  #latencyMs(): number {
    return this.#sim.latencyMs() + this.diskMs;
  }

  async #startUp(running: Running, store: HeadParts["options"]["store"]): Promise<void> {
    const { life, board } = running;
    const parts = this.#parts(running, store);
    await startActors(parts);
    if (!life.alive) return;
    const disk = simLogDisk({
      ...{ disk: this.disk, life, latencyMs: () => this.#latencyMs() },
      onWrite: (path, chunk) => this.#sim.truth.shipped("the head", nameIn(path), chunk),
    });
    const { mutant } = this.#sim;
    running.logs = mutant.logStore(await keepLogs(parts, mutant.logDisk(disk)));
    if (!life.alive) return;
    const known = await board.page({ before: Infinity, countMax: Infinity });
    if (!life.alive) return;
    running.stopListening = this.#listen(running.logs);
    running.ready = true;
    this.disk.hasFailed = this.disk.failing;
    this.#sim.truth.remembered(known);
  }

  #parts(running: Running, store: HeadParts["options"]["store"]): HeadParts {
    const { life, system, bus, board } = running;
    const { log, nodes } = this.#sim;
    return {
      options: {
        ...{ home: homeAt(root), store, clock: life.clock, log, metrics: createMetrics() },
        files: mortalFiles(this.#files, life, {
          latencyMs: () => this.#sim.latencyMs(),
          full: () => this.disk.full,
        }),
        chunks: createMemoryContentStore(),
        work: createInlineWork(),
        reading: createInlineReading({ newCutter: () => new ContentCutter() }),
        memory: createSourceMemory(),
        incarnation: this.#incarnation,
        busOf: async () => bus,
        onAlive: () => {},
        onShutdown: (_, verb) => life.alive && this.#sim.onShutdown(verb),
        onBroken: (why) => {
          running.broken = true;
          if (life.alive) this.#sim.onBroken(why);
        },
        scheduler: schedulerOptions,
      },
      ...{ cluster: clusterName, system, bus, board },
      nodes: new Map(nodes.map(({ node }) => [node.id, node])),
    };
  }

  #listen(logs: LogStore): () => void {
    const port = this.#sim.streams.connect(`${clusterName}/${headNode}`);
    const listening = port.listen({
      target: logTarget,
      onSession: (session) => {
        const node = session.peer.split("/")[1] ?? "";
        session.onChannel((channel) => logs.receive(node, this.#gated(channel)));
      },
    });
    return () => void listening.then((listener) => listener.close());
  }

  /** A channel whose bytes are taken only while anybody reads. */
  #gated(channel: StreamChannel): StreamChannel {
    const reading = (): Promise<void> => this.#reading;
    return {
      header: channel.header,
      write: (bytes) => channel.write(bytes),
      end: () => channel.end(),
      abort: (why) => channel.abort(why),
      lend: (use) =>
        channel.lend(async (bytes) => {
          await reading();
          await use(bytes);
        }),
      async *[Symbol.asyncIterator]() {
        for await (const bytes of channel) {
          await reading();
          yield bytes;
        }
      },
    };
  }
}

/** `7-1-run-0` of the path of its log. */
export function nameIn(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1).replace(/\.log$/, "");
}
