// A pool of names of the user's ssh configuration, whose hosts are behind a jump host.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Place } from "../support/programs.ts";
import { type Lab, labProblem, startLab } from "./lab.ts";
import { areAsNew, closeBoth, labPlace, launching, ok, writePools } from "./ssh-clusters.ts";

describe("hosts behind a jump host", { skip: labProblem() ?? false }, () => {
  let lab: Lab;
  let here: Place;

  before(async () => {
    lab = await startLab({ count: 3, hosts: { 1: { hidden: true }, 2: { hidden: true } } });
    here = labPlace(undefined, lab);
    writePools(here, "lab:\n  hosts:\n    - lab1\n    - lab2\n");
  });

  after(async () => {
    await closeBoth(here, lab);
  });

  test("a gang runs on them, and the jump host is used for nothing else", async () => {
    const stdout = await ok(here, [...launching("demo", 2), "echo I am $(hostname)"]);
    const names = [...stdout.matchAll(/I am (lab\d)/g)].map(([, name]) => name);
    assert.deepEqual(names.sort(), ["lab1", "lab2"]);
    await areAsNew([lab.host(0)]);
  });

  test("down leaves nothing on any of them", async () => {
    await ok(here, ["down", "-y", "demo"]);
    await areAsNew(lab.hosts);
  });
});
