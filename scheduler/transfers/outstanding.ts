// What gateways of a round were told and have not settled: a copy leaves it once.
//
// A writer may be done before its reader has said what it read: then what was written waits here
// for the digest. Bounded by the credit of the gateways.

import type { Digest } from "../../transfer/chunks/chunk.ts";
import type { WrittenObject } from "../../transfer/gateway/orders.ts";
import type { LedgerObject } from "../../transfer/job/ledger.ts";

interface Told {
  readonly object: LedgerObject;
  readonly left: Set<number>;
  digest: Digest | undefined;
  waiting: WrittenObject[];
}

export class Outstanding {
  readonly #told = new Map<number, Told>();

  add(object: LedgerObject): void {
    const left = object.targets.flatMap((target, at) => (target === null ? [] : [at]));
    this.#told.set(object.number, { object, left: new Set(left), digest: undefined, waiting: [] });
  }

  /** `undefined`: nothing is awaited of it there. */
  objectOf(object: number, destination: number): LedgerObject | undefined {
    const told = this.#told.get(object);
    return told?.left.has(destination) ? told.object : undefined;
  }

  /** Where it is awaited. */
  left(object: number): readonly number[] {
    return [...(this.#told.get(object)?.left ?? [])];
  }

  /** Objects that are awaited there. */
  at(destination: number): readonly number[] {
    const told = [...this.#told].filter(([, { left }]) => left.has(destination));
    return told.map(([object]) => object);
  }

  digestOf(object: number): Digest | undefined {
    return this.#told.get(object)?.digest;
  }

  /** Gives what was written before. */
  read(object: number, digest: Digest): readonly WrittenObject[] {
    const told = this.#told.get(object);
    if (told === undefined) return [];
    told.digest = digest;
    return told.waiting.splice(0);
  }

  wrote(written: WrittenObject): void {
    this.#told.get(written.object)?.waiting.push(written);
  }

  settle(object: number, destination: number): void {
    const told = this.#told.get(object);
    told?.left.delete(destination);
    if (told?.left.size === 0) this.#told.delete(object);
  }
}
