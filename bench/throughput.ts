// Many jobs: durable submissions a second, one by one and in bulk, and 2,000 real processes.
//
// Submissions are measured behind a job that holds the whole cluster, so that they are only
// queued: each is validated, placed in line and fsynced before it is acknowledged. Trivial jobs
// are measured from the bulk submit to the last end, on a cluster that runs 16 at a time. The floor
// runs all of its scripts at once: on a machine that others use, that wins it more of the time.

import { counted, countsText } from "./counts.ts";
import type { Floor } from "./floor.ts";
import { type BenchHome, bringUp, slowDisk, withHome } from "./home.ts";
import { msText, type Report, type Row, rateText } from "./report.ts";

const singleRuns = 500;
const inFlight = 8;
const bulkRuns = 10_000;
const trivialRuns = 2_000;

/** `fsyncMs`: how much longer each flush of the journal takes than on this machine's disk. */
export async function throughputReport(floor: Floor, fsyncMs = 0): Promise<Report> {
  return withHome(async (home) => {
    const notes: string[] = [];
    const rows = [...(await submissions(home, notes)), ...(await trivialJobs(home, floor, notes))];
    return { title: "throughput: submissions and trivial jobs", rows, notes };
  }, slowDisk(fsyncMs));
}

async function submissions(home: BenchHome, notes: string[]): Promise<readonly Row[]> {
  const { sky } = home;
  await bringUp(home, "line", { cpus: 1 });
  const whole = { resources: { cpus: 1 } };
  await sky.exec({ ...whole, run: "sleep 600" }, { cluster: "line" });
  const task = { ...whole, run: "true" };
  const submit = () => sky.exec(task, { cluster: "line" });

  let single = 0;
  const counts = await counted(sky, "line", async () => {
    single = await rateOf(singleRuns, async () => {
      for (let i = 0; i < singleRuns; i += 1) await submit();
    });
  });
  const parallel = await rateOf(singleRuns * 2, async () => {
    const lane = async (): Promise<void> => {
      for (let i = 0; i < (singleRuns * 2) / inFlight; i += 1) await submit();
    };
    await Promise.all(Array.from({ length: inFlight }, lane));
  });
  const bulk = await rateOf(bulkRuns, async () => {
    await sky.submitMany("line", new Array(bulkRuns).fill(task));
  });
  const startedAt = performance.now();
  await sky.down("line");
  const downMs = performance.now() - startedAt;
  notes.push(`one by one: ${countsText(counts, singleRuns)}`);
  return [
    row("submissions, one after the other", single, { atLeast: 1_000 }),
    row(`submissions, ${inFlight} in flight`, parallel),
    row(`submissions, ${bulkRuns} in one call`, bulk, { atLeast: 10_000 }),
    { what: "down with all of them queued", values: { time: msText(downMs) } },
  ];
}

async function trivialJobs(
  home: BenchHome,
  floor: Floor,
  notes: string[],
): Promise<readonly Row[]> {
  const { sky } = home;
  await bringUp(home, "many", { cpus: 8 });
  let rate = 0;
  const counts = await counted(sky, "many", async () => {
    rate = await rateOf(trivialRuns, async () => {
      const ids = await sky.submitMany("many", new Array(trivialRuns).fill({ run: "true" }));
      await Promise.all([sky.wait("many", ids[0]), sky.wait("many", ids.at(-1))]);
      await everyJobEnded(home, "many");
    });
  });
  const jobs = await sky.queue("many");
  const failed = jobs.filter(({ status }) => status !== "SUCCEEDED");
  if (failed.length > 0) throw new Error(`${failed.length} trivial jobs did not succeed`);
  await sky.down("many");
  notes.push(`trivial jobs: ${countsText(counts, trivialRuns)}`);
  const share = (100 * rate) / floor.perSecond;
  return [
    { what: "floor: bare processes", values: { rate: rateText(floor.perSecond) } },
    {
      what: `${trivialRuns} trivial jobs, submit → all ended`,
      values: { rate: rateText(rate), "of floor": `${share.toFixed(0)} %` },
      budget: { text: "≥ 60 % of the floor's rate", kept: share >= 60 },
    },
  ];
}

/** Jobs may end out of order: the last one's end is not everybody's. */
async function everyJobEnded({ sky }: BenchHome, cluster: string): Promise<void> {
  for (const { id } of await sky.queue(cluster, { skipFinished: true })) {
    await sky.wait(cluster, id);
  }
}

async function rateOf(count: number, work: () => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return count / ((performance.now() - startedAt) / 1000);
}

function row(what: string, rate: number, budget?: { readonly atLeast: number }): Row {
  const values = { rate: rateText(rate) };
  if (budget === undefined) return { what, values };
  const text = `≥ ${rateText(budget.atLeast)}`;
  return { what, values, budget: { text, kept: rate >= budget.atLeast } };
}
