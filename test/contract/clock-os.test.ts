// The clock contract over the operating system's clock, and what only a real process can show.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { promisify } from "node:util";
import { createOsClock } from "../../runtime/clock-os.ts";
import { until } from "../support/until.ts";
import { clockContract } from "./clock.contract.ts";

clockContract("clock-os", () => {
  const clock = createOsClock();
  const pass = async (ms: number): Promise<void> => {
    const endMs = clock.now().monoMs + ms;
    await until(`${ms} ms pass`, () => clock.now().monoMs >= endMs);
  };
  return { clock, pass };
});

test("clock-os: two processes of one boot read the same monotonic clock", async () => {
  const source = new URL("../../runtime/clock-os.ts", import.meta.url).href;
  const program = `import { createOsClock } from ${JSON.stringify(source)};
    const clock = createOsClock();
    clock.after(3_600_000, () => {});
    console.log(JSON.stringify(clock.now()));`;
  const before = createOsClock().now();
  // Ends by itself although a timer waits for an hour: a timer keeps no process alive.
  const { stdout } = await promisify(execFile)(process.execPath, [
    ...["--input-type=module", "--eval", program],
  ]);
  const after = createOsClock().now();
  const other = JSON.parse(stdout) as typeof before;
  const bootIdPath = "/proc/sys/kernel/random/boot_id";
  if (!existsSync(bootIdPath)) {
    assert.notEqual(other.bootId, before.bootId);
    return;
  }
  assert.equal(other.bootId, readFileSync(bootIdPath, "utf8").trim());
  assert.ok(before.monoMs <= other.monoMs && other.monoMs <= after.monoMs);
});
