// The content store beside the disk that it is on: what proving, naming and remembering cost.
//
// The floor of a put is a bare write and fsync of the same bytes by as many writers; that of a get
// is a bare read and SHA-256. They take turns within one run, so ratios hold on a machine that
// others use; rates do not. With a slow disk every flush takes longer, no more than four at a time,
// as many as Node's threads wait for.

import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { mkdir, open, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as pause } from "node:timers/promises";
import type { ContentStore } from "../transfer/chunks/content-store.ts";
import { openContentStore } from "../transfer/chunks/content-store-os.ts";
import { msText, type Report, type Row, rateText } from "./report.ts";

const sideBySide = 32;
const mib = 1_048_576;
const manyChunks = 100_000;
const pinnedChunks = 10_000;
const flushThreads = 4;
const slowFsyncMs = 5;

interface Kind {
  readonly name: string;
  readonly bytes: number;
  readonly count: number;
}

const kinds: readonly Kind[] = [
  { name: "1 MiB", bytes: mib, count: 96 },
  { name: "4 KiB", bytes: 4_096, count: 600 },
];

interface Piece {
  readonly digest: string;
  readonly content: Buffer;
}

export async function contentReport(): Promise<Report> {
  const dir = mkdtempSync(join(tmpdir(), "sky-bench-chunks-"));
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  try {
    const rows: Row[] = [];
    for (const kind of kinds) rows.push(...(await putsAndGets(join(dir, kind.name), kind)));
    const [p99, max] = [delay.percentile(99) / 1e6, delay.max / 1e6];
    rows.push(...(await slowPuts(join(dir, "slow"))));
    rows.push(...(await many(join(dir, "many"))));
    return {
      title: "content store: chunks on disk, proven, remembered",
      rows,
      notes: [
        `${sideBySide} at a time; a chunk that is put has 2 flushes of its own, fewer if shared`,
        `the loop of the main thread was late by ${msText(p99)} at p99, ${msText(max)} at most`,
      ],
    };
  } finally {
    delay.disable();
    rmSync(dir, { recursive: true, force: true });
  }
}

async function putsAndGets(dir: string, { name, bytes, count }: Kind): Promise<readonly Row[]> {
  const pieces = piecesOf(count, bytes);
  const bare = join(dir, "bare");
  await mkdir(bare, { recursive: true });
  const store = await openContentStore({ dir: join(dir, "chunks"), reserveBytes: 0 });
  const written = await timed(pieces, (piece) => writeBare(join(bare, piece.digest), piece, 0));
  const put = await timed(pieces, ({ digest, content }) => store.put(digest, content));
  const known = await timed(pieces, ({ digest, content }) => store.put(digest, content));
  const read = await timed(pieces, async ({ digest }) => {
    createHash("sha256")
      .update(await readFile(join(bare, digest)))
      .digest("hex");
  });
  const got = await timed(pieces, ({ digest }) => store.get(digest));
  await store.close();
  const rate = (ms: number): Record<string, string> => ratesOf(pieces.length, bytes, ms);
  return [
    { what: `${name}: bare write, fsync`, values: rate(written) },
    { what: `${name}: put`, values: { ...rate(put), ratio: ratioText(put, written) } },
    { what: `${name}: put of what is here`, values: rate(known) },
    { what: `${name}: bare read, SHA-256`, values: rate(read) },
    { what: `${name}: get`, values: { ...rate(got), ratio: ratioText(got, read) } },
  ];
}

/** Small chunks where a flush is slow: nothing but sharing flushes helps. */
async function slowPuts(dir: string): Promise<readonly Row[]> {
  const pieces = piecesOf(200, 4_096);
  const bare = join(dir, "bare");
  await mkdir(bare, { recursive: true });
  const store = await openContentStore({
    dir: join(dir, "chunks"),
    reserveBytes: 0,
    extraFsyncMs: slowFsyncMs,
  });
  let at = 0;
  const lane = async (): Promise<void> => {
    for (let piece = pieces[at++]; piece !== undefined; piece = pieces[at++]) {
      await writeBare(join(bare, piece.digest), piece, slowFsyncMs);
    }
  };
  const beganAt = performance.now();
  await Promise.all(Array.from({ length: flushThreads }, lane));
  const written = performance.now() - beganAt;
  const put = await timed(pieces, ({ digest, content }) => store.put(digest, content));
  await store.close();
  const slow = `4 KiB, a flush takes ${slowFsyncMs} ms longer`;
  const rate = (ms: number): Record<string, string> => ratesOf(pieces.length, 4_096, ms);
  return [
    { what: `${slow}: bare`, values: rate(written) },
    { what: `${slow}: put`, values: { ...rate(put), ratio: ratioText(put, written) } },
  ];
}

/** A store with very many chunks: pinning, asking, opening. */
async function many(dir: string): Promise<readonly Row[]> {
  const chunks = join(dir, "chunks");
  const digests = await fillFolder(chunks);
  const read = await opened(chunks);
  const again = await opened(chunks);
  const store = await openContentStore({ dir: chunks, reserveBytes: 0 });
  const refs = digests.slice(0, pinnedChunks).map((digest) => ({ digest, bytes: 1_024 }));
  const pin = await timedOnce(() => store.pin("bench", refs));
  const has = await timedOnce(() => store.has(digests));
  const unpin = await timedOnce(() => store.unpin("bench"));
  await store.close();
  const count = (chunksOf: number, ms: number): Record<string, string> => ({
    time: msText(ms),
    rate: rateText(chunksOf / (ms / 1_000)),
  });
  return [
    { what: `open with ${manyChunks} chunks, no index`, values: count(manyChunks, read) },
    { what: `open with ${manyChunks} chunks`, values: count(manyChunks, again) },
    { what: `pin ${pinnedChunks} chunks`, values: count(pinnedChunks, pin) },
    { what: `has ${manyChunks} chunks`, values: count(manyChunks, has) },
    { what: `unpin ${pinnedChunks} chunks`, values: count(pinnedChunks, unpin) },
  ];
}

/** Files that were put long ago; without their flushes, which are measured above. */
async function fillFolder(dir: string): Promise<readonly string[]> {
  await (await openContentStore({ dir, reserveBytes: 0 })).close();
  const digests = Array.from({ length: manyChunks }, (_, number) => digestOf(`${number}`));
  const content = Buffer.alloc(1_024);
  for (const digest of digests) {
    writeFileSync(join(dir, digest.slice(0, 2), digest), content, { flag: "wx", mode: 0o600 });
  }
  return digests;
}

async function opened(dir: string): Promise<number> {
  let store: ContentStore | undefined;
  const ms = await timedOnce(async () => {
    store = await openContentStore({ dir, reserveBytes: 0 });
  });
  await store?.close();
  return ms;
}

async function writeBare(path: string, { content }: Piece, extraFsyncMs: number): Promise<void> {
  const file = await open(path, "wx", 0o600);
  await file.write(content);
  await file.sync();
  if (extraFsyncMs > 0) await pause(extraFsyncMs);
  await file.close();
}

function piecesOf(count: number, bytes: number): readonly Piece[] {
  return Array.from({ length: count }, (_, number) => {
    const content = Buffer.alloc(bytes, `${number} ${bytes} `);
    return { content, digest: digestOf(content) };
  });
}

function digestOf(content: string | Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}

/** Milliseconds for all, some side by side. */
async function timed<T>(all: readonly T[], run: (one: T) => Promise<unknown>): Promise<number> {
  let at = 0;
  const lane = async (): Promise<void> => {
    for (let one = all[at++]; one !== undefined; one = all[at++]) await run(one);
  };
  return timedOnce(() => Promise.all(Array.from({ length: sideBySide }, lane)));
}

async function timedOnce(run: () => Promise<unknown>): Promise<number> {
  const beganAt = performance.now();
  await run();
  return performance.now() - beganAt;
}

function ratesOf(count: number, bytes: number, ms: number): Record<string, string> {
  const seconds = ms / 1_000;
  return {
    time: msText(ms),
    rate: rateText(count / seconds),
    bytes: `${((count * bytes) / mib / seconds).toFixed(1)} MiB/s`,
  };
}

function ratioText(ms: number, floorMs: number): string {
  return `${(ms / floorMs).toFixed(2)} × bare`;
}
