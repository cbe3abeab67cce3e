// `kill -9` of any party at any moment: it resumes, the file is identical, no chunk is stored
// twice, nothing partial has the final name at any time, and nothing is left.
//
// Another seed by SKY_PROOFS_SEED; longer by `npm run proofs -- --only kills --kills N`.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { runKillsOften } from "./kills-often.ts";

const seed = Number(process.env["SKY_PROOFS_SEED"] ?? 7);

for (const [through, kills] of [
  ["nobody", 5],
  ["relay", 7],
] as const) {
  test(`parties are killed, ${through} between them`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "sky-kills-"));
    const lines: string[] = [];
    const say = (text: string): void => void lines.push(text);
    const { findings, summary } = await runKillsOften({ folder, seed, kills, through, say });
    t.diagnostic(`TABLE ${summary.join("\n")}`);
    // What a failed run left is evidence.
    if (findings.length === 0) rmSync(folder, { recursive: true });
    assert.deepEqual(findings, [], [...lines, folder].join("\n"));
  });
}
