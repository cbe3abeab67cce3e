// One party of a fan-out as a process of its own: the source, or a sink, over TLS on TCP.
//
// It reads its part as one line of JSON and says what happens as lines of JSON. A part may also be
// to do without the fan-out (`alone`): then each sink fetches everything from the source itself.
// A sink can be throttled: what it dials, it dials through a relay of its own, until it is told to
// hurry. Benchmarks and tests start it.

import { createCipheriv, createHash, hash } from "node:crypto";
import { createInterface } from "node:readline";
import { createOsClock } from "../runtime/clock-os.ts";
import type { StreamPort } from "../runtime/stream.ts";
import { createTcpStreams, type StreamSecurity } from "../runtime/stream-tcp.ts";
import type { ChunkRef } from "../transfer/chunks/chunk.ts";
import type { ContentStore } from "../transfer/chunks/content-store.ts";
import { createMemoryContentStore } from "../transfer/chunks/content-store-memory.ts";
import { openContentStore } from "../transfer/chunks/content-store-os.ts";
import { parseExchangeHeader } from "../transfer/chunks/exchange.ts";
import { fetchChunks } from "../transfer/chunks/fetch.ts";
import { storeSink } from "../transfer/chunks/store-parties.ts";
import { serveChunks } from "../transfer/chunks/supply.ts";
import { createThreadWork } from "../transfer/chunks/work-threads-os.ts";
import { startFanOut } from "../transfer/fanout/fan-out.ts";
import { joinFanOut } from "../transfer/fanout/join.ts";
import type { Rules } from "../transfer/fanout/rules.ts";
import { type Throttle, throttled } from "./fanout-throttle.ts";

export interface FanOutPart {
  readonly role: "source" | "sink";
  readonly security: StreamSecurity;
  /** Where to listen. */
  readonly host: string;
  /** A folder for the store; without one it is in memory. */
  readonly dir?: string;
  /** The same seed gives the same chunks. */
  readonly seed: number;
  readonly bytes: number;
  readonly chunkBytes: number;
  readonly alone?: boolean;
  /** For the source. */
  readonly sinks?: readonly string[];
  readonly rules?: Partial<Rules>;
  /** For a sink: where the source is. */
  readonly source?: { readonly host: string; readonly port: number };
  readonly bytesPerSecond?: number;
  readonly askedBytes?: number;
  /** It says that it is ready, and begins when it is told to hurry. */
  readonly waits?: boolean;
}

export type FanOutWord =
  | { readonly type: "ready" }
  | { readonly type: "listens"; readonly port: number }
  | { readonly type: "has"; readonly chunks: number }
  /** All chunks are here; it still serves others. */
  | { readonly type: "here"; readonly ms: number }
  | {
      readonly type: "whole";
      readonly digest: string;
      readonly ms: number;
      readonly fetchedBytes: number;
      readonly servedBytes: number;
    }
  | {
      readonly type: "over";
      readonly sourceBytes: number;
      readonly sourceMoves: number;
      readonly outcomes: Readonly<Record<string, string>>;
      readonly digest: string;
    };

const scope = "bench/fanout";
const clock = createOsClock();
/** Ends with the process. */
const work = createThreadWork();
const never = new AbortController().signal;

/** Of what is dialled; any line after the first lifts it. */
const throttle: Throttle = { bytesPerSecond: Number.POSITIVE_INFINITY };

const hurried = Promise.withResolvers<void>();
const lines = createInterface({ input: process.stdin });
lines.once("line", (line) => {
  lines.on("line", () => {
    throttle.bytesPerSecond = Number.POSITIVE_INFINITY;
    hurried.resolve();
  });
  void run(JSON.parse(line) as FanOutPart).then(() => process.exit(0));
});

async function run(part: FanOutPart): Promise<void> {
  const streams = createTcpStreams({ security: part.security, clock });
  throttle.bytesPerSecond = part.bytesPerSecond ?? throttle.bytesPerSecond;
  await (part.role === "source" ? source(part, streams) : sink(part, streams));
}

function say(word: FanOutWord): void {
  process.stdout.write(`${JSON.stringify(word)}\n`);
}

function storeOf({ dir }: FanOutPart): Promise<ContentStore> | ContentStore {
  return dir === undefined ? createMemoryContentStore() : openContentStore({ dir });
}

/** Bytes that do not compress, a function of the seed. */
function* chunksOf({ seed, bytes, chunkBytes }: FanOutPart): Generator<Uint8Array> {
  const key = createHash("sha256").update(String(seed)).digest();
  const stream = createCipheriv("aes-256-ctr", key, Buffer.alloc(16));
  for (let at = 0; at < bytes; at += chunkBytes) {
    yield stream.update(Buffer.alloc(Math.min(chunkBytes, bytes - at)));
  }
}

async function source(part: FanOutPart, streams: StreamPort): Promise<void> {
  const store = await storeOf(part);
  const refs: ChunkRef[] = [];
  const whole = createHash("sha256");
  for (const bytes of chunksOf(part)) {
    const ref = refOf(bytes);
    whole.update(bytes);
    await store.put(ref.digest, bytes);
    refs.push(ref);
  }
  const digest = whole.digest("hex");
  const give = part.alone === true ? serveAll : fanOut;
  const over = await give(part, { streams, store, refs });
  say({ ...over, type: "over", digest });
}

function refOf(bytes: Uint8Array): ChunkRef {
  return { digest: hash("sha256", bytes, "hex"), bytes: bytes.length };
}

interface Giving {
  readonly streams: StreamPort;
  readonly store: ContentStore;
  readonly refs: readonly ChunkRef[];
}

type Over = Omit<Extract<FanOutWord, { type: "over" }>, "type" | "digest">;

async function fanOut(part: FanOutPart, { streams, store, refs }: Giving): Promise<Over> {
  const { sinks = [], rules = {}, host } = part;
  const fan = startFanOut({ scope, refs, from: store, sinks, clock, rules, work });
  const listener = await streams.listen({
    target: { host, port: 0 },
    onSession: (session) =>
      session.onChannel((channel) => {
        if (!fan.receive(session, channel)) channel.abort("of nobody");
      }),
  });
  say({ type: "listens", port: listener.target.port });
  const outcomes = await fan.done;
  const { sourceBytes, sourceMoves } = fan.progress();
  // The sinks hear that they are released before the connections go.
  await new Promise((resolve) => clock.after(300, () => resolve(undefined)));
  const shown = Object.fromEntries([...outcomes].map(([sink, { outcome }]) => [sink, outcome]));
  return { sourceBytes, sourceMoves, outcomes: shown };
}

/** Each sink on its own: until each has ended its exchange. */
async function serveAll(part: FanOutPart, { streams, store }: Giving): Promise<Over> {
  const { sinks = [], host } = part;
  let sourceBytes = 0;
  let open = sinks.length;
  const done = Promise.withResolvers<void>();
  const listener = await streams.listen({
    target: { host, port: 0 },
    onSession: (session) =>
      session.onChannel((channel) => {
        parseExchangeHeader(channel.header);
        void serveChunks({ channel, from: store, signal: never, work }).then(({ sentBytes }) => {
          sourceBytes += sentBytes;
          open -= 1;
          if (open === 0) done.resolve();
        }, done.reject);
      }),
  });
  say({ type: "listens", port: listener.target.port });
  await done.promise;
  await new Promise((resolve) => clock.after(300, () => resolve(undefined)));
  return { sourceBytes, sourceMoves: 0, outcomes: {} };
}

async function sink(part: FanOutPart, direct: StreamPort): Promise<void> {
  const { source: where, bytesPerSecond, host, askedBytes } = part;
  if (where === undefined) throw new Error("a sink needs its source");
  const streams = bytesPerSecond === undefined ? direct : throttled(direct, throttle);
  const store = counted(await storeOf(part));
  // Without a fan-out both sides make the list; only the chunks travel.
  const refs = part.alone === true ? [...chunksOf(part)].map(refOf) : [];
  if (part.waits === true) {
    say({ type: "ready" });
    await hurried.promise;
  }
  const startedAt = performance.now();
  const sayHere = (): void => say({ type: "here", ms: performance.now() - startedAt });
  const connect = (signal: AbortSignal) => streams.dial(where, signal);
  const found =
    part.alone === true
      ? await fetchAlone(part, { streams, store, refs })
      : await joinFanOut({
          ...{ connect, streams, scope, store, clock, signal: never, listen: { host }, work },
          ...(askedBytes === undefined ? {} : { askedBytesMax: askedBytes }),
          onWhole: sayHere,
        });
  if (part.alone === true) sayHere();
  const ms = performance.now() - startedAt;
  const whole = createHash("sha256");
  for (const { digest } of found.chunks) whole.update(await store.get(digest));
  const { fetchedBytes, servedBytes } = found;
  say({ type: "whole", digest: whole.digest("hex"), ms, fetchedBytes, servedBytes });
  await store.close();
}

/** Says now and then how much there is. */
function counted(store: ContentStore): ContentStore {
  let chunks = 0;
  return {
    ...store,
    put: async (digest, bytes, options) => {
      const outcome = await store.put(digest, bytes, options);
      chunks += 1;
      if (chunks % 4 === 1) say({ type: "has", chunks });
      return outcome;
    },
  };
}

async function fetchAlone(
  part: FanOutPart,
  { streams, store, refs: chunks }: Giving,
): Promise<{ chunks: readonly ChunkRef[]; fetchedBytes: number; servedBytes: number }> {
  const session = await streams.dial(part.source ?? { host: "", port: 0 }, never);
  const into = storeSink(store);
  const { movedBytes } = await fetchChunks({
    session,
    scope,
    want: chunks,
    into,
    signal: never,
    work,
  });
  return { chunks, fetchedBytes: movedBytes, servedBytes: 0 };
}
