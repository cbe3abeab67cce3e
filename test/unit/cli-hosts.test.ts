// Hosts of the user's own on the command line: what `sky check`, `sky status` and a dry run show.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { HostCheck } from "../../client/check-hosts-os.ts";
import { attach } from "../../client/cli/attach.ts";
import { check } from "../../client/cli/check.ts";
import { printHosts } from "../../client/cli/check-hosts.ts";
import { dryrun } from "../../client/cli/dryrun.ts";
import { status } from "../../client/cli/status.ts";
import type { HostReport } from "../../clouds/ssh/host-report.ts";
import type { ClusterView } from "../../model/cluster.ts";
import { isSkyError } from "../../model/errors.ts";
import { homeAt } from "../../model/home.ts";
import type { Task } from "../../model/task.ts";
import { clusterOf, type Stage, stage } from "./cli-stage.ts";

/** A home with a pools file, or without one. */
function at(t: TestContext, pools?: string): Stage {
  const root = mkdtempSync(join(tmpdir(), "sky-hosts-"));
  t.after(() => rmSync(root, { recursive: true }));
  if (pools !== undefined) writeFileSync(join(root, "ssh_node_pools.yaml"), pools);
  const made = stage({ head: {} });
  return { ...made, shell: { ...made.shell, home: homeAt(root) } };
}

const twoPools = "lab:\n  hosts: [gpu1, gpu2]\nbig:\n  hosts: [huge]\n";

async function checked({ shell, printed }: Stage, ...words: readonly string[]) {
  const code = await check.run(shell, { args: [words], flags: {} });
  return { code, text: printed.join("\n") };
}

test("sky check lists the pools, without logging in", async (t) => {
  const some = await checked(at(t, twoPools));
  assert.match(
    some.text,
    /^ssh +enabled +Pools: lab \(2 hosts\), big \(1 host\)\. .*sky check ssh$/m,
  );
  assert.equal(some.code, 0);
  assert.match((await checked(at(t))).text, /^Not there yet: .*\bssh\b/m);
  const faulty = await checked(at(t, "lab:\n  hosts: []\n"));
  assert.match(faulty.text, /^Not there yet: .*\bssh\b/m);
});

test("sky check ssh says where to name a pool, and which there is none of", async (t) => {
  const none = await checked(at(t), "ssh");
  assert.match(none.text, /There is no pool of hosts: name yours in .*ssh_node_pools\.yaml/);
  assert.equal(none.code, 1);
  await assert.rejects(checked(at(t, twoPools), "ssh/lba"), /no pool 'lba'\. Did you mean 'lab'\?/);
  await assert.rejects(checked(at(t, "lab:\n"), "ssh"), (e) => isSkyError(e, "pools/invalid"));
});

function reportOf(over: Partial<HostReport> = {}): HostReport {
  return {
    ...{
      host: "gpu1",
      os: "Debian 12",
      arch: "x64",
      libc: "glibc 2.36",
      cpus: 8,
      memoryBytes: 2 ** 35,
    },
    ...{ diskFreeBytes: 3 * 2 ** 29, devices: [], clockSkewMs: 0, ip: "10.0.0.1", user: "ann" },
    ...{ bootId: "b", keeper: "none", claims: {}, problems: [] },
    ...over,
  };
}

const slow = { why: "its clock is 9 s ahead of ours", fix: "set it", fatal: false };
const bare = { why: "there is no bash", fix: "apt-get install bash", fatal: true };

function shown(...checks: readonly HostCheck[]): string {
  const { shell, printed } = stage({ head: {} });
  printHosts(shell, checks);
  return printed.join("\n");
}

test("a host has its row, and below the table what is wrong with it and what to do", () => {
  const id = (index: number) => ({ id: index, name: "A100", memoryBytes: 1 });
  const text = shown(
    { pool: "lab", host: "gpu1", report: reportOf({ devices: [0, 1].map(id) }) },
    { pool: "lab", host: "gpu2", report: reportOf({ problems: [slow], clockSkewMs: 9_000 }) },
    { pool: "lab", host: "gpu3", report: reportOf({ problems: [bare, slow], claims: { a: "b" } }) },
    { pool: "big", host: "huge", error: { code: "ssh/unreachable", why: "no route to huge" } },
  );
  assert.equal(
    text,
    [
      "POOL  HOST  OS         ARCH  CPUS  MEM    GPUS    DISK    CLOCK  STATUS",
      "lab   gpu1  Debian 12  x64   8     32 GB  A100:2  1.5 GB  ok     ok",
      "lab   gpu2  Debian 12  x64   8     32 GB  -       1.5 GB  +9 s   ok (see below)",
      "lab   gpu3  Debian 12  x64   8     32 GB  -       1.5 GB  ok     unfit",
      "big   huge  -          -     -     -      -       -       -      unreachable",
      "",
      "gpu2 (lab) works, but:",
      "  its clock is 9 s ahead of ours",
      "    to do: set it",
      "",
      "gpu3 (lab) is not used:",
      "  there is no bash",
      "    to do: apt-get install bash",
      "",
      "huge (big) is not used:",
      "  no route to huge",
      "    to do: see that it runs, and that ssh reaches it from here",
    ].join("\n"),
  );
});

test("what is the same of several hosts is told once", () => {
  const of = (pool: string, host: string) => ({
    ...{
      pool,
      host,
      report: reportOf({ problems: [slow], claims: { workdir: "a", "gpu-0": "b" } }),
    },
  });
  const fine = { pool: "lab", host: "c", report: reportOf() };
  const text = shown(of("lab", "a"), of("lab", "b"), fine, of("big", "d"), of("big", "e"));
  assert.match(text, /^a \(lab\), b \(lab\), all 2 hosts of big work, but:$/m);
  assert.equal(text.match(/its clock/g)?.length, 1);
  assert.match(text, /ok, used by 2 \(see below\)$/m);
});

// ---- status

const far: Partial<ClusterView> = {
  ...{ name: "far", cloud: "ssh", region: "lab", resources: "2x SSH(cpus=8)" },
  nodes: [0, 1].map((index) => ({
    ...{ id: `n${index}`, index, ip: `10.0.0.${index}`, host: index === 0 ? "gpu1" : "10.0.0.1" },
    ...{ phase: "alive", capacity: { cpus: 8, memoryBytes: 1, accelerators: [] } },
  })),
};

async function statusText(clusters: readonly ClusterView[], verbose = false) {
  const { shell, printed, said } = stage({ head: { status: async () => clusters }, now: 60_000 });
  await status.run(shell, { args: [[]], flags: verbose ? { verbose } : {} });
  return { printed: printed.join("\n"), said: said.join("\n") };
}

test("status shows where clusters are if one is not local, and with -v its hosts", async () => {
  assert.doesNotMatch((await statusText([clusterOf()])).printed, /INFRA/);
  const both = await statusText([clusterOf(), clusterOf(far)]);
  assert.match(both.printed, /^NAME +LAUNCHED +RESOURCES +INFRA +STATUS/);
  assert.match(both.printed, /^demo .* local +UP/m);
  assert.match(both.printed, /^far .* ssh\/lab +UP/m);
  assert.doesNotMatch(both.printed, /gpu1/);
  const whole = (await statusText([clusterOf(), clusterOf(far)], true)).printed;
  assert.match(
    whole,
    /Hosts of far:\n {2}head: gpu1 \(10\.0\.0\.0\), alive\n {2}worker1: 10\.0\.0\.1, alive$/,
  );
});

test("status says of a cluster that is not heard since when and why", async () => {
  const silence = { since: 0, why: "gpu1 cannot be reached" };
  const { said } = await statusText([clusterOf({ ...far, silence })]);
  assert.equal(said, "far was heard 1 min ago the last time: gpu1 cannot be reached");
});

// ---- the others

const task: Task = {
  ...{ numNodes: 1, envs: {}, secrets: {}, priority: 0, maxRestarts: 0, run: "true" },
  resources: { cloud: "ssh" },
};

test("a dry run names the hosts of the pools, and a pool that is none", async (t) => {
  const { shell, printed } = at(t, twoPools);
  await dryrun(shell, { cluster: "demo", task });
  assert.match(printed.join("\n"), /pool +lab: gpu1, gpu2\n +pool +big: huge$/m);
  const lost = { ...task, resources: { cloud: "ssh", region: "lba" } };
  const says = /there is no pool 'lba'\. Did you mean 'lab'\?/;
  await assert.rejects(dryrun(shell, { cluster: "demo", task: lost }), says);
  await assert.rejects(dryrun(at(t).shell, { cluster: "demo", task }), /There is no pool of hosts/);
});

test("a shell on a host's node is ssh", async () => {
  const { shell, said } = stage({ head: {} });
  assert.equal(await attach(shell, clusterOf(far), { kind: "cpunode" }), 0);
  assert.match(said.join("\n"), /To open a shell on it: {2}ssh far$/);
});
