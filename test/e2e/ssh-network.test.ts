// Hosts that go away and come back: a cut link under a running gang, a head that is cut off, a host
// that is down when a cluster is launched.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { jobOf, phaseReached, submit } from "../integration/jobs.ts";
import { type Place, until } from "../support/programs.ts";
import { type Host, type Lab, labProblem, startLab } from "./lab.ts";
import { areAsNew, closeBoth, headLog, labPlace, launching, ok, statusOf } from "./ssh-clusters.ts";

describe("hosts that go away", { skip: labProblem() ?? false }, () => {
  let lab: Lab;
  let here: Place;

  before(async () => {
    lab = await startLab();
    here = labPlace(undefined, lab);
  });

  after(async () => {
    for (const host of lab?.hosts ?? []) await host.healLink();
    await closeBoth(here, lab);
  });

  const hostOf = async (cluster: string, index: number): Promise<Host> => {
    const ip = (await statusOf(here, cluster))?.nodes[index]?.ip;
    const host = lab.hosts.find(({ address }) => address === ip);
    assert.ok(host, `${ip} is a host`);
    return host;
  };

  test("a host that is down is named and left out", async () => {
    await lab.host(1).halt();
    const said = await here.sky([...launching("demo", 3), "echo I am $(hostname)"], {
      timeoutMs: 60_000,
    });
    assert.equal(said.code, 0, `${said.stdout}${said.stderr}${headLog(here)}`);
    const names = [...said.stdout.matchAll(/I am (lab\d)/g)].map(([, name]) => name);
    assert.deepEqual(names.sort(), ["lab0", "lab2", "lab3"]);
    assert.match(said.stdout + said.stderr, new RegExp(lab.host(1).address.replaceAll(".", "\\.")));
    const refused = await here.sky([...launching("four", 4), "true"], { timeoutMs: 60_000 });
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr, new RegExp(lab.host(1).address.replaceAll(".", "\\.")));
    await lab.host(1).boot();
    await ok(here, ["down", "-y", "demo"]);
  });

  test("a cut link ends the gang as node-lost; healed, no stale rank meets new work", async () => {
    await ok(here, [...launching("demo", 4), "true"]);
    const id = await submit(here, "demo", "--num-nodes", "4", "sleep 305.5");
    await phaseReached(here, { cluster: "demo", id }, "RUNNING");
    const cut = await hostOf("demo", 2);
    await cut.cutLink();
    await phaseReached(here, { cluster: "demo", id }, "FAILED");
    assert.match(await ok(here, ["why", "demo", String(id)]), /node-lost|was lost/);
    assert.ok(stale(cut).length > 0, "the cut host does not know yet");
    await cut.healLink();
    // The job itself looks around on its host before anything else.
    const look = 'for p in /proc/[0-9]*; do tr "\\0" " " <$p/cmdline; echo; done 2>/dev/null';
    const script = `if ${look} | grep -q "^sleep 305"; then echo stale; else echo clean; fi`;
    const next = await submit(here, "demo", "--num-nodes", "4", script);
    await phaseReached(here, { cluster: "demo", id: next }, "SUCCEEDED");
    const log = await ok(here, ["logs", "demo", String(next), "--no-follow"]);
    assert.equal([...log.matchAll(/clean/g)].length, 4, log);
    assert.deepEqual(stale(cut), []);
  });

  test("the head's host is cut off from its client: jobs run on", async () => {
    const id = await submit(here, "demo", "--num-nodes", "4", "sleep 3; echo done");
    await phaseReached(here, { cluster: "demo", id }, "RUNNING");
    const head = await hostOf("demo", 0);
    await head.cutLink();
    const away = await here.sky(["queue", "demo"], { timeoutMs: 60_000 });
    assert.notEqual(away.code, 0);
    await head.healLink();
    await until(
      "the head answers again",
      async () => (await here.sky(["queue", "demo"])).code === 0,
      {
        deadlineMs: 60_000,
        describe: () => headLog(here),
      },
    );
    await until("the job is over", async () => {
      return ["SUCCEEDED", "FAILED"].includes((await jobOf(here, "demo", id)).status);
    });
    await ok(here, ["down", "-y", "demo"]);
    await areAsNew(lab.hosts);
  });
});

function stale(host: Host): readonly string[] {
  return host
    .processes()
    .map(({ command }) => command)
    .filter((command) => command.startsWith("sleep 305.5"));
}
