// A pool whose hosts differ, and clusters that share its devices: gangs go where they fit, and no
// device is given twice.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Place } from "../support/programs.ts";
import { type Lab, labProblem, startLab } from "./lab.ts";
import { areAsNew, closeBoth, labPlace, launching, ok } from "./ssh-clusters.ts";

const gpu = ["--gpus", "A100-80GB:1"];

describe("a pool with devices on some hosts", { skip: labProblem() ?? false }, () => {
  let lab: Lab;
  let here: Place;

  before(async () => {
    lab = await startLab({ count: 3, hosts: { 1: { gpus: 2 }, 2: { gpus: 1 } } });
    here = labPlace(undefined, lab);
  });

  after(async () => {
    await closeBoth(here, lab);
  });

  /** Which hosts and devices the ranks of a cluster's job saw. */
  const seen = (stdout: string): readonly string[] =>
    [...stdout.matchAll(/on (lab\d) with (\S*)/g)].map(([, host, id]) => `${host} ${id}`).sort();

  const tell = "echo on $(hostname) with $CUDA_VISIBLE_DEVICES";

  test("a gang is placed on the hosts that have what it asks for", async () => {
    const stdout = await ok(here, [...launching("one", 2), ...gpu, tell]);
    assert.deepEqual(
      seen(stdout).map((one) => one.split(" ")[0]),
      ["lab1", "lab2"],
    );
  });

  test("another cluster gets the device that is left, and a third is refused", async () => {
    const first = seen(await ok(here, ["exec", "one", "--num-nodes", "2", ...gpu, tell]));
    const second = seen(await ok(here, [...launching("two", 1), ...gpu, tell]));
    assert.equal(second.length, 1);
    assert.match(second[0] ?? "", /^lab1 [01]$/);
    assert.ok(!first.includes(second[0] ?? ""), `${second} is not one of ${first}`);
    const third = await here.sky([...launching("three", 1), ...gpu, tell], { timeoutMs: 60_000 });
    assert.notEqual(third.code, 0, third.stdout);
    assert.match(third.stderr, /A100-80GB/);
  });

  test("a device is free again when its cluster is gone", async () => {
    await ok(here, ["down", "-y", "one"]);
    assert.equal(seen(await ok(here, [...launching("three", 2), ...gpu, tell])).length, 2);
    await ok(here, ["down", "-y", "two", "three"]);
    await areAsNew(lab.hosts);
  });
});
