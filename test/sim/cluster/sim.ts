// A whole cluster in one process: the production actors of head and nodes on a seeded world.
//
//     timeline ─ due items in order; after each, all promises run; then the promises are checked
//     network  ─ the bus in memory under a policy      truth ─ what the machines and the board say
//     users, faults, power ─ act on the timeline until the world is healed and must come to rest
//
// What must always hold: the same seed gives the same run, line by line. So nothing here reads a
// clock but the timeline or draws a number but from forks of the seed's generator, and no port
// answers from outside the process.

import { setImmediate as turn } from "node:timers/promises";
import { isTerminal } from "../../../model/job.ts";
import type { Node } from "../../../model/node.ts";
import type { TurnReport } from "../../../runtime/cell.ts";
import type { MemoryClock } from "../../../runtime/clock-memory.ts";
import { createMemoryClock } from "../../../runtime/clock-memory.ts";
import type { Log, LogFields } from "../../../runtime/log.ts";
import type { MemoryRandom } from "../../../runtime/random-memory.ts";
import { createMemoryRandom } from "../../../runtime/random-memory.ts";
import type { StreamHub } from "../../../runtime/stream-memory.ts";
import { createStreamHub } from "../../../runtime/stream-memory.ts";
import type { SchedulerState } from "../../../scheduler/table.ts";
import type { Violation } from "../promises.ts";
import { BrokenPromise } from "../promises.ts";
import { Faults } from "./faults.ts";
import { nameIn, SimHead } from "./head.ts";
import type { Mutant } from "./mutant.ts";
import { noMutant } from "./mutant.ts";
import { Network } from "./network.ts";
import { SimNode } from "./node.ts";
import { Power } from "./power.ts";
import { checkRest, leftovers } from "./rest.ts";
import { Times } from "./times.ts";
import { Transcript } from "./transcript.ts";
import { Truth } from "./truth.ts";
import { Users } from "./users.ts";

export interface SimOptions {
  readonly seed: number | string;
  /** For how long users and faults act. */
  readonly chaosMs?: number;
  readonly mutant?: Mutant;
  /**
   * A world of nodes that are away for long, and of jobs that last and may restart elsewhere. One
   * in eight seeds is, unless said otherwise.
   */
  readonly away?: boolean;
}

const chaosMsDefault = 45_000;
/** After the world was healed, no such time may pass without an end of some job. */
const restMsMax = 240_000;
/** Then whatever still has a timer gets this long to let it pass: more than an agent's review. */
const calmMs = 65_000;
const pollMs = 1_000;
const gib = 1024 ** 3;
const unableWindowMs = 60_000;

export class Sim {
  readonly timeline: MemoryClock = createMemoryClock();
  readonly random: MemoryRandom;
  readonly transcript = new Transcript(this.timeline);
  readonly streams: StreamHub;
  readonly mutant: Mutant;
  readonly network: Network;
  readonly truth: Truth;
  readonly times = new Times(this);
  readonly nodes: readonly SimNode[];
  readonly head: SimHead;
  readonly log: Log;
  readonly users: Users;
  readonly faults: Faults;
  readonly power: Power;
  /** How many letters of others each actor lets wait. */
  readonly mailboxMax: number;
  /** The nodes' agents are of an earlier version than the head. */
  readonly earlierAgents: boolean;
  /** Events so far: timers that fired. */
  events = 0;
  /** The scheduler's, after its last turn. */
  scheduler: SchedulerState | undefined;
  readonly #options: Required<SimOptions>;
  readonly #latency: MemoryRandom;

  constructor(options: SimOptions) {
    const away = typeof options.seed === "number" && options.seed % 8 === 0;
    this.#options = { chaosMs: chaosMsDefault, mutant: noMutant, away, ...options };
    this.mutant = this.#options.mutant;
    this.random = createMemoryRandom(options.seed);
    this.#latency = this.random.fork("latency");
    this.log = this.#logOf();
    const sizes = this.random.fork("sizes");
    this.mailboxMax = sizes.unit() < 0.4 ? 1 + sizes.below(6) : 1_024;
    const windowBytes = sizes.unit() < 0.4 ? 16 + sizes.below(100) : 1024 ** 2;
    this.earlierAgents = sizes.unit() < 0.4;
    this.streams = createStreamHub({ limits: { windowBytes } });
    const nodes = randomNodes(this.random.fork("nodes"));
    const ids = nodes.map(({ id }) => id);
    this.network = new Network(this.timeline, this.random.fork("network"), ids);
    this.truth = this.#truthOf(nodes);
    this.nodes = nodes.map((node) => new SimNode(this, node));
    this.head = new SimHead(this);
    this.users = new Users(this, this.random.fork("users"));
    this.faults = new Faults(this, this.random.fork("faults"));
    this.power = new Power(this);
  }

  readonly observe = (report: TurnReport): void => {
    this.transcript.turn(report);
    if (report.address.kind !== "scheduler") return;
    this.scheduler = report.state as SchedulerState;
    this.times.turned(this.scheduler);
    this.mutant.observe(this.scheduler, report);
  };

  get away(): boolean {
    return this.#options.away;
  }

  say(text: string): void {
    this.transcript.say(text);
  }

  /** How long a disk or a process takes to answer. Often at once. */
  latencyMs(): number {
    return this.#latency.unit() < 0.7 ? 0 : 1 + this.#latency.below(3);
  }

  /** Clocks of machines gain or lose up to 3 %. */
  clockRate(machine: string): number {
    return 0.97 + this.random.fork(`rate of ${machine}`).unit() * 0.06;
  }

  /** Whether the scheduler takes no jobs. */
  get isClosed(): boolean {
    return this.scheduler?.closed !== undefined;
  }

  /** @throws BrokenPromise */
  async run(): Promise<void> {
    const undo = this.mutant.begin();
    try {
      await this.#run();
    } finally {
      undo();
    }
  }

  async #run(): Promise<void> {
    this.head.start();
    for (const node of this.nodes) node.start();
    this.users.begin();
    this.faults.begin();
    await this.pass(this.#options.chaosMs);
    this.say("---- the world is healed");
    this.users.end();
    this.faults.heal();
    await this.#rest();
    await this.pass(calmMs);
    await checkRest(this);
    if (this.truth.violations.length > 0) this.#fail(this.truth.violations);
  }

  /** Moves the timeline, one due item after the other. */
  async pass(ms: number): Promise<void> {
    await this.timeline.pass(ms, () => this.#settle());
  }

  onShutdown(verb: "stop" | "down"): void {
    this.say(`the cluster has been idle and is to ${verb}`);
    this.truth.shutdown();
    this.power.windDown(verb);
  }

  /** The head's actors crash again and again, so its process ends, and is started again. */
  onBroken(why: string): void {
    this.say(`the head is broken: ${why}`);
    if (!this.head.disk.hasFailed) this.truth.broken("no crash", why);
    this.timeline.after(0, () => {
      this.head.kill();
      this.timeline.after(500, () => this.head.start());
    });
  }

  /** The disk of its node is full: whoever started it tries again. */
  onAgentFailed(node: SimNode): void {
    this.say(`the agent of ${node.node.id} does not start: its disk is full`);
    this.timeline.after(0, () => {
      this.faults.takeDown(node, 1_000, () => node.kill());
    });
  }

  /** Everything that was started in reply to the last item has come as far as it can. */
  async #settle(): Promise<void> {
    this.events += 1;
    await turn();
    await turn();
    if (this.truth.violations.length > 0) this.#fail(this.truth.violations);
  }

  /** Every job must end by itself, but for those that were meant to run for ever. */
  async #rest(): Promise<void> {
    let { ended } = this.truth;
    for (let ms = 0; ms < restMsMax; ms += pollMs) {
      await this.pass(pollMs);
      if (leftovers(this).length === 0) return;
      if (this.truth.ended > ended) ms = 0;
      ended = this.truth.ended;
      this.users.cancelEndless(this.truth.jobs().filter(({ status }) => !isTerminal(status)));
    }
    this.#fail(leftovers(this).map((what) => ({ promise: "comes to rest", what })));
  }

  #fail(violations: readonly Violation[]): never {
    const { seed } = this.#options;
    const where = `SEED=${seed} after ${this.events} events; again: npm run sim -- --seed ${seed}`;
    const said = violations.map(({ what }) => what).join("\n");
    throw new BrokenPromise(violations, `${where}\n${this.transcript.story(said)}`);
  }

  #truthOf(nodes: readonly Node[]): Truth {
    return new Truth({
      nodes,
      say: (text) => this.say(text),
      unableMs: (node) => this.network.unableMs(node, unableWindowMs),
      headLog: (name) => this.head.disk.log(name),
      forget: (job) =>
        this.head.disk.forgetLogs((path) => Number.parseInt(nameIn(path), 10) <= job),
    });
  }

  /** What the actors log as an error is a bug of ours, but where a disk was full. */
  #logOf(): Log {
    const error = (message: string, fields?: LogFields): void => {
      const told = fields?.["error"] instanceof Error ? fields["error"].stack : "";
      const text = `${message} ${JSON.stringify(fields)} ${told}`;
      if (/no space/.test(text)) this.say(`error: ${text}`);
      else this.truth.broken("no crash", `logged as an error: ${text}`);
    };
    const warn = (message: string, fields?: LogFields): void => {
      this.say(`warning: ${message} ${JSON.stringify(fields)}`);
    };
    const log: Log = { debug: () => {}, info: () => {}, warn, error, child: () => log };
    return log;
  }
}

function randomNodes(random: MemoryRandom): readonly Node[] {
  return Array.from({ length: 2 + random.below(4) }, (_, index) => {
    const gpus = random.below(3);
    return {
      id: index === 0 ? "head" : `worker${index}`,
      ...{ index, ip: `10.0.0.${index + 1}` },
      capacity: {
        ...{ cpus: 2 + random.below(3), memoryBytes: 64 * gib },
        accelerators: gpus === 0 ? [] : [{ name: "V100", count: gpus }],
      },
    };
  });
}
