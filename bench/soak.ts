// `npm run bench:soak`: 100,000 trivial jobs on one head, and what the head is like after each ten
// thousand of them: resident memory, descriptors, the journal, the logs, the rate. At the end the
// head is killed, and the time until the next one answers is measured.
//
//     npm run bench:soak -- [--jobs N] [--synthetic]
//
// `--synthetic` runs no processes: it writes a journal of that many settled jobs with their events
// and measures starts of the head over it, beside starts over a journal of none.

import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type BenchHome, bringUp, checkout, withHome } from "./home.ts";
import { writeHistory } from "./soak-journal.ts";

const cluster = "soak";
const bulk = 2_000;
const pollMs = 200;
/** Jobs that wait while the next ones are submitted. */
const lowWater = 500;
/** Of jobs that did not succeed, so many are explained. */
const shownMax = 5;
const mib = 1024 ** 2;

const { values } = parseArgs({
  options: {
    jobs: { type: "string", default: "100000" },
    synthetic: { type: "boolean", default: false },
  },
});
execFileSync(process.execPath, [join(checkout, "scripts/build.ts")], { stdio: "inherit" });
await withHome((home) => (values.synthetic ? starts(home) : soak(home, Number(values.jobs))));

async function soak(home: BenchHome, count: number): Promise<void> {
  const { sky } = home;
  await bringUp(home, cluster, { cpus: 8 });
  const every = Math.max(1, Math.floor(count / 10));
  let pid = await home.headPid();
  let submitted = 0;
  let shown = 0;
  let since = performance.now();
  console.log("    jobs   jobs/s      RSS      anon  descriptors   journal      WAL  log files");
  while (shown < count) {
    const open = (await sky.queue(cluster, { skipFinished: true })).length;
    const done = submitted - open;
    if (done - shown >= every || done === count) {
      const rate = (done - shown) / ((performance.now() - since) / 1_000);
      console.log(lineOf(home, { pid, done, rate }));
      shown = done;
      since = performance.now();
    }
    if (submitted < count && open < lowWater) {
      const tasks = new Array(Math.min(bulk, count - submitted)).fill({ run: "true" });
      submitted += (await sky.submitMany(cluster, tasks)).length;
    } else await pause(pollMs);
  }
  const all = await timed(() => sky.queue(cluster));
  const failed = all.result.filter(({ status }) => status !== "SUCCEEDED");
  console.log(`queue of ${all.result.length} jobs: ${all.text}; ${failed.length} did not succeed`);
  for (const { id } of failed.slice(0, shownMax)) {
    console.log((await sky.why(cluster, id)).summary);
  }
  pid = await restarted(home, pid);
  console.log(lineOf(home, { pid, done: shown, rate: 0 }));
  const down = await timed(() => sky.down(cluster));
  console.log(`down: ${down.text}`);
  process.kill(pid, "SIGTERM");
}

/** Starts over the journal of a home with one node: with no history, and with a long one. */
async function starts(home: BenchHome): Promise<void> {
  const { sky } = home;
  await bringUp(home, cluster, { cpus: 2 });
  const { jobId } = await sky.exec({ run: "true" }, { cluster });
  await sky.wait(cluster, jobId);
  let pid = await home.headPid();
  for (let round = 0; round < 3; round += 1) pid = await restarted(home, pid, "no history");
  await killed(pid);
  const written = await timed(() => writeHistory(home.root, cluster, Number(values.jobs)));
  console.log(`wrote a journal of ${values.jobs} settled jobs: ${written.text}`);
  pid = (await sky.version()).pid;
  for (let round = 0; round < 3; round += 1) pid = await restarted(home, pid, "a long history");
  console.log(lineOf(home, { pid, done: Number(values.jobs), rate: 0 }));
  for (const what of ["first", "again"]) {
    const all = await timed(() => sky.queue(cluster));
    console.log(`queue of ${all.result.length} jobs, ${what}: ${all.text}`);
  }
  const last = await sky.exec({ run: "true" }, { cluster });
  await sky.wait(cluster, last.jobId);
  const down = await timed(() => sky.down(cluster));
  console.log(`down: ${down.text}`);
  process.kill(pid, "SIGTERM");
}

/** Kills the head, and tells how long the next one takes from its start to its answers. */
async function restarted(home: BenchHome, pid: number, what = "after the soak"): Promise<number> {
  await killed(pid);
  const first = await timed(() => home.sky.version());
  const queue = await timed(() => home.sky.queue(cluster, { skipFinished: true }));
  console.log(`start, ${what}: first answer ${first.text}, the queue after ${queue.text} more`);
  return first.result.pid;
}

async function killed(pid: number): Promise<void> {
  process.kill(pid, "SIGKILL");
  while (readdirSync("/proc").includes(String(pid)) && !isZombie(pid)) await pause(5);
}

function isZombie(pid: number): boolean {
  return /\) [ZX] /.test(read(`/proc/${pid}/stat`));
}

interface Moment {
  readonly pid: number;
  readonly done: number;
  readonly rate: number;
}

function lineOf({ root }: BenchHome, { pid, done, rate }: Moment): string {
  const status = read(`/proc/${pid}/status`);
  const rss = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1_024;
  const anonymous = Number(/RssAnon:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1_024;
  const descriptors = readdirSync(`/proc/${pid}/fd`).length;
  const size = (name: string): number =>
    statSync(join(root, "head", name), { throwIfNoEntry: false })?.size ?? 0;
  const logs = readdirSync(join(root, "clusters", cluster, "logs")).length;
  return [
    String(done).padStart(8),
    rate.toFixed(0).padStart(8),
    `${rss.toFixed(0)} MiB`.padStart(9),
    `${anonymous.toFixed(0)} MiB`.padStart(9),
    String(descriptors).padStart(12),
    `${(size("journal.db") / mib).toFixed(1)} MiB`.padStart(11),
    `${(size("journal.db-wal") / mib).toFixed(1)} MiB`.padStart(10),
    String(logs).padStart(10),
  ].join(" ");
}

async function timed<T>(
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly text: string }> {
  const from = performance.now();
  const result = await work();
  return { result, text: `${(performance.now() - from).toFixed(0)} ms` };
}

/** Empty if it is gone. */
function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
