// The head's disk is full: new work is refused with what to do, what runs runs on and what it says
// is kept, and when there is room everything goes on by itself, with the same head.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { type Place, place, until } from "../support/programs.ts";
import { type SmallDisk, smallDisk, whyNoDisk } from "../support/small-disk.ts";
import { jobsOf, phaseReached, submit } from "./jobs.ts";

const cluster = "tiny";
const skip = whyNoDisk() ?? false;
const gate = mkdtempSync(join(tmpdir(), "sky-gate-"));
const disk = skip === false ? smallDisk(48) : undefined;
after(() => disk?.close());

/** A home on the small disk. */
function placeOn({ path }: SmallDisk): Place {
  const before = process.env["TMPDIR"];
  process.env["TMPDIR"] = path;
  try {
    return place(undefined);
  } finally {
    if (before === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = before;
  }
}

test("a full disk under the head", { skip, timeout: 110_000 }, async () => {
  assert.ok(disk !== undefined);
  const here = placeOn(disk);
  try {
    const up = await here.sky(["launch", "-y", "-c", cluster, "--cpus", "4"]);
    assert.equal(up.code, 0, up.stdout + up.stderr);
    const waiting = `until [ ! -e ${gate} ]; do sleep 0.05; done; echo on; exit 4`;
    const id = await submit(here, cluster, "--", waiting);
    await phaseReached(here, { cluster, id }, "RUNNING");
    const [head] = here.heads();
    disk.fill();
    // The ballast lets what is under way through; from then on nothing new begins.
    const refused = await until("a submit is refused", async () => {
      const said = await here.sky(["exec", cluster, "-d", "--", "true"]);
      return said.code === 0 ? undefined : said;
    });
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /the disk is full: .*journal\.db has .* left\. Make room there/);
    disk.fill();
    const jobs = await jobsOf(here, cluster);
    assert.equal(jobs.find((job) => job.id === id)?.status, "RUNNING");
    rmdirSync(gate);
    const cancel = await here.sky(["cancel", cluster, "-y", "-a"]);
    assert.notEqual(cancel.signal, "SIGKILL", "it is answered");
    disk.empty();
    const ended = await until("the job has ended", async () => {
      const [job] = (await jobsOf(here, cluster)).filter((one) => one.id === id);
      return job?.endedAt === undefined ? undefined : job;
    });
    assert.ok(["FAILED", "CANCELLED"].includes(ended.status), ended.status);
    await until("new work is taken again", async () => {
      const { code } = await here.sky(["exec", cluster, "--", "echo", "again"]);
      return code === 0;
    });
    assert.deepEqual(
      here.heads().map(({ pid }) => pid),
      [head?.pid],
      "nobody started it again",
    );
  } finally {
    disk.empty();
    await here.close();
  }
});

test("a workdir that the disk has no room for", { skip, timeout: 110_000 }, async () => {
  assert.ok(disk !== undefined);
  const work = mkdtempSync(join(tmpdir(), "sky-work-"));
  const here = placeOn(disk);
  try {
    mkdirSync(join(work, "small"));
    writeFileSync(join(work, "small/x"), "it fits");
    writeFileSync(join(work, "large"), randomBytes(48 * 1024 * 1024));
    const up = await here.sky(["launch", "-y", "-c", cluster, "--cpus", "4", "true"]);
    assert.equal(up.code, 0, up.stdout + up.stderr);
    const submitted = (folder: string) =>
      here.sky(["exec", cluster, "--workdir", folder, "--", "cat", "x"]);
    const refused = await submitted(work);
    assert.equal(refused.code, 1, refused.stdout);
    assert.match(refused.stderr, /the disk is full: .* left/);
    // What had come of it makes way, for it is of nobody.
    const ran = await submitted(join(work, "small"));
    assert.equal(ran.code, 0, ran.stdout + ran.stderr);
    assert.match(ran.stdout, /it fits/);
  } finally {
    rmSync(work, { recursive: true, force: true });
    await here.close();
  }
});
