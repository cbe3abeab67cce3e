// One party of the transfer benchmark, as a process of its own: who sends files, who relays, who
// writes them.
//
// It reads its part as a line of JSON, and says what happens as lines of JSON. It is made of what a
// gateway is made of; what a gateway is told by a head, it finds out from the files themselves:
// object N is the Nth file of the folder, in the order of their names.

import { mkdirSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { createOsClock } from "../runtime/clock-os.ts";
import type { StreamSession } from "../runtime/stream.ts";
import { createTcpStreams, type StreamSecurity } from "../runtime/stream-tcp.ts";
import { openContentStore } from "../transfer/chunks/content-store-os.ts";
import { type Admitted, exchangeChannels } from "../transfer/chunks/exchange-channels.ts";
import { openFork } from "../transfer/chunks/fork.ts";
import { openChunkJournal } from "../transfer/chunks/journal-os.ts";
import type { SendHop } from "../transfer/chunks/push-hops.ts";
import { createReceiver, type Receiver } from "../transfer/chunks/receive.ts";
import { fileToReceive, fileToSend } from "../transfer/chunks/receive-os.ts";
import { openRelay } from "../transfer/chunks/relay.ts";
import { type SentObject, sendObjects } from "../transfer/chunks/send.ts";
import { createSmallFiles } from "../transfer/chunks/small-files-os.ts";
import { createSmallReads } from "../transfer/chunks/small-reads-os.ts";
import { createThreadWork } from "../transfer/chunks/work-threads-os.ts";

export interface TransferPart {
  /** `fork` writes what it passes on. */
  readonly role: "source" | "relay" | "sink" | "fork";
  readonly security: StreamSecurity;
  /** Chunks travel sealed: there is a relay. */
  readonly sealed: boolean;
  readonly compress: boolean;
  /** The files that are sent. */
  readonly files: string;
  /** Where the copies go, and where the party keeps what it needs. */
  readonly to: string;
  readonly dir: string;
  /** Of the party before this one. */
  readonly port?: number;
  /** Who is let in here as the next hop, by name. */
  readonly next: readonly string[];
}

export type TransferWord =
  | { readonly type: "listens"; readonly port: number }
  /** All is whole at every destination; seconds since the part was read. */
  | {
      readonly type: "over";
      readonly seconds: number;
      readonly moved: number;
      readonly cpuSeconds: number;
    };

const transferId = Buffer.alloc(16, 7);
const transfer = transferId.toString("hex");
const scope = `transfer/${transfer}`;
const key = Buffer.alloc(32, 9);
const lanes = 4;
const spoolBytesMax = 256 * 1024 * 1024;
const host = "127.0.0.1";
const never = new AbortController().signal;
/** Of the standard input. */
let lines: AsyncIterator<string> | undefined;
/** Ends with the process. */
const work = createThreadWork();

process.once("SIGINT", () => process.exit(0));

const [line] = await takeLines(1);
const part = JSON.parse(line ?? "{}") as TransferPart;
const secret = part.sealed ? { transfer: transferId, key } : { transfer: transferId };
const streams = createTcpStreams({ security: part.security, clock: createOsClock() });
mkdirSync(join(part.dir, "locks"), { recursive: true });

const sessions = new Map<string, PromiseWithResolvers<StreamSession>>();

await (part.role === "source" ? runSource() : runBehind());

async function runSource(): Promise<void> {
  await listen();
  // The clock runs from the moment that the source is told to begin.
  await takeLines(1);
  const began = performance.now();
  const used = process.cpuUsage();
  const { moved } = await sendObjects({
    ...{ objects: objects(), ways: [{ hops: hops() }], secret, work, signal: never },
    ...{ compress: part.compress, smallReads: createSmallReads() },
  });
  const seconds = (performance.now() - began) / 1_000;
  const { user, system } = process.cpuUsage(used);
  say({ type: "over", seconds, moved, cpuSeconds: (user + system) / 1e6 });
}

async function* objects(): AsyncGenerator<SentObject> {
  for (const [object, name] of namesOf().entries()) {
    const path = join(part.files, name);
    yield await fileToSend(object, path, statSync(path).size);
  }
}

async function runBehind(): Promise<void> {
  const admit = await admission();
  const exchanges = exchangeChannels({ admit: () => admit, work });
  if (part.next.length > 0) await listen();
  const target = { host, port: part.port ?? 0 };
  const session = await streams.dial(target, never, { lanes, resumeMs: 5_000 });
  session.onChannel((channel) => void exchanges.take(session, channel));
}

async function admission(): Promise<Admitted> {
  if (part.role === "sink") {
    const receiver = await openReceiver();
    return { sink: receiver, safeMeans: "delivered", work: receiver.codec };
  }
  const store = await openContentStore({ dir: join(part.dir, "store"), bytesMax: 2e9 });
  const path = join(part.dir, "relay.journal");
  const journal = await openChunkJournal({ path, transfer });
  const relay = await openRelay({
    ...{ transfer, store, journal, bytesMax: spoolBytesMax, hops: hops(), work },
  });
  void relay.run(never);
  if (part.role === "relay") return relay.admit();
  return openFork({ parts: [{ sink: await openReceiver() }, { relay }], work }).admit();
}

async function openReceiver(): Promise<Receiver> {
  mkdirSync(part.to, { recursive: true });
  const names = namesOf();
  const sizes = names.map((name) => statSync(join(part.files, name)).size);
  const path = join(part.dir, "journal");
  const journal = await openChunkJournal({ path, transfer });
  const group = createSmallFiles();
  const locks = join(part.dir, "locks");
  return createReceiver({
    ...{ secret, journal, work },
    target: (object) => {
      const to = join(part.to, names[object] ?? "");
      return fileToReceive({ path: to, bytes: sizes[object] ?? 0, transfer, locks, group });
    },
  });
}

function hops(): readonly SendHop[] {
  return part.next.map((name) => ({
    scope,
    next: () => waiterOf(name).promise,
    pause: async () => void (await pause(100)),
  }));
}

async function listen(): Promise<void> {
  const listener = await streams.listen({
    target: { host, port: 0 },
    onSession: (session) => waiterOf(session.peer).resolve(session),
  });
  say({ type: "listens", port: listener.target.port });
}

function waiterOf(name: string): PromiseWithResolvers<StreamSession> {
  const found = sessions.get(name) ?? Promise.withResolvers<StreamSession>();
  sessions.set(name, found);
  return found;
}

function namesOf(): readonly string[] {
  return readdirSync(part.files).toSorted();
}

function say(word: TransferWord): void {
  process.stdout.write(`${JSON.stringify(word)}\n`);
}

async function takeLines(count: number): Promise<readonly string[]> {
  const found: string[] = [];
  lines ??= createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  while (found.length < count) {
    const { value, done } = await lines.next();
    if (done === true) process.exit(0);
    found.push(value);
  }
  return found;
}
