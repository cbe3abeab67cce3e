// The last lines of a log of 10 GB: how soon they are there, and what that costs everybody else.
//
// The log is that of a job which has ended; its file at the head is made long afterwards: a hole,
// which costs no disk, and real lines at its end. Meanwhile another job prints bash's clock every
// ten milliseconds to a follower of its own, whose delays are measured with and without the tails.

import { spawnSync } from "node:child_process";
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Sky } from "../client/index.ts";
import { wallMs } from "./floor.ts";
import { type BenchHome, bringUp, checkout, withHome } from "./home.ts";
import { msColumns, type Report, type Row, spreadOf } from "./report.ts";

const cluster = "tail";
const logBytes = 10_000_000_000;
const lineBytes = 100;
const lines = 100;
const endLines = 40_000;
const tails = 200;
const settlingTails = 1_000;
const commands = 10;
const quietLines = 200;
const rssMibMax = 16;

/** A line every ten milliseconds, until it is cancelled. */
const clockScript = `exec 3<> <(:)
while :; do
  printf '%s\\n' "$EPOCHREALTIME"
  read -rt 0.01 -u 3
done
`;

export async function tailReport(): Promise<Report> {
  return withHome(async (home) => {
    const { sky } = home;
    await bringUp(home, cluster, { cpus: 4, isolation: "embedded" });
    const { jobId } = await sky.exec({ run: "echo the first line" }, { cluster });
    await sky.wait(cluster, jobId);
    growLog(`${home.root}/clusters/${cluster}/logs/${jobId}-1-run-0.log`);
    const other = await followClock(sky);
    await other.more(quietLines);
    const quiet = other.delays.splice(0).slice(quietLines / 10);
    // The heap of a head settles over its first thousand calls, and stays.
    await tailTimes(sky, jobId, settlingTails);
    const rssBefore = await rssMib(home);
    other.delays.splice(0);
    const warm = spreadOf(await tailTimes(sky, jobId, tails));
    const beside = other.delays.splice(0);
    const grown = (await rssMib(home)) - rssBefore;
    const whole = spreadOf(commandTimes(home, jobId));
    await other.end();
    const rows: readonly Row[] = [
      {
        what: `the last ${lines} lines of ${logBytes / 1e9} GB, by the SDK`,
        values: msColumns(warm),
        budget: { text: "p50 ≤ 50 ms", kept: warm.p50 <= 50 },
      },
      { what: `the same by \`sky logs --tail ${lines}\``, values: msColumns(whole) },
      { what: "a line of another job → its follower", values: msColumns(spreadOf(quiet)) },
      { what: "the same beside the tails", values: msColumns(spreadOf(beside)) },
      {
        what: `what the head grew over ${tails} tails`,
        values: { p50: `${grown} MiB` },
        budget: { text: `≤ ${rssMibMax} MiB`, kept: grown <= rssMibMax },
      },
    ];
    return { title: "the tail of a long log", rows, notes: ["one follower, 0 lines missed"] };
  });
}

function growLog(path: string): void {
  const text = Buffer.from(
    Array.from({ length: endLines }, (_, n) => `${String(n).padStart(lineBytes - 1, "0")}\n`).join(
      "",
    ),
  );
  const file = openSync(path, "r+");
  ftruncateSync(file, logBytes - text.length);
  writeSync(file, text, 0, text.length, logBytes - text.length);
  closeSync(file);
}

async function tailTimes(sky: Sky, jobId: number, count: number): Promise<readonly number[]> {
  const times: number[] = [];
  for (let i = 0; i < count; i += 1) {
    const startedAt = performance.now();
    let text = "";
    for await (const { bytes } of sky.logs(cluster, jobId, { tail: lines, follow: false })) {
      text += Buffer.from(bytes).toString("latin1");
    }
    times.push(performance.now() - startedAt);
    const first = String(endLines - lines).padStart(lineBytes - 1, "0");
    if (text.length !== lines * lineBytes || !text.startsWith(`${first}\n`)) {
      throw new Error(`${text.length} bytes for ${lines} lines`);
    }
  }
  return times;
}

/** Whole processes, one after the other. */
function commandTimes({ env }: BenchHome, jobId: number): readonly number[] {
  const args = ["logs", cluster, `${jobId}`, "--tail", `${lines}`, "--no-follow"];
  return Array.from({ length: commands }, () => {
    const startedAt = performance.now();
    const { stdout } = spawnSync(process.execPath, [join(checkout, "dist/sky.js"), ...args], {
      ...{ env, encoding: "utf8" },
    });
    const count = stdout.split("\n").filter((line) => /0{50}/.test(line)).length;
    if (count !== lines) throw new Error(`${count} lines were printed`);
    return performance.now() - startedAt;
  });
}

interface Other {
  /** How late each line was, in milliseconds. */
  readonly delays: number[];
  /** Resolves after so many more lines. */
  more(count: number): Promise<void>;
  end(): Promise<void>;
}

async function followClock(sky: Sky): Promise<Other> {
  const { jobId } = await sky.exec({ run: clockScript }, { cluster });
  const delays: number[] = [];
  let waiting: { readonly left: number; readonly wake: () => void } | undefined;
  const following = (async () => {
    let rest = "";
    for await (const { bytes } of sky.logs(cluster, jobId)) {
      const seenAt = wallMs();
      const seen = (rest + Buffer.from(bytes).toString()).split("\n");
      rest = seen.pop() ?? "";
      for (const line of seen) delays.push(seenAt - Number(line.replace(",", ".")) * 1000);
      if (waiting !== undefined && delays.length >= waiting.left) waiting.wake();
    }
  })();
  return {
    delays,
    more: (count) =>
      new Promise<void>((wake) => {
        waiting = { left: delays.length + count, wake };
      }),
    end: async () => {
      await sky.cancel(cluster, [jobId]);
      await following;
    },
  };
}

async function rssMib(home: BenchHome): Promise<number> {
  const status = readFileSync(`/proc/${await home.headPid()}/status`, "utf8");
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024);
}
