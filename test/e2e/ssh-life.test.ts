// The life of a cluster on hosts that are not ours: stop and start, autostop, autodown, workdirs
// that hosts fetch from each other, and several clusters in one pool.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { jobOf, phaseReached, submit } from "../integration/jobs.ts";
import { noise } from "../support/noise.ts";
import type { Place } from "../support/programs.ts";
import { type Lab, labProblem, startLab } from "./lab.ts";
import { areAsNew, closeBoth, labPlace, launching, ok, reaches } from "./ssh-clusters.ts";

describe("clusters in a pool of four", { skip: labProblem() ?? false }, () => {
  let lab: Lab;
  let here: Place;

  before(async () => {
    lab = await startLab();
    here = labPlace(undefined, lab);
  });

  after(async () => {
    await closeBoth(here, lab);
  });

  test("a workdir is on every host, and hosts fetch it from each other", async (t) => {
    const work = join(here.folder, "work");
    mkdirSync(work);
    const bytes = 24 * 1_048_576;
    writeFileSync(join(work, "large"), noise("a workdir for four", bytes));
    writeFileSync(join(work, "run.sh"), "sha256sum large\n", { mode: 0o755 });
    await ok(here, [...launching("demo", 4), "true"]);
    const before = lab.sentBytes();
    const stdout = await ok(here, [
      "exec",
      "demo",
      "--num-nodes",
      "4",
      "--workdir",
      work,
      "./run.sh",
    ]);
    const sums = [...stdout.matchAll(/([0-9a-f]{64}) {2}large/g)].map(([, sum]) => sum);
    assert.equal(sums.length, 4, stdout);
    assert.equal(new Set(sums).size, 1);
    const sent = lab.sentBytes() - before;
    assert.ok(sent < 1.5 * bytes, `the client sent ${sent} bytes`);
    const shares = lab.hosts.map((host) => (host.sentBytes() / 1_048_576).toFixed(0));
    t.diagnostic(`TABLE MiB that each of four hosts sent so far: ${shares.join(" ")}`);
  });

  test("a cluster stops and starts again with its history and its files", async () => {
    await ok(here, ["exec", "demo", "echo kept >kept"]);
    await ok(here, ["stop", "-y", "demo"]);
    await reaches(here, "demo", "STOPPED");
    for (const host of lab.hosts) {
      const { processes, ports } = host.sweep();
      assert.deepEqual({ processes, ports }, { processes: [], ports: [] }, host.name);
    }
    await ok(here, ["exec", "demo", "true"], 1);
    await ok(here, ["start", "-y", "demo"]);
    assert.match(await ok(here, ["exec", "demo", "cat kept"]), /kept/);
    assert.equal((await jobOf(here, "demo", 1)).status, "SUCCEEDED");
  });

  test("two clusters share hosts, and each leaves the other alone when it goes", async () => {
    await ok(here, [...launching("other", 2), "echo other >~/sky-other"]);
    const id = await submit(here, "demo", "--num-nodes", "4", "sleep 304");
    await phaseReached(here, { cluster: "demo", id }, "RUNNING");
    await ok(here, ["down", "-y", "other"]);
    assert.equal((await jobOf(here, "demo", id)).status, "RUNNING");
    await ok(here, ["cancel", "-y", "demo", String(id)]);
    for (const host of lab.hosts) await host.exec("rm -f ~/sky-other", { user: "ada" });
  });

  test("an idle cluster stops by itself, starts again, and goes for good with --down", async () => {
    await ok(here, ["autostop", "-y", "demo", "--idle-seconds", "1"]);
    await reaches(here, "demo", "STOPPED");
    await ok(here, ["start", "-y", "demo"]);
    await ok(here, ["autostop", "-y", "demo", "--idle-seconds", "1", "--down"]);
    await reaches(here, "demo", undefined);
    for (const host of lab.hosts) await host.exec("rm -rf ~/sky_workdir", { user: "ada" });
    await areAsNew(lab.hosts);
  });
});
