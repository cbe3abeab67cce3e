// What really happened in a simulated cluster, and the promises that it is held against.
//
// The machines tell of every process at once, the board of everything that was committed. Each is
// checked as it happens; a broken promise is a sentence in `violations`, and ends the run.

import type { Exit, Job, RankKey } from "../../../model/job.ts";
import { isTerminal, parseRankKey, rankKeyText } from "../../../model/job.ts";
import type { Node } from "../../../model/node.ts";
import type { MachineChange } from "../../../runtime/process-memory.ts";
import type { Announcement } from "../../../scheduler/board.ts";
import { cpusVariable, shareVariable } from "./tasks.ts";

/** One process as its machine knows it. */
interface Rank {
  readonly key: RankKey;
  readonly node: string;
  readonly env: Readonly<Record<string, string>>;
  starts: number;
  running: boolean;
  survivors: number;
  exit: Exit | undefined;
}

export interface TruthOptions {
  readonly nodes: readonly Node[];
  readonly say: (text: string) => void;
  /** For how long a node by itself could not be heard lately. */
  readonly unableMs: (node: string) => number;
}

/** Less than a node must be silent for to be lost, by what loss and delay may add to a spell. */
const unableMsMin = 3_000;
const roundingSlack = 1e-6;

export class Truth {
  readonly violations: string[] = [];
  readonly ranks = new Map<string, Rank>();
  readonly logs = new Map<string, Buffer>();
  /** Ids that a user was told. */
  readonly acknowledged = new Map<number, string>();
  /** Names of tasks that were refused, whenever they were asked for. */
  readonly #refused = new Set<string>();
  /** Those of `ranks` that run or have left something behind. */
  readonly #living = new Set<Rank>();
  readonly #options: TruthOptions;
  readonly #ended = new Map<number, string>();
  readonly #idOf = new Map<string, number>();
  readonly #jobs = new Map<number, Job>();

  constructor(options: TruthOptions) {
    this.#options = options;
  }

  broken(what: string): void {
    this.#options.say(`BROKEN: ${what}`);
    this.violations.push(what);
  }

  /** A machine tells. */
  changed(node: string, change: MachineChange): void {
    const name = change.dir.slice(change.dir.lastIndexOf("/") + 1);
    const key = parseRankKey(name);
    if (key === undefined) return;
    this.#options.say(`${node}: ${name} ${change.kind}${detail(change)}`);
    if (change.kind === "claimed") this.#claimed(node, key, change.spec.env);
    const rank = this.ranks.get(name);
    if (rank === undefined) return;
    if (change.kind === "started") this.#started(rank);
    if (change.kind === "ended") {
      rank.running = false;
      rank.exit = change.exit;
    }
    if (change.kind === "survivors") rank.survivors = change.count;
    if (rank.running || rank.survivors > 0) this.#living.add(rank);
    else this.#living.delete(rank);
  }

  wrote(name: string, bytes: Uint8Array): void {
    this.logs.set(name, Buffer.concat([this.logs.get(name) ?? Buffer.alloc(0), bytes]));
  }

  /** The head has more of a log. */
  shipped(name: string, offset: number, bytes: Uint8Array): void {
    const written = this.logs.get(name)?.subarray(offset, offset + bytes.length);
    if (written === undefined || !written.equals(bytes)) {
      this.broken(`the log of ${name} differs from ${offset} on`);
    }
  }

  announced({ jobs, nodes = [] }: Announcement): void {
    for (const job of jobs) this.#announcedJob(job);
    for (const { id, phase } of nodes) {
      if (phase !== "lost" || this.#options.unableMs(id) >= unableMsMin) continue;
      this.broken(`${id} is called lost, but for no fault of its own`);
    }
  }

  /** A user was told these ids for these tasks. */
  acknowledge(ids: readonly number[], names: readonly string[]): void {
    for (const [at, id] of ids.entries()) {
      const name = names[at] ?? "?";
      const before = this.acknowledged.get(id);
      if (before !== undefined && before !== name) this.broken(`id ${id} is ${before} and ${name}`);
      this.acknowledged.set(id, name);
      this.#refused.delete(name);
    }
  }

  /** A user was told that nothing was taken. What was promised before cannot be refused. */
  refuse(names: readonly string[]): void {
    const promised = new Set(this.acknowledged.values());
    for (const name of names) {
      if (promised.has(name)) this.broken(`${name} was acknowledged, and refused when asked again`);
      this.#refused.add(name);
    }
  }

  /** A head has started: it must know all that an earlier one promised. */
  remembered(known: readonly Job[]): void {
    const ids = new Map(known.map((job) => [job.id, job]));
    for (const [id, name] of this.acknowledged) {
      if (ids.get(id)?.name !== name)
        this.broken(`job ${id} (${name}) was acknowledged and is lost`);
    }
    for (const [id, end] of this.#ended) {
      const job = ids.get(id);
      if (job === undefined || endText(job) !== end) this.broken(`the end of job ${id} is lost`);
    }
  }

  /** The cluster is to be shut down because it is idle. */
  shutdown(): void {
    for (const job of this.#jobs.values()) {
      if (!isTerminal(job.status)) this.broken(`a shutdown while job ${job.id} is ${job.phase}`);
    }
  }

  jobs(): readonly Job[] {
    return [...this.#jobs.values()];
  }

  /** What must be so when everything was healed and every job has ended. */
  settled(): void {
    for (const { name, id } of this.#jobs.values()) {
      if (this.#refused.has(name)) this.broken(`job ${id} (${name}) was refused and exists`);
    }
    for (const [name, rank] of this.ranks) {
      if (rank.running) this.broken(`${name} still runs on ${rank.node}`);
      const job = this.#jobs.get(rank.key.job);
      // A successful job is not swept: what it left behind on purpose stays.
      if (rank.survivors > 0 && job?.status !== "SUCCEEDED") {
        this.broken(`${name} left a process on ${rank.node}`);
      }
    }
  }

  #claimed(node: string, key: RankKey, env: Rank["env"]): void {
    const name = rankKeyText(key);
    const before = this.ranks.get(name);
    if (before !== undefined && before.starts > 0) {
      this.broken(`${name} is prepared on ${node} after it ran on ${before.node}`);
    }
    this.ranks.set(name, {
      ...{ key, node, env, starts: before?.starts ?? 0, running: false, survivors: 0 },
      exit: undefined,
    });
  }

  #started(rank: Rank): void {
    const name = rankKeyText(rank.key);
    rank.starts += 1;
    rank.running = true;
    this.#living.add(rank);
    if (rank.starts > 1) this.broken(`${name} started ${rank.starts} times`);
    if (rank.key.phase === "setup") return;
    this.#checkBarrier(rank, name);
    for (const other of this.#living) {
      if (other.key.job === rank.key.job && other.key.attempt !== rank.key.attempt) {
        this.broken(`${name} starts beside ${rankKeyText(other.key)} on ${other.node}`);
      }
    }
    this.#checkNode(rank.node);
  }

  #checkBarrier({ key, env }: Rank, name: string): void {
    const count = Number(env["SKYPILOT_NUM_NODES"]);
    for (let index = 0; index < count; index += 1) {
      const peer = rankKeyText({ ...key, index });
      if (!this.ranks.has(peer)) this.broken(`${name} starts and ${peer} was never ready`);
    }
    const end = this.#ended.get(key.job);
    if (end !== undefined) this.broken(`${name} starts after its job ended: ${end}`);
  }

  /** No device and no core is given twice. */
  #checkNode(node: string): void {
    const devices = new Map<string, number>();
    let cpus = 0;
    for (const { key, node: where, env, running } of this.#living) {
      if (where !== node || !running || key.phase === "setup") continue;
      cpus += Number(env[cpusVariable]);
      for (const device of (env["CUDA_VISIBLE_DEVICES"] ?? "").split(",")) {
        if (device === "") continue;
        devices.set(device, (devices.get(device) ?? 0) + Number(env[shareVariable]));
      }
    }
    const has = this.#options.nodes.find(({ id }) => id === node)?.capacity.cpus ?? 0;
    if (cpus > has + roundingSlack) this.broken(`${node} has ${has} cores and gave ${cpus}`);
    for (const [device, share] of devices) {
      if (share > 1 + roundingSlack) this.broken(`device ${device} of ${node} is held by two jobs`);
    }
  }

  #announcedJob(job: Job): void {
    this.#jobs.set(job.id, job);
    const known = this.#idOf.get(job.name);
    if (known !== undefined && known !== job.id) {
      this.broken(`${job.name} was submitted once and is job ${known} and job ${job.id}`);
    }
    this.#idOf.set(job.name, job.id);
    this.#checkGang(job);
    const before = this.#ended.get(job.id);
    const end = endText(job);
    if (before !== undefined && before !== end) {
      this.broken(`job ${job.id} ended as ${before} and is ${end}`);
    }
    if (!isTerminal(job.status) || before !== undefined) return;
    this.#ended.set(job.id, end);
    this.#options.say(`job ${job.id} ended: ${end}`);
    this.#checkEnd(job);
  }

  /** A gang that runs is whole, each rank on a node of its own. */
  #checkGang({ id, phase, numNodes, ranks }: Job): void {
    if (phase !== "running" && phase !== "starting") return;
    const nodes = new Set(ranks.map(({ node }) => node));
    if (ranks.length !== numNodes || nodes.size !== numNodes) {
      this.broken(`job ${id} is ${phase} with ${ranks.length} ranks on ${nodes.size} nodes`);
    }
  }

  /** How a job ended is how its processes ended. */
  #checkEnd({ id, attempt, ranks, reason }: Job): void {
    const truth = (index: number): Rank | undefined =>
      this.ranks.get(rankKeyText({ job: id, attempt, phase: "run", index }));
    if (reason?.code === "all-ranks-exited-0") {
      for (const { rank } of ranks) {
        const exit = truth(rank)?.exit;
        const well = exit?.kind === "code" && exit.code === 0;
        if (!well) this.broken(`job ${id} succeeded and rank ${rank}: ${JSON.stringify(exit)}`);
      }
    }
    if (reason?.code !== "rank-failed" && reason?.code !== "exit-unknown") return;
    const { exit, starts = 0 } = truth(Number(reason.params["rank"])) ?? {};
    const isUnknown = exit === undefined ? starts === 0 : exit.kind === "unknown";
    const failed = reason.code === "rank-failed" ? isFailure(exit) : isUnknown;
    if (!failed) this.broken(`job ${id} ended ${reason.code}, but truly ${JSON.stringify(exit)}`);
  }
}

function isFailure(exit: Exit | undefined): boolean {
  return exit !== undefined && !(exit.kind === "code" && exit.code === 0);
}

function endText({ status, reason, attempt }: Job): string {
  return `${status} in attempt ${attempt}: ${JSON.stringify(reason)}`;
}

function detail(change: MachineChange): string {
  if (change.kind === "ended") return ` ${JSON.stringify(change.exit)}`;
  return change.kind === "survivors" ? ` ${change.count}` : "";
}
