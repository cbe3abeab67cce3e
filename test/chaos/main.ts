// `--seed N --minutes M`: one run of chaos, told as it goes. Exits with 0 if nothing was found.

import { parseArgs } from "node:util";
import { runChaos } from "./run.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    minutes: { type: "string", default: "1" },
    rage: { type: "boolean", default: false },
  },
});
const findings = await runChaos({
  ...{ seed: Number(values.seed), seconds: Number(values.minutes) * 60, rage: values.rage },
  say: (text) => console.log(text),
});
for (const finding of findings) console.error(`FOUND ${finding}`);
process.exit(findings.length === 0 ? 0 : 1);
