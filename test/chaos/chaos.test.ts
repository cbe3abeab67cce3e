// Three quarters of a minute of chaos with real processes: nothing is lost, doubled or left.
//
// Another seed by SKY_CHAOS_SEED; longer runs by `npm run chaos -- --seed N --minutes M`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { runChaos } from "./run.ts";

const seed = Number(process.env["SKY_CHAOS_SEED"] ?? 7);

test("whatever is killed, frozen or cut off: one outcome each, true, whole", async () => {
  const lines: string[] = [];
  const findings = await runChaos({ seed, seconds: 40, say: (text) => lines.push(text) });
  assert.deepEqual(findings, [], lines.join("\n"));
});
