// One party of the wire benchmark: a process of its own, so that it has a core of its own.
//
// It reads its part as one line of JSON, listens or dials, and says what it saw as lines of JSON.
// Who dials opens channels whose header is an order; who listens carries them out. So the side
// that dials is the receiver when it orders `give`, and the sender when it orders `take`.

import { createHash, randomFillSync } from "node:crypto";
import { createInterface } from "node:readline";
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { createOsClock } from "../runtime/clock-os.ts";
import type { StreamChannel, StreamSession } from "../runtime/stream.ts";
import { createTcpStreams, type StreamSecurity } from "../runtime/stream-tcp.ts";

export interface Order {
  readonly kind: "give" | "take" | "echo";
  readonly bytes: number;
  readonly data: "random" | "text";
  /** What is proven beside the frames: a SHA-256 after each chunk; zstd-1 before it. */
  readonly digests: boolean;
  readonly packed: boolean;
  /** A reader that takes no more than this a second. */
  readonly bytesPerSecond?: number;
}

export interface Part {
  readonly role: "listener" | "dialler";
  readonly security: StreamSecurity;
  readonly port: number;
  readonly order: Order;
  readonly sessions: number;
  readonly bare: boolean;
  readonly seconds: number;
}

export interface Seen {
  readonly bytes: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly rssBytes: number;
  readonly roundTripsMs: readonly number[];
}

const chunkBytes = 4 * 1024 * 1024;
const digestBytes = 32;
const lengthBytes = 4;
const clock = createOsClock();

function say(what: object): void {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}

function portOf({ security, bare }: Part) {
  return createTcpStreams({ security, clock, ...(bare ? { bare } : {}) });
}

async function listen(part: Part): Promise<void> {
  const listener = await portOf(part).listen({
    target: { host: "127.0.0.1", port: part.port },
    onSession: (session) => session.onChannel((channel) => void obey(channel)),
  });
  say({ port: listener.target.port });
}

async function obey(channel: StreamChannel): Promise<void> {
  const order = JSON.parse(Buffer.from(channel.header).toString()) as Order;
  try {
    if (order.kind === "give") await give(channel, order);
    else if (order.kind === "take") await take(channel, order);
    else for await (const part of channel) await channel.write(part);
    channel.end();
  } catch (error) {
    say({ failed: String(error) });
  }
}

async function dial(part: Part): Promise<void> {
  const { order, sessions } = part;
  const port = portOf(part);
  const target = { host: "127.0.0.1", port: part.port };
  const dials = Array.from({ length: sessions }, () => port.dial(target, AbortSignal.timeout(9e3)));
  const joined: readonly StreamSession[] = await Promise.all(dials);
  const startedAt = performance.now();
  const cpu = process.cpuUsage();
  const share = { ...order, bytes: order.bytes / sessions };
  const roundTripsMs: number[] = [];
  const received = await Promise.all(
    joined.map(async (session) => {
      const channel = session.open(Buffer.from(JSON.stringify(share)));
      if (order.kind === "give") return await take(channel, share);
      if (order.kind === "echo") return await pingPong(channel, share.bytes, roundTripsMs);
      await give(channel, share);
      channel.end();
      for await (const _ of channel);
      return share.bytes;
    }),
  );
  const { user, system } = process.cpuUsage(cpu);
  const bytes = received.reduce((sum, count) => sum + count, 0);
  const seconds = (performance.now() - startedAt) / 1000;
  const rssBytes = process.memoryUsage.rss();
  say({ bytes, seconds, cpuSeconds: (user + system) / 1e6, rssBytes, roundTripsMs });
  for (const session of joined) session.close();
}

async function give(channel: StreamChannel, order: Order): Promise<void> {
  const chunks = chunksOf(order.data);
  for (let sent = 0, turn = 0; sent < order.bytes; turn += 1) {
    const chunk = chunks[turn % chunks.length] ?? Buffer.alloc(0);
    const body = order.packed ? packed(chunk) : chunk;
    if (order.packed) await channel.write(lengthOf(body));
    await channel.write(body);
    if (order.digests) await channel.write(createHash("sha256").update(chunk).digest());
    sent += chunk.length;
  }
  channel.end();
}

async function take(channel: StreamChannel, order: Order): Promise<number> {
  const check = order.digests || order.packed ? new ChunkCheck(order) : undefined;
  let bytes = 0;
  await channel.lend((part) => {
    bytes += part.length;
    check?.push(part);
  });
  channel.end();
  return check?.bytes ?? bytes;
}

async function pingPong(channel: StreamChannel, rounds: number, ms: number[]): Promise<number> {
  const word = Buffer.alloc(64, 1);
  const answers = channel[Symbol.asyncIterator]();
  for (let round = 0; round < rounds; round += 1) {
    const sentAt = performance.now();
    await channel.write(word);
    for (let got = 0; got < word.length; ) got += (await answers.next()).value?.length ?? 64;
    ms.push(performance.now() - sentAt);
  }
  channel.end();
  return rounds * word.length;
}

/** Proves chunks as they come: lengths if they are packed, digests if they have them. */
class ChunkCheck {
  readonly #order: Order;
  readonly #head = Buffer.alloc(Math.max(digestBytes, lengthBytes));
  readonly #body = Buffer.alloc(2 * chunkBytes);
  #state: "length" | "body" | "digest";
  #missing: number;
  #filled = 0;
  #hash = createHash("sha256");
  /** Of whole chunks. */
  bytes = 0;

  constructor(order: Order) {
    this.#order = order;
    this.#state = order.packed ? "length" : "body";
    this.#missing = order.packed ? lengthBytes : chunkBytes;
  }

  push(part: Uint8Array): void {
    for (let at = 0; at < part.length; ) {
      const piece = part.subarray(at, at + this.#missing);
      at += piece.length;
      this.#missing -= piece.length;
      if (this.#state !== "body") this.#head.set(piece, this.#filled);
      else if (this.#order.packed) this.#body.set(piece, this.#filled);
      else this.#hash.update(piece);
      this.#filled += piece.length;
      if (this.#missing === 0) this.#next();
    }
  }

  #next(): void {
    if (this.#state === "length") this.#begin("body", this.#head.readUInt32BE());
    else if (this.#state === "body") this.#endBody();
    else this.#endChunk();
  }

  #endBody(): void {
    const body = this.#body.subarray(0, this.#filled);
    if (this.#order.packed) this.#hash.update(zstdDecompressSync(body));
    this.#begin("digest", digestBytes);
  }

  #endChunk(): void {
    const said = this.#head.subarray(0, digestBytes);
    if (!this.#hash.digest().equals(said)) throw new Error("a chunk is not what it was");
    this.#hash = createHash("sha256");
    this.bytes += chunkBytes;
    if (this.#order.packed) this.#begin("length", lengthBytes);
    else this.#begin("body", chunkBytes);
  }

  #begin(state: "length" | "body" | "digest", missing: number): void {
    this.#state = state;
    this.#missing = missing;
    this.#filled = 0;
  }
}

function chunksOf(data: Order["data"]): readonly Buffer[] {
  const random = randomFillSync(Buffer.alloc(2 * chunkBytes));
  if (data === "random") return [random.subarray(0, chunkBytes), random.subarray(chunkBytes)];
  const line = "2026-01-01T00:00:00.000Z worker 17 step 1042 loss 0.3121 tokens/s 18234\n";
  const text = Buffer.alloc(chunkBytes, line);
  for (let at = 0; at < text.length; at += 97) text[at] = random[at] ?? 0;
  return [text];
}

function packed(chunk: Buffer): Buffer {
  return zstdCompressSync(chunk, { params: { [constants.ZSTD_c_compressionLevel]: 1 } });
}

function lengthOf(body: Buffer): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(body.length);
  return out;
}

for await (const line of createInterface({ input: process.stdin })) {
  const part = JSON.parse(line) as Part;
  if (part.role === "listener") await listen(part);
  else await dial(part);
}
