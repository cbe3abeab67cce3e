// Transfers of files between processes, beside rsync to a daemon, rclone and iperf3, in one run.
//
// When the clock stops, ours is flushed to the disk, under its final name, and every byte of it was
// hashed at both ends; what a peer wrote is in the system's cache. Everything is on loopback and
// shares one disk and whatever cores there are, so the ratios say what a transfer costs beside its
// bytes. What a peer wrote is flushed, and removed, before the next one starts.

import { execFileSync } from "node:child_process";
import { createCipheriv } from "node:crypto";
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { availableParallelism, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import type { Report, Row } from "./report.ts";
import { type Ran, runOurs, runRclone, runRsync, type Shape } from "./transfer-processes.ts";
import { has, iperf } from "./wire-processes.ts";

interface FileSet {
  readonly name: string;
  readonly count: number;
  readonly bytes: number;
  readonly data: "random" | "text";
}

const mib = 1024 * 1024;
const many: FileSet = { name: "5,000 of 64 KiB", count: 5_000, bytes: 64 * 1024, data: "random" };
const medium: FileSet = { name: "200 of 8 MiB", count: 200, bytes: 8 * mib, data: "random" };
const big: FileSet = { name: "one of 4 GiB", count: 1, bytes: 4096 * mib, data: "random" };
const text: FileSet = { name: "64 of 8 MiB, text", count: 64, bytes: 8 * mib, data: "text" };

const straight: Shape = { relays: 0, sinks: 1, compress: false };
const iperfSeconds = 2;

interface Way {
  readonly what: string;
  readonly run: (files: string, dir: string) => Promise<Ran>;
  /** Whether it must be there for this to run. */
  readonly program?: string;
}

const ours = (what: string, shape: Partial<Shape>): Way => ({
  what,
  run: (files, dir) => runOurs(files, dir, { ...straight, ...shape }),
});
const rsync: Way = { what: "rsync to a daemon", run: runRsync, program: "rsync" };
const rclone: Way = { what: "rclone to rclone serve", run: runRclone, program: "rclone" };

export async function transferReports(): Promise<readonly Report[]> {
  const dir = mkdtempSync(join(tmpdir(), "sky-bench-transfer-"));
  try {
    const one = ours("one hop", {});
    return [
      await reportOf(dir, many, [one, rsync, rclone]),
      await reportOf(dir, medium, [
        one,
        ...[ours("two hops, sealed", { relays: 1 }), ours("one to four", { sinks: 4 })],
        ...[rsync, rclone],
      ]),
      await reportOf(dir, big, [one, rsync, rclone]),
      await reportOf(dir, text, [one, ours("one hop, compressed", { compress: true }), rsync]),
      await wireReport(),
    ];
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** What the machine's loopback carries: a bound for all of the above. */
async function wireReport(): Promise<Report> {
  const place = { core: 0, host: "127.0.0.1" };
  const rate = await iperf([place, { ...place, core: 1 }], iperfSeconds);
  const rows = rate === undefined ? [] : [{ what: "iperf3", values: { rate: rateOf(rate) } }];
  const notes = rate === undefined ? ["iperf3 is not installed"] : [];
  return { title: "the wire beneath", rows, notes };
}

async function reportOf(dir: string, set: FileSet, ways: readonly Way[]): Promise<Report> {
  const files = join(dir, "files");
  lay(files, set);
  const notes: string[] = [];
  const ran: { readonly what: string; readonly seconds: number }[] = [];
  for (const { what, run, program } of ways) {
    if (program !== undefined && !has(program)) {
      notes.push(`${program} is not installed`);
      continue;
    }
    execFileSync("sync");
    const to = mkdtempSync(join(dir, "run-"));
    const { seconds } = await run(files, to);
    ran.push({ what, seconds });
    rmSync(to, { recursive: true });
  }
  rmSync(files, { recursive: true });
  const load = loadavg()[0]?.toFixed(1) ?? "?";
  notes.push(`load ${load} on ${availableParallelism()} cores at the end`);
  return { title: `transfer, ${set.name}`, rows: ran.map((one) => rowOf(set, one, ran)), notes };
}

type Outcome = { readonly what: string; readonly seconds: number };

function rowOf(set: FileSet, { what, seconds }: Outcome, all: readonly Outcome[]): Row {
  const rate = (set.bytes * set.count) / seconds;
  const peers = all.filter((one) => one.what === rsync.what || one.what === rclone.what);
  const isPeer = peers.some((one) => one.what === what);
  const ratios = peers.map((peer) => [
    `of ${peer.what.split(" ")[0]}'s time`,
    `${(seconds / peer.seconds).toFixed(2)} ×`,
  ]);
  const values = {
    ...{ time: `${seconds.toFixed(2)} s`, rate: rateOf(rate) },
    ...(isPeer ? {} : Object.fromEntries(ratios)),
  };
  if (what !== "one hop" || peers.length === 0 || set === text) return { what, values };
  const kept = peers.every((peer) => seconds < peer.seconds);
  return { what, values, budget: { text: "faster than the peers", kept } };
}

function rateOf(bytesPerSecond: number): string {
  return `${(bytesPerSecond / 1e6).toFixed(0)} MB/s`;
}

/** Files whose bytes differ, all of them in the cache of the system. */
function lay(folder: string, { count, bytes, data }: FileSet): void {
  mkdirSync(folder);
  const pattern = patternOf(data, Math.min(bytes, 8 * mib));
  for (let index = 0; index < count; index += 1) {
    const file = openSync(join(folder, String(index).padStart(6, "0")), "w");
    for (let at = 0; at < bytes; at += pattern.length) {
      pattern.writeUInt32BE(index, 0);
      pattern.writeDoubleBE(at, 4);
      writeSync(file, pattern);
    }
    closeSync(file);
  }
}

/** Text compresses to less than a half, as much text does. */
function patternOf(data: FileSet["data"], bytes: number): Buffer {
  const stream = createCipheriv("aes-128-ctr", Buffer.alloc(16), Buffer.alloc(16));
  const random = stream.update(Buffer.alloc(bytes));
  if (data === "random") return random;
  return Buffer.from([...random.subarray(0, bytes / 2)].join(" ")).subarray(0, bytes);
}
