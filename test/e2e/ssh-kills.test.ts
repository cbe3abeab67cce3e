// kill -9 of every program of ours, at moments of a launch and under a running job: what was begun
// is finished by whoever comes next, jobs run on, and nothing is left in the end.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { jobOf, phaseReached, submit } from "../integration/jobs.ts";
import { type Place, type Result, until } from "../support/programs.ts";
import { type Host, type Lab, labProblem, startLab } from "./lab.ts";
import {
  areAsNew,
  closeBoth,
  headLog,
  labPlace,
  launching,
  ok,
  roles,
  statusOf,
  strike,
} from "./ssh-clusters.ts";

/** Moments of a launch, as the hosts show them. */
const moments: readonly { readonly name: string; readonly come: (lab: Lab) => boolean }[] = [
  { name: "the bundle is on its way", come: (lab) => on(lab.host(0), ".skylet/bundles") },
  { name: "a skylet runs", come: (lab) => runs(lab, roles.skylet) },
];

describe("kills", { skip: labProblem() ?? false }, () => {
  let lab: Lab;
  let here: Place;

  before(async () => {
    lab = await startLab({ count: 2 });
    here = labPlace(undefined, lab);
  });

  after(async () => {
    await closeBoth(here, lab);
  });

  for (const { name, come } of moments) {
    test(`the client's head is killed when ${name}: the next launch goes on`, async () => {
      const launch = here.start([...launching("demo", 2), "true"]);
      await until(name, () => come(lab), { deadlineMs: 60_000, describe: () => headLog(here) });
      for (const { pid } of here.heads()) process.kill(pid, "SIGKILL");
      await launch.ended;
      const stdout = await ok(here, [...launching("demo", 2), "echo I am $(hostname)"]);
      assert.equal([...stdout.matchAll(/I am lab\d/g)].length, 2, stdout);
      await ok(here, ["down", "-y", "demo"]);
      await areAsNew(lab.hosts);
    });
  }

  test("a launch goes on over kills on the hosts: supervisor, head, bus, skylets", async () => {
    const launch = here.start([...launching("demo", 2), "echo I am $(hostname)"]);
    let result: Result | undefined;
    void launch.ended.then((ended) => (result = ended));
    const struck = new Set<keyof typeof roles>();
    for (const role of ["supervisor", "head", "bus", "skylet"] as const) {
      const hit = () => lab.hosts.some((host) => strike(host, roles[role]) > 0);
      await until(`a ${role} was struck`, () => result !== undefined || hit(), {
        deadlineMs: 60_000,
        describe: () => headLog(here),
      });
      struck.add(role);
    }
    const { code, stdout, stderr } = await launch.ended;
    if (code !== 0) await ok(here, [...launching("demo", 2), "true"]);
    assert.equal(struck.size, 4, `${stdout}${stderr}`);
  });

  for (const role of ["head", "skylet", "bus", "supervisor"] as const) {
    test(`a job runs on when every ${role} is killed, and its log is whole`, async () => {
      const script = "for i in 1 2 3 4 5 6; do echo line $i; sleep 0.5; done";
      const id = await submit(here, "demo", "--num-nodes", "2", script);
      await phaseReached(here, { cluster: "demo", id }, "RUNNING");
      const hits = lab.hosts.reduce((sum, host) => sum + strike(host, roles[role]), 0);
      assert.ok(hits > 0, `no ${role} runs`);
      await until("the job is over", () => isOver(id), {
        deadlineMs: 60_000,
        describe: () => headLog(here),
      });
      assert.equal((await jobOf(here, "demo", id)).status, "SUCCEEDED");
      const log = await ok(here, ["logs", "demo", String(id), "--no-follow"]);
      assert.equal([...log.matchAll(/line \d/g)].length, 12, log);
    });
  }

  test("the client's head is killed under a job: the next one knows its outcome", async () => {
    const id = await submit(here, "demo", "--num-nodes", "2", "sleep 1; exit 3");
    for (const { pid } of here.heads()) process.kill(pid, "SIGKILL");
    await until("the job is over", () => isOver(id), { describe: () => headLog(here) });
    assert.equal((await jobOf(here, "demo", id)).status, "FAILED");
    assert.equal((await statusOf(here, "demo"))?.status, "UP");
  });

  test("down after all of it leaves nothing", async () => {
    await ok(here, ["down", "-y", "demo"]);
    await areAsNew(lab.hosts);
  });

  /** Whether a job has ended; what cannot be asked now is asked again. */
  async function isOver(id: number): Promise<boolean> {
    const { code, stdout } = await here.sky(["queue", "demo", "-a", "-o", "json"]);
    if (code !== 0) return false;
    const jobs: readonly { id: number; status: string }[] = JSON.parse(stdout);
    const status = jobs.find((job) => job.id === id)?.status ?? "";
    return ["SUCCEEDED", "FAILED", "CANCELLED"].includes(status);
  }
});

function on(host: Host, path: string): boolean {
  return existsSync(host.path(`${host.home}/${path}`));
}

function runs(lab: Lab, role: RegExp): boolean {
  return lab.hosts.some((host) => host.processes().some(({ command }) => role.test(command)));
}
