// The examples, run as the README says: a document that does not run is a wrong document.
//
// They run in the checkout, because their paths are relative to it, against a home of their own.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { after, test } from "node:test";
import { checkout, place } from "../support/programs.ts";

const here = place(undefined);
after(() => here.close());

test("examples/allreduce.yaml sums a million floats on four nodes and proves it", async () => {
  const { code, stdout, stderr } = await here.sky(
    ["launch", "-y", "-c", "ring", "examples/allreduce.yaml"],
    { cwd: checkout },
  );
  assert.equal(code, 0, stdout + stderr);
  for (const rank of [0, 1, 2, 3]) {
    assert.match(
      stdout,
      new RegExp(`rank ${rank}: 5 rounds of 1000000 floats, every sum is right`),
    );
  }
  for (const round of [1, 2, 3, 4, 5]) {
    assert.match(stdout, new RegExp(`round ${round}: .* ms, algorithm \\d+\\.\\d+ GB/s`));
  }
});

test("the all-reduce refuses a rank that the ring does not have", () => {
  const program = join(checkout, "examples/allreduce/main.mjs");
  const env = { ...here.env, SKYPILOT_NODE_IPS: "127.0.0.1", SKYPILOT_NODE_RANK: "1" };
  const { status, stderr } = spawnSync(process.execPath, [program], { env, encoding: "utf8" });
  assert.equal(status, 1);
  assert.match(stderr, /SKYPILOT_NODE_RANK is 1, with 1 addresses/);
});

test("examples/hello.yaml greets from both of its nodes", async () => {
  const { code, stdout, stderr } = await here.sky(
    ["launch", "-y", "-c", "hello", "examples/hello.yaml"],
    { cwd: checkout },
  );
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /Hello from rank 0 of 2/);
  assert.match(stdout, /Hello from rank 1 of 2/);
});

test("examples/submit.ts submits, follows and leaves with the job's outcome", () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["examples/submit.ts"], {
    cwd: checkout,
    env: here.env,
    encoding: "utf8",
    timeout: 60_000,
  });
  assert.equal(status, 0, stdout + stderr);
  assert.match(stdout, /bytes arrive as they are: \$HOME, 'quotes', ünïcode/);
  assert.match(stdout, /job 1 SUCCEEDED: every rank exited with 0/);
});

test("examples/sweep.ts submits a hundred jobs at once and finds the best", () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["examples/sweep.ts"], {
    cwd: checkout,
    env: here.env,
    encoding: "utf8",
    timeout: 60_000,
  });
  assert.equal(status, 0, stdout + stderr);
  assert.match(stdout, /^100 jobs, from 1 to 100$/m);
  assert.match(stdout, /^lr-0\.01-seed-7: loss 0\.1$/m);
  assert.match(stdout, /^0 failed$/m);
});
