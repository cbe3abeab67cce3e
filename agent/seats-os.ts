// The seats of a node: keepers that stay, each in a cgroup and at a gate of its own, and serve one
// slot after another (see `launcher.ts`).
//
// Entering a cgroup takes the kernel's one lock for all of them, up to 20 ms when it is rare, and
// making and removing one waits for that too. So a seat stays for the next slot while it is needed,
// and for some seconds more.
//
// What must always hold: the agent has a gate open before it orders the seat that waits on it, so
// that end of file means that the agent is gone, or has done with the seat, and nothing else. A
// gate is used again only when its seat has ended. No rank waits for a keeper that was killed.

import { closeSync, existsSync, writeSync } from "node:fs";
import type { Clock } from "../runtime/clock.ts";
import type { Cgroups } from "./cgroup-os.ts";
import { clearSpec, openGate, removeGate } from "./gates-os.ts";
import { isAlive } from "./proc-os.ts";
import type { ProcessId } from "./rank-files.ts";
import { removeLeaf } from "./sweep-os.ts";

export interface Seat {
  /** That of its first slot, and of its cgroup. */
  readonly name: string;
  readonly gate: string;
  readonly fd: number;
  /** Who has heard of it: nobody, the launcher, or its keeper too. */
  stage: "new" | "ordered" | "sat";
  open: boolean;
  /** Since when it has had no slot. */
  idleMs: number;
  /** Once it has made a slot. */
  keeper: ProcessId | undefined;
}

export interface SeatsOptions {
  readonly slotsDir: string;
  readonly series: string;
  readonly clock: Clock;
  readonly cgroups: Cgroups | undefined;
  /** How many gates are made first. */
  readonly gatesFirst: number;
  /** One line for the launcher. */
  readonly order: (line: string) => void;
  /** There are gates again. */
  readonly onGates: () => void;
}

const gateBatch = 8;
/** When gates are looked for that nobody told of. */
const gatesLookMs = 1_000;
/** A seat that has said nothing by then was lost with its launcher. */
const vacantMsMax = 2_000;
const idleMsMax = 5_000;

export class Seats {
  readonly #options: SeatsOptions;
  /** Until they say that they end. */
  readonly #seats = new Map<string, Seat>();
  /** Without a slot, the one that was used last at the end. */
  readonly #idle: Seat[] = [];
  readonly #clearing = new Set<Promise<unknown>>();
  /** Gates that nobody is at, and those that are ordered. */
  readonly #free: string[] = [];
  #ordered: readonly string[] = [];
  #gates = 0;
  #ageing = false;
  #closed = false;
  #onVacant: () => void = () => {};

  constructor(options: SeatsOptions) {
    this.#options = options;
  }

  /** A seat for a slot, idle or new and of that name; `undefined` until there are gates. */
  find(token: string): Seat | undefined {
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      if (idle.keeper !== undefined && isAlive(idle.keeper)) return idle;
      this.abandon(idle);
    }
    const gate = this.#free.shift();
    if (gate === undefined) {
      this.#orderGates();
      return undefined;
    }
    const fd = openGate(this.#options.slotsDir, gate);
    const seat: Seat = {
      ...{ name: token, gate, fd, stage: "new", open: true, idleMs: 0 },
      keeper: undefined,
    };
    this.#seats.set(token, seat);
    return seat;
  }

  /** What a new one needs before its first slot. */
  async furnish(seat: Seat): Promise<void> {
    if (seat.stage === "new") await this.#options.cgroups?.make(seat.name);
  }

  /** Orders the slot whose directory is there. */
  call(seat: Seat, token: string): void {
    if (!seat.open) return;
    if (seat.stage === "sat") {
      writeSync(seat.fd, `slot ${token}\n`);
      return;
    }
    const { cgroups, order } = this.#options;
    seat.stage = "ordered";
    order(`seat ${seat.name} ${seat.gate} ${cgroups?.leaf(seat.name) ?? ""}`);
  }

  /** Its rank ended and nothing is left of it. */
  rest(seat: Seat): void {
    if (!seat.open || this.#closed) return;
    seat.idleMs = this.#options.clock.now().monoMs;
    this.#idle.push(seat);
    this.#age();
  }

  /** Lets go of it: it takes no other slot, and what waits in it ends. */
  shut(seat: Seat): void {
    if (seat.open) closeSync(seat.fd);
    seat.open = false;
    if (seat.stage === "new") this.#forget(seat);
  }

  /** Its keeper was killed and will never say that it ends. */
  lost(seat: Seat): void {
    this.shut(seat);
    this.#seats.delete(seat.name);
    removeGate(this.#options.slotsDir, seat.gate);
    this.#onVacant();
  }

  /** The same, and no rank has it: what is left in its cgroup goes. */
  abandon(seat: Seat): void {
    this.lost(seat);
    this.#inBackground(removeLeaf(this.#options, seat.name, this.#options.cgroups));
  }

  /** Its keeper has let go of the gate, and ends. */
  vacated(name: string): void {
    const seat = this.#seats.get(name);
    if (seat === undefined) return;
    this.#idle.splice(0, this.#idle.length, ...this.#idle.filter((each) => each !== seat));
    this.shut(seat);
    this.#forget(seat);
    this.#inBackground(removeLeaf(this.#options, name, this.#options.cgroups));
  }

  /** Gates of a launcher before ours may still be spoken of: the FIFO outlives its agent. */
  gatesMade(first: string): void {
    if (first !== `${this.#ordered[0]}.go`) return;
    this.#free.push(...this.#ordered);
    this.#ordered = [];
    this.#options.onGates();
  }

  /** Orders may have been lost with the launcher: what it had yet to make is made elsewhere. */
  launcherLost(): void {
    for (const seat of [...this.#seats.values()]) if (seat.stage === "ordered") this.lost(seat);
    for (const gate of this.#ordered) removeGate(this.#options.slotsDir, gate);
    this.#ordered = [];
  }

  /**
   * Lets go of all. Those that are kept have a rank, which may have to read its gate yet. The other
   * gates go when the launcher has ended: until then it may be making some.
   */
  async close(
    kept: ReadonlyMap<Seat, "waits" | "runs">,
    launcherEnded: Promise<void>,
  ): Promise<void> {
    this.#closed = true;
    for (const seat of [...this.#seats.values()]) this.shut(seat);
    await this.#vacant(kept);
    await Promise.all(this.#clearing);
    await launcherEnded;
    const waiting = [...this.#seats.values()].filter((seat) => kept.get(seat) === "waits");
    const gates = new Set(waiting.map(({ gate }) => gate));
    for (let count = 0; count < this.#gates; count += 1) {
      const gate = this.#gateName(count);
      if (!gates.has(gate)) removeGate(this.#options.slotsDir, gate);
    }
  }

  /** Keepers that still form look for their FIFOs: those go only after them. */
  async #vacant(kept: ReadonlyMap<Seat, unknown>): Promise<void> {
    const isVacant = () => [...this.#seats.values()].every((seat) => kept.has(seat));
    if (isVacant()) return;
    await new Promise<void>((resolve) => {
      const cancel = this.#options.clock.after(vacantMsMax, resolve);
      this.#onVacant = () => {
        if (!isVacant()) return;
        cancel();
        resolve();
      };
    });
  }

  #forget(seat: Seat): void {
    if (!this.#seats.delete(seat.name)) return;
    clearSpec(this.#options.slotsDir, seat.gate);
    this.#free.push(seat.gate);
    this.#onVacant();
  }

  /** Lets seats go that nobody has needed for a while. */
  #age(): void {
    if (this.#ageing || this.#closed) return;
    this.#ageing = true;
    this.#options.clock.after(idleMsMax, () => {
      this.#ageing = false;
      if (this.#closed) return;
      const oldMs = this.#options.clock.now().monoMs - idleMsMax;
      for (const seat of this.#idle.filter(({ idleMs }) => idleMs <= oldMs)) this.shut(seat);
      this.#idle.splice(0, this.#idle.length, ...this.#idle.filter(({ open }) => open));
      if (this.#idle.length > 0) this.#age();
    });
  }

  #orderGates(): void {
    if (this.#closed || this.#ordered.length > 0) return;
    const { gatesFirst, order } = this.#options;
    const count = this.#gates === 0 ? Math.max(1, gatesFirst) : gateBatch;
    this.#ordered = Array.from({ length: count }, () => this.#gateName(this.#gates++));
    order(`gates ${this.#ordered.map((gate) => `${gate}.go`).join(" ")}`);
    this.#lookForGates(this.#ordered);
  }

  #gateName(count: number): string {
    return `${this.#options.series}-gate-${count}`;
  }

  /** The word of them may be lost: an agent before us, on its way out, reads the same FIFO. */
  #lookForGates(ordered: readonly string[]): void {
    const { clock, slotsDir } = this.#options;
    clock.after(gatesLookMs, () => {
      if (this.#closed || this.#ordered !== ordered) return;
      const areThere = ordered.every((gate) => existsSync(`${slotsDir}/${gate}.go`));
      if (areThere) this.gatesMade(`${ordered[0]}.go`);
      else this.#lookForGates(ordered);
    });
  }

  #inBackground(work: Promise<unknown>): void {
    this.#clearing.add(work);
    void work.finally(() => this.#clearing.delete(work));
  }
}
