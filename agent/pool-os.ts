// The slots of a node: shims that were forked ahead of time and wait for a rank.
//
// A slot costs five processes' worth of fork and exec, and up to 20 ms to enter its cgroup, so a
// few stand warm and a used one is replaced a moment later. Their FIFOs are made in batches, by one
// `mkfifo` each. With nothing warm, a slot is made on demand by the same path.
//
// What must always hold: the agent has a FIFO open before it orders the slot that waits on it, so
// that end of file means that the agent is gone and nothing else.

import { closeSync, constants, openSync, unlinkSync, writeSync } from "node:fs";
import { SkyError } from "../model/errors.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { Cgroups } from "./cgroup-os.ts";
import type { Launcher, SlotReport } from "./launcher-os.ts";
import { startLauncher } from "./launcher-os.ts";
import { isAbsent } from "./proc-os.ts";

export interface Slot {
  readonly token: string;
  readonly inCgroup: boolean;
  /** `p`repare and `g`o, in this order. Nothing happens after `drop`. */
  say(words: "p\n" | "g\n" | "p\ng\n"): void;
  /** Closes our end: what has not started never will. */
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

const batchCount = 32;
/** Order the next batch of FIFOs when fewer are left. */
const batchLowCount = 12;
const refillDelayMs = 10;
const takeTimeoutMs = 30_000;
/** A slot that has heard nothing from us by then was lost with its launcher. */
const goneMsMax = 2_000;

interface Forming {
  readonly token: string;
  readonly fd: number;
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
  readonly #forming = new Map<string, Forming>();
  readonly #warm: Slot[] = [];
  readonly #lent = new Set<string>();
  readonly #waiters: ((slot: Slot) => void)[] = [];
  /** Tokens whose FIFOs exist, and those whose FIFOs are ordered. */
  readonly #free: string[] = [];
  #ordered: readonly string[] = [];
  #made = 0;
  #refilling = false;
  #closed = false;
  /** While closing: slots that have ended, and who waits to hear of them. */
  readonly #goneEarly = new Set<string>();
  #onGone: (token: string) => void = () => {};
  #launcher: Launcher | undefined;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.slotsDir = `${options.stateDir}/slots`;
  }

  async start(): Promise<void> {
    this.#launcher = await startLauncher({
      ...this.#options,
      onReport: (report) => this.#onReport(report),
      onRestart: () => this.#onRestart(),
    });
    this.#form();
  }

  launcherPid(): number | undefined {
    return this.#launcher?.pid();
  }

  /** A warm slot, at once if there is one. @throws SkyError `process/failed` after a long wait. */
  async take(): Promise<Slot> {
    const slot = this.#warm.shift();
    if (slot === undefined) return await this.#wait();
    this.#lent.add(slot.token);
    this.#refillSoon();
    return slot;
  }

  /** The slot has ended and its rank's files are in order. */
  giveBack(token: string): void {
    this.#lent.delete(token);
    removeSlotFiles(this.slotsDir, token);
  }

  /** Ends the launcher and every slot that was not taken. */
  async close(): Promise<void> {
    this.#closed = true;
    const unused = [...this.#warm.map((slot) => slot.token), ...this.#forming.keys()];
    for (const slot of this.#warm) slot.drop();
    for (const { fd } of this.#forming.values()) closeSync(fd);
    this.#warm.length = 0;
    this.#forming.clear();
    await this.#launcher?.end();
    await this.#gone(new Set(unused));
    this.#launcher?.close();
    for (const token of [...unused, ...this.#free, ...this.#ordered]) {
      removeSlotFiles(this.slotsDir, token);
    }
  }

  /** Slots that still form look for their FIFOs: those go only after them. */
  async #gone(tokens: Set<string>): Promise<void> {
    for (const token of this.#goneEarly) tokens.delete(token);
    if (tokens.size === 0) return;
    await new Promise<void>((resolve) => {
      const cancel = this.#options.clock.after(goneMsMax, resolve);
      this.#onGone = (token) => {
        tokens.delete(token);
        if (tokens.size > 0) return;
        cancel();
        resolve();
      };
    });
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
    if (kind === "fifos-made") this.#onFifos();
    else if (kind === "warm") this.#onWarm(report);
    else if (kind === "closed" && !this.#lent.has(token)) this.#onUnused(token);
    this.#options.onReport(report);
  }

  #onFifos(): void {
    this.#free.push(...this.#ordered);
    this.#ordered = [];
    this.#form();
  }

  #onWarm({ token, word }: SlotReport): void {
    const ready = this.#forming.get(token);
    if (ready === undefined) return;
    this.#forming.delete(token);
    unlinkIfThere(`${this.slotsDir}/${token}.go`);
    unlinkIfThere(`${this.slotsDir}/${token}.out`);
    const slot = slotOf(ready, word === "+");
    const waiter = this.#waiters.shift();
    if (waiter === undefined) {
      this.#warm.push(slot);
    } else {
      this.#lent.add(token);
      waiter(slot);
    }
    this.#refillSoon();
  }

  /** A slot ended that no rank ever had. */
  #onUnused(token: string): void {
    if (this.#closed) {
      this.#goneEarly.add(token);
      this.#onGone(token);
    }
    const half = this.#forming.get(token);
    if (half) closeSync(half.fd);
    this.#forming.delete(token);
    const index = this.#warm.findIndex((slot) => slot.token === token);
    if (index >= 0) this.#warm.splice(index, 1)[0]?.drop();
    removeSlotFiles(this.slotsDir, token);
    this.#options.cgroups?.remove(token);
    this.#refillSoon();
  }

  /** What was on its way to the dead launcher is ordered anew. */
  #onRestart(): void {
    for (const { fd } of this.#forming.values()) closeSync(fd);
    this.#forming.clear();
    this.#ordered = [];
    this.#form();
  }

  #refillSoon(): void {
    if (this.#refilling) return;
    this.#refilling = true;
    this.#options.clock.after(refillDelayMs, () => {
      this.#refilling = false;
      this.#form();
    });
  }

  /** Orders slots for those who wait; only when nobody does, for those who will. */
  #form(): void {
    const { cgroups, warmCount } = this.#options;
    const wanted = this.#waiters.length > 0 ? this.#waiters.length : warmCount;
    while (!this.#closed && this.#forming.size + this.#warm.length < wanted) {
      const token = this.#free.shift();
      if (token === undefined) break;
      cgroups?.make(token);
      const path = `${this.slotsDir}/${token}.go`;
      const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
      this.#forming.set(token, { token, fd });
      this.#launcher?.order(`slot ${token} ${cgroups?.leaf(token) ?? ""}`);
    }
    this.#orderFifos();
  }

  #orderFifos(): void {
    if (this.#closed || this.#ordered.length > 0 || this.#free.length >= batchLowCount) return;
    const { series } = this.#options;
    this.#ordered = Array.from({ length: batchCount }, () => `${series}-${this.#made++}`);
    const names = this.#ordered.flatMap((token) => [`${token}.go`, `${token}.out`]);
    this.#launcher?.order(`fifos ${names.join(" ")}`);
  }
}

function slotOf({ token, fd }: Forming, inCgroup: boolean): Slot {
  let open = true;
  return {
    token,
    inCgroup,
    say: (words) => {
      if (open) writeSync(fd, words);
    },
    drop: () => {
      if (open) closeSync(fd);
      open = false;
    },
  };
}

/** What a slot leaves in the state folder. */
export function removeSlotFiles(slotsDir: string, token: string): void {
  for (const end of [".go", ".out", ".log", ""]) unlinkIfThere(`${slotsDir}/${token}${end}`);
}

function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
}
