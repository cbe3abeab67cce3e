// The slots of a node: shims that were forked ahead of time and wait for a rank.
//
// A slot costs two forks and three execs, so a few stand warm and a used one is replaced once its
// rank has started. Each is made on a seat (`seats-os.ts`), and in a directory that served a rank
// before where there is one: on ext4 each new file steps over all that were deleted in the last
// minute, so what is made anew for every rank makes every rank slow. With nothing warm, a slot is
// made on demand by the same path.
//
// What must always hold: a slot goes to one rank only; one that is given up never starts.

import { writeSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { SkyError } from "../model/errors.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { Cgroups } from "./cgroup-os.ts";
import { clearSpec, removeSlotDir, writeSpec } from "./gates-os.ts";
import type { Launcher, SlotReport } from "./launcher-os.ts";
import { startLauncher } from "./launcher-os.ts";
import { isAlive } from "./proc-os.ts";
import type { Claim } from "./rank-files.ts";
import { parseClaim } from "./rank-files.ts";
import type { Seat } from "./seats-os.ts";
import { Seats } from "./seats-os.ts";
import { didKeepDir } from "./spare-dirs-os.ts";

export interface Slot {
  readonly token: string;
  /** Its directory, until it is the rank's. */
  readonly dir: string;
  readonly claim: Claim;
  /** What the runner reads when it hears `p`. Gone from the disk once the rank has started. */
  lay(spec: string): void;
  /** `p`repare and `g`o, in this order and once each. Nothing happens after `drop`. */
  say(words: "p\n" | "g\n" | "p\ng\n"): void;
  /** Closes our end: what has not started never will, and the seat takes no other slot. */
  drop(): void;
}

export interface PoolOptions {
  readonly stateDir: string;
  readonly home: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly cgroups: Cgroups | undefined;
  /** 16 hex digits that no other agent of this node ever used. */
  readonly series: string;
  readonly warmCount: number;
  readonly onReport: (report: SlotReport) => void;
}

const refillDelayMs = 5;
const retryDelayMs = 1_000;
const takeTimeoutMs = 30_000;
/** A slot that is not warm by then never will be: somebody killed its keeper. */
const formMsMax = 10_000;
const spareDirsMax = 64;

/** A slot that stands. */
interface Warm {
  readonly slot: Slot;
  readonly seat: Seat;
}

/** A slot that a rank has. */
interface Lent {
  readonly seat: Seat;
  started: boolean;
}

/** Starts the launcher and warms the first slots; resolves once the launcher takes orders. */
export async function startPool(options: PoolOptions): Promise<Pool> {
  const pool = new Pool(options);
  await pool.start();
  return pool;
}

export class Pool {
  readonly slotsDir: string;
  readonly #options: PoolOptions;
  readonly #seats: Seats;
  /** By token, each on its seat. */
  readonly #forming = new Map<string, Seat>();
  readonly #warm: Warm[] = [];
  readonly #lent = new Map<string, Lent>();
  readonly #laying = new Set<Promise<void>>();
  readonly #discarded = new Set<string>();
  readonly #waiters: ((slot: Slot) => void)[] = [];
  /** Tokens whose directories are there already. */
  readonly #spare: string[] = [];
  #made = 0;
  #refilling = false;
  #closed = false;
  #launcher: Launcher | undefined;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.slotsDir = `${options.stateDir}/slots`;
    this.#seats = new Seats({
      ...options,
      slotsDir: this.slotsDir,
      gatesFirst: options.warmCount,
      order: (line) => this.#launcher?.order(line),
      onGates: () => this.#form(),
    });
  }

  async start(): Promise<void> {
    this.#launcher = await startLauncher({
      ...this.#options,
      onReport: (report) => this.#onReport(report),
      onRestart: () => this.#onRestart(),
    });
    this.#form();
  }

  orderWatchdog(): void {
    this.#launcher?.order("watch");
  }

  /** A warm slot, at once if there is one. @throws SkyError `process/failed` after a long wait. */
  async take(): Promise<Slot> {
    const warm = this.#warm.shift();
    if (warm === undefined) return await this.#wait();
    if (!stands(warm)) {
      this.#abandon(warm);
      return await this.take();
    }
    this.#lent.set(warm.slot.token, { seat: warm.seat, started: false });
    if (this.#warm.length === 0) this.#refillSoon();
    return warm.slot;
  }

  /** The slot's rank has started: it has read its spec, and will never look at its gate again. */
  passed(token: string): void {
    const lent = this.#lent.get(token);
    if (lent === undefined) return;
    lent.started = true;
    clearSpec(this.slotsDir, lent.seat.gate);
    this.#refillSoon();
  }

  /** No rank could have it after all, and it was dropped: what is left of it goes with its end. */
  discard(token: string): void {
    this.#lent.delete(token);
    this.#discarded.add(token);
  }

  /** The slot has ended and its rank's files are in order. Clean: and its seat is there still. */
  giveBack(token: string, how: "clean" | "ended" | "killed"): void {
    const seat = this.#lent.get(token)?.seat;
    this.#lent.delete(token);
    if (seat === undefined) return;
    if (how === "killed") this.#seats.lost(seat);
    else if (how === "clean") this.#seats.rest(seat);
    else this.#seats.vacated(seat.name);
    if (this.#waiters.length > 0) this.#form();
    else this.#refillSoon();
  }

  /** Takes a forgotten rank's directory for a slot to come. False if it must be removed instead. */
  reuse(rankDir: string): boolean {
    if (this.#closed || this.#spare.length >= spareDirsMax) return false;
    const token = this.#newToken();
    try {
      if (!didKeepDir(rankDir, `${this.slotsDir}/${token}`)) return false;
      this.#spare.push(token);
      return true;
    } catch (error) {
      this.#options.log.warn("a directory cannot serve again", { error });
      removeSlotDir(this.slotsDir, token);
      return false;
    }
  }

  /** Ends the launcher and every slot that was not taken. Those in `kept` may yet start. */
  async close(kept: ReadonlySet<string>): Promise<void> {
    this.#closed = true;
    const lent = [...this.#lent];
    const staying = lent.filter(([token]) => kept.has(token));
    const tokens = [
      ...[...this.#warm.map(({ slot }) => slot.token), ...this.#forming.keys()],
      ...[...this.#discarded, ...this.#spare],
      ...lent.map(([token]) => token).filter((token) => !kept.has(token)),
    ];
    this.#forming.clear();
    await Promise.all(this.#laying);
    const ended = this.#launcher?.end() ?? Promise.resolve();
    await this.#seats.close(
      new Map(staying.map(([, { seat, started }]) => [seat, started ? "runs" : "waits"])),
      ended,
    );
    this.#launcher?.close();
    for (const token of tokens) removeSlotDir(this.slotsDir, token);
  }

  #wait(): Promise<Slot> {
    return new Promise<Slot>((resolve, reject) => {
      const cancel = this.#options.clock.after(takeTimeoutMs, () => {
        this.#waiters.splice(this.#waiters.indexOf(wake), 1);
        const why = `no shim within ${takeTimeoutMs} ms`;
        reject(new SkyError("process/failed", { what: "prepare", why }));
      });
      const wake = (slot: Slot): void => {
        cancel();
        resolve(slot);
      };
      this.#waiters.push(wake);
      this.#form();
    });
  }

  #onReport(report: SlotReport): void {
    const { kind, token } = report;
    if (kind === "gates-made") this.#seats.gatesMade(token);
    else if (kind === "warm") this.#onWarm(report);
    else if (kind === "vacated") this.#onVacated(token);
    else if (kind === "closed" && !this.#lent.has(token)) this.#onUnused(token);
    this.#options.onReport(report);
  }

  #onWarm({ token, words }: SlotReport): void {
    const seat = this.#forming.get(token);
    const claim = parseClaim(`${[token, ...words].join(" ")}\n`);
    if (seat === undefined || claim === undefined) return;
    this.#forming.delete(token);
    seat.stage = "sat";
    seat.keeper = claim.keeper;
    const slot = this.#slotOn(seat, claim);
    const waiter = this.#waiters.shift();
    if (waiter === undefined) {
      this.#warm.push({ slot, seat });
    } else {
      this.#lent.set(token, { seat, started: false });
      waiter(slot);
    }
    this.#form();
  }

  /** A slot ended that no rank ever had. */
  #onUnused(token: string): void {
    const index = this.#warm.findIndex(({ slot }) => slot.token === token);
    const [warm] = index >= 0 ? this.#warm.splice(index, 1) : [];
    const forming = this.#forming.get(token);
    const seat = forming ?? warm?.seat;
    this.#forming.delete(token);
    if (seat) this.#seats.vacated(seat.name);
    if (seat || this.#discarded.delete(token)) removeSlotDir(this.slotsDir, token);
    // One that never stood, as on a full disk, would fail again at once.
    if (!this.#closed) this.#refillSoon(forming ? retryDelayMs : refillDelayMs);
  }

  #onVacated(name: string): void {
    this.#seats.vacated(name);
    if (!this.#closed) this.#refillSoon();
  }

  #onRestart(): void {
    for (const [token, seat] of [...this.#forming]) {
      if (seat.stage !== "ordered") continue;
      this.#forming.delete(token);
      removeSlotDir(this.slotsDir, token);
    }
    this.#seats.launcherLost();
    this.#form();
  }

  #refillSoon(delayMs = refillDelayMs): void {
    if (this.#refilling || this.#closed) return;
    this.#refilling = true;
    this.#options.clock.after(delayMs, () => {
      this.#refilling = false;
      this.#form();
    });
  }

  /** Orders slots for all who wait; only when nobody does, one after the other for who will. */
  #form(): void {
    const { warmCount } = this.#options;
    const waiting = this.#waiters.length;
    const wanted = () =>
      waiting > 0
        ? this.#forming.size < waiting
        : this.#forming.size === 0 && this.#warm.length < warmCount;
    while (!this.#closed && wanted()) if (!this.#didForm()) return;
  }

  #didForm(): boolean {
    const spare = this.#spare.pop();
    const token = spare ?? this.#newToken();
    const seat = this.#seats.find(token);
    if (seat === undefined) {
      if (spare !== undefined) this.#spare.push(spare);
      return false;
    }
    this.#forming.set(token, seat);
    this.#options.clock.after(formMsMax, () => this.#giveUp(token, seat));
    const laying = this.#lay(seat, token, spare === undefined).catch((error: unknown) => {
      this.#options.log.error("a slot cannot be made", { error });
      this.#options.clock.after(retryDelayMs, () => this.#giveUp(token, seat));
    });
    this.#laying.add(laying);
    void laying.finally(() => this.#laying.delete(laying));
    return true;
  }

  /** What is not there yet, then the order. */
  async #lay(seat: Seat, token: string, isNew: boolean): Promise<void> {
    const dir = isNew ? mkdir(`${this.slotsDir}/${token}`, 0o700) : undefined;
    if (isNew || seat.stage === "new") await Promise.all([dir, this.#seats.furnish(seat)]);
    if (this.#forming.get(token) === seat) this.#seats.call(seat, token);
  }

  #giveUp(token: string, seat: Seat): void {
    if (this.#forming.get(token) !== seat) return;
    this.#forming.delete(token);
    removeSlotDir(this.slotsDir, token);
    this.#seats.abandon(seat);
    this.#form();
  }

  /** Somebody killed it while it stood: no rank begins there. */
  #abandon({ slot, seat }: Warm): void {
    this.#seats.abandon(seat);
    removeSlotDir(this.slotsDir, slot.token);
  }

  #newToken(): string {
    return `${this.#options.series}-${this.#made++}`;
  }

  #slotOn(seat: Seat, claim: Claim): Slot {
    const { token } = claim;
    return {
      token,
      claim,
      dir: `${this.slotsDir}/${token}`,
      lay: (spec) => writeSpec(this.slotsDir, seat.gate, spec),
      say: (words) => {
        if (seat.open) writeSync(seat.fd, words);
      },
      drop: () => this.#seats.shut(seat),
    };
  }
}

function stands({ slot: { claim } }: Warm): boolean {
  return [claim.keeper, claim.logger, claim.runner].every(isAlive);
}
