// A minute of chaos with real processes: nothing is lost, doubled or left.
//
// A storm of all faults over a steady load, and a round of a hundred jobs under a kill every half
// second. Another seed by SKY_CHAOS_SEED; longer by `npm run chaos -- --seed N --minutes M`,
// and `--rounds R --jobs J`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { runChaos } from "./run.ts";

const seed = Number(process.env["SKY_CHAOS_SEED"] ?? 7);

test("whatever is killed, frozen or cut off: one outcome each, true, whole", async () => {
  const lines: string[] = [];
  const say = (text: string) => void lines.push(text);
  const storm = { seed, seconds: 32 };
  const findings = await runChaos({ ...storm, rounds: 1, jobs: 100, killsMax: 24, say });
  assert.deepEqual(findings, [], lines.join("\n"));
});
