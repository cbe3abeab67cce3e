// `--seed N --minutes M`: one storm of chaos, told as it goes; `--rounds R --jobs J`: rounds, after
// the storm or, without `--minutes`, alone; `--kills K`: at most so many in each round. Exits with
// 0 if nothing was found.

import { parseArgs } from "node:util";
import { runChaos } from "./run.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    minutes: { type: "string" },
    rounds: { type: "string", default: "0" },
    jobs: { type: "string", default: "100" },
    kills: { type: "string" },
    rage: { type: "boolean", default: false },
  },
});
const rounds = Number(values.rounds);
const minutes = Number(values.minutes ?? (rounds > 0 ? 0 : 1));
const findings = await runChaos({
  ...{ seed: Number(values.seed), seconds: Math.round(minutes * 60), rage: values.rage },
  ...{ rounds, jobs: Number(values.jobs) },
  ...(values.kills === undefined ? {} : { killsMax: Number(values.kills) }),
  say: (text) => console.log(text),
});
for (const finding of findings) console.error(`FOUND ${finding}`);
process.exit(findings.length === 0 ? 0 : 1);
