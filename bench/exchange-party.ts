// One party of the exchange benchmark: a process of its own, so that it can have a core of its own.
//
// It is told its part in a line of JSON. The supplier listens and serves chunks that it makes as
// they are wanted; the taker fetches what it is told to, and says what it saw. Both make the same
// chunks: a base, with the chunk's number in its first bytes.

import { createCipheriv, hash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { createOsClock } from "../runtime/clock-os.ts";
import { createTcpStreams, type StreamSecurity } from "../runtime/stream-tcp.ts";
import type { ChunkRef } from "../transfer/chunks/chunk.ts";
import { openContentStore } from "../transfer/chunks/content-store-os.ts";
import type { ChunkSink, ChunkSource } from "../transfer/chunks/exchange.ts";
import { exchangeChannels } from "../transfer/chunks/exchange-channels.ts";
import { fetchChunks } from "../transfer/chunks/fetch.ts";
import { storeSink } from "../transfer/chunks/store-parties.ts";
import { createInlineWork } from "../transfer/chunks/work-inline.ts";
import { createThreadWork } from "../transfer/chunks/work-threads-os.ts";

export interface Load {
  readonly data: "random" | "text";
  readonly bytes: number;
  readonly count: number;
  readonly into: "nothing" | "store";
}

export interface Part {
  readonly role: "supplier" | "taker";
  readonly security: StreamSecurity;
  readonly port: number;
  readonly threads: boolean;
  readonly loads: readonly Load[];
  /** The taker's folder. */
  readonly dir: string;
}

export interface Seen {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly rssBytesMax: number;
}

const scopeOf = ({ data, bytes, count }: Load): string => `${data}/${bytes}/${count}`;

/** The same on both sides. Text compresses to less than a half, as much text does. */
function baseOf({ data, bytes }: Load): Buffer {
  const stream = createCipheriv("aes-128-ctr", Buffer.alloc(16), Buffer.alloc(16));
  const random = stream.update(Buffer.alloc(bytes));
  if (data === "random") return random;
  return Buffer.from([...random.subarray(0, bytes / 2)].join(" ")).subarray(0, bytes);
}

function numbered(base: Buffer, index: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(base.length);
  base.copy(bytes);
  bytes.writeUInt32BE(index, 0);
  return bytes;
}

function refsOf(load: Load): readonly ChunkRef[] {
  const base = baseOf(load);
  return Array.from({ length: load.count }, (_, index) => {
    base.writeUInt32BE(index, 0);
    return { digest: hash("sha256", base), bytes: load.bytes };
  });
}

async function supply({ security, threads, loads }: Part): Promise<void> {
  const sources = new Map(loads.map((load) => [scopeOf(load), sourceOf(load)]));
  const exchanges = exchangeChannels({
    admit: ({ scope }) => {
      const source = sources.get(scope);
      return source === undefined ? { refused: "nobody knows it" } : { source };
    },
    work: threads ? createThreadWork() : createInlineWork(),
  });
  const listener = await createTcpStreams({ security, clock: createOsClock() }).listen({
    target: { host: "127.0.0.1", port: 0 },
    onSession: (session) => session.onChannel((channel) => void exchanges.take(session, channel)),
  });
  say({ port: listener.target.port });
}

function sourceOf(load: Load): ChunkSource {
  const base = baseOf(load);
  const indices = new Map(refsOf(load).map(({ digest }, index) => [digest, index]));
  return { get: async (digest) => numbered(base, indices.get(digest) ?? 0) };
}

async function take({ security, port, threads, loads, dir }: Part): Promise<void> {
  const streams = createTcpStreams({ security, clock: createOsClock() });
  const { signal } = new AbortController();
  const session = await streams.dial({ host: "127.0.0.1", port }, signal);
  const work = threads ? createThreadWork() : createInlineWork();
  for (const [index, load] of loads.entries()) {
    const want = refsOf(load);
    const place = join(dir, String(index));
    mkdirSync(place);
    const store = load.into === "store" ? await openContentStore({ dir: place, work }) : undefined;
    const into = store === undefined ? nothing : storeSink(store);
    const [began, used] = [performance.now(), process.cpuUsage()];
    await fetchChunks({ session, scope: scopeOf(load), want, into, work, signal });
    const seconds = (performance.now() - began) / 1_000;
    const { user, system } = process.cpuUsage(used);
    const rssBytesMax = process.resourceUsage().maxRSS * 1_024;
    say({ seconds, cpuSeconds: (user + system) / 1e6, rssBytesMax } satisfies Seen);
    await store?.close();
  }
}

const nothing: ChunkSink = { known: async () => new Set(), put: async () => {} };

function say(word: object): void {
  process.stdout.write(`${JSON.stringify(word)}\n`);
}

for await (const line of createInterface({ input: process.stdin })) {
  const part = JSON.parse(line) as Part;
  await (part.role === "supplier" ? supply(part) : take(part));
}
process.exit(0);
