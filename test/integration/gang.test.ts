// A gang of four: what its ranks see, that none goes ahead, and that gangs are placed whole.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { place, until } from "../support/programs.ts";
import { jobOf, phaseReached, submit } from "./jobs.ts";

const here = place(undefined);

before(async () => {
  const up = await here.sky(["launch", "-y", "-c", "four", "--num-nodes", "4", "--cpus", "1"]);
  assert.equal(up.code, 0, up.stdout + up.stderr);
});
after(() => here.close());

/** A task file of `nodes` nodes that each take a whole node. */
function gang(name: string, nodes: number, run: string): string {
  const lines = run.split("\n").map((line) => `  ${line}`);
  const head = `name: ${name}\nnum_nodes: ${nodes}\nresources:\n  cpus: 1\nrun: |\n`;
  return here.file(`${name}.yaml`, `${head}${lines.join("\n")}\n`);
}

test("every rank sees its rank and the same four addresses in rank order, head first", async () => {
  const run = 'echo "R=$SKYPILOT_NODE_RANK N=$SKYPILOT_NUM_NODES IPS=$(echo $SKYPILOT_NODE_IPS)"';
  const { code, stdout } = await here.sky(["exec", "four", gang("see", 4, run)]);
  assert.equal(code, 0, stdout);
  const seen = [
    ...stdout.matchAll(/\((head|worker\d), rank=(\d), pid=\d+.*?\) R=(\d) N=4 IPS=(.*)/g),
  ];
  assert.equal(seen.length, 4, stdout);
  const addresses = new Set(seen.map((match) => match[4]));
  assert.equal(addresses.size, 1, "the same addresses on every rank");
  const ips = [...addresses][0]?.split(" ") ?? [];
  assert.equal(new Set(ips).size, 4);
  for (const [, node, prefixRank, rank] of seen) {
    assert.equal(prefixRank, rank);
    assert.equal(node, rank === "0" ? "head" : `worker${rank}`);
  }
  const status = JSON.parse((await here.sky(["status", "four", "-o", "json"])).stdout);
  assert.deepEqual(
    ips,
    status[0].nodes.map((node: { ip: string }) => node.ip),
  );
});

test("no rank's first act comes before the last rank is ready", async () => {
  const { stdout } = await here.sky([
    "exec",
    "four",
    gang("first-act", 4, "echo T=$EPOCHREALTIME"),
  ]);
  const times = [...stdout.matchAll(/T=([\d.]+)/g)].map((match) => Number(match[1]) * 1000);
  assert.equal(times.length, 4, stdout);
  const why = await here.sky(["why", "four", "-o", "json"]);
  assert.equal(why.code, 0, why.stderr);
  const job = (await jobOf(here, "four")).id;
  const { stdout: chain } = await here.sky(["why", "four", String(job), "-o", "json"]);
  const events: { at: number; to?: string }[] = JSON.parse(chain).chain;
  const barrier = events.find((event) => event.to === "starting");
  assert.ok(barrier, chain);
  for (const time of times) assert.ok(time >= barrier.at - 1, `${time} before ${barrier.at}`);
});

test("the queue has SkyPilot's columns and the job's resources", async () => {
  const { code, stdout } = await here.sky(["queue", "four"]);
  assert.equal(code, 0);
  assert.match(stdout, /ID +NAME +SUBMITTED +STARTED +DURATION +RESOURCES +STATUS +LOG/);
  assert.match(stdout, /see +.*4x \[CPU:1(\.0)?\] +SUCCEEDED/);
});

test("of two gangs of 3 on 4 nodes the second waits whole", async () => {
  const first = await submit(here, "four", gang("one-of-two", 3, "sleep 300"));
  await phaseReached(here, { cluster: "four", id: first }, "RUNNING");
  const second = await submit(here, "four", gang("two-of-two", 3, "echo second"));
  const waiting = await jobOf(here, "four", second);
  assert.equal(waiting.status, "PENDING");
  assert.ok(
    waiting.ranks.every((rank) => rank.startedAt === undefined),
    "not even a part of it",
  );
  const why = await here.sky(["why", "four", String(second)]);
  assert.match(why.stdout, new RegExp(`job ${first}|#${first}`, "i"), why.stdout);
  assert.equal((await here.sky(["cancel", "-y", "four", String(first)])).code, 0);
  await phaseReached(here, { cluster: "four", id: second }, "SUCCEEDED");
});

test("a small job passes a waiting gang only where it cannot delay it", async () => {
  const up = await here.sky(["launch", "-y", "-c", "wide", "--num-nodes", "4", "--cpus", "2"]);
  assert.equal(up.code, 0, up.stderr);
  const task = (name: string, [nodes, cpus]: readonly [number, number], run: string) =>
    here.file(
      `${name}.yaml`,
      `name: ${name}\nnum_nodes: ${nodes}\nresources:\n  cpus: ${cpus}\nrun: ${run}\n`,
    );
  // Half of three nodes is taken: the gang waits for the free node and one of the three.
  const holder = await submit(here, "wide", task("holder", [3, 1], "sleep 300"));
  await phaseReached(here, { cluster: "wide", id: holder }, "RUNNING");
  const gangJob = await submit(here, "wide", task("waits", [2, 2], "echo gang"));
  const passed: number[] = [];
  for (const name of ["small-1", "small-2"]) {
    passed.push(await submit(here, "wide", task(name, [1, 1], "sleep 300")));
  }
  for (const id of passed) await phaseReached(here, { cluster: "wide", id: id }, "RUNNING");
  const kept = await submit(here, "wide", task("small-3", [1, 1], "echo small"));
  assert.equal((await jobOf(here, "wide", gangJob)).status, "PENDING");
  assert.equal((await jobOf(here, "wide", kept)).status, "PENDING", "what is left is the gang's");
  assert.equal((await here.sky(["cancel", "-y", "wide", String(holder)])).code, 0);
  await phaseReached(here, { cluster: "wide", id: gangJob }, "SUCCEEDED");
  await phaseReached(here, { cluster: "wide", id: kept }, "SUCCEEDED");
  for (const id of passed) {
    assert.equal((await jobOf(here, "wide", id)).status, "RUNNING", "it was in nobody's way");
  }
  assert.equal((await here.sky(["down", "-y", "wide"])).code, 0);
});

test("a gang that the cluster can never hold is refused and takes no job id", async () => {
  const before = await jobOf(here, "four");
  const refused = await here.sky(["exec", "four", gang("too-big", 5, "true")]);
  assert.equal(refused.code, 2, refused.stdout + refused.stderr);
  assert.match(refused.stderr, /5 nodes asked, the cluster has 4/);
  assert.equal((await jobOf(here, "four")).id, before.id);
});

test("the ring all-reduce of the examples runs on four nodes and is right", async () => {
  const { checkout } = await import("../support/programs.ts");
  const args = ["launch", "-y", "-c", "ring", "examples/allreduce.yaml"];
  const { code, stdout, stderr } = await here.sky(args, { cwd: checkout });
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /\(head, rank=0, pid=\d+\).*(MB|GB|Gbit|MiB|GiB)/);
  assert.match(stdout, /\(worker3, rank=3, pid=\d+, ip=[\d.]+\)/);
  assert.equal((await here.sky(["down", "-y", "ring"])).code, 0);
});

test("Ctrl-C detaches with 130 and the job runs on", async () => {
  const running = here.start(["exec", "four", gang("detach", 1, "echo up\nsleep 300")]);
  await until("its first line is shown", () => running.stdout().includes("up"));
  running.signal("SIGINT");
  const { code, stdout, stderr } = await running.ended;
  assert.equal(code, 130, stdout + stderr);
  assert.match(stdout + stderr, /The job will keep running after Ctrl-C/);
  const job = await jobOf(here, "four");
  assert.equal(job.status, "RUNNING");
  await here.sky(["cancel", "-y", "four", String(job.id)]);
});
