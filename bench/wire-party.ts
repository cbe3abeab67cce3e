// One party of the wire benchmark: a process of its own, so that it has a core of its own.
//
// It reads its parts as lines of JSON, listens or dials, and says what it saw as lines of JSON.
// Who dials opens channels whose header is an order; who listens carries them out. So the side
// that dials is the receiver when it orders `give`, and the sender when it orders `take`.

import { createInterface } from "node:readline";
import { createOsClock } from "../runtime/clock-os.ts";
import type { StreamChannel, StreamSession } from "../runtime/stream.ts";
import {
  createTcpStreams,
  type StreamSecurity,
  type StreamTcpPort,
} from "../runtime/stream-tcp.ts";
import { ChunkCheck, type ChunkForm, giveChunks } from "./wire-chunks.ts";

export interface Order extends ChunkForm {
  /** `report`: tell what the process has come to. */
  readonly kind: "give" | "take" | "echo" | "report";
  readonly seconds: number;
  /** A reader that takes no more than this a second. */
  readonly bytesPerSecond?: number;
}

export interface Part {
  readonly role: "listener" | "dialler";
  readonly security: StreamSecurity;
  readonly host: string;
  readonly port: number;
  readonly order: Order;
  readonly connections: number;
  readonly as: "lanes" | "sessions";
  /** DATA without a checksum. */
  readonly bare: boolean;
}

/** What a party did, from the first byte to the last. */
export interface Seen {
  readonly bytes: number;
  readonly seconds: number;
  /** After the first second, when windows have grown. */
  readonly steadyBytesPerSecond: number;
  readonly roundTripsMs: readonly number[];
  readonly here: Usage;
  readonly there: Usage;
}

export interface Usage {
  readonly cpuSeconds: number;
  readonly rssBytesMax: number;
  readonly frames: number;
  readonly credits: number;
  readonly reads: number;
  readonly writes: number;
}

const steadyAfterMs = 1_000;
const wordBytes = 64;
const clock = createOsClock();
const ports: StreamTcpPort[] = [];

async function listen(part: Part): Promise<void> {
  const listener = await portOf(part).listen({
    target: { host: part.host, port: part.port },
    onSession: (session) => session.onChannel((channel) => void obey(channel)),
  });
  say({ port: listener.target.port });
}

async function obey(channel: StreamChannel): Promise<void> {
  const order = JSON.parse(Buffer.from(channel.header).toString()) as Order;
  try {
    const untilMs = performance.now() + order.seconds * 1_000;
    if (order.kind === "give") await giveChunks(channel, { ...order, untilMs });
    else if (order.kind === "take") await take(channel, order);
    else if (order.kind === "report") await channel.write(Buffer.from(JSON.stringify(usage())));
    else for await (const part of channel) await channel.write(part);
    channel.end();
  } catch {
    // The dialler has seen enough; it says so if it has not.
  }
}

async function dial(part: Part): Promise<void> {
  const { order } = part;
  const port = portOf(part);
  const sessions = await dialled(port, part);
  const [first] = sessions;
  if (first === undefined) throw new Error("no session");
  const [here, there] = [usage(), await reported(first)];
  const startedAt = performance.now();
  const untilMs = startedAt + order.seconds * 1_000;
  const roundTripsMs: number[] = [];
  const meter = new Meter(startedAt);
  await Promise.all(
    sessions.map(async (session) => {
      const channel = session.open(Buffer.from(JSON.stringify(order)));
      if (order.kind === "echo") await pingPong(channel, order.seconds, roundTripsMs);
      else if (order.kind === "give") await take(channel, order, meter);
      else await giveChunks(channel, { ...order, untilMs, sent: meter.add });
      channel.end();
      // What was given counts when the other side has taken it.
      if (order.kind === "take") await channel.lend(() => {});
    }),
  );
  const seconds = (performance.now() - startedAt) / 1_000;
  const seen: Seen = {
    ...{ bytes: meter.bytes, seconds, steadyBytesPerSecond: meter.steady(), roundTripsMs },
    here: difference(usage(), here),
    there: difference(await reported(first), there),
  };
  for (const session of sessions) session.close();
  say(seen);
}

async function dialled(port: StreamTcpPort, part: Part): Promise<readonly StreamSession[]> {
  const target = { host: part.host, port: part.port };
  const signal = AbortSignal.timeout(10_000);
  if (part.as === "lanes") return [await port.dial(target, signal, { lanes: part.connections })];
  return await Promise.all(
    Array.from({ length: part.connections }, () => port.dial(target, signal)),
  );
}

async function take(channel: StreamChannel, order: Order, meter?: Meter): Promise<void> {
  const check = order.digests || order.packed ? new ChunkCheck(order) : undefined;
  const startedAt = performance.now();
  let bytes = 0;
  const look = (part: Uint8Array): void | Promise<void> => {
    bytes += part.length;
    const proven = check?.push(part);
    // What is packed counts as what it is; what is not, as it comes.
    meter?.add(order.packed ? (proven ?? 0) : part.length);
    if (order.bytesPerSecond === undefined) return;
    const dueAt = startedAt + (bytes / order.bytesPerSecond) * 1_000;
    if (dueAt > startedAt + order.seconds * 1_000) {
      channel.abort("enough");
      return;
    }
    return new Promise((resolve) => setTimeout(resolve, Math.max(0, dueAt - performance.now())));
  };
  try {
    await channel.lend(look);
  } catch (error) {
    if (order.bytesPerSecond === undefined) throw error;
  }
}

async function pingPong(channel: StreamChannel, seconds: number, ms: number[]): Promise<void> {
  const word = Buffer.alloc(wordBytes, 1);
  const answers = channel[Symbol.asyncIterator]();
  const until = performance.now() + seconds * 1_000;
  while (performance.now() < until) {
    const sentAt = performance.now();
    await channel.write(word);
    for (let got = 0; got < word.length; ) {
      const { value, done } = await answers.next();
      if (done) throw new Error("the echo ended");
      got += value.length;
    }
    ms.push(performance.now() - sentAt);
  }
}

/** Bytes over time. */
class Meter {
  readonly #startedAt: number;
  bytes = 0;
  #steadyBytes = 0;
  #lastAt = 0;

  constructor(startedAt: number) {
    this.#startedAt = startedAt;
  }

  readonly add = (bytes: number): void => {
    this.bytes += bytes;
    const atMs = performance.now() - this.#startedAt;
    if (atMs < steadyAfterMs) return;
    this.#steadyBytes += bytes;
    this.#lastAt = atMs;
  };

  steady(): number {
    const ms = this.#lastAt - steadyAfterMs;
    return ms > 0 ? (this.#steadyBytes / ms) * 1_000 : 0;
  }
}

function usage(): Usage {
  const { user, system } = process.cpuUsage();
  const traffic = ports.map((port) => port.counts().traffic);
  const sum = (of: (one: (typeof traffic)[number]) => number): number =>
    traffic.reduce((total, one) => total + of(one), 0);
  return {
    cpuSeconds: (user + system) / 1e6,
    rssBytesMax: process.resourceUsage().maxRSS * 1024,
    frames: sum((one) => one.framesReceived + one.framesSent),
    credits: sum((one) => one.creditsSent),
    reads: sum((one) => one.reads),
    writes: sum((one) => one.writes),
  };
}

async function reported(session: StreamSession): Promise<Usage> {
  const channel = session.open(Buffer.from(JSON.stringify({ kind: "report" })));
  channel.end();
  const parts: Uint8Array[] = [];
  for await (const part of channel) parts.push(part);
  return JSON.parse(Buffer.concat(parts).toString()) as Usage;
}

function difference(after: Usage, before: Usage): Usage {
  return {
    cpuSeconds: after.cpuSeconds - before.cpuSeconds,
    rssBytesMax: after.rssBytesMax,
    frames: after.frames - before.frames,
    credits: after.credits - before.credits,
    reads: after.reads - before.reads,
    writes: after.writes - before.writes,
  };
}

function portOf({ security, bare }: Part): StreamTcpPort {
  const port = createTcpStreams({ security, clock, bare });
  ports.push(port);
  return port;
}

function say(what: object): void {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}

for await (const line of createInterface({ input: process.stdin })) {
  const part = JSON.parse(line) as Part;
  if (part.role === "listener") await listen(part);
  else await dial(part);
}
process.exit(0);
