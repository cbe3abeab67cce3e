// Exchanges of chunks over TLS: one supplier, one taker, every chunk proven on arrival.
//
// Each party is a process. In the first table each has one core and does its arithmetic in place;
// in the second it uses threads and whatever cores there are. What goes into a store is on disk
// when it is acknowledged.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { createAuthority, issueCertificate } from "../runtime/certificates-os.ts";
import type { StreamSecurity } from "../runtime/stream-tcp.ts";
import type { Load, Part, Seen } from "./exchange-party.ts";
import { checkout } from "./home.ts";
import { type Report, type Row, rateText } from "./report.ts";
import { commandAt } from "./wire-processes.ts";

const mib = 1024 * 1024;
const loads: readonly Load[] = [
  { data: "random", bytes: 4 * mib, count: 192, into: "nothing" },
  { data: "text", bytes: 4 * mib, count: 192, into: "nothing" },
  { data: "random", bytes: 64 * 1024, count: 4_096, into: "nothing" },
  { data: "random", bytes: 4 * 1024, count: 8_192, into: "nothing" },
  { data: "random", bytes: 4 * mib, count: 96, into: "store" },
];
const proofBytesPerSecond = 0.5e9;

export async function exchangeReports(): Promise<readonly Report[]> {
  return [
    await report("exchanges over TLS, one core a side", false),
    await report("exchanges over TLS, with threads", true),
  ];
}

async function report(title: string, threads: boolean): Promise<Report> {
  const dir = mkdtempSync(join(tmpdir(), "sky-bench-exchange-"));
  try {
    const seen = await measure(threads, dir);
    const rows = loads.map((load, index) => rowOf(load, seen[index], !threads && index === 0));
    const rss = Math.max(...seen.map(({ rssBytesMax }) => rssBytesMax)) / mib;
    return { title, rows, notes: [`the taker had at most ${rss.toFixed(0)} MiB`] };
  } finally {
    rmSync(dir, { recursive: true });
  }
}

function rowOf({ data, bytes, count, into }: Load, seen: Seen | undefined, isBudget: boolean): Row {
  const { seconds = Number.NaN, cpuSeconds = Number.NaN } = seen ?? {};
  const rate = (bytes * count) / seconds;
  const size = bytes >= mib ? `${bytes / mib} MiB` : `${bytes / 1024} KiB`;
  return {
    what: `${size} ${data}${into === "store" ? ", into a store" : ""}`,
    values: {
      rate: `${(rate / 1e9).toFixed(2)} GB/s`,
      chunks: rateText(count / seconds),
      "taker's CPU": `${((cpuSeconds / (bytes * count)) * 1e9).toFixed(2)} s/GB`,
    },
    ...(isBudget ? { budget: { text: "≥ 0.5 GB/s", kept: rate >= proofBytesPerSecond } } : {}),
  };
}

async function measure(threads: boolean, dir: string): Promise<readonly Seen[]> {
  const [first, second] = await securities();
  const supplier = start(0, threads);
  const taker = start(1, threads);
  try {
    const shared = { threads, loads, dir };
    const there = await supplier.ask({ ...shared, role: "supplier", security: first, port: 0 });
    const { port } = (await there()) as { readonly port: number };
    const next = await taker.ask({ ...shared, role: "taker", security: second, port });
    const seen: Seen[] = [];
    for (const _ of loads) seen.push((await next()) as Seen);
    return seen;
  } finally {
    supplier.end();
    taker.end();
  }
}

function start(core: number, threads: boolean) {
  const command = [process.execPath, join(checkout, "bench/exchange-party.ts")];
  const [program = "", ...args] = threads ? command : commandAt({ core, host: "" }, command);
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<unknown> => {
    const { value, done } = await lines.next();
    if (done) throw new Error("a party of the exchange benchmark ended early");
    return JSON.parse(value);
  };
  return {
    ask: async (part: Part) => {
      child.stdin.write(`${JSON.stringify(part)}\n`);
      return next;
    },
    end: () => child.kill(),
  };
}

async function securities(): Promise<readonly [StreamSecurity, StreamSecurity]> {
  const nowMs = Date.now();
  const authority = await createAuthority("exchange bench", nowMs);
  const issue = async (name: string): Promise<StreamSecurity> => {
    const request = { commonName: `bench/${name}`, hosts: ["127.0.0.1"], nowMs };
    const own = await issueCertificate(authority, request);
    return { kind: "tls", ...own, authority: authority.certificate };
  };
  return [await issue("supplier"), await issue("taker")];
}
