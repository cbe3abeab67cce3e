// The bulk wire: how fast, at what cost, on short paths and long ones, and how bounded.
//
// Each party is a process of its own with a core of its own; iperf3 runs in the same places,
// before and after, because on a busy machine only ratios of one run mean something. The side
// that dials receives, as it does wherever that is possible. Rates count bytes of the user:
// compressed chunks count as what they are when unpacked.

import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { createAuthority, issueCertificate } from "../runtime/certificates-os.ts";
import { frameBytesMax, largeFrameBytesMax } from "../runtime/framing.ts";
import { sessionLimits } from "../runtime/session-limits.ts";
import { checkout } from "./home.ts";
import { msColumns, type Report, type Row, spreadOf } from "./report.ts";
import { namespaceHosts, namespacesMissing, withCable } from "./wire-namespaces.ts";
import type { Order, Seen } from "./wire-party.ts";
import {
  iperf,
  isPinned,
  Pair,
  type Place,
  type Security,
  type Setting,
} from "./wire-processes.ts";

const local: readonly [Place, Place] = [
  { core: 0, host: "127.0.0.1" },
  { core: 1, host: "127.0.0.1" },
];
const plain = [
  { kind: "plain", peer: "bench/dialler" },
  { kind: "plain", peer: "bench/listener" },
] as const;
const seconds = 2;
const proof: Partial<Order> = { digests: true };

const budgets = {
  rawShare: 0.9,
  crcBytesPerSecond: 1e9,
  proofBytesPerSecond: 0.5e9,
  pathShare: 0.9,
} as const;

/** `slowReaderSeconds`: how long 10 GB are offered to a reader of 1 MB/s. */
export async function wireReports(slowReaderSeconds = 10): Promise<readonly Report[]> {
  const tls = await securities();
  return [
    await hopReport(tls),
    await connectionsReport(tls),
    await pathReport(),
    await cableReport(tls),
    await slowReaderReport(tls, slowReaderSeconds),
  ];
}

async function securities(): Promise<readonly [Security, Security]> {
  const nowMs = Date.now();
  const authority = await createAuthority("wire bench", nowMs);
  const issue = async (name: string): Promise<Security> => {
    const hosts = ["127.0.0.1", ...namespaceHosts];
    const own = await issueCertificate(authority, { commonName: `bench/${name}`, hosts, nowMs });
    return { kind: "tls", ...own, authority: authority.certificate };
  };
  return [await issue("listener"), await issue("dialler")];
}

async function measured<T>(setting: Setting, use: (pair: Pair) => Promise<T>): Promise<T> {
  const pair = await Pair.start(setting);
  try {
    return await use(pair);
  } finally {
    pair.end();
  }
}

// ---- one hop

async function hopReport(tls: readonly [Security, Security]): Promise<Report> {
  const before = await iperf(local, seconds);
  const raw = await measured({ places: local, securities: plain, bare: true }, async (pair) => [
    await pair.measure({}),
    await pair.measure({}),
    await pair.measure({ kind: "take" }),
  ]);
  const crc = await measured({ places: local, securities: plain }, (pair) => pair.measure({}));
  const [sealed, full, text, echo] = await measured({ places: local, securities: tls }, (pair) =>
    inTurn([
      () => pair.measure({}),
      () => pair.measure(proof),
      () => pair.measure({ ...proof, packed: true, data: "text" }),
      () => pair.measure({ kind: "echo", seconds: 1 }),
    ]),
  );
  const after = await iperf(local, seconds);
  const best = Math.max(before ?? 0, after ?? 0);
  const rows: Row[] = [
    ...iperfRows("iperf3, before", before),
    hopRow("raw: no checksum", raw[1], rawBudget(best)),
    hopRow("raw, the dialler sends", raw[2]),
    hopRow("with CRC", crc, rateBudget(budgets.crcBytesPerSecond)),
    hopRow("TLS + CRC", sealed),
    hopRow("full proof: TLS + CRC + SHA-256", full, rateBudget(budgets.proofBytesPerSecond)),
    hopRow("full proof, lines, zstd-1", text),
    ...iperfRows("iperf3, after", after),
  ];
  if (echo !== undefined) rows.push(echoRow(echo));
  return {
    title: `bulk wire: one hop over loopback, one connection, ${coreText} a side`,
    rows,
    notes: [
      ...(before === undefined ? ["iperf3 is not installed: nothing to compare raw with"] : []),
      `frames up to ${largeFrameBytesMax / 1024} KiB (${frameBytesMax / 1024} for older peers)`,
      "cpu: seconds of sender + receiver for each GB; a core: what that comes to, without waiting",
      "frames, credits, writes to and reads from sockets: of both sides, for each GB",
    ],
  };
}

const coreText = isPinned ? "a core" : "no core of its own";

async function inTurn<T>(measures: readonly (() => Promise<T>)[]): Promise<readonly T[]> {
  const seen: T[] = [];
  for (const measure of measures) seen.push(await measure());
  return seen;
}

type Budget = (bytesPerSecond: number) => Row["budget"];

function rateBudget(least: number): Budget {
  return (rate) => ({ text: `≥ ${gigabytes(least)}`, kept: rate >= least });
}

function rawBudget(iperfRate: number): Budget {
  if (iperfRate === 0) return () => undefined;
  const { rawShare } = budgets;
  return (rate) => ({
    text: `≥ ${rawShare * 100} % of iperf3: ${Math.round((rate / iperfRate) * 100)} %`,
    kept: rate >= rawShare * iperfRate,
  });
}

function hopRow(what: string, seen: Seen | undefined, budget: Budget = () => undefined): Row {
  if (seen === undefined) throw new Error(`${what} was not measured`);
  const rate = seen.steadyBytesPerSecond;
  const per = (count: number): string => (count / (seen.bytes / 1e9)).toFixed(count < 10 ? 1 : 0);
  const { here, there } = seen;
  const cpu = [there, here].map(({ cpuSeconds }) => (cpuSeconds / (seen.bytes / 1e9)).toFixed(2));
  const kept = budget(rate);
  return {
    what,
    values: {
      rate: gigabytes(rate),
      cpu: cpu.join(" + "),
      "a core": gigabytes(seen.bytes / Math.max(here.cpuSeconds, there.cpuSeconds)),
      frames: per(there.frames),
      credits: per(here.credits + there.credits),
      writes: per(here.writes + there.writes),
      reads: per(here.reads + there.reads),
    },
    ...(kept === undefined ? {} : { budget: kept }),
  };
}

function iperfRows(what: string, rate: number | undefined): readonly Row[] {
  return rate === undefined ? [] : [{ what, values: { rate: gigabytes(rate) } }];
}

function echoRow(seen: Seen): Row {
  return { what: "64 bytes there and back, TLS", values: msColumns(spreadOf(seen.roundTripsMs)) };
}

function gigabytes(bytesPerSecond: number): string {
  if (bytesPerSecond < 0.1e9) return `${(bytesPerSecond / 1e6).toFixed(1)} MB/s`;
  return `${(bytesPerSecond / 1e9).toFixed(2)} GB/s`;
}

// ---- several connections

async function connectionsReport(tls: readonly [Security, Security]): Promise<Report> {
  const counts = [1, 2, 8];
  const rows: Row[] = [];
  for (const [what, setting, order] of [
    ["with CRC", { places: local, securities: plain }, {}],
    ["full proof", { places: local, securities: tls }, proof],
  ] as const) {
    await measured(setting, async (pair) => {
      for (const connections of counts) {
        const seen = await pair.measure(order, { connections, as: "lanes" });
        rows.push(hopRow(`${what}, one stream over ${connections}`, seen));
      }
    });
  }
  return { title: "bulk wire: one stream over several connections", rows, notes: [] };
}

// ---- a long path

const pathTripMs = 100;
const pathBytesPerSecond = 125e6;

async function pathReport(): Promise<Report> {
  const script = join(checkout, "bench/wire-path.ts");
  const children: ReturnType<typeof spawn>[] = [];
  const through = async (port: number): Promise<number> => {
    const args = [script, String(port), String(pathTripMs), String(pathBytesPerSecond)];
    const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
    children.push(child);
    for await (const line of createInterface({ input: child.stdout })) {
      return (JSON.parse(line) as { port: number }).port;
    }
    throw new Error("no path");
  };
  try {
    const setting = { places: local, securities: plain, through };
    const seen = await measured(setting, (pair) => pair.measure({ seconds: 8 }));
    const budget = shareBudget(pathBytesPerSecond);
    return {
      title: `bulk wire: ${pathTripMs} ms there and back, 1 Gbit/s, one connection`,
      rows: [
        hopRow("after the first second", seen, budget),
        { what: "from the first byte", values: { rate: gigabytes(seen.bytes / seen.seconds) } },
      ],
      notes: [`windows begin at ${sessionLimits.windowBytes / 1024} KiB and grow by round trips`],
    };
  } finally {
    for (const child of children) child.kill();
  }
}

function shareBudget(limit: number): Budget {
  return (rate) => ({
    text: `≥ ${budgets.pathShare * 100} % of the limit: ${Math.round((rate / limit) * 100)} %`,
    kept: rate >= budgets.pathShare * limit,
  });
}

// ---- a cable of a certain rate

async function cableReport(tls: readonly [Security, Security]): Promise<Report> {
  const title = "bulk wire: between network namespaces, limited by tbf, full proof";
  const missing = namespacesMissing();
  if (missing !== undefined) return { title, rows: [], notes: [missing] };
  const rows: Row[] = [];
  for (const megabits of [1_000, 100]) {
    await withCable(megabits, async (places) => {
      const beside = await iperf(places, seconds);
      const seen = await measured({ places, securities: tls }, (pair) =>
        pair.measure({ ...proof, seconds: 3 }),
      );
      rows.push(...iperfRows(`iperf3 at ${megabits} Mbit/s`, beside));
      rows.push(hopRow(`full proof at ${megabits} Mbit/s`, seen, shareBudget(megabits * 125e3)));
    });
  }
  return { title, rows, notes: ["the limit counts headers of Ethernet, IP and TCP as well"] };
}

// ---- a slow reader

const offeredBytes = 10e9;
const readBytesPerSecond = 1e6;
/** What a window, the queue to the socket and the sender's chunks may add to a process. */
const growthBytesMax = 32 * 1024 * 1024;

async function slowReaderReport(
  tls: readonly [Security, Security],
  forSeconds: number,
): Promise<Report> {
  const setting = { places: local, securities: tls };
  const row = (what: string, rss: number, beginning: number): Row => ({
    what,
    values: { RSS: `${megabytes(rss)} MB`, before: `${megabytes(beginning)} MB` },
    budget: {
      text: `≤ ${megabytes(growthBytesMax)} MB more`,
      kept: rss - beginning <= growthBytesMax,
    },
  });
  return await measured(setting, async (pair) => {
    // Once as it will be, but short: code and buffers that every transfer needs are there.
    const begin = await pair.measure({ bytesPerSecond: readBytesPerSecond, seconds: 1 });
    const seen = await pair.measure({ bytesPerSecond: readBytesPerSecond, seconds: forSeconds });
    const taken = `${megabytes(seen.bytes)} MB were taken, in ${seen.seconds.toFixed(0)} s`;
    return {
      title: `bulk wire: ${offeredBytes / 1e9} GB offered to a reader of 1 MB/s`,
      rows: [
        row("sender", seen.there.rssBytesMax, begin.there.rssBytesMax),
        row("receiver", seen.here.rssBytesMax, begin.here.rssBytesMax),
      ],
      notes: [taken, `a window has ${sessionLimits.windowBytes / 1024} KiB at most here`],
    };
  });
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
