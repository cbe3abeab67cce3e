// The slots of a node: shims that were forked ahead of time and wait for a rank.
//
// A slot costs three forks and four execs, and up to 20 ms to enter its cgroup, so a few stand warm
// and a used one is replaced once its rank has started. Each waits at a *gate*, a FIFO and a file
// for the rank's spec, which serve one slot after another: on ext4 each new file steps over all
// that were deleted in the last minute, so what is made anew for every rank makes every rank slow.
// With nothing warm, a slot is made on demand by the same path.
//
// What must always hold: the agent has a FIFO open before it orders the slot that waits on it, so
// that end of file means that the agent is gone and nothing else. A gate is used again only when
// its slot has let go of it.

import {
  closeSync,
  constants,
  ftruncateSync,
  openSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { mkdir } from "node:fs/promises";
import { SkyError } from "../model/errors.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { Cgroups } from "./cgroup-os.ts";
import type { Launcher, SlotReport } from "./launcher-os.ts";
import { startLauncher } from "./launcher-os.ts";
import { isAbsent } from "./proc-os.ts";

export interface Slot {
  readonly token: string;
  /** Its directory, until it is the rank's. */
  readonly dir: string;
  /** What the runner reads when it hears `p`. Gone from the disk once the slot is let go. */
  lay(spec: string): void;
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

const gateBatch = 8;
const refillDelayMs = 5;
const retryDelayMs = 1_000;
const takeTimeoutMs = 30_000;
/** A slot that has heard nothing from us by then was lost with its launcher. */
const goneMsMax = 2_000;

/** A slot on its way, or one that stands. */
interface Place {
  readonly token: string;
  readonly gate: string;
  readonly fd: number;
  /** Whether the launcher has heard of it. */
  ordered: boolean;
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
  readonly #forming = new Map<string, Place>();
  readonly #warm: { readonly slot: Slot; readonly gate: string }[] = [];
  /** Slots that ranks have, by token, with the gate of each that still needs it. */
  readonly #lent = new Map<string, string | undefined>();
  readonly #laying = new Set<Promise<void>>();
  readonly #discarded = new Map<string, string>();
  readonly #waiters: ((slot: Slot) => void)[] = [];
  /** Gates that nobody is at, and those that are ordered. */
  readonly #free: string[] = [];
  #ordered: readonly string[] = [];
  #gates = 0;
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
    const warm = this.#warm.shift();
    if (warm === undefined) return await this.#wait();
    this.#lent.set(warm.slot.token, warm.gate);
    if (this.#warm.length === 0) this.#refillSoon();
    return warm.slot;
  }

  /** The slot's rank has started: it will never look at its gate again. */
  passed(token: string): void {
    const gate = this.#lent.get(token);
    if (gate === undefined) return;
    this.#lent.set(token, undefined);
    this.#reuse(gate);
    this.#refillSoon();
  }

  /** No rank could have it after all, and it was dropped: what is left of it goes with its end. */
  discard(token: string): void {
    const gate = this.#lent.get(token);
    this.#lent.delete(token);
    if (gate !== undefined) this.#discarded.set(token, gate);
  }

  /** The slot has ended and its rank's files are in order. */
  giveBack(token: string, how: "ended" | "killed"): void {
    const gate = this.#lent.get(token);
    this.#lent.delete(token);
    removeSlotDir(this.slotsDir, token);
    if (gate === undefined) return;
    if (how === "ended") this.#reuse(gate);
    else removeGate(this.slotsDir, gate);
    this.#refillSoon();
  }

  /** Ends the launcher and every slot that was not taken. Those in `kept` may yet start. */
  async close(kept: ReadonlySet<string>): Promise<void> {
    this.#closed = true;
    const warm = this.#warm.splice(0);
    const forming = [...this.#forming.values()];
    this.#forming.clear();
    for (const { slot } of warm) slot.drop();
    for (const { fd } of forming) closeSync(fd);
    await Promise.all(this.#laying);
    await this.#launcher?.end();
    const slots = [...warm.map(({ slot }) => slot), ...forming].map(({ token }) => token);
    const unused = [...slots, ...this.#discarded.keys()];
    const silent = forming.filter(({ ordered }) => !ordered).map(({ token }) => token);
    await this.#gone(new Set(unused.filter((token) => !silent.includes(token))));
    this.#launcher?.close();
    for (const token of unused) removeSlotDir(this.slotsDir, token);
    for (const [token, gate] of this.#lent) {
      if (kept.has(token)) continue;
      removeSlotDir(this.slotsDir, token);
      if (gate !== undefined) removeGate(this.slotsDir, gate);
    }
    const gates = [...[...warm, ...forming].map(({ gate }) => gate), ...this.#discarded.values()];
    for (const gate of [...gates, ...this.#free, ...this.#ordered]) removeGate(this.slotsDir, gate);
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
    if (kind === "gates-made") this.#onGates(token);
    else if (kind === "warm") this.#onWarm(token);
    else if (kind === "closed" && !this.#lent.has(token)) this.#onUnused(token);
    this.#options.onReport(report);
  }

  /** Gates of a launcher before ours may still be spoken of: the FIFO outlives its agent. */
  #onGates(first: string): void {
    if (first !== `${this.#ordered[0]}.go`) return;
    this.#free.push(...this.#ordered);
    this.#ordered = [];
    this.#form();
  }

  #onWarm(token: string): void {
    const place = this.#forming.get(token);
    if (place === undefined) return;
    this.#forming.delete(token);
    const { gate } = place;
    const slot = slotOf(this.slotsDir, place);
    const waiter = this.#waiters.shift();
    if (waiter === undefined) {
      this.#warm.push({ slot, gate });
    } else {
      this.#lent.set(token, gate);
      waiter(slot);
    }
    this.#form();
  }

  /** A slot ended that no rank ever had. */
  #onUnused(token: string): void {
    if (this.#closed) {
      this.#goneEarly.add(token);
      this.#onGone(token);
      return;
    }
    const half = this.#forming.get(token);
    this.#forming.delete(token);
    if (half) closeSync(half.fd);
    const index = this.#warm.findIndex(({ slot }) => slot.token === token);
    const [warm] = index >= 0 ? this.#warm.splice(index, 1) : [];
    warm?.slot.drop();
    const gate = half?.gate ?? warm?.gate ?? this.#discarded.get(token);
    this.#discarded.delete(token);
    if (gate !== undefined) this.#reuse(gate);
    removeSlotDir(this.slotsDir, token);
    void this.#options.cgroups?.remove(token);
    // One that never stood, as on a full disk, would fail again at once.
    this.#refillSoon(half === undefined ? refillDelayMs : retryDelayMs);
  }

  /** What was on its way to the dead launcher is ordered anew, elsewhere. */
  #onRestart(): void {
    for (const { fd, token, gate, ordered } of [...this.#forming.values()]) {
      if (!ordered) continue;
      this.#forming.delete(token);
      closeSync(fd);
      removeGate(this.slotsDir, gate);
      removeSlotDir(this.slotsDir, token);
    }
    for (const gate of this.#ordered) removeGate(this.slotsDir, gate);
    this.#ordered = [];
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
    while (!this.#closed && wanted()) {
      const gate = this.#free.shift();
      if (gate === undefined) break;
      this.#formAt(gate);
    }
    if (wanted()) this.#orderGates();
  }

  #formAt(gate: string): void {
    const token = `${this.#options.series}-${this.#made++}`;
    const path = `${this.slotsDir}/${gate}.go`;
    const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    const place: Place = { token, gate, fd, ordered: false };
    this.#forming.set(token, place);
    const laying = this.#lay(place).catch((error: unknown) => {
      this.#options.log.error("a slot cannot be made", { error });
      this.#options.clock.after(retryDelayMs, () => {
        if (this.#forming.has(token)) this.#onUnused(token);
      });
    });
    this.#laying.add(laying);
    void laying.finally(() => this.#laying.delete(laying));
  }

  /** Its directory and its cgroup, then the order. */
  async #lay(place: Place): Promise<void> {
    const { token, gate } = place;
    const { cgroups } = this.#options;
    await Promise.all([mkdir(`${this.slotsDir}/${token}`, 0o700), cgroups?.make(token)]);
    if (this.#forming.get(token) !== place) return;
    place.ordered = true;
    this.#launcher?.order(`slot ${token} ${gate} ${cgroups?.leaf(token) ?? ""}`);
  }

  #orderGates(): void {
    if (this.#closed || this.#ordered.length > 0) return;
    const { series } = this.#options;
    const count = this.#gates === 0 ? Math.max(1, this.#options.warmCount) : gateBatch;
    this.#ordered = Array.from({ length: count }, () => `${series}-gate-${this.#gates++}`);
    this.#launcher?.order(`gates ${this.#ordered.map((gate) => `${gate}.go`).join(" ")}`);
  }

  #reuse(gate: string): void {
    clearSpec(this.slotsDir, gate);
    if (this.#closed) removeGate(this.slotsDir, gate);
    else this.#free.push(gate);
  }
}

function slotOf(slotsDir: string, { token, gate, fd }: Place): Slot {
  let open = true;
  return {
    token,
    dir: `${slotsDir}/${token}`,
    lay: (spec) => writeOver(`${slotsDir}/${gate}.spec`, spec),
    say: (words) => {
      if (open) writeSync(fd, words);
    },
    drop: () => {
      if (open) closeSync(fd);
      open = false;
    },
  };
}

/** Makes the file if need be. It is never emptied first: ext4 flushes a file that was. */
function writeOver(path: string, text: string): void {
  const fd = openSync(path, constants.O_WRONLY | constants.O_CREAT, 0o600);
  try {
    const bytes = Buffer.from(text);
    for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
    ftruncateSync(fd, bytes.length);
  } finally {
    closeSync(fd);
  }
}

/** There are secrets in it, and the disk need not keep them. */
function clearSpec(slotsDir: string, gate: string): void {
  try {
    truncateSync(`${slotsDir}/${gate}.spec`);
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
}

/** The directory of a slot that is no rank's. */
export function removeSlotDir(slotsDir: string, token: string): void {
  rmSync(`${slotsDir}/${token}`, { recursive: true, force: true });
}

export function removeGate(slotsDir: string, gate: string): void {
  for (const end of [".go", ".spec"]) unlinkIfThere(`${slotsDir}/${gate}${end}`);
}

function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
}
