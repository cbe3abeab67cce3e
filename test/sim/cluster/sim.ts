// A whole cluster in one process: the production actors of head and nodes on a seeded world.
//
//     timeline ─ due items in order; after each, all promises run; then the promises are checked
//     network  ─ the bus in memory under a policy      truth ─ what the machines and the board say
//     users, faults ─ act on the timeline until the world is healed and must come to rest
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
import { createStreamHub } from "../../../runtime/stream-memory.ts";
import type { SchedulerState } from "../../../scheduler/table.ts";
import { Faults } from "./faults.ts";
import { SimHead } from "./head.ts";
import type { Mutant } from "./mutant.ts";
import { noMutant } from "./mutant.ts";
import { Network } from "./network.ts";
import { SimNode } from "./node.ts";
import { Transcript } from "./transcript.ts";
import { Truth } from "./truth.ts";
import { Users } from "./users.ts";

export interface SimOptions {
  readonly seed: number | string;
  /** For how long users and faults act. */
  readonly chaosMs?: number;
  readonly mutant?: Mutant;
}

/** A promise that was broken, with the seed and the end of the transcript. */
export class BrokenPromise extends Error {}

const chaosMsDefault = 45_000;
/** Everything must have come to rest so long after the world was healed. */
const restMsMax = 240_000;
const pollMs = 1_000;
const gib = 1024 ** 3;
const unableWindowMs = 60_000;

export class Sim {
  readonly timeline: MemoryClock = createMemoryClock();
  readonly random: MemoryRandom;
  readonly transcript = new Transcript(this.timeline);
  readonly streams = createStreamHub();
  readonly mutant: Mutant;
  readonly network: Network;
  readonly truth: Truth;
  readonly nodes: readonly SimNode[];
  readonly head: SimHead;
  readonly log: Log;
  readonly users: Users;
  readonly faults: Faults;
  /** Events so far: timers that fired. */
  events = 0;
  #scheduler: SchedulerState | undefined;
  readonly #options: Required<SimOptions>;
  readonly #latency: MemoryRandom;

  constructor(options: SimOptions) {
    this.#options = { chaosMs: chaosMsDefault, mutant: noMutant, ...options };
    this.mutant = this.#options.mutant;
    this.random = createMemoryRandom(options.seed);
    this.#latency = this.random.fork("latency");
    this.log = this.#logOf();
    const nodes = randomNodes(this.random.fork("nodes"));
    const ids = nodes.map(({ id }) => id);
    this.network = new Network(this.timeline, this.random.fork("network"), ids);
    this.truth = new Truth({
      nodes,
      say: (text) => this.say(text),
      unableMs: (node) => this.network.unableMs(node, unableWindowMs),
    });
    this.nodes = nodes.map((node) => new SimNode(this, node));
    this.head = new SimHead(this);
    this.users = new Users(this, this.random.fork("users"));
    this.faults = new Faults(this, this.random.fork("faults"));
  }

  readonly observe = (report: TurnReport): void => {
    this.transcript.turn(report);
    if (report.address.kind !== "scheduler") return;
    this.#scheduler = report.state as SchedulerState;
    this.mutant.observe(this.#scheduler, report);
  };

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

  /** @throws BrokenPromise */
  async run(): Promise<void> {
    this.head.start();
    for (const node of this.nodes) node.start();
    this.users.begin();
    this.faults.begin();
    await this.pass(this.#options.chaosMs);
    this.say("---- the world is healed");
    this.users.end();
    this.faults.heal();
    await this.#rest();
    await this.pass(15_000);
    await this.#checkRest();
  }

  /** Moves the timeline, one due item after the other. */
  async pass(ms: number): Promise<void> {
    await this.timeline.pass(ms, () => this.#settle());
  }

  onShutdown(verb: string): void {
    this.say(`the cluster is to ${verb}`);
    this.truth.shutdown();
    this.users.reopen();
  }

  /** The head's actors crash again and again, so its process ends, and is started again. */
  onBroken(why: string): void {
    this.say(`the head is broken: ${why}`);
    if (!this.faults.diskFailed) this.truth.broken(why);
    this.faults.diskFailed = false;
    this.timeline.after(0, () => {
      this.head.kill();
      this.timeline.after(500, () => this.head.start());
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
    for (let ms = 0; ms < restMsMax; ms += pollMs) {
      await this.pass(pollMs);
      const left = this.truth.jobs().filter(({ status }) => !isTerminal(status));
      if (left.length === 0 && this.users.waiting().length === 0) return;
      this.users.cancelEndless(left);
    }
    const left = this.truth.jobs().filter(({ status }) => !isTerminal(status));
    const texts = left.map(({ id, phase, waitingFor }) => `${id} ${phase} ${waitingFor ?? ""}`);
    this.#fail([`jobs that do not end: ${texts.join("; ")}`, ...this.users.waiting()]);
  }

  async #checkRest(): Promise<void> {
    this.truth.settled();
    const systems = [this.head.system, ...this.nodes.map(({ system }) => system)];
    for (const actor of systems.flatMap((system) => system?.inspect() ?? [])) {
      const { address, mailboxCount, commitsPending } = actor;
      if (mailboxCount + commitsPending === 0) continue;
      this.truth.broken(`${address.node}/${address.kind} has not come to rest`);
    }
    const state = this.#scheduler;
    if (state === undefined || !state.placer.ledger.isEmpty()) this.truth.broken("nodes are held");
    for (const { node, ghosts } of state?.nodes ?? []) {
      if (ghosts.size > 0) this.truth.broken(`${node.id} is haunted by ${[...ghosts].join(", ")}`);
    }
    const secrets = await this.head.secretsLeft();
    if (secrets.length > 0) this.truth.broken(`secrets are left: ${secrets.join(", ")}`);
    if (this.truth.violations.length > 0) this.#fail(this.truth.violations);
  }

  #fail(why: readonly string[]): never {
    const { seed } = this.#options;
    const text = `${why.join("\n")}\nSEED=${seed} after ${this.events} events`;
    throw new BrokenPromise(`${text}\n${this.transcript.tail()}`);
  }

  /** What the actors log as an error is a bug of ours. */
  #logOf(): Log {
    const error = (message: string, fields?: LogFields): void => {
      const told = fields?.["error"] instanceof Error ? fields["error"].stack : "";
      this.truth.broken(`logged as an error: ${message} ${JSON.stringify(fields)} ${told}`);
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
