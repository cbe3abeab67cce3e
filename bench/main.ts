// `npm run bench`: every benchmark in under five minutes, each as a table with its budget beside
// it.
//
// `npm run bench -- latency logs` runs only those; `--long` offers bytes to a slow reader for a
// minute. The floor is measured first, in the same run, and again at the end: if the two differ,
// the machine was busy with something else. Nothing here is a test: a missed budget is printed and
// the exit code stays 0.

import { execFileSync } from "node:child_process";
import { cpus, release } from "node:os";
import { join } from "node:path";
import { type Floor, floorReport, measureFloor } from "./floor.ts";
import { checkout } from "./home.ts";
import { idleReport } from "./idle.ts";
import { latencyReport } from "./latency.ts";
import { logsReport } from "./logs.ts";
import { placementReport } from "./placement.ts";
import { printed, type Report } from "./report.ts";
import { tailReport } from "./tail.ts";
import { throughputReport } from "./throughput.ts";

/** What a cloud's disk takes to flush, where ours takes a fraction of a millisecond. */
const slowFsyncMs = 5;
const slow = `every fsync takes ${slowFsyncMs} ms longer`;

type Benchmark = (floor: Floor) => Promise<readonly Report[]>;

const given = process.argv.slice(2);
const names = given.filter((word) => !word.startsWith("--"));
const isLong = given.includes("--long");

const benchmarks: Readonly<Record<string, Benchmark>> = {
  latency: async (floor) => [await latencyReport(floor)],
  throughput: async (floor) => [await throughputReport(floor)],
  fsync: async (floor) => [
    named(await latencyReport(floor, slowFsyncMs), slow),
    withoutBudgets(named(await throughputReport(floor, slowFsyncMs), slow)),
  ],
  logs: async () => [await logsReport("embedded"), await logsReport("process")],
  tail: async () => [await tailReport()],
  placement: async () => [placementReport()],
  plan: async () => (await import("./plan.ts")).planReports(),
  // Loaded when it is their turn: what they prepare would burden the collector in all others.
  chunks: async () => [await (await import("./chunk-work.ts")).chunksReport()],
  content: async () => [await (await import("./content-store.ts")).contentReport()],
  submit: async () => [await (await import("./submit.ts")).submitReport()],
  exchange: async () => (await import("./exchange.ts")).exchangeReports(),
  fanout: async () => (await import("./fanout.ts")).fanOutReports(),
  transfer: async () => (await import("./transfer.ts")).transferReports(),
  wire: async () => (await import("./wire.ts")).wireReports(isLong ? 60 : 10),
  overlay: async () => [await (await import("./overlay.ts")).overlayReport()],
  idle: async () => [await idleReport("embedded"), await idleReport("process")],
};

await main(names);

async function main(asked: readonly string[]): Promise<void> {
  execFileSync(process.execPath, [join(checkout, "scripts/build.ts")], { stdio: "inherit" });
  const startedAt = performance.now();
  console.log(
    `${cpus().length} × ${cpus()[0]?.model}, Linux ${release()}, Node ${process.version}\n`,
  );
  const floor = await measureFloor();
  console.log(printed(floorReport(floor)));
  let missed = 0;
  for (const [name, benchmark] of Object.entries(benchmarks)) {
    if (asked.length > 0 && !asked.includes(name)) continue;
    for (const report of await benchmark(floor)) {
      console.log(printed(report));
      missed += report.rows.filter(({ budget }) => budget?.kept === false).length;
    }
  }
  console.log(printed(named(floorReport(await measureFloor()), "again, at the end")));
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(0);
  console.log(`${missed} budgets missed, ${seconds} s`);
}

/** Rates one by one follow from the disk alone; the budgets are for a disk like ours. */
function withoutBudgets(report: Report): Report {
  return { ...report, rows: report.rows.map(({ what, values }) => ({ what, values })) };
}

function named(report: Report, suffix: string): Report {
  return { ...report, title: `${report.title} (${suffix})` };
}
