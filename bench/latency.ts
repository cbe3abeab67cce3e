// How long a warm `exec` takes until its process acts: one rank, a gang of four, and through
// `sky`.
//
// The clock starts before the SDK's call and stops at the time that the script prints first, which
// is read from its log. Jobs run one after the other with a pause between them, so that each meets
// an idle system, as a person at a terminal does.

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Job, Sky } from "../client/index.ts";
import { type Counts, counted, countsText } from "./counts.ts";
import { type Floor, firstActMs, firstActScript, wallMs } from "./floor.ts";
import { type BenchHome, bringUp, checkout, slowDisk, withHome } from "./home.ts";
import { msColumns, msText, type Report, type Row, type Spread, spreadOf } from "./report.ts";

/** Longer than what a job leaves to be done after its end: acknowledgements, the next warm slot. */
const pauseMs = 40;
/** What may be waited for in sequence between a submission and the first act. */
const commitsMax = 2;
const execRuns = 150;
const gangRuns = 60;
const programRuns = 25;

interface Measured {
  readonly acked: Spread;
  readonly acted: Spread;
  readonly counts: Counts;
}

/** `fsyncMs`: how much longer each flush of the journal takes than on this machine's disk. */
export async function latencyReport(floor: Floor, fsyncMs = 0): Promise<Report> {
  return withHome(async (home) => {
    await bringUp(home, "one", { cpus: 4 });
    await bringUp(home, "four", { numNodes: 4, cpus: 4 });
    const exec = await measure(home.sky, { cluster: "one", numNodes: 1, runs: execRuns });
    const gang = await measure(home.sky, { cluster: "four", numNodes: 4, runs: gangRuns });
    const budgetMs = floor.latency.p50 + 3 + commitsMax * fsyncMs;
    const slower = fsyncMs > 0 ? ` + ${commitsMax} fsyncs` : "";
    const rows: readonly Row[] = [
      { what: "floor: order → first act", values: msColumns(floor.latency) },
      { what: "exec, SDK submit → acknowledged", values: msColumns(exec.acked) },
      {
        what: "exec, SDK submit → first act",
        values: msColumns(exec.acted),
        budget: {
          text: `p50 ≤ floor + 3 ms${slower} = ${msText(budgetMs)}`,
          kept: exec.acted.p50 <= budgetMs,
        },
      },
      {
        what: "gang of 4, SDK submit → last rank's first act",
        values: msColumns(gang.acted),
        budget: {
          text: `p50 ≤ 2 × one rank = ${msText(2 * exec.acted.p50)}`,
          kept: gang.acted.p50 <= 2 * exec.acted.p50,
        },
      },
      ...programRows(home),
    ];
    const notes = [
      `exec: ${countsText(exec.counts, execRuns)}`,
      `gang of 4: ${countsText(gang.counts, gangRuns)}`,
    ];
    return { title: "latency: warm cluster, jobs one after the other", rows, notes };
  }, slowDisk(fsyncMs));
}

async function measure(
  sky: Sky,
  shape: { readonly cluster: string; readonly numNodes: number; readonly runs: number },
): Promise<Measured> {
  const { cluster, numNodes, runs } = shape;
  const task = { run: firstActScript, num_nodes: numNodes };
  const acked: number[] = [];
  const acted: number[] = [];
  const once = async (): Promise<void> => {
    const submittedAt = wallMs();
    const { jobId } = await sky.exec(task, { cluster });
    const ackedAt = wallMs();
    const last = await lastFirstAct(sky, cluster, jobId);
    acked.push(ackedAt - submittedAt);
    acted.push(last - submittedAt);
    await pause(pauseMs);
  };
  for (let i = 0; i < 10; i += 1) await once();
  acked.length = 0;
  acted.length = 0;
  const counts = await counted(sky, cluster, async () => {
    for (let i = 0; i < runs; i += 1) await once();
  });
  return { acked: spreadOf(acked), acted: spreadOf(acted), counts };
}

/** When the last rank acted first. The job has ended when this resolves. */
async function lastFirstAct(sky: Sky, cluster: string, jobId: number): Promise<number> {
  const texts = new Map<number, string>();
  const log = sky.logs(cluster, jobId);
  for await (const { rank, bytes } of log) {
    texts.set(rank, (texts.get(rank) ?? "") + Buffer.from(bytes).toString());
  }
  const job: Job = await log.outcome;
  if (job.status !== "SUCCEEDED") throw new Error(`job ${jobId} ${job.status}: ${job.reasonText}`);
  return Math.max(...[...texts.values()].map(firstActMs));
}

/** The whole `sky` process beside a Node that does nothing. */
function programRows(home: BenchHome): readonly Row[] {
  const timed = (args: readonly string[]): Spread => {
    const times: number[] = [];
    for (let i = 0; i < programRuns + 2; i += 1) {
      const startedAt = performance.now();
      const { status, stderr } = spawnSync(process.execPath, args, { env: home.env });
      if (status !== 0) throw new Error(`${args.join(" ")} ended with ${status}: ${stderr}`);
      times.push(performance.now() - startedAt);
    }
    return spreadOf(times.slice(2));
  };
  const bare = timed(["-e", "0"]);
  const row = (what: string, args: readonly string[]): Row => {
    const sky = timed([join(checkout, "dist/sky.js"), ...args]);
    const text = `p50 ≤ 3 × node = ${msText(3 * bare.p50)}`;
    return { what, values: msColumns(sky), budget: { text, kept: sky.p50 <= 3 * bare.p50 } };
  };
  return [
    { what: "floor: node -e 0, whole process", values: msColumns(bare) },
    row("sky exec -d, whole process", ["exec", "one", "-d", "true"]),
    row("sky status, whole process", ["status"]),
  ];
}
