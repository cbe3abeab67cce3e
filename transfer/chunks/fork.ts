// A fork: takes pushes for several at once, who write what comes here, or send it on.
//
// A chunk is safe when each of them has it safe, and delivered when each of them has settled it: a
// writer by writing it, a relay by hearing that it was delivered beyond. Where one of them refuses
// a chunk (its object failed there) the others still get theirs; only what all refuse is refused.
//
// What must always hold: nobody behind hears `delivered` while one of them may still ask again.

import type { StreamChannel } from "../../runtime/stream.ts";
import type { ChunkRef, Digest } from "./chunk.ts";
import { type ChunkCodec, type ChunkSink, type ExchangeResult, rawCodec } from "./exchange.ts";
import type { Admitted } from "./exchange-channels.ts";
import type { Relay, RelayListener, RelayParty } from "./relay.ts";
import { openTake, type Take } from "./take.ts";
import { inFlightBytesUsual } from "./taker.ts";

export type ForkPart = { readonly sink: ChunkSink } | { readonly relay: Relay };

export interface ForkOptions {
  readonly parts: readonly ForkPart[];
  readonly work: ChunkCodec;
  readonly inFlightBytesMax?: number;
}

export interface Fork {
  /** For the previous hop's push. Chunks are sealed: relays take no others. */
  admit(): Admitted;
  close(): void;
}

export function openFork(options: ForkOptions): Fork {
  return new ChunkFork(options);
}

/** A chunk that is here and not yet settled everywhere. */
interface Pending {
  /** Who has not settled it. */
  readonly left: Set<ForkPart>;
  isDelivered: boolean;
  /** Its put has returned: what becomes of it now is told by itself. */
  isSafe: boolean;
}

interface SettledPart {
  readonly digest: Digest;
  readonly pending: Pending;
  readonly part: ForkPart;
  readonly isDelivered: boolean;
}

class ChunkFork implements Fork, ChunkSink {
  readonly #options: ForkOptions;
  readonly #sinks: readonly { readonly part: ForkPart; readonly sink: ChunkSink }[];
  readonly #relays: readonly { readonly part: ForkPart; readonly relay: RelayParty }[];
  readonly #takes = new Set<Take>();
  readonly #pending = new Map<Digest, Pending>();

  constructor(options: ForkOptions) {
    const { parts } = options;
    this.#options = options;
    this.#sinks = parts.flatMap((part) => ("sink" in part ? [{ part, sink: part.sink }] : []));
    this.#relays = parts.flatMap((part) =>
      "sink" in part ? [] : [{ part, relay: part.relay.join(this.#listenerOf(part)) }],
    );
  }

  #listenerOf(part: ForkPart): RelayListener {
    const settle = (digests: Iterable<Digest>, isDelivered: boolean): void => {
      for (const digest of digests) {
        const pending = this.#pending.get(digest);
        if (pending !== undefined) this.#settle({ digest, pending, part, isDelivered });
      }
    };
    return {
      delivered: (digests) => settle(digests, true),
      refused: (digests) => settle(digests, false),
      again: (ref) => {
        for (const take of this.#takes) take.again(ref);
      },
    };
  }

  admit(): Admitted {
    return { run: (channel, signal) => this.#take(channel, signal) };
  }

  close(): void {
    for (const { relay } of this.#relays) relay.leave();
  }

  async #take(channel: StreamChannel, signal: AbortSignal): Promise<ExchangeResult> {
    const { work, inFlightBytesMax = inFlightBytesUsual } = this.#options;
    const codec = rawCodec(work);
    const take = openTake({
      ...{ channel, into: this, safeMeans: "safe", signal, work: codec, inFlightBytesMax },
    });
    this.#takes.add(take);
    try {
      return await take.run();
    } finally {
      this.#takes.delete(take);
    }
  }

  async known(refs: readonly ChunkRef[]): Promise<ReadonlySet<Digest>> {
    const here = await Promise.all(this.#sinks.map(({ sink }) => sink.known(refs)));
    const known = new Set<Digest>();
    const delivered: Digest[] = [];
    for (const { digest } of refs) {
      const open = this.#relays.filter(({ relay }) => !relay.isDelivered(digest));
      const isHere = here.every((of) => of.has(digest));
      if (!isHere || !open.every(({ relay }) => relay.has(digest))) continue;
      known.add(digest);
      if (open.length === 0) delivered.push(digest);
      else {
        const left = new Set(open.map(({ part }) => part));
        this.#pending.set(digest, { left, isDelivered: true, isSafe: true });
      }
    }
    this.#tell(delivered, true);
    return known;
  }

  async put(ref: ChunkRef, bytes: Uint8Array, signal: AbortSignal): Promise<"refused" | undefined> {
    const { digest } = ref;
    const left = new Set(this.#options.parts);
    const pending: Pending = { left, isDelivered: false, isSafe: false };
    this.#pending.set(digest, pending);
    // Each takes the bytes for itself.
    const copy = (): Uint8Array => Uint8Array.from(bytes);
    await Promise.all([
      ...this.#relays.map(async ({ relay, part }) => {
        await relay.put(ref, copy(), signal);
        // It may have been before, and then nothing is heard of it.
        if (relay.isDelivered(digest)) this.#settle({ digest, pending, part, isDelivered: true });
      }),
      ...this.#sinks.map(async ({ sink, part }) => {
        const isDelivered = (await sink.put(ref, copy(), signal)) !== "refused";
        this.#settle({ digest, pending, part, isDelivered });
      }),
    ]);
    pending.isSafe = true;
    if (pending.left.size > 0) return undefined;
    if (!pending.isDelivered) return "refused";
    this.#tell([digest], true);
    return undefined;
  }

  #settle({ digest, pending, part, isDelivered }: SettledPart): void {
    if (!pending.left.delete(part)) return;
    pending.isDelivered ||= isDelivered;
    if (pending.left.size > 0) return;
    if (this.#pending.get(digest) === pending) this.#pending.delete(digest);
    if (pending.isSafe) this.#tell([digest], pending.isDelivered);
  }

  #tell(digests: readonly Digest[], isDelivered: boolean): void {
    if (digests.length === 0) return;
    for (const take of this.#takes) {
      if (isDelivered) take.delivered(digests);
      else take.refused(digests);
    }
  }
}
