// A simulated exchange: one sink takes chunks from one supplier over one connection.
//
// One chunk travels at a time, at the rate of the narrower end; a supplier's rate is shared by all
// whom it serves. What the supplier does not have yet is waited for.

import type { Process, Wire } from "./network.ts";
import { keep } from "./promises.ts";
import type { World } from "./world.ts";

/** Content of a chunk on a disk or on the wire. */
export type Content = "good" | "damaged";

export interface Supplier {
  readonly process: Process;
  /** What is there now; a supplier may give nothing while it is stuck. */
  content(chunk: number): Content | undefined;
  /** It was read, and is damaged. */
  lost(chunk: number): void;
  /** Whether it is a child now, or was one and may still have something on its way. */
  named(child: string): boolean;
  /** Bytes per millisecond that it can send. */
  rate(): number;
  isStuck(): boolean;
  /** It gave so many bytes to be sent. */
  gave(bytes: number): void;
  readonly serving: Set<Exchange>;
}

export interface Taker {
  readonly process: Process;
  rate(): number;
  /** A chunk arrived; whether it is kept, or asked for again. */
  arrived(chunk: number, content: Content): "kept" | "again";
}

const graceMs = 10_000;

export class Exchange {
  readonly #world: World;
  readonly #supplier: Supplier;
  readonly #taker: Taker;
  readonly #wire: Wire;
  #wanted: number[] = [];
  #busy = false;
  #admitted = false;

  constructor(world: World, parties: { supplier: Supplier; taker: Taker; wire: Wire }) {
    this.#world = world;
    this.#supplier = parties.supplier;
    this.#taker = parties.taker;
    this.#wire = parties.wire;
    this.#supplier.serving.add(this);
  }

  get open(): boolean {
    return this.#wire.open;
  }

  get child(): string {
    return this.#taker.process.name;
  }

  want(chunks: readonly number[]): void {
    this.#wire.send(this.#taker.process, () => {
      this.#wanted.push(...chunks);
      this.look();
      this.#world.timeline.after(graceMs, () => {
        if (this.open && !this.#admitted) this.stop();
      });
    });
  }

  /** The supplier ends it. */
  stop(): void {
    this.#supplier.serving.delete(this);
    this.#wire.close(this.#supplier.process);
  }

  /** Something changed at the supplier: it may be able to give the next chunk. */
  look(): void {
    const supplier = this.#supplier;
    if (!this.open) supplier.serving.delete(this);
    if (!this.open || this.#busy || supplier.isStuck() || !supplier.process.alive) return;
    this.#admitted ||= supplier.named(this.child) || !this.#world.mutant.admits;
    if (!this.#admitted) return;
    const at = this.#wanted.findIndex((chunk) => supplier.content(chunk) !== undefined);
    const [chunk] = at < 0 ? [] : this.#wanted.splice(at, 1);
    if (chunk === undefined) return;
    if (supplier.content(chunk) === "damaged") {
      this.#wanted.push(chunk);
      supplier.lost(chunk);
      return;
    }
    this.#send(chunk);
  }

  #send(chunk: number): void {
    const { timeline } = this.#world;
    const supplier = this.#supplier;
    keep(
      "named only",
      supplier.named(this.child),
      () => `${supplier.process.name} feeds ${this.child}`,
    );
    this.#busy = true;
    const bytes = this.#world.sizes[chunk] ?? 0;
    supplier.gave(bytes);
    const active = [...supplier.serving].filter((one) => one.#busy).length;
    const rate = Math.min(supplier.rate() / Math.max(1, active), this.#taker.rate());
    timeline.after(bytes / rate, () => {
      this.#busy = false;
      if (!supplier.process.alive) return;
      const content = this.#world.draws("corrupt") ? "damaged" : "good";
      this.#wire.send(supplier.process, () => this.#arrive(chunk, content));
      this.look();
    });
  }

  #arrive(chunk: number, content: Content): void {
    if (this.#taker.arrived(chunk, content) === "again") this.want([chunk]);
  }
}
