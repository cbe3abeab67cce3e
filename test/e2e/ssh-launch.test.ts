// Fresh hosts to a running gang, and back to fresh hosts: launch, second launch, exec, logs,
// cancel, `ssh CLUSTER`, and what `sky down` leaves.

import assert from "node:assert/strict";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { phaseReached, submit } from "../integration/jobs.ts";
import { checkout, type Place, until } from "../support/programs.ts";
import { type Lab, labProblem, startLab } from "./lab.ts";
import { run } from "./lab-run.ts";
import {
  areAsNew,
  closeBoth,
  labPlace,
  launching,
  ok,
  roles,
  statusOf,
  told,
} from "./ssh-clusters.ts";

const node = ["bin/node"];

describe("four fresh hosts", { skip: labProblem() ?? false }, () => {
  let lab: Lab;
  let here: Place;

  before(async () => {
    const given = { given: node };
    lab = await startLab({ hosts: { 0: given, 1: given, 2: given, 3: given } });
    here = labPlace(undefined, lab);
  });

  after(async () => {
    await closeBoth(here, lab);
  });

  test("a job on all four of them speaks", async (t) => {
    const startedAt = performance.now();
    const launch = here.start([...launching("demo", 4), "echo I am $(hostname)"]);
    let firstLineMs = 0;
    const isOver = launch.ended.then(() => true);
    await until(
      "the first line is shown",
      async () => {
        if (/rank=\d.*I am lab/.test(launch.stdout()))
          firstLineMs ||= performance.now() - startedAt;
        return firstLineMs > 0 || (await Promise.race([isOver, false]));
      },
      { deadlineMs: 90_000, describe: () => told(here, said(launch)) },
    );
    const { code, stdout } = await launch.ended;
    assert.equal(code, 0, told(here, said(launch)));
    const names = [...stdout.matchAll(/rank=(\d).*I am (lab\d)/g)].map(([, , name]) => name);
    assert.deepEqual(names.sort(), ["lab0", "lab1", "lab2", "lab3"]);
    const seconds = (firstLineMs / 1_000).toFixed(1);
    t.diagnostic(`TABLE four fresh hosts: ${seconds} s to the first line of a job on all four`);
  });

  test("the bundle left the client once", async (t) => {
    const mib = (bytes: number): string => (bytes / 1_048_576).toFixed(1);
    const sent = lab.sentBytes();
    const passedOn = lab.hosts.reduce((sum, host) => sum + host.sentBytes(), 0);
    t.diagnostic(`TABLE the client sent ${mib(sent)} MiB, hosts ${mib(passedOn)} MiB`);
    const folder = join(checkout, "dist/bundle");
    const bundle = Math.max(
      ...readdirSync(folder).map((name) => statSync(join(folder, name)).size),
    );
    assert.ok(sent < 2 * bundle, `the client sent ${sent} bytes, the bundle has ${bundle}`);
    assert.ok(passedOn > 2 * bundle, `hosts sent ${passedOn} bytes, the bundle has ${bundle}`);
  });

  test("a second launch on them starts at once", async (t) => {
    const startedAt = performance.now();
    const stdout = await ok(here, [...launching("demo", 4), "echo again $(hostname)"]);
    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(2);
    t.diagnostic(`TABLE a second launch on four hosts: ${seconds} s to its end`);
    assert.equal([...stdout.matchAll(/again lab\d/g)].length, 4, stdout);
  });

  test("the status names the hosts and their addresses", async () => {
    const cluster = await statusOf(here, "demo");
    assert.equal(cluster?.status, "UP");
    assert.deepEqual(
      cluster?.nodes.map(({ ip }) => ip).sort(),
      lab.hosts.map(({ address }) => address).sort(),
    );
    assert.equal((await ok(here, ["status", "--ip", "demo"])).trim(), cluster?.nodes[0]?.ip);
  });

  test("nothing of ours runs as root, and what listens is the head's and sshd", () => {
    for (const host of lab.hosts) {
      const { ports } = host.sweep();
      const isHead = host.processes().some(({ command }) => roles.head.test(command));
      assert.equal(ports.length > 0, isHead, `${host.name}: ${ports.join(", ")}`);
    }
  });

  test("the ring all-reduce of the examples is right over their network", async () => {
    const args = ["exec", "demo", "examples/allreduce.yaml"];
    const result = await here.sky(args, { cwd: checkout, timeoutMs: 60_000 });
    assert.equal(result.code, 0, told(here, result));
    assert.equal([...result.stdout.matchAll(/every sum is right/g)].length, 4, result.stdout);
  });

  test("a job that fails on one host ends on all, and its exit code is true", async () => {
    const task = 'if [ "$SKYPILOT_NODE_RANK" = 2 ]; then exit 7; fi; sleep 300.25';
    const { code } = await here.sky(["exec", "demo", "--num-nodes", "4", task]);
    assert.equal(code, 100);
    assert.match(await ok(here, ["why", "demo"]), /demo/);
    for (const host of lab.hosts) {
      assert.deepEqual(commandsOf(host, /sleep 300\.25/), []);
    }
  });

  test("logs are followed and read later; cancel leaves no process on any host", async () => {
    const script = "echo here $SKYPILOT_NODE_RANK; setsid sleep 301.5 & sleep 301.5";
    const id = await submit(here, "demo", "--num-nodes", "4", script);
    await phaseReached(here, { cluster: "demo", id }, "RUNNING");
    const logs = here.start(["logs", "demo", String(id)]);
    const lines = (): number => [...logs.stdout().matchAll(/here \d/g)].length;
    await until("all four spoke", () => lines() === 4, { describe: () => told(here, said(logs)) });
    for (const host of lab.hosts) assert.ok(commandsOf(host, /sleep 301\.5/).length > 0);
    await ok(here, ["cancel", "-y", "demo", String(id)]);
    assert.equal((await logs.ended).code, 103);
    for (const host of lab.hosts) assert.deepEqual(commandsOf(host, /sleep 301\.5/), []);
    assert.match(await ok(here, ["logs", "demo", String(id), "--no-follow"], 103), /here 3/);
  });

  test("ssh leads to the cluster's nodes by name", async () => {
    const cluster = await statusOf(here, "demo");
    for (const [index, name] of ["demo", "demo-worker1", "demo-worker3"].entries()) {
      const at = [0, 1, 3][index] ?? 0;
      const asked = await run(["ssh", "-o", "BatchMode=yes", name, "hostname -I; hostname"], {
        env: here.env,
        mayFail: true,
      });
      assert.equal(asked.code, 0, `${name}: ${asked.stderr}`);
      assert.ok(asked.stdout.includes(cluster?.nodes[at]?.ip ?? "no address"), asked.stdout);
    }
  });

  test("down leaves the hosts as they were, but for what the jobs made", async () => {
    await ok(here, ["exec", "demo", "echo mine >~/result"]);
    const cluster = await statusOf(here, "demo");
    await ok(here, ["down", "-y", "demo"]);
    const first = lab.hosts.find(({ address }) => address === cluster?.nodes[0]?.ip);
    assert.equal(
      (await first?.exec(`cat ~/result; rm ~/result`, { user: "ada" }))?.stdout,
      "mine\n",
    );
    await areAsNew(lab.hosts);
    const config = await run(["ssh", "-G", "demo"], { env: here.env });
    assert.match(config.stdout, /^hostname demo$/m, "its block of the ssh configuration is gone");
  });
});

function said(running: { stdout(): string; stderr(): string }): { stdout: string; stderr: string } {
  return { stdout: running.stdout(), stderr: running.stderr() };
}

function commandsOf(host: Lab["hosts"][number], pattern: RegExp): readonly string[] {
  return host
    .processes()
    .map(({ command }) => command)
    .filter((command) => pattern.test(command));
}
