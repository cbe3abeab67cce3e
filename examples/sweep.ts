// A sweep over hyper-parameters: a hundred jobs in one call, the promising ones first, and the best
// of what they found.
//
//   npx node examples/sweep.ts
//
// Each job is a process of its own on one of two nodes with four GPUs (the local cloud declares
// what it is asked for). All of them are submitted or none; what waits runs by priority, then in
// order.

import { Sky, type TaskSpec } from "../client/index.ts";

const cluster = "sweep";
const sky = new Sky();

await sky.launch(null, { cluster, numNodes: 2, cpus: 8, accelerators: "V100:4" });

// Every combination. Rates around 0.01 did well before: they go first.
const rates = [0.001, 0.003, 0.01, 0.03, 0.1];
const seeds = Array.from({ length: 20 }, (_, seed) => seed);
const tasks = rates.flatMap((rate) =>
  seeds.map(
    (seed): TaskSpec => ({
      name: `lr-${rate}-seed-${seed}`,
      priority: rate === 0.01 ? 10 : 0,
      resources: { accelerators: "V100:0.5" },
      envs: { RATE: rate, SEED: seed },
      // What stands for a training: its loss is least at a rate of 0.01 with seed 7.
      run: `awk 'BEGIN { r = log(ENVIRON["RATE"] / 0.01); s = ENVIRON["SEED"] - 7;
        printf "loss %.4f\\n", 0.1 + r * r + s * s / 100 }'`,
    }),
  ),
);
const ids = await sky.submitMany(cluster, tasks);
console.log(`${ids.length} jobs, from ${ids[0]} to ${ids.at(-1)}`);

const found = await Promise.all(ids.map(resultOf));
const best = found.toSorted((a, b) => a.loss - b.loss).slice(0, 3);
for (const { name, loss } of best) console.log(`${name}: loss ${loss}`);
const failed = found.filter(({ status }) => status !== "SUCCEEDED");
console.log(`${failed.length} failed`);

await sky.down(cluster);
process.exitCode = failed.length === 0 ? 0 : 1;

/** A job's end, and the last number that it wrote. */
async function resultOf(id: number) {
  const log = sky.logs(cluster, id, { rank: 0 });
  let text = "";
  for await (const { bytes } of log) text += Buffer.from(bytes).toString();
  const { name, status } = await log.outcome;
  return { name, status, loss: Number(/loss ([\d.]+)/.exec(text)?.[1] ?? Number.NaN) };
}
