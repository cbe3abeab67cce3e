// A job's log from the rank through the head to a client: how fast in bulk, and how soon one line.
//
// Bulk: a job writes lines of 100 bytes as fast as it can; every byte is counted and its offset
// must follow the one before. One line: a job prints bash's clock every few milliseconds, and the
// client compares it with its own when the line arrives.

import type { Sky } from "../client/index.ts";
import { wallMs } from "./floor.ts";
import { bringUp, withHome } from "./home.ts";
import { msColumns, msText, type Report, type Row, rateText, spreadOf } from "./report.ts";

const bulkLines = 2_000_000;
const lineBytes = 100;
const singleLines = 300;

const bulkScript = `line=$(printf '%099d' 7); yes "$line" | head -n ${bulkLines}\n`;

/** `read` with a time limit on a pipe that nobody writes to: a pause that forks nothing. */
const singleScript = `exec 3<> <(:)
for ((i = 0; i < ${singleLines}; i++)); do
  printf '%s\\n' "$EPOCHREALTIME"
  read -rt 0.01 -u 3
done
true
`;

export async function logsReport(isolation: "embedded" | "process"): Promise<Report> {
  const atLeast = isolation === "embedded" ? 1_500_000 : 800_000;
  return withHome(async (home) => {
    await bringUp(home, "logs", { cpus: 2, isolation });
    const bulk = await measureBulk(home.sky);
    const single = spreadOf(await measureSingle(home.sky));
    const tail = spreadOf(await measureTail(home.sky, bulk.jobId));
    const rows: readonly Row[] = [
      {
        what: `${bulkLines} lines of ${lineBytes} bytes, first byte → end`,
        values: { rate: rateText(bulk.linesPerSecond, " lines/s") },
        budget: { text: `≥ ${rateText(atLeast)}`, kept: bulk.linesPerSecond >= atLeast },
      },
      {
        what: "one line, written → seen by the client",
        values: msColumns(single),
        budget: { text: "p50 ≤ 1 ms", kept: single.p50 <= 1 },
      },
      {
        what: `the last 10 lines of ${(bulkLines * lineBytes) / 1e6} MB`,
        values: msColumns(tail),
        budget: { text: `p50 ≤ ${msText(50)} (of 10 GB)`, kept: tail.p50 <= 50 },
      },
    ];
    const notes = ["every byte arrived once and in order; 0 polls: followers are woken"];
    return { title: `logs, ${isolation}`, rows, notes };
  });
}

async function measureBulk(
  sky: Sky,
): Promise<{ readonly jobId: number; readonly linesPerSecond: number }> {
  const { jobId } = await sky.exec({ run: bulkScript }, { cluster: "logs" });
  let startedAt: number | undefined;
  let received = 0;
  for await (const { offset, bytes } of sky.logs("logs", jobId)) {
    startedAt ??= performance.now();
    if (offset !== received) throw new Error(`offset ${offset} after ${received} bytes`);
    received += bytes.length;
  }
  if (received !== bulkLines * lineBytes) throw new Error(`${received} bytes arrived`);
  const seconds = (performance.now() - (startedAt ?? 0)) / 1000;
  return { jobId, linesPerSecond: bulkLines / seconds };
}

async function measureSingle(sky: Sky): Promise<readonly number[]> {
  const { jobId } = await sky.exec({ run: singleScript }, { cluster: "logs" });
  const delays: number[] = [];
  let rest = "";
  for await (const { bytes } of sky.logs("logs", jobId)) {
    const seenAt = wallMs();
    const lines = (rest + Buffer.from(bytes).toString()).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) delays.push(seenAt - Number(line.replace(",", ".")) * 1000);
  }
  if (delays.length !== singleLines) throw new Error(`${delays.length} lines arrived`);
  // The first lines were written before the follower had asked.
  return delays.slice(20);
}

async function measureTail(sky: Sky, jobId: number): Promise<readonly number[]> {
  const times: number[] = [];
  for (let i = 0; i < 10; i += 1) {
    const startedAt = performance.now();
    let received = 0;
    const log = sky.logs("logs", jobId, { tail: 10, follow: false });
    for await (const { bytes } of log) received += bytes.length;
    if (received !== 10 * lineBytes) throw new Error(`${received} bytes for 10 lines`);
    times.push(performance.now() - startedAt);
  }
  return times;
}
