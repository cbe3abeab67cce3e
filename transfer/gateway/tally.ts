// The objects that a gateway was told of, and what became of each: read, and written to each of the
// destinations that it writes, or failed.
//
// An object is done here when nothing of that is open; then it is forgotten, and its credit given
// back, so that what is held is bounded by the credit whatever the transfer's size. Words about
// single objects are gathered for a moment: thousands a second fit into a few lines.
//
// What must always hold: the first word about an object's destination stays; `done` is said once,
// after everything else about objects; credit is given back after the word that it is for.

import { SkyError } from "../../model/errors.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Digest } from "../chunks/chunk.ts";
import { NumberSet } from "./number-set.ts";
import type { GatewayObject, GatewayWord, WrittenObject } from "./orders.ts";
import { wordedError } from "./orders-codec.ts";
import type { Handle } from "./program.ts";

/** Objects that may be told and not done: the first credit. */
export const objectsToldMax = 4_096;
/** Words are gathered for so long, or until there are so many. */
const gatherMs = 10;
const gatherMax = 512;

export interface TallyOptions {
  /** Whether this gateway reads the objects. */
  readonly reads: boolean;
  /** Those that this gateway writes. */
  readonly destinations: readonly number[];
  readonly say: (word: GatewayWord) => void;
  readonly clock: Clock;
}

/** What failed: an object at a destination, an object, a destination, or all. */
export interface Failure {
  readonly handle: Handle;
  readonly object?: number;
  readonly destination?: number;
  readonly error: unknown;
  /** All that is left to the destination fails with this object. */
  readonly isOfAll?: boolean;
}

interface Told {
  readonly object: GatewayObject;
  isRead: boolean;
  /** Destinations that are not settled. */
  readonly open: Set<number>;
}

export class Tally {
  readonly #options: TallyOptions;
  readonly #told = new Map<number, Told>();
  readonly #past = new NumberSet();
  readonly #awaited = new Map<number, PromiseWithResolvers<GatewayObject>>();
  /** Of these, nobody need hear any more. */
  readonly #lost = new Set<number>();
  #read: { object: number; digest: Digest }[] = [];
  #wrote: WrittenObject[] = [];
  #credit = 0;
  #isWhole = false;
  #isDone = false;
  #cancelGathering: (() => void) | undefined;

  constructor(options: TallyOptions) {
    this.#options = options;
  }

  /** Objects that are not done here. */
  get open(): number {
    return this.#told.size;
  }

  /** @throws SkyError `stream/protocol` for more than there was credit for, or one told twice. */
  tell(objects: readonly GatewayObject[]): void {
    if (this.#told.size + objects.length > objectsToldMax) {
      throw new SkyError("stream/protocol", { why: "more objects than there was credit for" });
    }
    for (const object of objects) this.#tellOne(object);
  }

  #tellOne(object: GatewayObject): void {
    const number = object.object;
    if (this.#told.has(number) || this.#past.has(number)) {
      throw new SkyError("stream/protocol", { why: `object ${number} was told before` });
    }
    const wanted = this.#options.destinations.filter(
      (at) => typeof object.targets[at] === "string" && !this.#lost.has(at),
    );
    const told = { object, isRead: !this.#options.reads, open: new Set(wanted) };
    this.#told.set(number, told);
    this.#awaited.get(number)?.resolve(object);
    this.#awaited.delete(number);
    this.#settle(told);
  }

  /** No more will be told. */
  end(): void {
    this.#isWhole = true;
    const why = "no such object was told";
    for (const { reject } of this.#awaited.values()) {
      reject(new SkyError("stream/protocol", { why }));
    }
    this.#awaited.clear();
    this.#flushIfOver();
  }

  /** Once it is told. @throws SkyError `stream/protocol` for one that will not be, or is done. */
  async awaited(object: number, signal: AbortSignal): Promise<GatewayObject> {
    const told = this.#told.get(object);
    if (told !== undefined) return told.object;
    if (this.#isWhole || this.#past.has(object)) {
      throw new SkyError("stream/protocol", { why: `object ${object} is not expected here` });
    }
    signal.throwIfAborted();
    const waiting = this.#awaited.get(object) ?? Promise.withResolvers<GatewayObject>();
    this.#awaited.set(object, waiting);
    const stop = Promise.withResolvers<never>();
    const leave = (): void => stop.reject(signal.reason);
    signal.addEventListener("abort", leave, { once: true });
    try {
      return await Promise.race([waiting.promise, stop.promise]);
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }

  /** Of one that is not done. */
  bytesOf(object: number): number | undefined {
    return this.#told.get(object)?.object.bytes;
  }

  /** Whether it has yet to be written there. */
  isOpen(object: number, destination: number): boolean {
    return this.#told.get(object)?.open.has(destination) === true;
  }

  read(object: number, digest: Digest): void {
    const told = this.#told.get(object);
    if (told === undefined || told.isRead) return;
    told.isRead = true;
    this.#read.push({ object, digest });
    this.#settle(told);
    this.#gather();
  }

  /** No destination takes it, and each has said why where it is written. */
  refused(object: number): void {
    const told = this.#told.get(object);
    if (told === undefined) return;
    told.isRead = true;
    this.#settle(told);
  }

  wrote(written: WrittenObject): void {
    const told = this.#told.get(written.object);
    if (told === undefined || !told.open.delete(written.destination)) return;
    this.#wrote.push(written);
    this.#settle(told);
    this.#gather();
  }

  failed({ isOfAll = false, ...failure }: Failure): void {
    this.#failed(failure);
    if (isOfAll && !this.#lost.has(failure.destination ?? -1)) {
      const { object: _, ...rest } = failure;
      this.#failed(rest);
    }
  }

  #failed({ handle, object, destination, error }: Failure): void {
    if (object !== undefined && !this.#fails(object, destination)) return;
    this.flush();
    this.#options.say({
      ...{ kind: "failed", handle, error: wordedError(error) },
      ...(object === undefined ? {} : { object }),
      ...(destination === undefined ? {} : { destination }),
    });
    if (object === undefined) this.#lose(destination);
    this.#flushIfOver();
  }

  /** These will not come: whoever should have read them has failed. */
  drop(objects: readonly number[]): void {
    for (const object of objects) this.#fails(object, undefined);
    this.#flushIfOver();
  }

  /** Says all that was gathered. */
  flush(): void {
    this.#cancelGathering?.();
    this.#cancelGathering = undefined;
    const { say } = this.#options;
    if (this.#read.length > 0) say({ kind: "read", objects: this.#read.splice(0) });
    if (this.#wrote.length > 0) say({ kind: "wrote", objects: this.#wrote.splice(0) });
    const objects = this.#credit;
    this.#credit = 0;
    if (objects > 0 && !this.#isWhole) say({ kind: "credit", objects });
  }

  /** Whether there was anything left of it to fail. */
  #fails(object: number, destination: number | undefined): boolean {
    const told = this.#told.get(object);
    if (told === undefined) return false;
    if (destination !== undefined && !told.open.delete(destination)) return false;
    if (destination === undefined) {
      told.isRead = true;
      told.open.clear();
    }
    this.#settle(told);
    return true;
  }

  /** All that is left to a destination, or of everything: one word was for all of it. */
  #lose(destination: number | undefined): void {
    const { destinations } = this.#options;
    const lost = destination === undefined ? destinations : [destination];
    for (const one of lost) this.#lost.add(one);
    for (const told of this.#told.values()) {
      for (const one of lost) told.open.delete(one);
      if (destination === undefined) told.isRead = true;
      this.#settle(told);
    }
  }

  #settle({ object, isRead, open }: Told): void {
    if (!isRead || open.size > 0 || !this.#told.delete(object.object)) return;
    this.#past.add(object.object);
    this.#credit += 1;
    this.#gather();
  }

  #gather(): void {
    const gathered = this.#read.length + this.#wrote.length + this.#credit;
    const isOver = this.#isWhole && this.#told.size === 0;
    if (isOver || gathered >= gatherMax) this.#flushIfOver(true);
    else this.#cancelGathering ??= this.#options.clock.after(gatherMs, () => this.flush());
  }

  #flushIfOver(anyhow = false): void {
    const isOver = this.#isWhole && this.#told.size === 0;
    if (isOver || anyhow) this.flush();
    if (!isOver || this.#isDone) return;
    this.#isDone = true;
    this.#options.say({ kind: "done" });
  }
}
