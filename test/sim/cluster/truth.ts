// What really happened in a simulated cluster, and the promises that it is held against.
//
// The machines tell of every process at once, the board of everything that was committed, the disk
// of every byte of a log. Each is checked as it happens; a broken promise ends the run. Only the
// last so many jobs are remembered, so that a simulated day fits into memory.

import type { Exit, Job, RankKey } from "../../../model/job.ts";
import { isTerminal, parseRankKey, rankKeyText } from "../../../model/job.ts";
import type { Node } from "../../../model/node.ts";
import type { MachineChange } from "../../../runtime/process-memory.ts";
import type { Announcement } from "../../../scheduler/board.ts";
import type { LogChunk } from "../../../scheduler/log-store.ts";
import type { PromiseName, Violation } from "../promises.ts";
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
  log: Buffer;
  /** The node was lost or switched off with it: what the head did not have by then may be gone. */
  cut: boolean;
}

export interface TruthOptions {
  readonly nodes: readonly Node[];
  readonly say: (text: string) => void;
  /** For how long a node by itself could not be heard lately. */
  readonly unableMs: (node: string) => number;
  /** What the head has on disk of a log. */
  readonly headLog: (name: string) => Buffer;
  /** Forgets what the world keeps of jobs up to this one. */
  readonly forget: (job: number) => void;
}

/** Less than a node must be silent for to be lost, by what loss and delay may add to a spell. */
const unableMsMin = 3_000;
const roundingSlack = 1e-6;
/** Jobs that are remembered. More than are ever under way. */
const jobsMax = 1_000;

export class Truth {
  readonly violations: Violation[] = [];
  readonly ranks = new Map<string, Rank>();
  /** Ids that a user was told. */
  readonly acknowledged = new Map<number, string>();
  /** How many jobs ended. */
  ended = 0;
  /** Names of tasks that were refused, whenever they were asked for. */
  readonly #refused = new Set<string>();
  /** Those of `ranks` that run or have left something behind. */
  readonly #living = new Set<Rank>();
  readonly #options: TruthOptions;
  readonly #ends = new Map<number, string>();
  readonly #idOf = new Map<string, number>();
  readonly #jobs = new Map<number, Job>();
  #forgotten = 0;

  constructor(options: TruthOptions) {
    this.#options = options;
  }

  broken(promise: PromiseName, what: string): void {
    this.#options.say(`BROKEN (${promise}): ${what}`);
    this.violations.push({ promise, what });
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
    const rank = this.ranks.get(name);
    if (rank !== undefined) rank.log = Buffer.concat([rank.log, bytes]);
  }

  /** A node is lost, or its disk is: its logs go as far as the head has them. */
  cutOff(node: string): void {
    for (const [name, rank] of this.ranks) {
      const isKept = this.#options.headLog(name).length === rank.log.length;
      if (rank.node === node && !(isKept && !rank.running)) rank.cut = true;
    }
  }

  /** Somebody has more of a log. */
  shipped(who: "the head" | "a follower", name: string, { offset, bytes }: LogChunk): void {
    const log = this.ranks.get(name)?.log;
    if (log === undefined) return;
    if (log.subarray(offset, offset + bytes.length).equals(bytes)) return;
    this.broken("whole log", `${who} has another log of ${name} than was written, from ${offset}`);
  }

  /** Somebody followed a log and was told that this is its end. */
  followed(name: string, endsAt: number): void {
    const rank = this.ranks.get(name);
    const length = this.#promisedLength(name);
    if (rank === undefined || length === undefined || endsAt === length) return;
    this.broken(
      "whole log",
      `the log of ${name} ends at ${length}, and for a follower at ${endsAt}`,
    );
  }

  announced({ jobs, nodes = [] }: Announcement): void {
    for (const job of jobs) this.#announcedJob(job);
    for (const { id, phase } of nodes) {
      if (phase === "lost") this.cutOff(id);
      if (phase !== "lost" || this.#options.unableMs(id) >= unableMsMin) continue;
      this.broken("node faith", `${id} is called lost, but for no fault of its own`);
    }
  }

  /** A user was told these ids for these tasks. */
  acknowledge(ids: readonly number[], names: readonly string[]): void {
    for (const [at, id] of ids.entries()) {
      const name = names[at] ?? "?";
      const before = this.acknowledged.get(id);
      if (before !== undefined && before !== name) {
        this.broken("one record", `id ${id} is ${before} and ${name}`);
      }
      if (id <= this.#forgotten) continue;
      this.acknowledged.set(id, name);
      this.#refused.delete(name);
    }
  }

  /** A user was told that nothing was taken. What was promised before cannot be refused. */
  refuse(names: readonly string[]): void {
    const promised = new Set(this.acknowledged.values());
    for (const name of names) {
      if (promised.has(name)) {
        this.broken("one record", `${name} was acknowledged, and refused when asked again`);
      }
      this.#refused.add(name);
    }
  }

  /** A head has started: it must know all that an earlier one promised. */
  remembered(known: readonly Job[]): void {
    const ids = new Map(known.map((job) => [job.id, job]));
    for (const [id, name] of this.acknowledged) {
      if (ids.get(id)?.name === name) continue;
      this.broken("one record", `job ${id} (${name}) was acknowledged and is lost`);
    }
    for (const [id, end] of this.#ends) {
      const job = ids.get(id);
      if (job !== undefined && endText(job) === end) continue;
      this.broken("one end", `the end of job ${id} is lost`);
    }
  }

  /** The cluster is to be shut down because it is idle. */
  shutdown(): void {
    for (const job of this.#jobs.values()) {
      if (isTerminal(job.status)) continue;
      this.broken("busy stays", `a shutdown while job ${job.id} is ${job.phase}`);
    }
  }

  /** The cluster was closed: every job has ended, and its nodes are switched off next. */
  closed(): void {
    this.shutdown();
    for (const rank of this.#living) {
      const job = this.#jobs.get(rank.key.job);
      const isDoubted = job?.sweeps.some(({ unproven }) => unproven.length > 0);
      const mayStay = job?.status === "SUCCEEDED" && !rank.running;
      if (mayStay || isDoubted) continue;
      const what = `${rankKeyText(rank.key)} lives on ${rank.node} when the cluster is closed`;
      this.broken("nothing left", what);
    }
  }

  /** The cluster is gone, and what is asked for from now on is asked of another. */
  down(): void {
    if (this.#living.size > 0) this.broken("nothing left", "a process lives after `down`");
    this.ranks.clear();
    for (const kept of [this.acknowledged, this.#ends, this.#idOf, this.#jobs]) kept.clear();
    this.#refused.clear();
    this.#forgotten = 0;
  }

  /** Whether a log may go no further than the head has it. */
  isCut(name: string): boolean {
    return this.ranks.get(name)?.cut ?? false;
  }

  /** Whether some log of this job may. */
  hasCuts(job: number): boolean {
    return [...this.ranks.values()].some(({ key, cut }) => key.job === job && cut);
  }

  jobs(): readonly Job[] {
    return [...this.#jobs.values()];
  }

  /** What must be so when everything was healed and every job has ended. */
  settled(): void {
    for (const { name, id } of this.#jobs.values()) {
      if (this.#refused.has(name)) {
        this.broken("one record", `job ${id} (${name}) was refused and exists`);
      }
    }
    for (const [name, rank] of this.ranks) {
      if (rank.running) this.broken("nothing left", `${name} still runs on ${rank.node}`);
      const job = this.#jobs.get(rank.key.job);
      // A successful job is not swept: what it left behind on purpose stays.
      if (rank.survivors > 0 && job?.status !== "SUCCEEDED") {
        this.broken("nothing left", `${name} left a process on ${rank.node}`);
      }
      const promised = this.#promisedLength(name);
      const kept = this.#options.headLog(name).length;
      if (promised !== undefined && kept !== promised) {
        this.broken("whole log", `the head has ${kept} of ${promised} bytes of ${name}`);
      }
    }
  }

  /** How long the log must be for everybody; `undefined` where a loss was told of. */
  #promisedLength(name: string): number | undefined {
    const rank = this.ranks.get(name);
    if (rank === undefined || rank.cut || rank.starts === 0) return undefined;
    const job = this.#jobs.get(rank.key.job);
    if (job === undefined || job.attempt !== rank.key.attempt) return undefined;
    const { phase, index } = rank.key;
    const record = (phase === "setup" ? job.setups : job.ranks).find((one) => one.rank === index);
    // Without a length on record nobody knows how far it goes: its node was lost or restarted.
    const isKnown = record?.exit?.kind === "code" || record?.exit?.kind === "signal";
    return isKnown ? record?.logBytes : undefined;
  }

  #claimed(node: string, key: RankKey, env: Rank["env"]): void {
    const name = rankKeyText(key);
    const before = this.ranks.get(name);
    if (before !== undefined && before.starts > 0) {
      this.broken("one start", `${name} is prepared on ${node} after it ran on ${before.node}`);
    }
    this.ranks.set(name, {
      ...{ key, node, env, starts: before?.starts ?? 0, running: false, survivors: 0 },
      ...{ exit: undefined, log: Buffer.alloc(0), cut: false },
    });
  }

  #started(rank: Rank): void {
    const name = rankKeyText(rank.key);
    rank.starts += 1;
    rank.running = true;
    this.#living.add(rank);
    if (rank.starts > 1) this.broken("one start", `${name} started ${rank.starts} times`);
    if (rank.key.phase === "setup") return;
    this.#checkBarrier(rank, name);
    for (const other of this.#living) {
      if (other.key.job === rank.key.job && other.key.attempt !== rank.key.attempt) {
        const beside = `${rankKeyText(other.key)} on ${other.node}`;
        this.broken("no overlap", `${name} starts beside ${beside}`);
      }
    }
    this.#checkNode(rank.node);
  }

  #checkBarrier({ key, env, node }: Rank, name: string): void {
    const count = Number(env["SKYPILOT_NUM_NODES"]);
    for (let index = 0; index < count; index += 1) {
      const peer = rankKeyText({ ...key, index });
      if (this.ranks.has(peer)) continue;
      this.broken("whole gang", `${name} starts and ${peer} was never ready`);
    }
    const end = this.#ends.get(key.job);
    const sweeps = this.#jobs.get(key.job)?.sweeps ?? [];
    // Where the record says that its node could not be asked, an order may still be on its way.
    const isDoubted = sweeps.some((sweep) => sweep.node === node && sweep.unproven.length > 0);
    if (end === undefined || isDoubted) return;
    this.broken("one start", `${name} starts after its job ended: ${end}`);
  }

  /** No device and no core is given twice. */
  #checkNode(node: string): void {
    const devices = new Map<string, number>();
    let cpus = 0;
    for (const { key, node: where, env, running } of this.#living) {
      if (where !== node || !running || key.phase === "setup") continue;
      cpus += Number(env[cpusVariable]);
      const share = Number(env[shareVariable]);
      const visible = (env["CUDA_VISIBLE_DEVICES"] ?? "").split(",").filter((one) => one !== "");
      for (const one of visible) devices.set(one, (devices.get(one) ?? 0) + share);
    }
    const has = this.#options.nodes.find(({ id }) => id === node)?.capacity.cpus ?? 0;
    if (cpus > has + roundingSlack)
      this.broken("own share", `${node} has ${has}, runs ${cpus} cpus`);
    for (const [device, share] of devices) {
      if (share <= 1 + roundingSlack) continue;
      this.broken("own share", `device ${device} of ${node} is held by two jobs`);
    }
  }

  #announcedJob(job: Job): void {
    if (job.id <= this.#forgotten) return;
    this.#jobs.set(job.id, job);
    const known = this.#idOf.get(job.name);
    if (known !== undefined && known !== job.id) {
      const what = `${job.name} was submitted once and is job ${known} and job ${job.id}`;
      this.broken("one record", what);
    }
    this.#idOf.set(job.name, job.id);
    this.#checkGang(job);
    const before = this.#ends.get(job.id);
    const end = endText(job);
    if (before !== undefined && before !== end) {
      this.broken("one end", `job ${job.id} ended as ${before} and is ${end}`);
    }
    if (!isTerminal(job.status) || before !== undefined) return;
    this.#ends.set(job.id, end);
    this.ended += 1;
    this.#options.say(`job ${job.id} ended: ${end}`);
    this.#checkEnd(job);
    if (this.#jobs.size > jobsMax) this.#forgetOldest();
  }

  /** A gang that runs is whole, each rank on a node of its own. */
  #checkGang({ id, phase, numNodes, ranks }: Job): void {
    if (phase !== "running" && phase !== "starting") return;
    const nodes = new Set(ranks.map(({ node }) => node));
    if (ranks.length === numNodes && nodes.size === numNodes) return;
    const what = `job ${id} is ${phase} with ${ranks.length} ranks on ${nodes.size} nodes`;
    this.broken("whole gang", what);
  }

  /** How a job ended is how its processes ended. */
  #checkEnd({ id, attempt, ranks, reason }: Job): void {
    const truth = (index: number): Rank | undefined =>
      this.ranks.get(rankKeyText({ job: id, attempt, phase: "run", index }));
    if (reason?.code === "all-ranks-exited-0") {
      for (const { rank } of ranks) {
        const exit = truth(rank)?.exit;
        const well = exit?.kind === "code" && exit.code === 0;
        const what = `job ${id} succeeded and rank ${rank}: ${JSON.stringify(exit)}`;
        if (!well) this.broken("true end", what);
      }
    }
    if (reason?.code !== "rank-failed" && reason?.code !== "exit-unknown") return;
    const { exit, starts = 0, cut = false } = truth(Number(reason.params["rank"])) ?? {};
    const isUnknown = cut || (exit === undefined ? starts === 0 : exit.kind === "unknown");
    const failed = reason.code === "rank-failed" ? isFailure(exit) : isUnknown;
    if (failed) return;
    this.broken("true end", `job ${id} ended ${reason.code}, but truly ${JSON.stringify(exit)}`);
  }

  /** Lets go of the oldest jobs, as long as nothing of them lives. */
  #forgetOldest(): void {
    const alive = new Set([...this.#living].map(({ key }) => key.job));
    for (const [id, job] of this.#jobs) {
      if (this.#jobs.size <= jobsMax / 2 || !isTerminal(job.status) || alive.has(id)) break;
      this.#jobs.delete(id);
      this.#idOf.delete(job.name);
      this.#ends.delete(id);
      this.acknowledged.delete(id);
      this.#forgotten = id;
    }
    for (const [name, { key }] of this.ranks) {
      if (key.job <= this.#forgotten) this.ranks.delete(name);
    }
    this.#refused.clear();
    this.#options.forget(this.#forgotten);
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
