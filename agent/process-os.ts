// The process port on Linux: ranks as slots of the node's launcher (see `launcher.ts`).
//
// This is the edge between orders and reports. What a rank is, stands in its directory; what is
// kept here is only which of them have a shim that still lives, so that its end is noticed: by its
// report, at once, or, where the shim itself was killed, by a look at /proc once a second while
// any rank runs. An agent that starts again finds its ranks on disk and goes on listening.

import { mkdirSync } from "node:fs";
import { SkyError } from "../model/errors.ts";
import type { SweepRecord } from "../model/job.ts";
import type { Lease } from "../model/lease.ts";
import type { ProcessEvent, ProcessPort, ProcessReport, ProcessSpec } from "../runtime/process.ts";
import { hexToken } from "../runtime/random.ts";
import type { Cgroups } from "./cgroup-os.ts";
import { findCgroups } from "./cgroup-os.ts";
import type { SlotReport } from "./launcher-os.ts";
import type { LeftoverOptions } from "./leftovers-os.ts";
import { clearGates, clearLeftovers, clearUnused, livingRank } from "./leftovers-os.ts";
import type { LiveRank } from "./live-rank.ts";
import { drop } from "./live-rank.ts";
import { endOutput } from "./output-end-os.ts";
import type { Pool, Slot } from "./pool-os.ts";
import { startPool } from "./pool-os.ts";
import { namesIn } from "./proc-os.ts";
import type { ProcessOsOptions } from "./process-options.ts";
import {
  claimRankDir,
  demandRoom,
  endedAt,
  endLogger,
  failed,
  hasExit,
  keeperLives,
  logBytes,
  mark,
  outputOf,
  placeProblem,
  readClaim,
  readExit,
  readReport,
  refuseIfClaimed,
  startedAt,
} from "./rank-dir-os.ts";
import type { Claim } from "./rank-files.ts";
import { encodeSpec, parseStarted, rankFiles, specProblem } from "./rank-files.ts";
import { ShimWatch } from "./shim-watch-os.ts";
import { clearStrays } from "./strays-os.ts";
import type { SweepOptions } from "./sweep-os.ts";
import { clearLeaf, passed, signalRank, sweepRank } from "./sweep-os.ts";
import { Watchdog, withLease } from "./watchdog-os.ts";

const warmCountDefault = 2;
const logGraceMsDefault = 500;
const prepareTimeoutMs = 30_000;
/** Longer than a shim takes to go after its last word. */
const lastWordMs = 5_000;
/** How long ranks that an earlier agent prepared may take to see that it is gone. */
const settleMsMax = 3_000;

/** Starts the launcher and takes over the ranks that already run here. */
export async function startProcessOs(options: ProcessOsOptions): Promise<ProcessPort> {
  const port = new ProcessOs(options);
  await port.start();
  return port;
}

class ProcessOs implements ProcessPort {
  readonly #options: ProcessOsOptions;
  readonly #cgroups: Cgroups | undefined;
  readonly #bootId: string;
  readonly #slotsDir: string;
  readonly #byDir = new Map<string, LiveRank>();
  readonly #byToken = new Map<string, LiveRank>();
  readonly #preparing = new Set<string>();
  /** Ranks whose shim has said its last word, though its process may take a moment to go. */
  readonly #closedDirs = new Set<string>();
  readonly #listeners = new Set<(event: ProcessEvent) => void>();
  readonly #clearing = new Set<Promise<unknown>>();
  #pool: Pool | undefined;
  readonly #watch: ShimWatch;
  readonly #watchdog: Watchdog;
  #closed = false;

  constructor(options: ProcessOsOptions) {
    const { stateDir, name, cgroupKinds } = options;
    this.#options = options;
    this.#bootId = options.clock.now().bootId;
    this.#slotsDir = `${stateDir}/slots`;
    this.#cgroups = findCgroups({ stateDir, name, ...(cgroupKinds && { kinds: cgroupKinds }) });
    this.#watchdog = new Watchdog({
      ...options,
      order: () => this.#pool?.orderWatchdog(),
      leafOf: (name) => this.#cgroups?.leaf(name),
    });
    this.#watch = new ShimWatch({
      clock: options.clock,
      bootId: this.#bootId,
      graceMs: options.logGraceMs ?? logGraceMsDefault,
      ranks: () => this.#byDir.values(),
      isOpen: this.#isOpen,
      sweepOptions: (claim, dir) => this.#sweepOptions(claim, dir),
      onGone: (rank) => this.#onClosed(rank, false),
      inBackground: (work) => this.#inBackground(work),
    });
  }

  async start(): Promise<void> {
    mkdirSync(this.#options.stateDir, { recursive: true, mode: 0o700 });
    mkdirSync(this.#options.ranksDir, { recursive: true, mode: 0o700 });
    for (const name of namesIn(this.#options.ranksDir)) this.#attach(name);
    this.#inBackground(clearLeftovers(this.#leftovers()));
    const series = hexToken(this.#options.random, 8);
    this.#pool = await startPool({
      ...this.#options,
      cgroups: this.#cgroups,
      series,
      warmCount: this.#options.warmCount ?? warmCountDefault,
      onReport: (report) => this.#onReport(report),
    });
    this.#watchdog.begin();
    await this.#settled();
    clearGates(this.#slotsDir, series);
    this.#watch.begin();
  }

  async prepare(spec: ProcessSpec): Promise<void> {
    const { dir } = spec;
    const problem = specProblem(spec) ?? placeProblem(spec);
    if (problem) throw new SkyError("process/failed", { what: "prepare", why: problem });
    if (this.#closed) throw new SkyError("process/failed", { what: "prepare", why: "closed" });
    demandRoom(this.#options.ranksDir);
    if (this.#byDir.has(dir) || this.#preparing.has(dir)) {
      throw new SkyError("process/claimed", { dir });
    }
    this.#preparing.add(dir);
    try {
      refuseIfClaimed(dir);
      if (spec.leased) await this.#watchdog.stand();
      if (this.#pool) await this.#order(spec, await this.#pool.take());
    } finally {
      this.#preparing.delete(dir);
    }
  }

  /** A rank that nobody would end does not start. */
  go(dir: string, lease?: Lease): void {
    const rank = this.#byDir.get(dir);
    // A word that is not heard would be taken by the next on its seat.
    if (rank?.phase !== "ready" || rank.told) return;
    const { slot, claim } = rank;
    const say = (): void => {
      rank.told = true;
      slot?.say("g\n");
    };
    if (lease === undefined) say();
    else if (claim) this.#inBackground(this.#watchdog.letGo({ dir, claim, lease, say }));
  }

  async signal(dir: string, signal: "TERM" | "KILL"): Promise<void> {
    const rank = this.#byDir.get(dir);
    if (rank === undefined) return;
    if (rank.phase === "claiming" || rank.phase === "ready") drop(rank);
    if (rank.phase !== "running" || rank.claim === undefined) return;
    if (signal === "KILL") mark(dir, rankFiles.killed);
    await signalRank(this.#sweepOptions(rank.claim, dir), signal);
  }

  async sweep(dir: string): Promise<Omit<SweepRecord, "node">> {
    const rank = this.#byDir.get(dir);
    if (rank) drop(rank);
    const claim = readClaim(dir);
    if (claim === undefined || claim.bootId !== this.#bootId) {
      return { found: 0, killed: 0, survivors: 0, unproven: [] };
    }
    if (!hasExit(dir)) mark(dir, rankFiles.killed);
    const options = this.#sweepOptions(claim, dir);
    const record = await sweepRank(options);
    if (record.survivors === 0) this.release(dir);
    if (!keeperLives(claim, this.#bootId)) endLogger(claim);
    const isOver = this.#byDir.get(dir) === undefined;
    if (isOver && claim.leaf !== undefined && !claim.emptied) {
      this.#inBackground(clearLeaf(options));
    }
    return record;
  }

  renew(from: number): void {
    this.#watchdog.renew(from);
  }

  release(dir: string): void {
    this.#watchdog.drop(dir);
  }

  forget(dir: string): boolean {
    return !this.#byDir.has(dir) && this.#pool?.reuse(dir) === true;
  }

  async inventory(): Promise<readonly ProcessReport[]> {
    const reports: ProcessReport[] = [];
    for (const name of namesIn(this.#options.ranksDir)) {
      const dir = `${this.#options.ranksDir}/${name}`;
      const report = readReport(dir, { bootId: this.#bootId, closed: this.#closedDirs.has(dir) });
      if (report) reports.push(withLease(report, this.#watchdog.leaseOf(dir)));
    }
    return reports;
  }

  onEvent(hear: (event: ProcessEvent) => void): () => void {
    this.#listeners.add(hear);
    return () => this.#listeners.delete(hear);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#watch.close();
    for (const rank of this.#byDir.values()) {
      if (!rank.told) drop(rank);
      rank.settle?.(new SkyError("process/failed", { what: "prepare", why: "closed" }));
    }
    const untold = [...this.#byToken.values()].filter(({ told }) => !told);
    for (const { token } of untold) this.#byToken.delete(token);
    await this.#pool?.close(new Set(this.#byToken.keys()));
    await Promise.all(this.#clearing);
    if (this.#cgroups === undefined) await clearStrays({ ...this.#leftovers(), ...this.#options });
    await clearUnused(this.#leftovers());
    this.#watchdog.close();
  }

  // ---- orders

  async #order(spec: ProcessSpec, slot: Slot): Promise<void> {
    const { dir } = spec;
    const { token } = slot;
    const output = outputOf(slot.claim);
    try {
      slot.lay(encodeSpec(spec));
      claimRankDir(slot.dir, spec, output ?? "unknown");
    } catch (error) {
      slot.drop();
      this.#pool?.discard(token);
      throw error;
    }
    const settled = new Promise<void>((resolve, reject) => {
      const cancel = this.#options.clock.after(prepareTimeoutMs, () =>
        rank.settle?.(failed("prepare", `the shim did not answer in ${prepareTimeoutMs} ms`)),
      );
      const settle = (refusal: SkyError | undefined): void => {
        cancel();
        rank.settle = undefined;
        if (refusal) drop(rank);
        if (refusal) reject(refusal);
        else resolve();
      };
      const rank: LiveRank = {
        ...{ dir, token, slot, settle, claim: { ...slot.claim, output } },
        ...{ phase: "claiming", startedWallMs: undefined },
        ...{ told: spec.goWhenReady, dropped: false, mourned: false },
      };
      this.#byDir.set(dir, rank);
      this.#byToken.set(token, rank);
    });
    slot.say(spec.goWhenReady ? "p\ng\n" : "p\n");
    await settled;
  }

  // ---- reports

  #onReport({ kind, token, words }: SlotReport): void {
    if (kind === "watches") this.#watchdog.stood();
    const rank = this.#byToken.get(token);
    if (rank === undefined) return;
    switch (kind) {
      case "ready":
        rank.phase = "ready";
        rank.settle?.(undefined);
        break;
      case "started":
        this.#onStarted(rank, words[0]);
        break;
      case "ended":
        this.#onEnded(rank);
        break;
      case "closed":
        this.#onClosed(rank, words[0] === "+");
        break;
      default:
    }
  }

  #onStarted(rank: LiveRank, when: string | undefined): void {
    rank.phase = "running";
    this.#pool?.passed(rank.token);
    const wallMs = parseStarted(`${when}\n`) ?? this.#options.clock.now().wallMs;
    rank.startedWallMs = wallMs;
    this.#emit({ kind: "started", dir: rank.dir, pid: rank.claim?.runner.pid ?? 0, wallMs });
    this.#watch.begin();
  }

  /** The exit code is known. The output gets a grace, then those who hold it are ended. */
  #onEnded(rank: LiveRank): void {
    if (rank.phase === "ended") return;
    rank.phase = "ended";
    const graceMs = this.#options.logGraceMs ?? logGraceMsDefault;
    this.#options.clock.after(graceMs, () => {
      const { claim } = rank;
      const isOpen = () => this.#isOpen(rank) && !this.#closed;
      if (claim === undefined || !isOpen()) return;
      const sweep = this.#sweepOptions(claim, rank.dir);
      const { clock, log } = this.#options;
      // Not awaited by `close`: a rank that has ended needs no agent to stay so.
      endOutput({ clock, graceMs, sweep, isOpen }).catch((error: unknown) => {
        log.error("the output of a rank cannot be ended", { error });
      });
    });
  }

  /** Clean: it succeeded, and its cgroup was seen empty. */
  #onClosed(rank: LiveRank, isClean: boolean): void {
    const { dir, token, claim } = rank;
    this.#byDir.delete(dir);
    this.#closedDirs.add(dir);
    this.#options.clock.after(lastWordMs, () => this.#closedDirs.delete(dir));
    this.#byToken.delete(token);
    if (rank.phase === "ready" && !rank.dropped) {
      mark(dir, rankFiles.lost, "it ended while it stood ready, before it was started\n");
    }
    const exit = isClean ? ({ kind: "code", code: 0 } as const) : this.#exitOf(rank);
    const isSeated = isClean && rank.slot !== undefined;
    // Its cgroup is the next rank's now.
    if (isClean) this.release(dir);
    this.#pool?.giveBack(token, isSeated ? "clean" : rank.mourned ? "killed" : "ended");
    if (claim && !isSeated) this.#inBackground(this.#clear(dir, claim));
    rank.settle?.(failed("prepare", "the shim ended before it was ready"));
    if (exit === undefined) return;
    const wallMs = endedAt(dir, rank.startedWallMs ?? startedAt(dir) ?? 0);
    this.#emit({ kind: "exited", dir, exit, wallMs, logBytes: logBytes(dir) });
  }

  /** In a cgroup that could be removed there is nothing left that a lease would be for. */
  async #clear(dir: string, claim: Claim): Promise<void> {
    if ((await clearLeaf(this.#sweepOptions(claim, dir))) && claim.leaf) this.release(dir);
  }

  #exitOf(rank: LiveRank) {
    return readExit(rank.dir, this.#cgroups?.oomKills(rank.claim?.leaf ?? rank.token) ?? 0);
  }

  readonly #isOpen = (rank: LiveRank): boolean => this.#byDir.get(rank.dir) === rank;

  // ---- an earlier agent's ranks

  #attach(name: string): void {
    const rank = livingRank(`${this.#options.ranksDir}/${name}`, this.#bootId);
    if (rank === undefined) return;
    this.#byDir.set(rank.dir, rank);
    this.#byToken.set(rank.token, rank);
    if (hasExit(rank.dir)) this.#onEnded(rank);
  }

  /** Waits until whatever an earlier agent had prepared has either started or ended. */
  async #settled(): Promise<void> {
    const until = this.#options.clock.now().monoMs + settleMsMax;
    const open = () => [...this.#byDir.values()].filter((rank) => rank.phase === "ready");
    while (open().length > 0 && this.#options.clock.now().monoMs < until) {
      for (const rank of open()) {
        if (startedAt(rank.dir) !== undefined) rank.phase = "running";
        else if (rank.claim && !keeperLives(rank.claim, this.#bootId)) this.#onClosed(rank, false);
      }
      await passed(this.#options.clock, 5);
    }
  }

  // ---- the rest

  #leftovers(): LeftoverOptions {
    const { clock } = this.#options;
    const leaves = () => [...this.#byToken.values()].map(({ claim }) => claim?.leaf);
    const isUsed = (token: string) => this.#byToken.has(token) || leaves().includes(token);
    return { slotsDir: this.#slotsDir, cgroups: this.#cgroups, clock, isUsed };
  }

  #sweepOptions(claim: Claim, rankDir: string): SweepOptions {
    return { claim, rankDir, cgroups: this.#cgroups, clock: this.#options.clock };
  }

  /** What nobody waits for, except `close`. A failure is a bug, and said. */
  #inBackground(work: Promise<unknown>): void {
    const done = work.catch((error: unknown) => {
      this.#options.log.error("clean-up failed", { error });
    });
    this.#clearing.add(done);
    void done.finally(() => this.#clearing.delete(done));
  }

  #emit(event: ProcessEvent): void {
    for (const hear of this.#listeners) hear(event);
  }
}
