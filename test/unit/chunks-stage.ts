// What the tests of exchanges share: two sessions in memory, chunks of a seed, a sink that counts.

import { hash } from "node:crypto";
import { SkyError } from "../../model/errors.ts";
import { fairDefer } from "../../runtime/deferral-os.ts";
import type { StreamChannel, StreamSession } from "../../runtime/stream.ts";
import { createStreamHub, type StreamHub } from "../../runtime/stream-memory.ts";
import type { ChunkRef, Digest } from "../../transfer/chunks/chunk.ts";
import type { ChunkSink, ChunkSource } from "../../transfer/chunks/exchange.ts";
import { createInlineWork } from "../../transfer/chunks/work-inline.ts";

/** What the parties of tests put chunks through. */
export const work = createInlineWork();

export interface Pair {
  readonly hub: StreamHub;
  /** Of the one who dialled, `demo/a` unless it has another name; of who listens, `demo/b`. */
  readonly a: StreamSession;
  readonly b: StreamSession;
}

export async function pairOf(dialler = "demo/a"): Promise<Pair> {
  const hub = createStreamHub({ defer: fairDefer() });
  const joined = Promise.withResolvers<StreamSession>();
  const target = { host: "b", port: 0 };
  const listener = await hub.connect("demo/b").listen({ target, onSession: joined.resolve });
  const a = await hub.connect(dialler).dial(target, AbortSignal.timeout(5_000));
  const b = await joined.promise;
  await listener.close();
  return { hub, a, b };
}

/** The next channel that the peer opens. */
export function channelOf(session: StreamSession): Promise<StreamChannel> {
  return new Promise((resolve) => session.onChannel(resolve));
}

export interface Chunk {
  readonly ref: ChunkRef;
  readonly bytes: Uint8Array;
}

/** As many bytes, of a seed; half of them compress. */
export function chunkOf(seed: number, length: number): Chunk {
  const bytes = Buffer.alloc(length);
  let state = (seed * 2_654_435_761 + 1) >>> 0;
  const every = seed % 2 === 0 ? 1 : 16;
  for (let at = 0; at < length; at += 1) {
    if (at % every === 0) state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[at] = state >>> 24;
  }
  // The seed makes each one its own, also where it is short.
  bytes.writeUInt32BE(seed >>> 0, 0);
  return { ref: { digest: hash("sha256", bytes, "hex"), bytes: length }, bytes };
}

export function chunksOf(count: number, length = 1_000): readonly Chunk[] {
  return Array.from({ length: count }, (_, index) => chunkOf(index + 1, length + index));
}

export function refsOf(chunks: readonly Chunk[]): readonly ChunkRef[] {
  return chunks.map(({ ref }) => ref);
}

export function sourceOf(chunks: readonly Chunk[]): ChunkSource {
  const held = new Map(chunks.map(({ ref, bytes }) => [ref.digest, bytes]));
  return {
    get: async (digest) => {
      const bytes = held.get(digest);
      if (bytes === undefined) throw new SkyError("chunk/missing", { digest, where: "a test" });
      return Uint8Array.from(bytes);
    },
  };
}

/** Keeps what it is given, and counts. */
export class MemorySink implements ChunkSink {
  readonly held = new Map<Digest, Uint8Array>();
  readonly puts: Digest[] = [];
  /** Puts that have begun and not ended: now, and at most. */
  atWork = 0;
  atWorkMax = 0;
  /** Awaited by each put. */
  gate: (ref: ChunkRef, signal: AbortSignal) => Promise<void> = async () => {};

  async known(refs: readonly ChunkRef[]): Promise<ReadonlySet<Digest>> {
    return new Set(refs.map(({ digest }) => digest).filter((digest) => this.held.has(digest)));
  }

  async put(ref: ChunkRef, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    this.atWork += 1;
    this.atWorkMax = Math.max(this.atWorkMax, this.atWork);
    try {
      await this.gate(ref, signal);
      this.puts.push(ref.digest);
      this.held.set(ref.digest, bytes);
    } finally {
      this.atWork -= 1;
    }
  }
}

export function neverAborts(): AbortSignal {
  return new AbortController().signal;
}

/** The other party of an exchange that the test looks at: how this one ends is of no interest. */
export function unobserved(running: Promise<unknown>): void {
  running.catch(() => "as it may");
}
