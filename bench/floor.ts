// The floor: what starting a process costs with nothing of ours around it.
//
// A resident `sh` takes orders on its standard input and forks a shim for each, which runs `setsid
// bash script` and says when it has ended. The time is from the order to the script's first act,
// which is to print bash's clock; no tool is started for that. Everything that Skylet adds to an
// `exec` is measured against these numbers in the same run.

import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { msColumns, type Report, rateText, type Spread, spreadOf } from "./report.ts";

const latencyRuns = 200;
const rateRuns = 600;

/** Orders are folders; `done <folder>` answers when the script has ended. */
const launcher = `
while IFS= read -r dir; do
  { setsid bash "$dir/script" >"$dir/log" 2>&1; echo "$?" >"$dir/exit"; echo "done $dir"; } &
done`;

export interface Floor {
  readonly latency: Spread;
  readonly perSecond: number;
}

/** Microseconds of the wall clock as milliseconds, comparable with bash's EPOCHREALTIME. */
export function wallMs(): number {
  return performance.timeOrigin + performance.now();
}

/** The script whose first act is its only one. */
export const firstActScript = 'printf "%s\\n" "$EPOCHREALTIME"\n';

/** The moment that a first-act script printed, in milliseconds of the wall clock. */
export function firstActMs(log: string): number {
  const match = /(\d{9,})[.,](\d{6})/.exec(log);
  if (match === null) throw new Error(`no first act in ${JSON.stringify(log)}`);
  return Number(`${match[1]}.${match[2]}`) * 1000;
}

export async function measureFloor(): Promise<Floor> {
  const folder = mkdtempSync(join(tmpdir(), "sky-floor-"));
  const shell = spawn("sh", ["-c", launcher], { stdio: ["pipe", "pipe", "inherit"] });
  const waiting = new Map<string, () => void>();
  createInterface({ input: shell.stdout }).on("line", (line) => waiting.get(line.slice(5))?.());
  const order = (dir: string): Promise<void> => {
    const ended = new Promise<void>((resolve) => waiting.set(dir, resolve));
    shell.stdin.write(`${dir}\n`);
    return ended;
  };
  try {
    const latency: number[] = [];
    for (let i = 0; i < latencyRuns; i += 1) {
      const dir = prepare(folder, `latency-${i}`, firstActScript);
      const orderedAt = wallMs();
      await order(dir);
      latency.push(firstActMs(readFileSync(join(dir, "log"), "utf8")) - orderedAt);
    }
    const dirs = Array.from({ length: rateRuns }, (_, i) => prepare(folder, `rate-${i}`, "true\n"));
    const startedAt = performance.now();
    await Promise.all(dirs.map(order));
    const perSecond = rateRuns / ((performance.now() - startedAt) / 1000);
    return { latency: spreadOf(latency), perSecond };
  } finally {
    shell.stdin.end();
    rmSync(folder, { recursive: true, force: true });
  }
}

export function floorReport(floor: Floor): Report {
  return {
    title: "floor: sh launcher → shim → setsid bash, nothing else",
    rows: [
      { what: "order → first act, one at a time", values: msColumns(floor.latency) },
      { what: `${rateRuns} at once`, values: { rate: rateText(floor.perSecond) } },
    ],
    notes: ["per process: 2 forks, 2 execs (setsid, bash), 0 polls"],
  };
}

function prepare(folder: string, name: string, script: string): string {
  const dir = join(folder, name);
  mkdirSync(dir);
  writeFileSync(join(dir, "script"), script);
  return dir;
}
