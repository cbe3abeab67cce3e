// Many kills: one transfer after the other, each with some of them, and what they came to.

import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type KillsResult, runKills } from "./kills.ts";
import type { Role } from "./processes.ts";

export interface KillsOftenOptions {
  readonly folder: string;
  readonly seed: number;
  readonly kills: number;
  /** `both`: one transfer without a relay for each three with one. */
  readonly through: "relay" | "nobody" | "both";
  readonly say: (text: string) => void;
}

const killsPerTransfer = 8;
const directEvery = 4;

export async function runKillsOften(options: KillsOftenOptions) {
  const { folder, seed, kills, through, say } = options;
  const results: KillsResult[] = [];
  for (let left = kills, transfer = 0; left > 0; transfer += 1) {
    const some = Math.min(left, killsPerTransfer);
    left -= some;
    const mixed = transfer % directEvery === directEvery - 1 ? "nobody" : "relay";
    const place = join(folder, String(transfer));
    mkdirSync(place, { recursive: true });
    const way = through === "both" ? mixed : through;
    const result = await runKills({
      ...{ folder: place, seed, transfer, kills: some, through: way, say },
    });
    results.push(result);
    for (const found of result.findings) say(`FOUND ${found}`);
    if (result.findings.length === 0) rmSync(place, { recursive: true });
  }
  const findings = results.flatMap((result) => result.findings);
  return { findings, summary: summaryOf(results, options) };
}

function summaryOf(
  results: readonly KillsResult[],
  { seed, through }: KillsOftenOptions,
): readonly string[] {
  const sum = (of: (result: KillsResult) => number): number =>
    results.reduce((total, result) => total + of(result), 0);
  const killed = (role: Role): number => sum((result) => result.killed.get(role) ?? 0);
  const stored = (role: Role): number => sum((result) => result.stored.get(role) ?? 0);
  const each = (of: (role: Role) => number): string =>
    (["source", "relay", "sink"] as const).map((role) => `${role} ${of(role)}`).join(", ");
  const all = killed("source") + killed("relay") + killed("sink");
  const mib = (sum(({ bytes }) => bytes) / 1024 ** 2).toFixed(0);
  const chunks = sum((result) => result.chunks);
  const objects = sum((result) => result.objects);
  const looks = sum((result) => result.looks);
  return [
    `kills, seed ${seed}: ${results.length} transfers (between the ends: ${through})`,
    `  killed ${all} times: ${each(killed)}`,
    `  ${sum(({ resumed }) => resumed)} lives went on from what an earlier one had made safe`,
    `  ${objects} objects, ${mib} MiB, ${chunks} chunks; told to be safe: ${each(stored)}`,
    `  stored twice: ${sum(({ twice }) => twice)}`,
    `  read again by the source: ${sum(({ again }) => again)}`,
    `  the final names were looked at ${looks} times`,
  ];
}
