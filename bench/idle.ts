// What the system costs when nothing happens: resident memory and processor time of each process.
//
// A cluster of two nodes is up, no job runs. Memory is what the kernel counts as resident; time is
// the difference of user and system ticks over some seconds, so that beats and timers are in it.

import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { bringUp, withHome } from "./home.ts";
import type { Report, Row } from "./report.ts";

const settleMs = 3_000;
const watchMs = 10_000;
/** Source: USER_HZ is 100 on every Linux that reports ticks to programs. */
const tickMs = 10;
const rssBudgetMib = 64;
const cpuBudgetPercent = 0.2;

interface Usage {
  readonly pid: number;
  readonly name: string;
  readonly ticks: number;
  readonly rssMib: number;
}

export async function idleReport(isolation: "embedded" | "process"): Promise<Report> {
  return withHome(async (home) => {
    await bringUp(home, "idle", { numNodes: 2, cpus: 2, isolation });
    await pause(settleMs);
    const before = usages(home.root);
    await pause(watchMs);
    const after = usages(home.root);
    const rows = after.map((usage): Row => {
      const ticks = usage.ticks - (before.find(({ pid }) => pid === usage.pid)?.ticks ?? 0);
      const percent = (100 * ticks * tickMs) / watchMs;
      const values = { RSS: `${usage.rssMib.toFixed(1)} MiB`, CPU: `${percent.toFixed(2)} %` };
      if (usage.name !== "skylet") return { what: usage.name, values };
      const kept = usage.rssMib <= rssBudgetMib && percent <= cpuBudgetPercent;
      const text = `≤ ${rssBudgetMib} MiB, ≤ ${cpuBudgetPercent} %`;
      return { what: usage.name, values, budget: { text, kept } };
    });
    const notes = [`over ${watchMs / 1000} s; one tick is ${(100 * tickMs) / watchMs} %`];
    return { title: `idle, ${isolation}: 2 nodes, no job`, rows, notes };
  });
}

/** Every process that was started for this home. */
function usages(root: string): readonly Usage[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => usageOf(Number(name), root) ?? [])
    .sort((a, b) => a.name.localeCompare(b.name) || a.pid - b.pid);
}

function usageOf(pid: number, root: string): Usage | undefined {
  if (pid === process.pid) return undefined;
  try {
    const read = (file: string) => readFileSync(`/proc/${pid}/${file}`, "utf8");
    const command = read("cmdline");
    if (!`${command}\0${read("environ")}`.includes(root)) return undefined;
    const stat = read("stat");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const ticks = Number(fields[11]) + Number(fields[12]);
    const rssKib = Number(/VmRSS:\s+(\d+)/.exec(read("status"))?.[1] ?? 0);
    return { pid, name: nameOf(command), ticks, rssMib: rssKib / 1024 };
  } catch {
    // It ended while it was read.
    return undefined;
  }
}

function nameOf(command: string): string {
  const words = command.split("\0");
  const program = words.find((word) =>
    /(skyhead|skylet|nats-server)/.test(word.split("/").at(-1) ?? ""),
  );
  const name = (program ?? words[0] ?? "").split("/").at(-1) ?? "";
  return name.replace(/(-main)?\.(js|ts)$/, "");
}
