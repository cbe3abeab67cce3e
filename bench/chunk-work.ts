// The work on chunks: how fast it goes, and how long it holds up the thread that asks for it.
//
// Four chunks are in work at a time, as on a connection that is kept full; each is copied first,
// which stands for reading it. Beside ours are WebCrypto's digest, which runs on libuv's threads
// and copies what it is given, and the cut by content, which runs where the file is read.
//
// `taskset -c 0 node bench/main.ts chunks` shows what one core comes to.

import { randomBytes } from "node:crypto";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { ContentCutter } from "../transfer/chunks/cut-content.ts";
import { type ChunkWork, nameOf } from "../transfer/chunks/work.ts";
import { createInlineWork } from "../transfer/chunks/work-inline.ts";
import { createThreadWork } from "../transfer/chunks/work-threads-os.ts";
import { msText, type Report, type Row } from "./report.ts";

const mib = 1024 * 1024;
const chunkBytes = 8 * mib;
const atATime = 4;
const measureMs = 1_000;

const secret = { transfer: randomBytes(16), key: randomBytes(32) };
const place = { object: 0, index: 0 };
const random = randomBytes(chunkBytes);
/** Numbers in decimal: compresses to less than a half, as much text does. */
const text = Buffer.from(Array.from(random.subarray(0, 3 * mib)).join(" ")).subarray(0, chunkBytes);

type Operation = (work: ChunkWork) => Promise<unknown>;

export async function chunksReport(): Promise<Report> {
  const { sealed } = await createInlineWork().seal(Buffer.from(random), { secret, place });
  const compressed = await createInlineWork().encode(Buffer.from(text));
  const copyOf = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes);
  const operations: Readonly<Record<string, Operation>> = {
    name: (work) => work.name(copyOf(random)),
    "encode random bytes": (work) => work.encode(copyOf(random)),
    "encode text": (work) => work.encode(copyOf(text)),
    "decode and prove text": (work) =>
      work.decode(nameOf(text), { ...compressed, payload: copyOf(compressed.payload) }),
    "name and seal": (work) => work.seal(copyOf(random), { secret, place }),
    "open and prove": (work) => work.open(copyOf(sealed), { secret, place }),
  };
  const rows: Row[] = [];
  for (const [what, operation] of Object.entries(operations)) {
    for (const [how, open] of Object.entries(versions)) {
      const work = open();
      rows.push(await measured(`${what}, ${how}`, () => operation(work)));
      await work.close();
    }
  }
  const digest = () => crypto.subtle.digest("SHA-256", new Uint8Array(random));
  rows.push(await measured("name, crypto.subtle", digest), cutRow());
  return {
    title: `work on chunks of ${chunkBytes / mib} MiB, ${atATime} at a time`,
    rows,
    notes: [
      "cpu: processor time of all threads, which a busy machine changes least",
      "delay: how late the asking thread's timers are; about 1 ms is their own",
    ],
  };
}

const versions: Readonly<Record<string, () => ChunkWork>> = {
  inline: createInlineWork,
  "1 thread": () => createThreadWork({ threads: 1 }),
  "2 threads": () => createThreadWork({ threads: 2 }),
};

async function measured(what: string, operation: () => Promise<unknown>): Promise<Row> {
  await operation();
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const startedAt = performance.now();
  let count = 0;
  const run = async (): Promise<void> => {
    while (performance.now() - startedAt < measureMs) {
      await operation();
      count += 1;
      // What else the thread has to do comes in between, as a wire's sockets do.
      await new Promise(setImmediate);
    }
  };
  delay.enable();
  const cpuBefore = process.cpuUsage();
  await Promise.all(Array.from({ length: atATime }, run));
  delay.disable();
  const ms = performance.now() - startedAt;
  const { user, system } = process.cpuUsage(cpuBefore);
  const gigabytes = (count * chunkBytes) / 1e9;
  const values = {
    rate: gbText(count * chunkBytes, ms),
    cpu: `${((user + system) / 1e6 / gigabytes).toFixed(2)} s/GB`,
    "delay p99": msText(delay.percentile(99) / 1e6),
    "delay max": msText(delay.max / 1e6),
  };
  return { what, values };
}

function cutRow(): Row {
  const file = randomBytes(64 * mib);
  const pieceBytes = 1 * mib;
  const startedAt = performance.now();
  let bytes = 0;
  while (performance.now() - startedAt < measureMs) {
    const cutter = new ContentCutter();
    for (let at = 0; at < file.length; at += pieceBytes) {
      cutter.push(file.subarray(at, at + pieceBytes), () => undefined);
    }
    bytes += file.length;
  }
  const rate = gbText(bytes, performance.now() - startedAt);
  return { what: "cut by content", values: { rate } };
}

function gbText(bytes: number, ms: number): string {
  return `${(bytes / ms / 1e6).toFixed(2)} GB/s`;
}
