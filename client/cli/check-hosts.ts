// `sky check ssh`: every host of the pools is logged in to; a table, then what is wrong with each
// and what to do about it. What is wrong with one host is said where its name stands, and changes
// nothing about the others.

import { existsSync } from "node:fs";
import type { HostReport } from "../../clouds/ssh/host-report.ts";
import type { Pool } from "../../clouds/ssh/pools.ts";
import type { HostCheck } from "../check-hosts-os.ts";
import { isSet, type Parsed } from "./flags.ts";
import { printJson } from "./output.ts";
import type { Shell } from "./shell.ts";
import { printTable } from "./table.ts";

const columns = [
  ...["POOL", "HOST", "OS", "ARCH", "CPUS", "MEM", "GPUS", "DISK", "CLOCK", "STATUS"],
] as const;

/** What a narrow terminal cuts, and leaves out. */
const shrink = ["OS", "GPUS", "HOST"];
const drop = ["OS", "ARCH", "CLOCK", "DISK", "MEM", "CPUS", "GPUS"];

/** The pools, or only one of them. @throws SkyError `pools/invalid`. */
export async function poolsOf(shell: Shell): Promise<readonly Pool[]> {
  if (!existsSync(shell.home.pools)) return [];
  const { loadPools } = await import("../../clouds/ssh/pools-file-os.ts");
  return loadPools(shell.home.root);
}

/** What to do where there are none: a sentence. */
export function noPools(shell: Shell): string {
  return `There is no pool of hosts: name yours in ${shell.home.pools} (docs/ssh.md).`;
}

/** Looks at all hosts. Whether one of them can be used. */
export async function checkPools(
  shell: Shell,
  parsed: Parsed,
  { pools, json }: { readonly pools: readonly Pool[]; readonly json: boolean },
): Promise<boolean> {
  const { checkHosts } = await import("../check-hosts-os.ts");
  const count = pools.reduce((sum, { hosts }) => sum + hosts.length, 0);
  shell.progress(count === 1 ? "logging in to 1 host" : `logging in to ${count} hosts`);
  const trusts = (keys: readonly string[]) => trusted(shell, parsed, keys);
  const checks = await checkHosts(shell.home, { pools, signal: shell.interrupt, trusts });
  shell.progress(undefined);
  if (json) printJson(shell, checks);
  else printHosts(shell, checks);
  return checks.some(isUsable);
}

async function trusted(shell: Shell, parsed: Parsed, keys: readonly string[]): Promise<boolean> {
  if (isSet(parsed, "yes")) return true;
  if (!shell.interactive) return false;
  shell.progress(undefined);
  for (const line of keys) shell.say(line);
  const question =
    keys.length === 1 ? "Trust this key from now on?" : "Trust these keys from now on?";
  return shell.confirm(question, false);
}

function isUsable({ report }: HostCheck): boolean {
  return report !== undefined && !report.problems.some(({ fatal }) => fatal);
}

/** The table, and what is to be said of its hosts. */
export function printHosts(shell: Shell, checks: readonly HostCheck[]): void {
  printTable(shell, { columns, rows: checks.map(cellsOf), shrink, drop });
  // What is the same of many hosts is told once.
  const alike = new Map<string, HostCheck[]>();
  for (const check of checks) {
    const text = troubleLines(check).join("\n");
    if (text !== "") alike.set(text, [...(alike.get(text) ?? []), check]);
  }
  for (const [text, of] of alike) {
    const names = namesOf(of, checks).join(", ");
    const isOne = of.length === 1;
    const isFine = of.every(isUsable);
    const verb = isFine
      ? isOne
        ? "works, but"
        : "work, but"
      : isOne
        ? "is not used"
        : "are not used";
    shell.print(["", `${names} ${verb}:`, text].join("\n"));
  }
}

/** `gpu1 (lab)`, or `all 4 hosts of lab`. */
function namesOf(of: readonly HostCheck[], checks: readonly HostCheck[]): readonly string[] {
  const pools = [...new Set(of.map(({ pool }) => pool))];
  return pools.flatMap((pool) => {
    const hosts = of.filter((check) => check.pool === pool).map(({ host }) => host);
    const count = checks.filter((check) => check.pool === pool).length;
    if (hosts.length === count && count > 1) return [`all ${count} hosts of ${pool}`];
    return hosts.map((host) => `${host} (${pool})`);
  });
}

/** Of a host that cannot be used only why. */
function troubleLines(check: HostCheck): readonly string[] {
  const { report, error } = check;
  if (error !== undefined) return [`  ${error.why}`, ...adviceLines(error.code)];
  const told = (report?.problems ?? []).filter(({ fatal }) => fatal || isUsable(check));
  return told.flatMap(({ why, fix }) => [`  ${why}`, `    to do: ${fix}`]);
}

/** Where the sentence itself does not say what to do. */
function adviceLines(code: string): readonly string[] {
  if (code === "ssh/host-key-unknown") {
    return ["    to do: sky check ssh -y trusts keys that are new; or log in once with ssh"];
  }
  if (code !== "ssh/unreachable") return [];
  return ["    to do: see that it runs, and that ssh reaches it from here"];
}

function cellsOf(check: HostCheck): readonly string[] {
  const { pool, host, report, error } = check;
  if (report === undefined) {
    const unknown = columns.slice(2, -1).map(() => "-");
    return [pool, host, ...unknown, statusWords[error?.code ?? ""] ?? "failed"];
  }
  return [
    ...[pool, host, report.os || "-", report.arch || "-", amount(report.cpus)],
    ...[bytesText(report.memoryBytes), devicesText(report), bytesText(report.diskFreeBytes)],
    ...[clockText(report.clockSkewMs), statusOf(check)],
  ];
}

const statusWords: Readonly<Record<string, string>> = {
  "ssh/unreachable": "unreachable",
  "ssh/denied": "denied",
  "ssh/host-key-unknown": "key unknown",
  "ssh/host-key-changed": "key changed",
};

function statusOf({ report }: HostCheck): string {
  const problems = report?.problems ?? [];
  if (problems.some(({ fatal }) => fatal)) return "unfit";
  const users = new Set(Object.values(report?.claims ?? {})).size;
  const used = users === 0 ? "ok" : `ok, used by ${users}`;
  return problems.length === 0 ? used : `${used} (see below)`;
}

/** `A100:4`, `A100:4, T4:1`; `-` for none. */
function devicesText({ devices }: HostReport): string {
  const counts = new Map<string, number>();
  for (const { name } of devices) counts.set(name, (counts.get(name) ?? 0) + 1);
  const parts = [...counts].map(([name, count]) => `${name}:${count}`);
  return parts.length === 0 ? "-" : parts.join(", ");
}

function bytesText(bytes: number): string {
  const gigabytes = bytes / 1_024 ** 3;
  if (gigabytes >= 10) return `${Math.round(gigabytes)} GB`;
  if (gigabytes >= 1) return `${amount(gigabytes)} GB`;
  return `${Math.round(bytes / 1_024 ** 2)} MB`;
}

function amount(value: number): string {
  return String(Math.round(value * 10) / 10);
}

/** `ok`, `+7 s`, `-2 h`. */
function clockText(ms: number): string {
  const seconds = Math.abs(ms) / 1_000;
  if (seconds < 1) return "ok";
  const sign = ms > 0 ? "+" : "-";
  if (seconds < 120) return `${sign}${Math.round(seconds)} s`;
  if (seconds < 7_200) return `${sign}${Math.round(seconds / 60)} min`;
  return `${sign}${Math.round(seconds / 3_600)} h`;
}
