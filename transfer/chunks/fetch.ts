// A fetch: a party asks others for the chunks that it lacks.
//
// It may ask several suppliers at a time; each chunk is asked of one. One that breaks, or lacks
// something, costs what it was asked for, which the others are then asked for. Trying a broken one
// again is up to the caller, and only to the caller: what was safe then is known, and not moved
// again. A supplier may wait for what is yet to come, so how long a fetch may take, `signal` says.

import { SkyError } from "../../model/errors.ts";
import type { StreamSession } from "../../runtime/stream.ts";
import type { ChunkRef, Digest } from "./chunk.ts";
import { listMax } from "./chunk-frames.ts";
import type { PinName } from "./content-store.ts";
import {
  type ChunkCodec,
  type ChunkSink,
  type ExchangeResult,
  encodeExchangeHeader,
} from "./exchange.ts";
import { Wants } from "./fetch-wants.ts";
import type { SharedBytes } from "./shared-bytes.ts";
import { Taker } from "./taker.ts";

export interface FetchOptions {
  readonly session: StreamSession;
  /** What the chunks belong to. The supplier decides by it. */
  readonly scope: PinName;
  /** In the order in which they are to come. The same chunk may be there more than once. */
  readonly want: Iterable<ChunkRef>;
  readonly into: ChunkSink;
  readonly signal: AbortSignal;
  readonly work: ChunkCodec;
  /** What is asked for and not yet safe. Memory may be twice that: payloads, and their content. */
  readonly inFlightBytesMax?: number;
  /** With other exchanges of this process: what is in flight beyond one chunk. */
  readonly shared?: SharedBytes;
  /** Hears of each chunk that is safe now and was not before. */
  readonly onSafe?: (ref: ChunkRef) => void;
}

/** Whom to ask. The scope may be another for each. */
export interface Supplier {
  readonly session: StreamSession;
  readonly scope: PinName;
}

export interface FetchFromOptions extends Omit<FetchOptions, "session" | "scope"> {
  readonly suppliers: readonly Supplier[];
  /** Hears why a supplier is of no use any more. */
  readonly onBroken?: (supplier: Supplier, error: unknown) => void;
}

/**
 * Gets what `into` lacks. `missing` is what the supplier does not have undamaged.
 * @throws SkyError `stream/closed` when the channel breaks; what the sink or the supplier says;
 *   what `signal` says. When it throws, nothing of it goes on.
 */
export function fetchChunks(options: FetchOptions): Promise<ExchangeResult> {
  const { session, scope, ...rest } = options;
  return fetchFrom({ ...rest, suppliers: [{ session, scope }] });
}

/**
 * The same from several suppliers at a time. `missing` is what none of them has.
 * @throws SkyError as `fetchChunks`, but a supplier's end only if something is missing then.
 */
export async function fetchFrom(options: FetchFromOptions): Promise<ExchangeResult> {
  const fetch = new Fetch(options);
  return await fetch.run();
}

class Fetch {
  readonly #options: FetchFromOptions;
  readonly #wants: Wants;
  readonly #takers = new Map<number, Taker>();
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  /** Why suppliers are gone. */
  readonly #broken: unknown[] = [];
  #fatal: { readonly error: unknown } | undefined;

  constructor(options: FetchFromOptions) {
    this.#options = options;
    this.#signal = AbortSignal.any([options.signal, this.#stop.signal]);
    this.#wants = new Wants(options.suppliers.length, () => this.#wake());
  }

  async run(): Promise<ExchangeResult> {
    this.#options.signal.throwIfAborted();
    const { suppliers } = this.#options;
    const exchanges = suppliers.map((supplier, index) => this.#exchange(supplier, index));
    await Promise.all([this.#list(), ...exchanges]);
    this.#options.signal.throwIfAborted();
    if (this.#fatal !== undefined) throw this.#fatal.error;
    const result = this.#wants.result();
    if (result.missing.length > 0 && this.#broken.length > 0) throw this.#broken[0];
    return result;
  }

  /** Goes through what is wanted, without what is here. */
  async #list(): Promise<void> {
    const seen = new Map<Digest, number>();
    let batch: ChunkRef[] = [];
    try {
      for (const ref of this.#options.want) {
        if (isNew(seen, ref)) batch.push(ref);
        if (batch.length < listMax) continue;
        await this.#add(batch);
        batch = [];
      }
      await this.#add(batch);
      this.#wants.close();
    } catch (error) {
      this.#fail(error);
    }
  }

  async #add(refs: readonly ChunkRef[]): Promise<void> {
    this.#signal.throwIfAborted();
    if (refs.length > 0) this.#wants.add(refs, await this.#options.into.known(refs));
  }

  async #exchange(supplier: Supplier, index: number): Promise<void> {
    let taker: Taker | undefined;
    try {
      taker = this.#open(supplier, index);
      this.#takers.set(index, taker);
      taker.pump();
      this.#wake();
      await taker.run();
    } catch (error) {
      this.#broken.push(error);
      this.#options.onBroken?.(supplier, error);
    }
    this.#takers.delete(index);
    this.#wants.gone(index, taker?.open ?? []);
  }

  #open({ session, scope }: Supplier, index: number): Taker {
    const { into, work, inFlightBytesMax, shared, onSafe } = this.#options;
    const wants = this.#wants;
    const channel = session.open(encodeExchangeHeader({ verb: "fetch", scope }));
    const sink: ChunkSink = {
      known: (refs) => into.known(refs),
      put: (ref, bytes, signal) => this.#put(() => into.put(ref, bytes, signal), signal),
    };
    return new Taker(
      { channel, role: "asks", sink, signal: this.#signal, work, inFlightBytesMax, shared },
      {
        take: (bytesMax) => wants.take(index, bytesMax),
        moved: (ref) => {
          wants.moved(ref);
          onSafe?.(ref);
        },
        lacking: (ref, why) => wants.lacking(index, ref, why),
        damaged: () => {
          wants.damaged += 1;
        },
        hopeless: (ref) => wants.lacking(index, ref, "damaged"),
        ended: () => {
          if (wants.settled) return;
          throw new SkyError("stream/closed", { why: "the supplier ended before it gave all" });
        },
      },
    );
  }

  /** What our own sink cannot take, no other supplier can help with. */
  async #put(put: () => Promise<unknown>, signal: AbortSignal): Promise<void> {
    try {
      await put();
    } catch (error) {
      const code = error instanceof SkyError ? error.code : "";
      if (code !== "chunk/damaged" && !signal.aborted) this.#fail(error);
      throw error;
    }
  }

  #fail(error: unknown): void {
    this.#fatal ??= { error };
    this.#stop.abort(error);
  }

  #wake(): void {
    for (const taker of [...this.#takers.values()]) {
      if (this.#wants.settled) taker.party.end();
      else taker.pump();
    }
  }
}

/** Whether it is the first of that digest. One digest has one length. */
function isNew(seen: Map<Digest, number>, { digest, bytes }: ChunkRef): boolean {
  const before = seen.get(digest);
  if (before === undefined) seen.set(digest, bytes);
  if (before === undefined || before === bytes) return before === undefined;
  const why = `a chunk with ${before} and with ${bytes} bytes`;
  throw new SkyError("chunk/damaged", { digest, where: "in the list of chunks", why });
}
