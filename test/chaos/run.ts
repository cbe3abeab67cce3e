// One run of chaos: a plan is carried out against real processes, then everything heals, every job
// comes to its end, everything is taken down, and the audit looks at what is left.
//
// Bounded everywhere: a run that does not come to rest is a finding, and what it started is ended
// by pid. A head that was killed is started again by the next `sky` command, as for any user.

import { readFileSync, writeFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { errorText } from "../../model/errors.ts";
import { isAlive, type ProcessSeen, until } from "../support/programs.ts";
import { audit, processesLeft } from "./audit.ts";
import { type Ground, openGround } from "./ground.ts";
import { Load } from "./load.ts";
import {
  delayMs,
  type Fault,
  faultText,
  type Plan,
  type PlanOptions,
  planOf,
  type Timed,
} from "./plan.ts";
import { Samples } from "./samples.ts";

export interface ChaosOptions extends PlanOptions {
  readonly say: (text: string) => void;
}

const settleMs = 90_000;
const endMs = 20_000;

/** Everything that was promised and not kept. */
export async function runChaos(options: ChaosOptions): Promise<readonly string[]> {
  const plan = planOf(options);
  const ground = await openGround();
  const run = new Run(options, plan, ground);
  let findings: readonly string[];
  try {
    findings = await run.all();
  } catch (error) {
    findings = [`the run broke off: ${errorText(error)}`];
  } finally {
    await run.endAll();
  }
  const { seed, seconds } = options;
  if (findings.length > 0) {
    const transcript = `${ground.folder}/transcript`;
    writeFileSync(transcript, `${run.transcript.join("\n")}\n${findings.join("\n")}\n`);
    options.say(`seed ${seed}, ${seconds} s; the home was kept: ${ground.folder}`);
  }
  await ground.close(findings.length > 0);
  return findings;
}

class Run {
  readonly transcript: string[] = [];
  readonly #options: ChaosOptions;
  readonly #plan: Plan;
  readonly #ground: Ground;
  readonly #findings: string[] = [];
  readonly #healing: Promise<void>[] = [];
  readonly #samples: Samples;
  readonly #giveUp = new AbortController();
  #startedAt = performance.now();

  constructor(options: ChaosOptions, plan: Plan, ground: Ground) {
    this.#options = options;
    this.#plan = plan;
    this.#ground = ground;
    this.#samples = new Samples(() => ground.victims("head")[0]?.pid);
  }

  async all(): Promise<readonly string[]> {
    const { seed, seconds } = this.#options;
    const { clusters, jobs, faults } = this.#plan;
    const where = this.#ground.cgroup ?? "no cgroup: told apart by the folder's name";
    this.#say(`seed ${seed}: ${jobs.length} jobs, ${faults.length} faults, ${seconds} s; ${where}`);
    for (const { name, numNodes } of clusters) {
      await this.#sky("launch", "-y", "-c", name, "--num-nodes", `${numNodes}`, "--cpus", "8");
    }
    const load = new Load({
      ...{ folder: this.#ground.folder, clientHome: this.#ground.clientHome, seed },
      ...{ say: (text) => this.#say(text), signal: this.#giveUp.signal },
    });
    try {
      await this.#storm(load);
      await this.#settle(load);
      await this.#look(load);
    } finally {
      load.close();
      this.#samples.stop();
    }
    for (const line of this.#samples.lines()) this.#say(line);
    await this.#takeDown();
    return this.#findings;
  }

  /** Load and faults, each at its time. */
  async #storm(load: Load): Promise<void> {
    const { clusters, jobs, faults } = this.#plan;
    this.#startedAt = performance.now();
    for (const { name, numNodes } of clusters) {
      const shape = { numNodes, lines: 0, code: 0, cancelAfterMs: 0 };
      load.run({ name: `long-${name}`, cluster: name, kind: "long", ...shape });
    }
    await until("the first followers stand", () => load.acknowledged.length >= clusters.length);
    await Promise.all([
      this.#each(jobs, (job) => load.run(job)),
      this.#each(faults, (fault) => this.#inflict(fault)),
    ]);
  }

  async #each<T>(timed: readonly Timed<T>[], act: (what: T) => unknown): Promise<void> {
    for (const { atMs, what } of timed) {
      await pause(Math.max(0, atMs - (performance.now() - this.#startedAt)));
      await act(what);
    }
  }

  /** Faults do not wait for each other's end, only a killed head for its successor. */
  async #inflict(fault: Fault): Promise<void> {
    this.#say(faultText(fault));
    if (fault.kind === "kill" || fault.kind === "stop") {
      const found = this.#ground.victims(fault.victim);
      const victim = found[fault.nth % Math.max(1, found.length)];
      if (victim === undefined) return this.#say(`no ${fault.victim} is there`);
      if (fault.kind === "stop") return this.#heals(stopped(victim, fault.ms));
      kill(victim, "SIGKILL");
      if (fault.victim === "head") this.#heals(this.#sky("status").then(() => {}));
      return;
    }
    const wire = this.#ground.wires[fault.wire];
    if (fault.kind === "cut") this.#say(`${wire.cut()} connections were cut`);
    if (fault.kind === "delay") {
      wire.delay(delayMs);
      this.#heals(pause(fault.ms).then(() => wire.delay(0)));
    }
    if (fault.kind === "freeze") {
      wire.freeze();
      this.#heals(pause(fault.ms).then(() => wire.thaw()));
    }
  }

  #heals(healing: Promise<void>): void {
    this.#healing.push(healing.catch((error: unknown) => this.#find(errorText(error))));
  }

  /** Nothing breaks any more: every job must come to its end, every follower too. */
  async #settle(load: Load): Promise<void> {
    await Promise.all(this.#healing);
    this.#say("nothing breaks any more");
    await this.#sky("status");
    load.openGate();
    const late = setTimeout(() => this.#giveUp.abort(), settleMs);
    await load.ended();
    clearTimeout(late);
    if (this.#giveUp.signal.aborted) this.#find(`not all ended within ${settleMs} ms`);
    this.#say(`${load.acknowledged.length} jobs have been followed to their end`);
    for (const problem of load.problems) this.#find(problem);
  }

  async #look(load: Load): Promise<void> {
    const { folder } = this.#ground;
    const queue = await this.#sky("queue", "-o", "json");
    writeFileSync(`${folder}/queue.json`, queue);
    const { acknowledged, told } = load;
    const places = { written: `${folder}/written`, followed: `${folder}/followed` };
    const side = load.side();
    const started = side.match(/ start /g)?.length ?? 0;
    this.#say(`${started} processes of ${acknowledged.length} jobs have started`);
    for (const found of audit({ acknowledged, told, queue, side, ...places })) this.#find(found);
    await this.#compareWithFresh();
  }

  /** What a head holds after all its work is what one holds that has just started. */
  async #compareWithFresh(): Promise<void> {
    const [old] = this.#ground.victims("head");
    if (old === undefined) return this.#find("there is no head after the work");
    const before = this.#samples.take(old.pid);
    kill(old, "SIGKILL");
    await until("the head is dead", () => !isAlive(old.pid));
    await this.#sky("status");
    const isUp = () => this.#ground.victims("skylet").length === this.#nodes();
    await until("its skylets are there", isUp, { deadlineMs: endMs });
    const after = this.#samples.take(this.#ground.victims("head")[0]?.pid ?? 0);
    this.#say(`descriptors of the head: ${before.descriptors}, of a new one ${after.descriptors}`);
    if (before.descriptors <= after.descriptors + descriptorsSpare) return;
    this.#find(`the head held ${before.descriptors} descriptors, a new one ${after.descriptors}`);
  }

  #nodes(): number {
    return this.#plan.clusters.reduce((sum, { numNodes }) => sum + numNodes, 0);
  }

  async #takeDown(): Promise<void> {
    await this.#sky("down", "-a", "-y");
    for (const head of this.#ground.victims("head")) kill(head, "SIGTERM");
    const left = () => processesLeft(this.#place());
    await until("no process is left", () => left().length === 0 && !this.#populated(), {
      deadlineMs: endMs,
      describe: () => `cgroup populated: ${this.#populated()}; ${JSON.stringify(left())}`,
    }).catch((error: unknown) => this.#find(errorText(error)));
  }

  #populated(): boolean {
    const { cgroup } = this.#ground;
    if (cgroup === undefined) return false;
    return /^populated 1$/m.test(readFileSync(`${cgroup}/cgroup.events`, "utf8"));
  }

  #place() {
    const { folder, cgroup } = this.#ground;
    return cgroup === undefined ? { folder } : { folder, cgroup };
  }

  /** Whatever is left is ended, by pid; nothing is left after an orderly run. */
  async endAll(): Promise<void> {
    this.#giveUp.abort();
    this.#samples.stop();
    for (let round = 0; round < 5 && processesLeft(this.#place()).length > 0; round += 1) {
      for (const victim of processesLeft(this.#place())) kill(victim, "SIGKILL");
      await pause(100);
    }
  }

  /** Runs a command, again if it could not do its work: it meets heads that are being killed. */
  async #sky(...args: readonly string[]): Promise<string> {
    for (let tried = 1; ; tried += 1) {
      const { code, stdout, stderr } = await this.#ground.sky(args);
      if (code === 0) return stdout;
      this.#say(`sky ${args.join(" ")} ended with ${code}: ${stderr.trim()}`);
      if (tried === commandTriesMax) throw new Error(`sky ${args.join(" ")} does not work`);
    }
  }

  #say(text: string): void {
    const seconds = ((performance.now() - this.#startedAt) / 1_000).toFixed(2).padStart(7);
    const line = `${seconds}  ${text}`;
    this.transcript.push(line);
    this.#options.say(line);
  }

  #find(text: string): void {
    this.#findings.push(text);
  }
}

const commandTriesMax = 3;
const descriptorsSpare = 12;

async function stopped(victim: ProcessSeen, ms: number): Promise<void> {
  kill(victim, "SIGSTOP");
  await pause(ms);
  kill(victim, "SIGCONT");
}

/** A process that has ended meanwhile needs no signal. */
function kill({ pid }: { readonly pid: number }, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
