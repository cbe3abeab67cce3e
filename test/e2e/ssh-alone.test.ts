// A cluster that goes by itself while nobody's machine is on: its hosts clean themselves, and what
// only the first one has is fetched when somebody comes.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Place, until } from "../support/programs.ts";
import { isClean, type Lab, labProblem, startLab } from "./lab.ts";
import { areAsNew, closeBoth, labPlace, launching, ok, reaches } from "./ssh-clusters.ts";

describe("a cluster that is left alone", { skip: labProblem() ?? false }, () => {
  let lab: Lab;
  let here: Place;

  before(async () => {
    lab = await startLab({ count: 2 });
    here = labPlace(undefined, lab);
  });

  after(async () => {
    await closeBoth(here, lab);
  });

  test("it goes when it is idle, and cleans the hosts that it can", async () => {
    const made = 'echo some >"made $SKYPILOT_NODE_RANK"';
    await ok(here, [
      ...launching("demo", 2),
      "-i",
      "0",
      "--down",
      "--detach-run",
      `sleep 8; ${made}`,
    ]);
    for (const { pid } of here.heads()) process.kill(pid, "SIGKILL");
    const [, second] = lab.hosts;
    assert.ok(second !== undefined);
    const look = (): boolean => {
      const { files, ...rest } = second.sweep();
      return isClean({ ...rest, files: [] }) && files.every((path) => /sky_workdir/.test(path));
    };
    await until("the second host is clean but for what the job made", look, {
      deadlineMs: 90_000,
      describe: () => JSON.stringify(second.sweep(), undefined, 1),
    });
    const { stdout } = await second.exec("cat ~/sky_workdir/made*", { user: "ada" });
    assert.match(stdout, /some/);
    await reaches(here, "demo", undefined);
    for (const host of lab.hosts) await host.exec("rm -rf ~/sky_workdir", { user: "ada" });
    await areAsNew(lab.hosts);
  });

  test("a down names on each host what jobs made there, and takes all else", async () => {
    await ok(here, [...launching("demo", 2), "echo some >made"]);
    const { stdout, stderr, code } = await here.sky(["down", "-y", "demo"]);
    assert.equal(code, 0, stdout + stderr);
    for (const host of lab.hosts) {
      const line = `Kept: ${host.address}: ~/sky_workdir: a file that a job made or changed`;
      assert.ok(`${stdout}${stderr}`.includes(line), `${line}\n${stdout}${stderr}`);
      await host.exec("rm -r ~/sky_workdir", { user: "ada" });
    }
    await areAsNew(lab.hosts);
  });
});
