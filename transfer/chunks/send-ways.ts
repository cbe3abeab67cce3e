// The ways of a send: each chunk goes along every way that takes it, and counts when all have it.
//
// A way is a set of next hops, of which each chunk takes one, or a sink in this process: where who
// reads also writes, no wire is between.

import { SkyError } from "../../model/errors.ts";
import type { ChunkRef, Digest } from "./chunk.ts";
import type { ChunkCodec, ChunkSink, ChunkSource } from "./exchange.ts";
import { HopsPush, type SendHop } from "./push-hops.ts";
import type { Place } from "./seal.ts";
import { Slots } from "./slots.ts";
import { putsMax } from "./taker.ts";

export type SendWay = {
  /** Which chunks go along it; absent = all. */
  readonly takes?: (place: Place) => boolean;
} & ({ readonly hops: readonly SendHop[] } | { readonly sink: ChunkSink });

/** What carries chunks along one way. */
export interface WayPush {
  add(ref: ChunkRef): void;
  end(): void;
  /** Resolves when `end` was called and all is settled. */
  run(): Promise<void>;
  readonly counts: { readonly moved: number; readonly movedBytes: number; readonly known: number };
}

export interface WayOptions {
  readonly from: ChunkSource;
  readonly codec: ChunkCodec;
  readonly signal: AbortSignal;
  readonly openBytesMax: number;
  readonly onSent: (ref: ChunkRef) => void;
  readonly onSafe: (ref: ChunkRef) => void;
  readonly onSettled: (ref: ChunkRef, how: Settled) => void;
}

export type Settled = "delivered" | "refused";

export function pushAlong(way: SendWay, options: WayOptions): WayPush {
  if ("sink" in way) return new SinkPush(way.sink, options);
  const { from, codec: work, signal, openBytesMax, onSent, onSafe, onSettled } = options;
  return new HopsPush({
    ...{ hops: way.hops, from, work, signal, onSent, onSafe },
    openBytesMax: Math.ceil(openBytesMax / way.hops.length),
    onDelivered: (ref) => onSettled(ref, "delivered"),
    onRefused: (ref) => onSettled(ref, "refused"),
    // What its source does not have any more, nobody delivers.
    onMissing: (ref) => onSettled(ref, "refused"),
  });
}

/** Puts each chunk into a sink of this process. */
class SinkPush implements WayPush {
  readonly counts = { moved: 0, movedBytes: 0, known: 0 };
  readonly #sink: ChunkSink;
  readonly #options: WayOptions;
  readonly #slots: Slots;
  readonly #open = new Set<Digest>();
  readonly #ended = Promise.withResolvers<void>();
  #isWhole = false;

  constructor(sink: ChunkSink, options: WayOptions) {
    this.#sink = sink;
    this.#options = options;
    this.#slots = new Slots(sink.putsMax ?? putsMax);
    this.#ended.promise.catch(() => "whoever runs it is told");
  }

  add(ref: ChunkRef): void {
    if (this.#open.has(ref.digest)) return;
    this.#open.add(ref.digest);
    void this.#slots.use(() => this.#put(ref)).catch((error) => this.#ended.reject(error));
  }

  end(): void {
    this.#isWhole = true;
    this.#endIfDone();
  }

  async run(): Promise<void> {
    const { signal } = this.#options;
    const leave = (): void => this.#ended.reject(signal.reason);
    if (signal.aborted) leave();
    signal.addEventListener("abort", leave, { once: true });
    try {
      await this.#ended.promise;
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }

  async #put(ref: ChunkRef): Promise<void> {
    const { signal, onSafe, onSettled } = this.#options;
    signal.throwIfAborted();
    const kept = await this.#keep(ref);
    this.#open.delete(ref.digest);
    onSafe(ref);
    onSettled(ref, kept === "refused" ? "refused" : "delivered");
    this.#endIfDone();
  }

  async #keep(ref: ChunkRef): Promise<unknown> {
    const { from, signal } = this.#options;
    if ((await this.#sink.known([ref])).has(ref.digest)) {
      this.counts.known += 1;
      return undefined;
    }
    try {
      // The sink takes its bytes; another way may still need them.
      const bytes = Uint8Array.from(await from.get(ref.digest, signal));
      const kept = await this.#sink.put(ref, bytes, signal);
      this.counts.moved += 1;
      this.counts.movedBytes += ref.bytes;
      return kept;
    } catch (error) {
      if (error instanceof SkyError && error.code === "chunk/missing") return "refused";
      throw error;
    }
  }

  #endIfDone(): void {
    if (this.#isWhole && this.#open.size === 0) this.#ended.resolve();
  }
}
