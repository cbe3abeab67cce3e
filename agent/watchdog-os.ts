// The leases of a node's ranks on disk, and the watchdog that looks after them (`watchdog.ts`).
//
// The watchdog outlives agent and launcher; it is found again by its number and the moment of its
// start. It is started through the launcher, when the first rank on a lease gets ready.
//
// What must always hold: a rank is let go only after its lease is on disk and a watchdog has been
// seen alive after that. What the head confirms is written down before anybody here counts on it.

import { closeSync, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { SkyError } from "../model/errors.ts";
import type { Lease } from "../model/lease.ts";
import { leaseEnd } from "../model/lease.ts";
import type { Clock } from "../runtime/clock.ts";
import type { ProcessReport } from "../runtime/process.ts";
import { isNoRoom } from "../runtime/room-os.ts";
import type { ClockPair } from "./boot-clock.ts";
import { BootClock, parseUptime } from "./boot-clock.ts";
import { baseText, leaseText, parseBase, parseLease } from "./lease-files.ts";
import { isAlive, namesIn, readText, signalProcess } from "./proc-os.ts";
import type { Claim, ProcessId } from "./rank-files.ts";
import { watchdogScript } from "./watchdog.ts";

export interface WatchdogOptions {
  readonly stateDir: string;
  readonly ranksDir: string;
  readonly clock: Clock;
  /** Has the launcher start one. It may be lost with the launcher. */
  readonly order: () => void;
  /** The folder of a seat's cgroup. */
  readonly leafOf: (name: string) => string | undefined;
}

export interface LetGo {
  readonly dir: string;
  readonly claim: Claim;
  readonly lease: Lease;
  readonly say: () => void;
}

/** How long one may take to stand, and after how long a lost order is repeated. */
const standMsMax = 15_000;
const orderAgainMs = 1_000;

export class Watchdog {
  readonly #options: WatchdogOptions;
  readonly #bootId: string;
  readonly #boot = new BootClock();
  readonly #waiters = new Set<() => void>();
  #ordering = false;
  #closed = false;

  constructor(options: WatchdogOptions) {
    this.#options = options;
    this.#bootId = options.clock.now().bootId;
    this.#look();
  }

  /** What earlier agents left is taken over: leases of a rank that is gone go too. */
  begin(): void {
    const { stateDir, ranksDir } = this.#options;
    mkdirSync(`${stateDir}/leases`, { recursive: true, mode: 0o700 });
    const script = watchdogScript(ranksDir);
    writeFileSync(`${stateDir}/watchdog.sh`, script, { mode: 0o700 });
    const ranks = new Set(namesIn(ranksDir));
    for (const name of this.#names()) {
      if (this.#line(name) === undefined || !ranks.has(name)) this.#remove(name);
    }
    this.#standIfNeeded();
  }

  /** Resolves when one stands. @throws SkyError `process/failed` if none does. */
  async stand(): Promise<void> {
    this.#look();
    if (this.#lives()) return;
    await new Promise<void>((resolve, reject) => {
      const cancel = this.#options.clock.after(standMsMax, () => {
        this.#waiters.delete(stands);
        const why = `no watchdog within ${standMsMax} ms`;
        reject(new SkyError("process/failed", { what: "prepare", why }));
      });
      const stands = (): void => {
        cancel();
        resolve();
      };
      this.#waiters.add(stands);
      this.#order();
    });
  }

  /** The launcher's word that one stands. */
  stood(): void {
    for (const tell of [...this.#waiters]) {
      this.#waiters.delete(tell);
      tell();
    }
  }

  /** Lets a rank go, at once if it can, once its lease is laid down and watched; else never. */
  async letGo({ dir, claim, lease, say }: LetGo): Promise<void> {
    while (this.#grant(dir, lease, claim)) {
      if (this.#lives()) {
        say();
        return;
      }
      await this.stand();
    }
  }

  /** Written over in place, which needs no room: a full disk ends no lease. */
  renew(from: number): void {
    const bootMs = this.#boot.bootMsOf(from);
    this.#look();
    if (bootMs === undefined) return;
    const before = parseBase(this.#baseText(), this.#bootId) ?? 0;
    if (bootMs > before) writeOver(`${this.#options.stateDir}/lease-base`, this.#text(bootMs));
    this.#standIfNeeded();
  }

  drop(dir: string): void {
    this.#remove(nameOf(dir));
  }

  /** The lease of a rank; `undefined` if it has none, or if it was ended for it. */
  leaseOf(dir: string): Lease | undefined {
    const line = this.#line(nameOf(dir));
    if (line === undefined) return undefined;
    const base = parseBase(this.#baseText(), this.#bootId) ?? 0;
    const from = this.#boot.monoMsOf(Math.max(line.bootMs, base));
    return from === undefined ? undefined : { from, leaseMs: line.leaseMs };
  }

  /** With the agent, unless something here still runs on a lease. */
  close(): void {
    this.#closed = true;
    if (this.#names().some((name) => this.#line(name) !== undefined)) return;
    const dog = this.#dog();
    if (dog !== undefined && isAlive(dog)) signalProcess(dog.pid, "KILL");
  }

  /** Lays the lease down. False if it is over, or there is no room for it. */
  #grant(dir: string, lease: Lease, claim: Claim): boolean {
    const bootMs = this.#boot.bootMsOf(lease.from);
    if (bootMs === undefined || leaseEnd(lease) <= this.#options.clock.now().monoMs) return false;
    const { token, runner: leader, keeper, logger, bootId } = claim;
    const leaf = claim.leaf === undefined ? undefined : this.#options.leafOf(claim.leaf);
    const found = { token, leader, shim: [keeper.pid, logger.pid] as const, leaf };
    const text = leaseText({ bootMs, leaseMs: lease.leaseMs, bootId, ...found });
    try {
      writeFileSync(this.#path(nameOf(dir)), text, { mode: 0o600 });
    } catch (error) {
      if (isNoRoom(error)) return false;
      throw error;
    }
    return true;
  }

  #names(): readonly string[] {
    return namesIn(`${this.#options.stateDir}/leases`);
  }

  #remove(name: string): void {
    rmSync(this.#path(name), { force: true });
  }

  #path(name: string): string {
    return `${this.#options.stateDir}/leases/${name}`;
  }

  /** Of this boot: nothing of an earlier one runs. */
  #line(name: string): ReturnType<typeof parseLease> {
    const line = parseLease(readText(this.#path(name)) ?? "");
    return line?.bootId === this.#bootId ? line : undefined;
  }

  #baseText(): string {
    return readText(`${this.#options.stateDir}/lease-base`) ?? "";
  }

  #text(bootMs: number): string {
    return baseText(bootMs, this.#bootId);
  }

  #dog(): ProcessId | undefined {
    const [pid, startTicks] = (readText(`${this.#options.stateDir}/watchdog`) ?? "").split(" ");
    if (pid === undefined || startTicks === undefined) return undefined;
    return { pid: Number(pid), startTicks: Number(startTicks) };
  }

  #lives(): boolean {
    const dog = this.#dog();
    return dog !== undefined && isAlive(dog);
  }

  #standIfNeeded(): void {
    const isNeeded = this.#names().some((name) => this.#line(name) !== undefined);
    if (isNeeded && !this.#lives()) this.#order();
  }

  #order(): void {
    if (this.#ordering || this.#closed) return;
    this.#ordering = true;
    this.#options.order();
    this.#options.clock.after(orderAgainMs, () => {
      this.#ordering = false;
      if (this.#lives()) this.stood();
      else if (this.#waiters.size > 0) this.#order();
    });
  }

  #look(): void {
    const pair = clocksNow(this.#options.clock);
    if (pair !== undefined) this.#boot.saw(pair);
  }
}

function nameOf(dir: string): string {
  return dir.slice(dir.lastIndexOf("/") + 1);
}

/** What is told of a rank, with the lease that something of it may still be on. */
export function withLease(report: ProcessReport, lease: Lease | undefined): ProcessReport {
  const mayLive = report.phase === "running" || report.phase === "exited";
  return mayLive && lease !== undefined ? { ...report, lease } : report;
}

/** Both clocks; the monotonic one last, so that a pause in between makes leases shorter. */
function clocksNow(clock: Clock): ClockPair | undefined {
  const bootMs = parseUptime(readText("/proc/uptime") ?? "");
  const { monoMs } = clock.now();
  return bootMs === undefined ? undefined : { monoMs, bootMs };
}

function writeOver(path: string, text: string): void {
  const fd = openSync(path, "a+", 0o600);
  closeSync(fd);
  const place = openSync(path, "r+");
  try {
    writeSync(place, text, 0);
  } finally {
    closeSync(place);
  }
}
