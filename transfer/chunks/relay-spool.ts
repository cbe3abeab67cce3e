// What a relay holds of a transfer: sealed chunks on their way, within a bound.
//
// Each is pinned in the content store under a name of its own before it is put, so that what the
// store has after a crash is found by its pins. The spool is bounded by its pins: who would put
// more waits until chunks are delivered and let go. What was delivered is in the journal, and is
// never wanted again.

import { isSkyError, SkyError } from "../../model/errors.ts";
import type { ChunkRef, Digest } from "./chunk.ts";
import type { ContentStore, PinName } from "./content-store.ts";
import type { ChunkJournal } from "./journal.ts";
import { type Place, readSealHeader } from "./seal.ts";

export interface SpoolOptions {
  /** 32 hexadecimal digits. */
  readonly transfer: string;
  readonly store: ContentStore;
  readonly journal: ChunkJournal;
  readonly bytesMax: number;
}

interface Held {
  readonly ref: ChunkRef;
  /** Known once its header was read here. */
  place: Place | undefined;
}

/** Pins that are read side by side when a spool is opened. */
const sideBySideMax = 64;

export class RelaySpool {
  readonly #options: SpoolOptions;
  readonly #prefix: string;
  /** Safe here, and not delivered. */
  readonly #held = new Map<Digest, Held>();
  /**
   * Lost to the disk, and to be had again. They keep their pins and their room: they must come in
   * even when the rest of the spool waits for them to go out.
   */
  readonly #lost = new Map<Digest, ChunkRef>();
  readonly #putting = new Map<Digest, Promise<void>>();
  #waiting: { readonly bytes: number; readonly enter: () => void }[] = [];
  #bytes = 0;

  constructor(options: SpoolOptions) {
    this.#options = options;
    this.#prefix = `relay/${options.transfer}/`;
  }

  /** Finds what is here. Pins of what never came, or was delivered, are let go. */
  async open(): Promise<void> {
    const { store } = this.#options;
    const names = await store.pins(this.#prefix);
    for (let at = 0; at < names.length; at += sideBySideMax) {
      const some = names.slice(at, at + sideBySideMax);
      await Promise.all(some.map((name) => this.#find(name)));
    }
  }

  /** Bytes that are pinned, or about to be. */
  get bytes(): number {
    return this.#bytes;
  }

  get held(): readonly ChunkRef[] {
    return [...this.#held.values()].map(({ ref }) => ref);
  }

  has(digest: Digest): boolean {
    return this.#held.has(digest);
  }

  isDelivered(digest: Digest): boolean {
    return this.#options.journal.find(digest)?.state === "delivered";
  }

  /**
   * Safe here when it resolves. Waits for room until `signal` aborts.
   * @returns whether it was new.
   * @throws SkyError `codec/invalid`, `stream/protocol` for what is no sealed chunk of this
   *   transfer; what the store throws.
   */
  async put(ref: ChunkRef, bytes: Uint8Array, signal: AbortSignal): Promise<boolean> {
    const place = placeIn(bytes, this.#options.transfer);
    // Two pushes may bring the same chunk at a time: an old one that breaks, and its successor.
    for (;;) {
      if (this.has(ref.digest) || this.isDelivered(ref.digest)) return false;
      const other = this.#putting.get(ref.digest);
      if (other === undefined) break;
      // If that one fails, this one tries.
      await Promise.allSettled([other]);
    }
    const putting = this.#put({ ref, place }, bytes, signal);
    this.#putting.set(ref.digest, putting);
    try {
      await putting;
    } finally {
      this.#putting.delete(ref.digest);
    }
    return true;
  }

  /** @throws SkyError `chunk/missing` if it is not, or no longer, here undamaged. */
  async get(digest: Digest): Promise<Uint8Array> {
    const held = this.#held.get(digest);
    if (held === undefined) throw missing(digest);
    try {
      const bytes = await this.#options.store.get(digest);
      held.place ??= placeIn(bytes, this.#options.transfer);
      return bytes;
    } catch (error) {
      const isLost = isSkyError(error, "chunk/missing") || isSkyError(error, "chunk/damaged");
      if (!isLost) throw error;
      if (this.#held.delete(digest)) this.#lost.set(digest, held.ref);
      throw missing(digest, error);
    }
  }

  /** These are safe at the destination: on record when it resolves, and then no longer held. */
  async delivered(digests: readonly Digest[]): Promise<void> {
    const lost = digests.flatMap((digest) => this.#lost.get(digest) ?? []);
    for (const ref of lost) if (this.#lost.delete(ref.digest)) await this.#letGo(ref);
    const held = digests.flatMap((digest) => this.#held.get(digest) ?? []);
    const placed = await Promise.all(held.map((one) => this.#placeOf(one)));
    await this.#options.journal.record(
      held.flatMap(({ ref }, index) => {
        const place = placed[index];
        return place === undefined ? [] : [{ place, ref, offset: 0, state: "delivered" as const }];
      }),
    );
    await Promise.all(
      held.map(async ({ ref }) => {
        // One that was found damaged while this was recorded is let go as well.
        const isHere = this.#held.delete(ref.digest) || this.#lost.delete(ref.digest);
        if (isHere) await this.#letGo(ref);
      }),
    );
  }

  /** The destination does not take these: they are let go, and may come again. */
  async refused(digests: readonly Digest[]): Promise<void> {
    for (const digest of digests) {
      const ref = this.#held.get(digest)?.ref ?? this.#lost.get(digest);
      if (ref === undefined) continue;
      this.#held.delete(digest);
      this.#lost.delete(digest);
      await this.#letGo(ref);
    }
  }

  /** Lets go of all, whatever became of it. */
  async remove(): Promise<void> {
    this.#held.clear();
    this.#lost.clear();
    const names = await this.#options.store.pins(this.#prefix);
    for (const name of names) await this.#options.store.unpin(name);
    this.#bytes = 0;
  }

  async #find(name: PinName): Promise<void> {
    const { store } = this.#options;
    const [ref] = (await store.pinned(name)) ?? [];
    const isHere = ref !== undefined && (await store.has([ref.digest])).has(ref.digest);
    if (isHere && !this.isDelivered(ref.digest)) {
      this.#held.set(ref.digest, { ref, place: undefined });
      this.#bytes += ref.bytes;
    } else await store.unpin(name);
  }

  async #put(held: Held, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    const { ref } = held;
    const { store } = this.#options;
    if (!this.#lost.delete(ref.digest)) await this.#enter(ref.bytes, signal);
    try {
      await store.pin(this.#nameOf(ref), [ref]);
      await store.put(ref.digest, bytes, { proven: true });
    } catch (error) {
      await this.#letGo(ref);
      throw error;
    }
    // What is had again may have been delivered meanwhile after all.
    if (this.isDelivered(ref.digest)) await this.#letGo(ref);
    else this.#held.set(ref.digest, held);
  }

  async #letGo(ref: ChunkRef): Promise<void> {
    try {
      await this.#options.store.unpin(this.#nameOf(ref));
    } finally {
      this.#bytes -= ref.bytes;
      this.#admit();
    }
  }

  /** In order of arrival, so that a large chunk is not passed by small ones for ever. */
  async #enter(bytes: number, signal: AbortSignal): Promise<void> {
    const entered = Promise.withResolvers<void>();
    const waiter = { bytes, enter: entered.resolve };
    const leave = (): void => {
      this.#waiting = this.#waiting.filter((other) => other !== waiter);
      entered.reject(signal.reason);
      this.#admit();
    };
    signal.throwIfAborted();
    signal.addEventListener("abort", leave, { once: true });
    this.#waiting.push(waiter);
    this.#admit();
    try {
      await entered.promise;
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }

  #admit(): void {
    for (;;) {
      const first = this.#waiting[0];
      if (first === undefined) return;
      // One chunk may always be here, however large.
      if (this.#bytes > 0 && this.#bytes + first.bytes > this.#options.bytesMax) return;
      this.#waiting.shift();
      this.#bytes += first.bytes;
      first.enter();
    }
  }

  /** `undefined` if the chunk is lost: then it is not on record, and is delivered once more. */
  async #placeOf(held: Held): Promise<Place | undefined> {
    if (held.place !== undefined) return held.place;
    try {
      return placeIn(await this.#options.store.get(held.ref.digest), this.#options.transfer);
    } catch (error) {
      if (isSkyError(error, "chunk/missing") || isSkyError(error, "chunk/damaged"))
        return undefined;
      throw error;
    }
  }

  #nameOf({ digest }: ChunkRef): PinName {
    return `${this.#prefix}${digest}`;
  }
}

function placeIn(sealed: Uint8Array, transfer: string): Place {
  const header = readSealHeader(sealed);
  if (header.transfer === transfer) return header.place;
  throw new SkyError("stream/protocol", { why: `a chunk of transfer ${header.transfer}` });
}

function missing(digest: Digest, cause?: unknown): SkyError {
  return new SkyError("chunk/missing", { digest, where: "the relay's spool" }, { cause });
}
