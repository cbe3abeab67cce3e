// Much is offered to a sink that takes little: the source waits, and nobody's memory grows with
// what is offered. What is asserted are bytes, not times.
//
// 10 GB for a minute: `npm run proofs -- --only throttle`.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { runThrottle, throttleLines } from "./throttle.ts";

const dir = mkdtempSync(join(tmpdir(), "sky-throttle-"));
after(() => rmSync(dir, { recursive: true }));

const mib = 1024 * 1024;

test("nobody holds much for a slow sink, with a relay between and without", async (t) => {
  const runs = (["nobody", "relay"] as const).map(async (through) => {
    const options = {
      ...{ folder: join(dir, through), seed: 7, through, seconds: 8 },
      ...{ sizes: Array.from({ length: 125 }, () => 16 * mib), bytesPerSecond: mib },
    };
    const result = await runThrottle(options);
    t.diagnostic(`TABLE ${throttleLines(result, options).join("\n")}`);
    return result.findings;
  });
  assert.deepEqual((await Promise.all(runs)).flat(), []);
});
