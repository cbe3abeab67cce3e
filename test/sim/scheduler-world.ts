// A small world for the scheduler: its actor's pure step, a store of records, agents that behave as
// the contract says, a bus that can lose what it carries, and a clock that only the test moves.
//
// Everything is a function of the calls made and of the random numbers given, so a failure is a
// seed. Each node's truth is what runs there; the invariants look at that, not at the calls.

import assert from "node:assert/strict";
import type { Exit, Job, RankKey } from "../../model/job.ts";
import { rankKeyText } from "../../model/job.ts";
import type { Node, NodePhase } from "../../model/node.ts";
import type { Capacity } from "../../model/resources.ts";
import type { Task } from "../../model/task.ts";
import { wireCapabilities } from "../../model/wire.ts";
import { given } from "../../proto/fields.ts";
import type { AgentMessage, AgentReport, RankReport, RankSpec } from "../../proto/messages.ts";
import type { Received } from "../../runtime/actor.ts";
import type { Instant } from "../../runtime/clock.ts";
import type { StoreRecord } from "../../runtime/store.ts";
import type { Event } from "../../scheduler/board.ts";
import { boardInMemory } from "../../scheduler/board-memory.ts";
import type { LivenessMessage } from "../../scheduler/liveness-actor.ts";
import type { AutostopSetting, CancelReply, SubmitReply } from "../../scheduler/messages.ts";
import type { JobSpec, SettledRecord } from "../../scheduler/records.ts";
import { recordKeys } from "../../scheduler/records.ts";
import { startScheduler, stepScheduler } from "../../scheduler/scheduler.ts";
import type { SchedulerOptions, SchedulerState } from "../../scheduler/table.ts";
import type { SchedulerInput, SchedulerTurn } from "../../scheduler/turn.ts";
import { checkHaunted, checkKept, hauntedNodes, keptNodes } from "./scheduler-checks.ts";

export const cluster = "demo";
const gib = 1024 ** 3;

export function capacity(cpus: number, gpus = 0): Capacity {
  const accelerators = gpus > 0 ? [{ name: "V100", count: gpus }] : [];
  return { cpus, memoryBytes: 16 * gib, accelerators };
}

export function nodesOf(capacities: readonly Capacity[]): readonly Node[] {
  return capacities.map((one, index) => ({
    id: index === 0 ? "head" : `worker${index}`,
    index,
    ip: `127.0.0.${index + 1}`,
    capacity: one,
  }));
}

export function task(change: Partial<Task> = {}): Task {
  return {
    numNodes: 1,
    resources: {},
    envs: {},
    secrets: {},
    run: "true",
    priority: 0,
    maxRestarts: 0,
    ...change,
  };
}

/** What a node knows of one process. */
interface Process {
  readonly key: RankKey;
  readonly spec: RankSpec | undefined;
  phase: "ready" | "running" | "exited";
  pid: number;
  startedAt: number;
  endedAt: number;
  exit: Exit | undefined;
  swept: boolean;
  acknowledged: boolean;
}

export interface Agent {
  readonly id: string;
  up: boolean;
  bootId: string;
  /** What it can do beyond the wire version, where that is not all there is. */
  capabilities?: readonly string[];
  readonly processes: Map<string, Process>;
}

/** What happens to a message: how many copies arrive. */
export type Fate = (from: string, to: string, message: object) => number;

/** What is under test. A mutant takes its place, to see that the world notices. */
export interface SchedulerUnderTest {
  readonly start: typeof startScheduler;
  readonly step: typeof stepScheduler;
  /** Effects leave before their commit is on disk. */
  readonly effectsFirst?: boolean;
  /** Agents that start whatever they are asked to, again and again. */
  readonly withoutClaims?: boolean;
}

const scheduler: SchedulerUnderTest = { start: startScheduler, step: stepScheduler };

export interface WorldOptions {
  readonly nodes: readonly Node[];
  readonly scheduler?: SchedulerUnderTest;
  /** Whether the head dies in the middle of a turn: its first half is done, the other never. */
  readonly dies?: () => boolean;
  readonly options?: Partial<SchedulerOptions>;
  readonly fate?: Fate;
}

interface Asked {
  readonly key?: string;
  readonly noSetup?: boolean;
  readonly allNodes?: boolean;
  readonly user?: string;
  readonly autostop?: AutostopSetting;
}

export type SilenceAsked = Extract<LivenessMessage, { readonly kind: "silence-asked" }>;

export class World {
  /** What liveness says of the silence of a node, if anything. */
  liveness: (asked: SilenceAsked) => SchedulerInput | undefined = () => undefined;
  readonly nodes: readonly Node[];
  readonly agents = new Map<string, Agent>();
  readonly records = new Map<string, string>();
  readonly events: Event[] = [];
  readonly replies: object[] = [];
  readonly shutdowns: string[] = [];
  /** Nodes that reported what is not theirs. */
  readonly refused: string[] = [];
  readonly vault = new Map<number, Readonly<Record<string, string>>>();
  readonly timers = new Map<string, { readonly due: number; readonly message: SchedulerInput }>();
  /** How many devices a rank of each job asks for. */
  readonly shares = new Map<number, number>();
  /** Every start of a process, for "never twice" and "never together". */
  readonly starts: string[] = [];
  /** When each attempt was first told to go, setup or run: `7-1`. */
  readonly goneAt = new Map<string, number>();
  /** The most one turn ever committed, and how many turns did. */
  commits = 0;
  readonly options: Partial<SchedulerOptions>;
  readonly scheduler: SchedulerUnderTest;
  dies: () => boolean;
  board = boardInMemory();
  state: SchedulerState;
  fate: Fate;
  now = 1_000;
  pids = 100;

  constructor(made: WorldOptions) {
    const { nodes, options = {}, fate = () => 1, dies = () => false } = made;
    this.nodes = nodes;
    this.options = options;
    this.fate = fate;
    this.dies = dies;
    this.scheduler = made.scheduler ?? scheduler;
    for (const { id } of nodes) {
      this.agents.set(id, { id, up: true, bootId: `boot-${id}`, processes: new Map() });
    }
    this.state = this.start();
  }

  get at(): Instant {
    return { wallMs: this.now, monoMs: this.now, bootId: "boot" };
  }

  /** Starts the head from what is on disk; whatever it had in memory is gone. */
  restartHead(): void {
    this.bringUp();
    this.pump();
  }

  private bringUp(): void {
    this.timers.clear();
    this.board = boardInMemory();
    this.queue.length = 0;
    this.state = this.start();
  }

  /** All nodes join and are alive. */
  join(): this {
    for (const id of this.agents.keys()) this.phase(id, "alive");
    return this;
  }

  phase(node: string, phase: NodePhase): void {
    this.say({ kind: "node-phase-changed", node, phase, evidence: "the test says so" });
  }

  submit(tasks: readonly Task[], change: Asked = {}): SubmitReply {
    const before = this.replies.length;
    this.say({
      kind: "submit",
      tasks,
      workdirs: tasks.map(() => undefined),
      idempotencyKey: change.key ?? "",
      user: change.user ?? "ann",
      noSetup: change.noSetup ?? false,
      allNodes: change.allNodes ?? false,
      ...given("autostop", change.autostop),
      trees: tasks.map(({ workdir }) => (workdir ? { digest: workdir, bytes: 1 } : undefined)),
      replyTo: { cluster, node: "skyhead", kind: "ask", id: "1" },
    });
    return this.replies[before] as SubmitReply;
  }

  /** The ids of tasks that must be taken. */
  submitted(...tasks: readonly Task[]): readonly number[] {
    const answer = this.submit(tasks);
    assert.equal(answer.kind, "submitted", JSON.stringify(answer));
    return answer.kind === "submitted" ? answer.jobs : [];
  }

  cancel(jobs: readonly number[] | "all", user = "ann"): CancelReply | undefined {
    const before = this.replies.length;
    const replyTo = { cluster, node: "skyhead", kind: "ask", id: "2" };
    this.say({ kind: "cancel", jobs, user, replyTo });
    return this.replies[before] as CancelReply | undefined;
  }

  /** Every job that there is: what the board has in memory, and what has settled. */
  jobs(): readonly Job[] {
    const settled = [...this.records]
      .filter(([key]) => key.startsWith(recordKeys.dones(cluster)))
      .map(([, value]) => (JSON.parse(value) as SettledRecord).job);
    return [...new Map([...settled, ...this.board.jobs()].map((job) => [job.id, job])).values()];
  }

  /** The logs of every job that has ended are with the head. */
  keepLogs(): void {
    for (const { id, phase, attempt } of this.board.jobs()) {
      for (let one = 1; phase === "ended" && one <= attempt; one += 1) {
        this.say({ kind: "logs-complete", job: id, attempt: one, bytes: 10 });
      }
    }
  }

  isSettled(id: number): boolean {
    return this.records.has(recordKeys.done(cluster, id));
  }

  find(id: number): Job | undefined {
    return this.board.job(id) ?? this.jobs().find((job) => job.id === id);
  }

  job(id: number): Job {
    const job = this.find(id);
    assert.ok(job !== undefined, `job ${id} is on the board`);
    return job;
  }

  /** Gives the scheduler one message and lets everything that follows happen. */
  say(message: SchedulerInput, from = "skyhead"): void {
    this.queue.push({ from, message });
    this.pump();
  }

  /** A process that runs on a node ends by itself. */
  exit(key: RankKey, exit: Exit = { kind: "code", code: 0 }): void {
    const found = this.processAt(key);
    assert.ok(found?.process.phase === "running", `${rankKeyText(key)} runs`);
    this.end(found.process, exit);
    this.tellExit(found.agent, found.process);
    this.pump();
  }

  /** The run rank of a job's current attempt. */
  rank(job: number, index: number): RankKey {
    return { job, attempt: this.job(job).attempt, phase: "run", index };
  }

  running(): readonly { readonly agent: Agent; readonly process: Process }[] {
    return this.every().filter(({ process }) => process.phase === "running");
  }

  /** Moves the clock, firing timers in their order. */
  pass(ms: number): void {
    const end = this.now + ms;
    for (let count = 0; count < 100_000; count += 1) {
      const due = [...this.timers].filter(([, timer]) => timer.due <= end);
      const [next] = due.sort(([, a], [, b]) => a.due - b.due);
      if (next === undefined) break;
      const [name, { due: at, message }] = next;
      this.timers.delete(name);
      this.now = Math.max(this.now, at);
      this.say(message);
    }
    this.now = end;
  }

  /** The node's machine starts again: nothing of before runs. */
  reboot(id: string): void {
    const agent = this.agent(id);
    agent.bootId += "+";
    for (const process of agent.processes.values()) {
      if (process.phase !== "exited") {
        this.end(process, { kind: "unknown", evidence: "the machine restarted" });
      }
    }
    agent.up = true;
    this.reportInventory(agent);
    this.pump();
  }

  /** The node's agent ends and another takes its place: what stood ready never starts. */
  restartAgent(id: string): void {
    const agent = this.agent(id);
    for (const process of agent.processes.values()) {
      if (process.phase === "ready") this.end(process, { kind: "unknown", evidence: "no agent" });
    }
    this.reconnect(id);
  }

  /** What an agent repeats until it is acknowledged, and its inventory. */
  reconnect(id: string): void {
    const agent = this.agent(id);
    agent.up = true;
    this.reportInventory(agent);
    this.pump();
  }

  agent(id: string): Agent {
    const agent = this.agents.get(id);
    assert.ok(agent !== undefined, `node ${id}`);
    return agent;
  }

  every(): readonly { readonly agent: Agent; readonly process: Process }[] {
    return [...this.agents.values()].flatMap((agent) =>
      [...agent.processes.values()].map((process) => ({ agent, process })),
    );
  }

  private readonly queue: { readonly from: string; readonly message: SchedulerInput }[] = [];
  private readonly inboxes: { readonly to: string; readonly message: AgentMessage }[] = [];

  /** What a head that starts now would know, without anybody hearing of it. */
  rebuilt(): SchedulerState {
    return this.startTurn().state;
  }

  private start(): SchedulerState {
    const turn = this.startTurn();
    this.commit(turn);
    this.release(turn);
    return turn.state;
  }

  private startTurn(): SchedulerTurn {
    const records = [...this.records].map(([key, value]): StoreRecord => ({ key, value }));
    const { nodes, options } = this;
    const args = { cluster, nodes, records, secrets: new Map(this.vault), options };
    return this.scheduler.start(args, this.at);
  }

  private pump(): void {
    for (let count = 0; count < 20_000; count += 1) {
      const inbox = this.inboxes.shift();
      if (inbox !== undefined) {
        const agent = this.agent(inbox.to);
        if (agent.up) this.obey(agent, inbox.message);
        continue;
      }
      const next = this.queue.shift();
      if (next === undefined) return;
      const message = { ...next.message, at: this.at, from: next.from } as Received<SchedulerInput>;
      this.perform(message);
    }
    assert.fail("the world does not come to rest");
  }

  private perform(message: Received<SchedulerInput>): void {
    const kept = keptNodes(this.state);
    const haunted = hauntedNodes(this.state);
    const turn = this.scheduler.step(this.state, message);
    checkKept(kept, this.state);
    checkHaunted(haunted, this.state);
    const halves = [() => this.commit(turn), () => this.release(turn)];
    if (this.scheduler.effectsFirst) halves.reverse();
    for (const [index, half] of halves.entries()) {
      if (index > 0 && this.dies()) {
        this.bringUp();
        return;
      }
      half();
    }
  }

  private commit(turn: SchedulerTurn): void {
    if (turn.commit !== undefined) {
      this.commits += 1;
      for (const key of turn.commit.deletes) this.records.delete(key);
      for (const { key, value } of turn.commit.puts) {
        this.records.set(key, value);
        if (key.endsWith("/spec")) this.noteShare(JSON.parse(value) as JobSpec);
      }
      for (const { body } of turn.commit.events) this.events.push(JSON.parse(body) as Event);
    }
  }

  private noteShare({ id, task: { resources } }: JobSpec): void {
    this.shares.set(id, resources.accelerators?.count ?? 0);
  }

  private release(turn: SchedulerTurn): void {
    for (const effect of turn.effects) {
      switch (effect.kind) {
        case "tell":
          if (effect.to.kind === "agent") this.send(effect.to.node, effect.message as AgentMessage);
          else if (effect.to.kind === "liveness") this.ask(effect.message as SilenceAsked);
          else this.replies.push(effect.message);
          break;
        case "start-timer":
          this.timers.set(effect.name, { due: this.now + effect.ms, message: effect.message });
          break;
        case "cancel-timer":
          this.timers.delete(effect.name);
          break;
        case "announce":
          this.board.apply(effect.announcement);
          break;
        case "request-shutdown":
          this.shutdowns.push(effect.verb);
          break;
        case "keep-secrets":
          for (const [job, values] of effect.secrets) this.vault.set(job, values);
          this.queue.push({
            from: "skyhead",
            message: { kind: "secrets-kept", submission: effect.submission },
          });
          break;
        case "remove-secrets":
          for (const job of effect.jobs) this.vault.delete(job);
          break;
        case "count-refusal":
          this.refused.push(effect.node);
      }
    }
  }

  private ask(asked: SilenceAsked): void {
    const answer = this.liveness(asked);
    if (answer !== undefined) this.queue.push({ from: "skyhead", message: answer });
  }

  private send(to: string, message: AgentMessage): void {
    const isGo = message.kind === "go" || (message.kind === "prepare" && message.spec.goWhenReady);
    if (isGo) this.noteGo(message.key);
    for (let copies = this.fate("skyhead", to, message); copies > 0; copies -= 1) {
      this.inboxes.push({ to, message });
    }
  }

  private noteGo({ job, attempt }: RankKey): void {
    const name = `${job}-${attempt}`;
    this.goneAt.set(name, this.goneAt.get(name) ?? this.now);
  }

  private report(agent: Agent, message: AgentReport): void {
    for (let copies = this.fate(agent.id, "skyhead", message); copies > 0; copies -= 1) {
      this.queue.push({ from: agent.id, message });
    }
  }

  /** What an agent does, as `proto/messages.ts` says. */
  private obey(agent: Agent, message: AgentMessage): void {
    switch (message.kind) {
      case "prepare":
        this.prepare(agent, message);
        return;
      case "go": {
        const process = agent.processes.get(rankKeyText(message.key));
        if (process?.phase === "ready") this.begin(agent, process);
        return;
      }
      case "stop":
        this.stop(agent, message);
        return;
      case "acknowledge": {
        const process = agent.processes.get(rankKeyText(message.key));
        if (process !== undefined) process.acknowledged = true;
        return;
      }
      case "forget":
        agent.processes.delete(rankKeyText(message.key));
        return;
      case "report-inventory":
        this.reportInventory(agent);
        return;
      case "inspect":
    }
  }

  private prepare(
    agent: Agent,
    { key, spec }: Extract<AgentMessage, { readonly kind: "prepare" }>,
  ): void {
    const known = agent.processes.get(rankKeyText(key));
    if (known === undefined || this.scheduler.withoutClaims) {
      const process: Process = {
        ...{ key, spec, phase: "ready", pid: 0, startedAt: 0, endedAt: 0, exit: undefined },
        ...{ swept: false, acknowledged: false },
      };
      agent.processes.set(rankKeyText(key), process);
      this.report(agent, { kind: "rank-prepared", key, askedAt: this.now });
      if (spec.goWhenReady) this.begin(agent, process);
    } else if (known.phase === "ready") {
      this.report(agent, { kind: "rank-prepared", key });
    } else if (known.phase === "running") {
      this.report(agent, { kind: "rank-started", key, pid: known.pid, startedAt: known.startedAt });
    } else if (known.pid === 0) {
      this.report(agent, { kind: "rank-refused", key, why: "it was stopped before" });
    } else {
      this.tellExit(agent, known);
    }
  }

  private begin(agent: Agent, process: Process): void {
    this.starts.push(rankKeyText(process.key));
    this.checkBarrier(process);
    this.pids += 1;
    process.phase = "running";
    process.pid = this.pids;
    process.startedAt = this.now;
    const { key, pid, startedAt } = process;
    this.report(agent, { kind: "rank-started", key, pid, startedAt });
  }

  /** No rank begins before every rank of its gang has stood ready. */
  private checkBarrier({ key, spec }: Process): void {
    if (key.phase === "setup") return;
    const ready = this.every().filter(
      ({ process: { key: other, spec: was } }) =>
        other.job === key.job && other.attempt === key.attempt && other.phase === "run" && was,
    );
    const wanted = Number(spec?.env["SKYPILOT_NUM_NODES"]);
    assert.equal(ready.length, wanted, `${rankKeyText(key)} begins when all stand ready`);
  }

  private stop(agent: Agent, { key, why }: Extract<AgentMessage, { readonly kind: "stop" }>): void {
    const text = rankKeyText(key);
    let process = agent.processes.get(text);
    if (process === undefined) {
      process = {
        ...{ key, spec: undefined, phase: "exited", pid: 0, startedAt: 0, endedAt: this.now },
        ...{ exit: { kind: "stopped", why }, swept: true, acknowledged: false },
      };
      agent.processes.set(text, process);
    }
    const ran = process.phase === "running";
    if (process.phase !== "exited") this.end(process, { kind: "stopped", why });
    process.swept = true;
    process.acknowledged = false;
    if (ran || process.pid > 0) this.tellExit(agent, process);
    const sweep = { node: agent.id, found: ran ? 1 : 0, killed: ran ? 1 : 0, survivors: 0 };
    this.report(agent, { kind: "rank-swept", key, sweep: { ...sweep, unproven: [] } });
  }

  private end(process: Process, exit: Exit): void {
    process.phase = "exited";
    process.exit = exit;
    process.endedAt = this.now;
  }

  private tellExit(agent: Agent, { key, exit, endedAt }: Process): void {
    if (!agent.up || exit === undefined) return;
    this.report(agent, { kind: "rank-exited", key, exit, endedAt, logBytes: 0 });
  }

  private reportInventory(agent: Agent): void {
    if (!agent.up) return;
    const ranks = [...agent.processes.values()].map((process) => this.rankReport(agent, process));
    const { capacity: has = capacity(1) } = this.nodes.find(({ id }) => id === agent.id) ?? {};
    const about = { bootId: agent.bootId, capacity: has, version: "test" };
    const { capabilities = wireCapabilities } = agent;
    this.report(agent, { kind: "inventory", ...about, capabilities, ranks });
  }

  private rankReport(agent: Agent, process: Process): RankReport {
    const { key, phase, pid, startedAt, endedAt, exit, swept } = process;
    if (phase === "ready") return { phase, key };
    if (phase === "running") return { phase, key, pid, startedAt };
    const sweep = { node: agent.id, found: 0, killed: 0, survivors: 0, unproven: [] };
    return {
      ...{ phase, key, endedAt, logBytes: 0 },
      exit: exit ?? { kind: "unknown", evidence: "never" },
      ...(pid > 0 ? { pid, startedAt } : {}),
      ...(swept ? { sweep } : {}),
    };
  }

  private processAt(
    key: RankKey,
  ): { readonly agent: Agent; readonly process: Process } | undefined {
    return this.every().find(({ process }) => rankKeyText(process.key) === rankKeyText(key));
  }
}
