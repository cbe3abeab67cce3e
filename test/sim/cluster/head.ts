// The head of a simulated cluster: a machine with a disk, and heads that come and go on it.
//
// Its actors are the production ones under their production supervisor
// (`scheduler/open-head-os.ts`). What is simple here is the keeper of the logs: it keeps in memory
// what its disk would, and says when an ended job's logs are complete.

import { headNode } from "../../../model/address.ts";
import { homeAt } from "../../../model/home.ts";
import type { Job } from "../../../model/job.ts";
import { isTerminal, rankKeyText } from "../../../model/job.ts";
import { encodeOffset, parseLogHeader } from "../../../proto/log-channel.ts";
import type { Bus } from "../../../runtime/bus.ts";
import { headPermissions } from "../../../runtime/bus-permissions.ts";
import { createMemoryFiles } from "../../../runtime/files-memory.ts";
import { createMetrics } from "../../../runtime/metrics.ts";
import { createMemoryDisk } from "../../../runtime/store-memory.ts";
import type { StreamChannel } from "../../../runtime/stream.ts";
import type { ActorSystem } from "../../../runtime/system-actor.ts";
import { createSystem } from "../../../runtime/system-actor.ts";
import type { WritableBoard } from "../../../scheduler/board-memory.ts";
import { boardInMemory } from "../../../scheduler/board-memory.ts";
import { logKeys } from "../../../scheduler/log-store.ts";
import type { HeadParts } from "../../../scheduler/open-head-os.ts";
import { startActors } from "../../../scheduler/open-head-os.ts";
import { schedulerAddress } from "../../../scheduler/turn.ts";
import { mortalFiles, type SimStore, simStore } from "./disk.ts";
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
  readonly stopListening: () => void;
  /** Its actors are up and have said what they know. */
  ready: boolean;
  /** Its supervisor has given up, which was told already. */
  broken: boolean;
}

export class SimHead {
  readonly clock: MachineClock;
  readonly disk = createMemoryDisk();
  /** Added to every wait for the disk. */
  diskMs = 0;
  readonly #sim: Sim;
  readonly #files = createMemoryFiles(root);
  readonly #logs = new Map<string, Buffer>();
  readonly #complete = new Set<string>();
  #running: Running | undefined;
  #incarnation = 0;

  constructor(sim: Sim) {
    this.#sim = sim;
    this.clock = new MachineClock(sim.timeline, { name: headNode, rate: sim.clockRate(headNode) });
  }

  /** The system of a head that takes requests. */
  get system(): ActorSystem | undefined {
    return this.#running?.ready ? this.#running.system : undefined;
  }

  get isUp(): boolean {
    return this.#running !== undefined;
  }

  start(): void {
    if (this.#running !== undefined) return;
    this.#incarnation += 1;
    this.#sim.say(`head ${this.#incarnation} starts`);
    const life = new Life(this.clock);
    const { mutant, network, log, observe } = this.#sim;
    const bus = mutant.headBus(network.connect(headNode, headPermissions(clusterName)));
    const disk = simStore(this.disk, life, () => this.#sim.latencyMs() + this.diskMs);
    const store = mutant.store(disk);
    const system = createSystem({
      ...{ cluster: clusterName, node: headNode, incarnation: this.#incarnation },
      ...{ clock: life.clock, bus, store, log, observe },
    });
    const board = boardInMemory();
    const stopListening = this.#listen(life);
    const running: Running = {
      ...{ life, system, bus, store: disk, board, stopListening, ready: false, broken: false },
    };
    this.#running = running;
    board.onAnnouncement((announcement) => {
      if (!life.alive) return;
      this.#sim.truth.announced(announcement);
      for (const job of announcement.jobs) this.#considerLogs(job);
    });
    startActors(this.#parts(running, { ...system, store })).then(
      () => {
        if (!life.alive) return;
        running.ready = true;
        this.#sim.truth.remembered(board.jobs());
      },
      (error: unknown) => {
        if (life.alive && !running.broken) this.#sim.onBroken(`the head does not start: ${error}`);
      },
    );
  }

  /** `kill -9`. Some of what was being committed may have reached the disk. */
  kill(): void {
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    const { life, bus, store, stopListening } = running;
    const count = this.#sim.random.below(store.pending() + 1);
    this.#sim.say(
      `head ${this.#incarnation} is killed, ${count} of ${store.pending()} commits stay`,
    );
    life.end();
    store.crash(count);
    void bus.close();
    stopListening();
    this.#sim.streams.cut(`${clusterName}/${headNode}`);
  }

  /** The disk is full: what is committed next fails, and the head is started again. */
  failDisk(): void {
    this.#running?.store.failNext("no space left on device");
  }

  secretsLeft(): Promise<readonly string[]> {
    return this.#files.list(homeAt(root).cluster(clusterName).secrets);
  }

  #parts(running: Running, { store }: Pick<HeadParts["options"], "store">): HeadParts {
    const { life, system, bus, board } = running;
    const { log, nodes } = this.#sim;
    return {
      options: {
        ...{ home: homeAt(root), store, clock: life.clock, log, metrics: createMetrics() },
        files: mortalFiles(this.#files, life, () => this.#sim.latencyMs()),
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

  #listen(life: Life): () => void {
    const port = this.#sim.streams.connect(`${clusterName}/${headNode}`);
    const listening = port.listen({
      target: logTarget,
      onSession: (session) => {
        // A channel that was cut is opened again by the agent.
        session.onChannel((channel) => void this.#keep(channel, life).catch(() => {}));
      },
    });
    return () => void listening.then((listener) => listener.close());
  }

  async #keep(channel: StreamChannel, life: Life): Promise<void> {
    const key = parseLogHeader(channel.header);
    const name = rankKeyText(key);
    const have = (): Buffer => this.#logs.get(name) ?? Buffer.alloc(0);
    await channel.write(encodeOffset(have().length));
    for await (const bytes of channel) {
      if (!life.alive) return;
      this.#sim.truth.shipped(name, have().length, bytes);
      this.#logs.set(name, Buffer.concat([have(), bytes]));
    }
    if (!life.alive) return;
    await channel.write(encodeOffset(have().length));
    channel.end();
    this.#complete.add(name);
    const job = this.#running?.board.job(key.job);
    if (job !== undefined) this.#considerLogs(job);
  }

  /** Tells the scheduler when the head has every byte of an ended job. */
  #considerLogs(job: Job): void {
    const running = this.#running;
    if (running === undefined || !isTerminal(job.status)) return;
    const { setup, run } = logKeys(job);
    const keys = [...setup, ...run].map(rankKeyText);
    if (keys.length === 0 || !keys.every((name) => this.#complete.has(name))) return;
    const to = schedulerAddress(clusterName);
    running.system.tell(to, { kind: "logs-complete", job: job.id, attempt: job.attempt });
  }
}
