// The memory version of the process port: scripted programs on a machine that is a value.
//
// A *machine* is a node as the kernel and the disk see it; its agents come and go (`open`,
// `crash`), its ranks run on, and a `reboot` ends them all. A rank's script is a program of steps
// (`programText`); any other text ends at once with 0. Time is the clock's, so a simulation
// decides when things happen; a log's bytes go wherever `append` puts them. The machine's watchdog
// looks once a second for leases that are over, whether or not there is an agent.

import { SkyError } from "../model/errors.ts";
import type { Exit, SweepRecord } from "../model/job.ts";
import type { Lease } from "../model/lease.ts";
import { leaseEnd } from "../model/lease.ts";
import type { Clock } from "./clock.ts";
import type { ProcessEvent, ProcessPort, ProcessReport, ProcessSpec } from "./process.ts";

export type ProgramStep =
  /** Bytes in base64. */
  | { readonly do: "write"; readonly base64: string }
  | { readonly do: "wait"; readonly ms: number }
  /** Until it is let go on (`MemoryMachine.letGo`), whatever becomes of the agent. */
  | { readonly do: "wait-for-word" }
  /** Until a signal ends it. */
  | { readonly do: "wait-for-ever" }
  | { readonly do: "ignore-term" }
  /** Leaves a process behind that no signal to the rank's own process reaches. */
  | { readonly do: "leave-survivor" }
  | { readonly do: "exit"; readonly code: number }
  | { readonly do: "die"; readonly signal: number }
  /** Its shim is killed: nobody sees how it ends. */
  | { readonly do: "lose-shim" };

const programMark = "#skylet-program ";

/** A program as the text of a script. */
export function programText(steps: readonly ProgramStep[]): string {
  return `${programMark}${JSON.stringify(steps)}`;
}

export function parseProgram(script: string): readonly ProgramStep[] {
  if (!script.startsWith(programMark)) return [];
  return JSON.parse(script.slice(programMark.length)) as readonly ProgramStep[];
}

export interface MemoryMachineOptions {
  readonly clock: Clock;
  readonly append: (path: string, bytes: Uint8Array) => void | Promise<void>;
  /** Hears at once of all that happens, also of what no agent is there to see. Must not throw. */
  readonly observe?: (change: MachineChange) => void;
}

/** What happens on a machine, as only the machine itself knows it. */
export type MachineChange =
  | { readonly kind: "claimed"; readonly dir: string; readonly spec: ProcessSpec }
  | { readonly kind: "started"; readonly dir: string }
  | { readonly kind: "ended"; readonly dir: string; readonly exit: Exit }
  /** How many processes live that the rank left behind. */
  | { readonly kind: "survivors"; readonly dir: string; readonly count: number };

export interface MemoryMachine {
  /** The port of an agent that starts now. There is one at a time. */
  open(): ProcessPort;
  /** The agent is killed: what stood ready never starts, what runs runs on. */
  crash(): void;
  /** Everything ends, and nobody saw how. */
  reboot(): void;
  /** Processes that live now, survivors included. */
  living(): number;
  /** The shim of a rank that stands ready is killed: it ends without ever having begun. */
  killShim(dir: string): void;
  /** A program that waits for a word goes on. */
  letGo(dir: string): void;
  /** The directory is gone from the disk: what it claimed may be claimed again. */
  remove(dir: string): void;
}

export function createMemoryMachine(options: MemoryMachineOptions): MemoryMachine {
  return new Machine(options);
}

type Phase = "prepared" | "never-started" | "running" | "exited";

interface Rank {
  readonly dir: string;
  readonly pid: number;
  readonly steps: ProgramStep[];
  phase: Phase;
  startedWallMs: number | undefined;
  endedWallMs: number;
  exit: Exit | undefined;
  logBytes: number;
  survivors: number;
  ignoresTerm: boolean;
  cancelWait: () => void;
  lease: Lease | undefined;
}

const pidFirst = 1_000;
const watchMs = 1_000;

class Machine implements MemoryMachine {
  readonly #options: MemoryMachineOptions;
  readonly #ranks = new Map<string, Rank>();
  #listeners = new Set<(event: ProcessEvent) => void>();
  /** Rises with every agent, so that a port of a dead one does nothing. */
  #agents = 0;
  #pidNext = pidFirst;
  /** The newest moment from which all leases hold. */
  #leaseBase = 0;
  #watching: (() => void) | undefined;

  constructor(options: MemoryMachineOptions) {
    this.#options = options;
  }

  open(): ProcessPort {
    this.crash();
    this.#agents += 1;
    const agent = this.#agents;
    const only = <T>(work: () => T, otherwise: T): T =>
      agent === this.#agents ? work() : otherwise;
    const swept = { found: 0, killed: 0, survivors: 0, unproven: [] };
    return {
      prepare: async (spec) => only(() => this.#prepare(spec), undefined),
      go: (dir, lease) => only(() => this.#go(dir, lease), undefined),
      renew: (from) => only(() => this.#renew(from), undefined),
      release: (dir) => only(() => this.#release(dir), undefined),
      signal: async (dir, signal) => only(() => this.#signal(dir, signal), undefined),
      sweep: async (dir) => only(() => this.#sweep(dir), swept),
      inventory: async () => only(() => this.#inventory(), []),
      onEvent: (hear) => {
        if (agent === this.#agents) this.#listeners.add(hear);
        return () => this.#listeners.delete(hear);
      },
      close: async () => only(() => this.crash(), undefined),
    };
  }

  crash(): void {
    this.#agents += 1;
    this.#listeners = new Set();
    for (const rank of this.#ranks.values()) {
      if (rank.phase === "prepared") rank.phase = "never-started";
    }
  }

  reboot(): void {
    this.crash();
    this.#leaseBase = 0;
    this.#watching?.();
    this.#watching = undefined;
    for (const rank of this.#ranks.values()) {
      this.#leave(rank, 0);
      rank.lease = undefined;
      if (rank.phase !== "running") continue;
      rank.cancelWait();
      this.#end(rank, {
        kind: "unknown",
        evidence: "the machine was restarted while the rank ran",
      });
    }
  }

  living(): number {
    let count = 0;
    for (const { phase, survivors } of this.#ranks.values()) {
      count += survivors + (phase === "running" ? 1 : 0);
    }
    return count;
  }

  killShim(dir: string): void {
    const rank = this.#ranks.get(dir);
    if (rank?.phase !== "prepared") return;
    this.#end(rank, { kind: "unknown", evidence: "the shim was killed before its start" });
  }

  letGo(dir: string): void {
    const rank = this.#ranks.get(dir);
    if (rank !== undefined) void this.#run(rank);
  }

  remove(dir: string): void {
    const rank = this.#ranks.get(dir);
    if (rank !== undefined && rank.phase !== "running") this.#ranks.delete(dir);
  }

  #prepare(spec: ProcessSpec): void {
    const { dir } = spec;
    if (this.#ranks.has(dir)) throw new SkyError("process/claimed", { dir });
    const rank: Rank = {
      dir,
      pid: this.#pidNext,
      steps: [...parseProgram(spec.script)],
      phase: "prepared",
      startedWallMs: undefined,
      endedWallMs: 0,
      exit: undefined,
      logBytes: 0,
      survivors: 0,
      ignoresTerm: false,
      cancelWait: () => {},
      lease: undefined,
    };
    this.#pidNext += 1;
    this.#ranks.set(dir, rank);
    this.#options.observe?.({ kind: "claimed", dir, spec });
    if (spec.goWhenReady) this.#go(dir);
  }

  #go(dir: string, lease?: Lease): void {
    const rank = this.#ranks.get(dir);
    if (rank?.phase !== "prepared") return;
    rank.lease = lease;
    this.#watch();
    const { wallMs } = this.#options.clock.now();
    rank.phase = "running";
    rank.startedWallMs = wallMs;
    this.#options.observe?.({ kind: "started", dir });
    this.#soon({ kind: "started", dir, pid: rank.pid, wallMs });
    this.#wait(rank, 0);
  }

  #renew(from: number): void {
    this.#leaseBase = Math.max(this.#leaseBase, from);
  }

  #release(dir: string): void {
    const rank = this.#ranks.get(dir);
    if (rank !== undefined) rank.lease = undefined;
  }

  #inventory(): readonly ProcessReport[] {
    return [...this.#ranks.values()].map((rank) => {
      const report = reportOf(rank);
      const lease = this.#leaseOf(rank);
      const mayLive = report.phase === "running" || report.phase === "exited";
      return mayLive && lease !== undefined ? { ...report, lease } : report;
    });
  }

  #leaseOf({ lease }: Rank): Lease | undefined {
    return lease && { ...lease, from: Math.max(lease.from, this.#leaseBase) };
  }

  /** Looks once a second, as long as anything is on a lease. */
  #watch(): void {
    const leased = [...this.#ranks.values()].filter((rank) => rank.lease !== undefined);
    if (this.#watching !== undefined || leased.length === 0) return;
    this.#watching = this.#options.clock.after(watchMs, () => {
      this.#watching = undefined;
      const { monoMs } = this.#options.clock.now();
      for (const rank of leased) {
        const lease = this.#leaseOf(rank);
        if (lease !== undefined && leaseEnd(lease) <= monoMs) this.#expire(rank);
      }
      this.#watch();
    });
  }

  #expire(rank: Rank): void {
    rank.lease = undefined;
    this.#leave(rank, 0);
    if (rank.phase !== "running") return;
    rank.cancelWait();
    this.#end(rank, { kind: "stopped", why: "lease-expired" });
  }

  #wait(rank: Rank, ms: number): void {
    rank.cancelWait = this.#options.clock.after(ms, () => void this.#run(rank));
  }

  /** Steps until one waits or ends it. */
  async #run(rank: Rank): Promise<void> {
    while (rank.phase === "running") {
      const step = rank.steps.shift() ?? { do: "exit", code: 0 };
      if (step.do === "wait") return this.#wait(rank, step.ms);
      if (step.do === "wait-for-ever" || step.do === "wait-for-word") return;
      if (step.do === "write") await this.#write(rank, step.base64);
      else this.#act(rank, step);
    }
  }

  #act(rank: Rank, step: ProgramStep): void {
    switch (step.do) {
      case "ignore-term":
        rank.ignoresTerm = true;
        break;
      case "leave-survivor":
        this.#leave(rank, rank.survivors + 1);
        break;
      case "exit":
        this.#end(rank, { kind: "code", code: step.code });
        break;
      case "die":
        this.#end(rank, signalExit(step.signal));
        break;
      case "lose-shim":
        this.#leave(rank, 0);
        this.#end(rank, { kind: "unknown", evidence: "the shim was killed" });
        break;
      default:
    }
  }

  async #write(rank: Rank, base64: string): Promise<void> {
    const bytes = Buffer.from(base64, "base64");
    rank.logBytes += bytes.length;
    await this.#options.append(`${rank.dir}/log`, bytes);
  }

  #signal(dir: string, signal: "TERM" | "KILL"): void {
    const rank = this.#ranks.get(dir);
    if (rank === undefined) return;
    if (rank.phase === "prepared") rank.phase = "never-started";
    if (rank.phase !== "running" || (signal === "TERM" && rank.ignoresTerm)) return;
    rank.cancelWait();
    this.#end(rank, signalExit(signal === "TERM" ? 15 : 9));
  }

  #sweep(dir: string): Omit<SweepRecord, "node"> {
    const rank = this.#ranks.get(dir);
    if (rank === undefined) return { found: 0, killed: 0, survivors: 0, unproven: [] };
    const found = rank.survivors + (rank.phase === "running" ? 1 : 0);
    this.#leave(rank, 0);
    this.#signal(dir, "KILL");
    rank.lease = undefined;
    return { found, killed: found, survivors: 0, unproven: [] };
  }

  #end(rank: Rank, exit: Exit): void {
    const { wallMs } = this.#options.clock.now();
    rank.phase = "exited";
    rank.exit = exit;
    if (rank.survivors === 0) rank.lease = undefined;
    rank.endedWallMs = wallMs;
    this.#options.observe?.({ kind: "ended", dir: rank.dir, exit });
    this.#soon({ kind: "exited", dir: rank.dir, exit, wallMs, logBytes: rank.logBytes });
  }

  #leave(rank: Rank, survivors: number): void {
    if (rank.survivors === survivors) return;
    rank.survivors = survivors;
    this.#options.observe?.({ kind: "survivors", dir: rank.dir, count: survivors });
  }

  /** To those who listen then, and never from inside a call of theirs. */
  #soon(event: ProcessEvent): void {
    const agent = this.#agents;
    this.#options.clock.after(0, () => {
      if (agent !== this.#agents) return;
      for (const hear of this.#listeners) hear(event);
    });
  }
}

/** As the real port without evidence: a shell would say 128 + `signal`. */
function signalExit(signal: number): Exit {
  return { kind: "signal", signal, evidence: "" };
}

function reportOf(rank: Rank): ProcessReport {
  const { dir, pid, phase, startedWallMs, endedWallMs, exit, logBytes } = rank;
  if (phase === "running") return { phase, dir, pid, startedWallMs: startedWallMs ?? 0 };
  if (phase !== "exited" || exit === undefined) {
    return { phase: phase === "prepared" ? "prepared" : "never-started", dir };
  }
  return { phase, dir, pid, startedWallMs, exit, endedWallMs, logBytes };
}
