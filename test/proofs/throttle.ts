// Much is offered to a sink that takes little: everybody before it must wait, and hold little.
//
// The bytes that have left the source are counted where they pass. The peak of each party's memory
// is the kernel's; what it held when it had begun to move bytes, and nothing yet to wait for, is
// printed beside it.

import { setTimeout as pause } from "node:timers/promises";
import { Chain } from "./chain.ts";
import type { Role } from "./processes.ts";
import { rssOf } from "./rss.ts";

export interface ThrottleOptions {
  readonly folder: string;
  readonly seed: number;
  readonly through: "relay" | "nobody";
  readonly seconds: number;
  /** Of the objects that are offered. */
  readonly sizes: readonly number[];
  readonly bytesPerSecond: number;
}

export interface ThrottleResult {
  readonly seconds: number;
  /** What the sink has made safe. */
  readonly safeBytes: number;
  /** What has left the source. */
  readonly sentBytes: number;
  readonly rss: readonly RssSeen[];
  readonly findings: readonly string[];
}

export interface RssSeen {
  readonly role: Role;
  readonly firstMib: number;
  readonly peakMib: number;
  readonly samplesMib: readonly number[];
  readonly boundMib: number;
}

/** What may be on its way between two parties: asked for and not yet safe, and the windows. */
const underWayBytesMax = 64 * 1024 * 1024;
/**
 * Node, TLS and the code are 90 MiB, and what is not collected yet may be 64. A source holds 64 MiB
 * that are sealed and not safe at the next hop, 32 that are read ahead, and what its connections
 * have not acknowledged; a relay 32 for each neighbor, before and after they are proven; a sink 32,
 * sealed and opened.
 */
const boundMib: Readonly<Record<Role, number>> = { source: 320, relay: 320, sink: 256 };
/** From when bytes have begun to move. */
const growthMibMax = 64;
const sampleMs = 500;
const spoolBytesMax = 32 * 1024 * 1024;

export async function runThrottle(options: ThrottleOptions): Promise<ThrottleResult> {
  const { folder, seed, through, sizes, bytesPerSecond, seconds } = options;
  let sentBytes = 0;
  const chain = await Chain.open({
    ...{ folder, seed, through, sizes, bytesPerSecond, spoolBytesMax, isOnDisk: false },
    change: (bytes, way) => {
      if (way === "back") sentBytes += bytes.length;
    },
  });
  try {
    for (const role of chain.roles) chain.start(role);
    await chain.until("a chunk is safe", () => chain.safe > 0);
    const seen = new Map(chain.roles.map((role) => [role, [] as number[]]));
    const startedAt = performance.now();
    while (performance.now() - startedAt < seconds * 1_000) {
      for (const role of chain.roles) seen.get(role)?.push(rssIn(chain, role).nowMib);
      await pause(sampleMs);
    }
    const rss = chain.roles.map((role) => {
      const samplesMib = seen.get(role) ?? [];
      const { peakMib } = rssIn(chain, role);
      return { role, firstMib: samplesMib[0] ?? 0, peakMib, samplesMib, boundMib: boundMib[role] };
    });
    const safeBytes = safeIn(chain);
    const result = { seconds, safeBytes, sentBytes, rss };
    const findings = [...findingsOf(result, options), ...(await chain.end())];
    return { ...result, findings };
  } finally {
    await chain.close();
  }
}

function rssIn(chain: Chain, role: Role) {
  const pid = chain.parties.living(role)?.pid;
  if (pid === undefined) throw new Error(`the ${role} is gone: ${chain.tale()}`);
  return rssOf(pid);
}

function safeIn(chain: Chain): number {
  return sumOf(chain.said("sink", "safe").map((word) => Number(word["bytes"])));
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

function findingsOf(
  { safeBytes, sentBytes, rss }: Omit<ThrottleResult, "findings">,
  { sizes, through }: ThrottleOptions,
): readonly string[] {
  const found = rss.flatMap(({ role, firstMib, peakMib, boundMib: bound }) => [
    ...(peakMib > bound ? [`the ${role} held ${peakMib} MiB of ${bound}`] : []),
    ...(peakMib > firstMib + growthMibMax ? [`the ${role} grew from ${firstMib} MiB`] : []),
  ]);
  const hops = through === "relay" ? 2 : 1;
  const spoolBytes = through === "relay" ? spoolBytesMax : 0;
  const aheadMax = hops * underWayBytesMax + spoolBytes;
  const ahead = sentBytes - safeBytes;
  if (ahead > aheadMax) found.push(`${ahead} bytes left the source before there was room for them`);
  if (safeBytes >= sumOf(sizes)) found.push("the sink took all: nobody had to wait");
  return found;
}

export function throttleLines(result: ThrottleResult, options: ThrottleOptions): readonly string[] {
  const mib = (bytes: number): string => `${(bytes / 1024 ** 2).toFixed(0)} MiB`;
  const { sizes, bytesPerSecond, through } = options;
  const offered = `${mib(sumOf(sizes))} offered for ${result.seconds} s`;
  const way = through === "relay" ? "through the relay" : "directly";
  return [
    `${offered}, ${way}, to a sink that takes ${mib(bytesPerSecond)}/s`,
    `  safe at the sink ${mib(result.safeBytes)}, left the source ${mib(result.sentBytes)}`,
    ...result.rss.map(({ role, firstMib, peakMib, samplesMib, boundMib: bound }) => {
      const last = samplesMib.at(-1) ?? 0;
      const values = [firstMib, last, peakMib].map((value) => value.toFixed(0).padStart(4));
      const [first = "", now = "", peak = ""] = values;
      return `  ${role.padEnd(7)} RSS MiB: first ${first}, last ${now}, peak ${peak} of ${bound}`;
    }),
  ];
}
