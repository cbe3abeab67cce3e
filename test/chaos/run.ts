// One run of chaos: a plan is carried out against real processes, then everything heals, every job
// comes to its end, everything is taken down, and the audit looks at what is left.
//
// Bounded everywhere: a run that does not come to rest is a finding, and what it started is ended
// by pid. A failed run keeps its folder: transcript, faults, queue, logs, journal.

import { writeFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { errorText } from "../../model/errors.ts";
import { until } from "../support/programs.ts";
import { audit } from "./audit.ts";
import { leavesIn, removeCgroup } from "./cgroup.ts";
import type { Evidence } from "./evidence.ts";
import { busAt, type Ground, openGround } from "./ground.ts";
import { filesLeft, isListenedAt, isPopulated, processesLeft, skyletGroups } from "./left.ts";
import { Load } from "./load.ts";
import { type Member, membersOf } from "./members.ts";
import * as plans from "./plan.ts";
import { places } from "./rank-script.ts";
import { Samples, sampleOf } from "./samples.ts";
import { kill, Strikes } from "./strikes.ts";
import { outcomesText } from "./summary.ts";
import { Witnesses } from "./witnesses.ts";

export interface ChaosOptions extends plans.PlanOptions {
  readonly say: (text: string) => void;
}

const settleMs = 90_000;
const roundMs = 600_000;
const endMs = 20_000;
const commandTriesMax = 5;
const againMs = 300;
const descriptorsSpare = 16;

/** Everything that was promised and not kept. */
export async function runChaos(options: ChaosOptions): Promise<readonly string[]> {
  const ground = await openGround();
  const run = new Run(options, ground);
  try {
    await run.all();
  } catch (error) {
    run.find(`the run broke off: ${errorText(error)}`);
  }
  const { findings } = run;
  await run.endAll();
  await ground.close();
  if (typeof ground.cgroup !== "string") removeCgroup(ground.cgroup.path);
  if (findings.length === 0) ground.remove();
  else run.keep();
  return findings;
}

class Run {
  readonly findings: string[] = [];
  readonly #options: ChaosOptions;
  readonly #plan: plans.Plan;
  readonly #ground: Ground;
  readonly #spared = new Set<string>();
  readonly #samples: Samples;
  readonly #strikes: Strikes;
  readonly #witnesses: Witnesses;
  readonly #load: Load;
  readonly #giveUp = new AbortController();
  readonly #transcript: string[] = [];
  readonly #earlier: string[] = [];
  readonly #groupsBefore = skyletGroups();
  #processesMost = 0;
  #startedAt = performance.now();

  constructor(options: ChaosOptions, ground: Ground) {
    const say = (text: string) => this.#say(text);
    this.#options = options;
    this.#plan = plans.planOf(options);
    this.#ground = ground;
    this.#samples = new Samples(() => this.#sampled());
    this.#strikes = new Strikes({ ground, say, spared: this.#spared });
    this.#witnesses = new Witnesses(ground);
    const { folder, clientHome } = ground;
    const { seed } = options;
    this.#load = new Load({ folder, clientHome, seed, say, signal: this.#giveUp.signal });
  }

  async all(): Promise<void> {
    const { seed, seconds, rounds = 0, jobs: perRound = 100 } = this.#options;
    const { cgroup } = this.#ground;
    const { clusters, jobs, faults } = this.#plan;
    this.#say(`seed ${seed}: ${jobs.length} jobs and ${faults.length} faults in ${seconds} s`);
    this.#say(`then ${rounds} rounds of ${perRound} jobs; folder ${this.#ground.folder}`);
    if (typeof cgroup === "string") {
      this.#say(`no cgroup of its own (${cgroup}): who hides his environment cannot be found`);
    } else this.#say(`cgroup ${cgroup.path}`);
    for (const { name, numNodes } of clusters) {
      await this.#sky("launch", "-y", "-c", name, "--num-nodes", `${numNodes}`, "--cpus", "8");
    }
    try {
      if (seconds > 0) await this.#storm();
      for (let round = 0; round < rounds; round += 1) await this.#round(round);
      await this.#look();
    } finally {
      this.#load.close();
      this.#samples.stop();
    }
    for (const line of this.#samples.lines()) this.#say(line);
    for (const found of this.#samples.grown()) this.find(found);
    await this.#takeDown();
  }

  /** Load and faults, each at its time; then nothing breaks any more, and every job must end. */
  async #storm(): Promise<void> {
    const { clusters, jobs, faults } = this.#plan;
    this.#startedAt = performance.now();
    const gates = clusters.map((shape) =>
      plans.witness(`waits-${shape.name}`, plans.shapeOf(shape)),
    );
    for (const job of gates) await this.#begin(job);
    this.#startedAt = performance.now();
    await Promise.all([
      this.#each(jobs, (job) => this.#load.run(job)),
      this.#each(faults, (fault) => this.#strikes.inflict(fault)),
    ]);
    await this.#rest(gates, settleMs);
  }

  /** Many jobs in one call, and a random process killed again and again until all are over. */
  async #round(round: number): Promise<void> {
    const { seed, killsMax = Number.POSITIVE_INFINITY } = this.#options;
    const jobs = plans.roundJobs(this.#options, round);
    const gate = plans.witness(`round-${round}-waits`, {
      cluster: plans.steadyCluster,
      numNodes: 2,
    });
    await this.#begin(gate);
    const startedAt = performance.now();
    const ids = await this.#load.submit(`round-${round}`, jobs);
    for (const id of ids.filter((_, index) => index % followEvery === 0)) {
      this.#load.follow(plans.steadyCluster, id);
    }
    const over = this.#load.over(plans.steadyCluster, ids).then(() => true);
    const kills = plans.roundKills(seed, round);
    let killed = 0;
    for (;;) {
      const isOver = await Promise.race([over, pause(plans.killEveryMs, false)]);
      if (isOver) break;
      if (performance.now() - startedAt > roundMs) throw new Error(`round ${round} does not end`);
      if (killed === killsMax) continue;
      this.#strikes.inflict(kills.next().value as plans.Fault);
      killed += 1;
    }
    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
    this.#say(`round ${round}: ${ids.length} jobs are over after ${seconds} s, ${killed} kills`);
    await this.#rest([gate], settleMs);
    this.#earlier.push(await this.#sky("queue", "-a", "-o", "json"));
  }

  /** Submits a job that waits, and starts its followers, before anything is struck. */
  async #begin(job: plans.PlannedJob): Promise<void> {
    const id = await this.#load.begin(job);
    if (job.cluster === plans.steadyCluster) this.#spared.add(`${job.cluster}-${id}`);
    await this.#witnesses.follow(job.cluster, id);
  }

  async #each<T>(timed: readonly plans.Timed<T>[], act: (what: T) => void): Promise<void> {
    for (const { atMs, what } of timed) {
      await pause(Math.max(0, atMs - (performance.now() - this.#startedAt)));
      act(what);
    }
  }

  /** Nothing breaks any more: every job must come to its end, every follower too. */
  async #rest(gates: readonly plans.PlannedJob[], ms: number): Promise<void> {
    await this.#strikes.healed();
    this.#say("nothing breaks any more");
    await this.#sky("status");
    for (const gate of gates) this.#load.openGate(gate);
    const late = setTimeout(() => this.#giveUp.abort(), ms);
    await this.#load.ended();
    if (!this.#giveUp.signal.aborted) await this.#witnesses.ended();
    clearTimeout(late);
    if (this.#giveUp.signal.aborted) throw new Error(`not all ended within ${ms} ms`);
    this.#say(`${this.#load.acknowledged.length} jobs have been followed to their end`);
  }

  async #look(): Promise<void> {
    const { folder } = this.#ground;
    const queue = await this.#sky("queue", "-a", "-o", "json");
    const evidence = this.#evidence(queue);
    writeFileSync(`${folder}/queue.json`, queue);
    writeFileSync(`${folder}/hits.json`, JSON.stringify(evidence.hits, undefined, 1));
    writeFileSync(`${folder}/acknowledged.json`, JSON.stringify(evidence.acknowledged));
    for (const line of outcomesText(evidence)) this.#say(line);
    for (const found of audit(evidence)) this.find(found);
    for (const found of [...this.#load.problems, ...this.#strikes.problems]) this.find(found);
    await this.#compareWithFresh();
  }

  #evidence(queue: string): Evidence {
    const { folder } = this.#ground;
    const { acknowledged, following, told } = this.#load;
    return {
      ...{ acknowledged, following, told, queue, earlier: this.#earlier },
      ...{ side: this.#load.side(), printed: this.#witnesses.printed, hits: this.#strikes.hits },
      written: `${folder}/${places.written}`,
      onNode: `${folder}/${places.onNode}`,
      followed: `${folder}/${places.followed}`,
    };
  }

  /** What a head and its skylets hold after all their work is what fresh ones hold. */
  async #compareWithFresh(): Promise<void> {
    const before = this.#held();
    const [old] = this.#members("head");
    if (old === undefined) return this.find("there is no head after the work");
    kill(old, "SIGKILL");
    await until("the head is dead", () => this.#members("head").length === 0);
    await this.#sky("status");
    const isUp = () => this.#members("skylet").length === this.#nodes();
    await until("its skylets are there", isUp, { deadlineMs: endMs });
    await this.#sky("status");
    for (const [name, held] of this.#held()) {
      const was = before.get(name) ?? held;
      this.#say(`${name}: ${was} descriptors after the work, ${held} when fresh`);
      if (was <= held + descriptorsSpare) continue;
      this.find(`${name} held ${was} descriptors after the work, ${held} when fresh`);
    }
  }

  #held(): ReadonlyMap<string, number> {
    return new Map(
      this.#sampled().map(({ pid, name }) => [name, sampleOf(pid)?.descriptors ?? 0] as const),
    );
  }

  #sampled() {
    const all = membersOf(this.#ground.home);
    this.#processesMost = Math.max(this.#processesMost, processesLeft(this.#place()).length);
    return all.flatMap(({ pid, role, node }) =>
      role === "head" || role === "skylet" ? [{ pid, name: node ?? role }] : [],
    );
  }

  #members(role: Member["role"]): readonly Member[] {
    return membersOf(this.#ground.home).filter((one) => one.role === role);
  }

  #nodes(): number {
    return this.#plan.clusters.reduce((sum, { numNodes }) => sum + numNodes, 0);
  }

  async #takeDown(): Promise<void> {
    const { folder, home, cgroup } = this.#ground;
    const ports = [busAt(home)?.port ?? 0];
    await this.#sky("down", "-a", "-y");
    for (const head of this.#members("head")) kill(head, "SIGTERM");
    const left = () => processesLeft(this.#place());
    const path = typeof cgroup === "string" ? undefined : cgroup.path;
    const populated = () => path !== undefined && isPopulated(path);
    await until("no process is left", () => left().length === 0 && !populated(), {
      deadlineMs: endMs,
      describe: () => `cgroup populated: ${populated()}; ${JSON.stringify(left())}`,
    }).catch((error: unknown) => this.find(errorText(error)));
    const groups = skyletGroups().filter((one) => !this.#groupsBefore.includes(one));
    const leaves = path === undefined ? [] : leavesIn(path);
    const what = [...leaves, ...filesLeft(folder), ...this.#ownGroups(groups)];
    for (const one of what) this.find(`${one} is left`);
    for (const port of ports.filter(isListenedAt)) this.find(`port ${port} is still open`);
    this.#say(`${this.#processesMost} processes were seen at once, ${left().length} are left`);
    if (this.#processesMost <= this.#nodes()) this.find("the audit saw none of the processes");
  }

  /** Where the run has a cgroup, whatever lies outside is another's. */
  #ownGroups(groups: readonly string[]): readonly string[] {
    return typeof this.#ground.cgroup === "string" ? groups : [];
  }

  #place() {
    const { folder, cgroup } = this.#ground;
    return typeof cgroup === "string" ? { folder } : { folder, cgroup: cgroup.path };
  }

  /** Whatever is left is ended, by pid; nothing is left after an orderly run. */
  async endAll(): Promise<void> {
    this.#giveUp.abort();
    this.#samples.stop();
    this.#load.close();
    const left = () => processesLeft(this.#place()).filter(({ isOurs }) => isOurs);
    for (let round = 0; round < 5 && left().length > 0; round += 1) {
      for (const { pid } of left()) end(pid);
      await pause(100);
    }
  }

  /** What a failed run leaves for whoever looks into it. */
  keep(): void {
    const { seed, seconds, rounds = 0, jobs = 100, killsMax, rage = false } = this.#options;
    const { folder } = this.#ground;
    const kills = killsMax === undefined ? "" : ` --kills ${killsMax}`;
    const length = `--minutes ${seconds / 60} --rounds ${rounds} --jobs ${jobs}${kills}`;
    this.#say(`again: npm run chaos -- --seed ${seed} ${length}${rage ? " --rage" : ""}`);
    this.#say(`the evidence was kept: ${folder}`);
    const lines = [...this.#transcript, ...this.findings.map((text) => `FOUND ${text}`)];
    writeFileSync(`${folder}/transcript`, `${lines.join("\n")}\n`);
    writeFileSync(`${folder}/hits.json`, JSON.stringify(this.#strikes.hits, undefined, 1));
  }

  /** Runs a command, again if it could not do its work: it meets heads that are being killed. */
  async #sky(...args: readonly string[]): Promise<string> {
    for (let tried = 1; ; tried += 1) {
      const { code, stdout, stderr } = await this.#ground.sky(args);
      if (code === 0) return stdout;
      this.#say(`sky ${args.join(" ")} ended with ${code}: ${stderr.trim()}`);
      if (tried === commandTriesMax) throw new Error(`sky ${args.join(" ")} does not work`);
      await pause(againMs);
    }
  }

  #say(text: string): void {
    const seconds = ((performance.now() - this.#startedAt) / 1_000).toFixed(2).padStart(7);
    const line = `${seconds}  ${text}`;
    this.#transcript.push(line);
    this.#options.say(line);
  }

  find(text: string): void {
    this.findings.push(text);
  }
}

function end(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** In a round, one job of so many is followed through the SDK. */
const followEvery = 5;
