// A node whose skylet is stopped holds a restart up only until its watchdog has ended what ran
// there. With skylets of their own: embedded, the skylet is the head's own process.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { homeAt } from "../../../model/home.ts";
import { isAlive, type ProcessSeen, place, processesOf, until } from "../../support/programs.ts";
import { jobOf, phaseReached, submit } from "../jobs.ts";

const cluster = "three";
const isSkylet = ({ command }: ProcessSeen): boolean => /\/skylet\.(js|ts)$/.test(command);

test("a job restarts elsewhere, and its old rank is dead by then", async (t) => {
  const here = place(t, { isolation: "process", config: "lease_seconds: 8\n" });
  const up = await here.sky(["launch", "-y", "-c", cluster, "--num-nodes", "3", "--cpus", "1"]);
  assert.equal(up.code, 0, up.stdout + up.stderr);
  const side = `${here.folder}/side`;
  // Each rank writes its pid, and whether those of the attempt before live.
  const lines = [
    `for pid in $(cut -d' ' -f1 ${side} 2>/dev/null); do`,
    "  kill -0 $pid 2>/dev/null && alive=$alive+$pid",
    "done",
    `echo "$$ $SKYPILOT_NODE_RANK $alive" >>${side}; exec sleep 1000`,
  ];
  const head = "num_nodes: 2\nmax_restarts: 1\nresources:\n  cpus: 1\n";
  const text = `${head}run: |\n  ${lines.join("\n  ")}\n`;
  const id = await submit(here, cluster, here.file("task.yaml", text));
  await phaseReached(here, { cluster, id }, "RUNNING");
  const written = (): readonly string[] =>
    existsSync(side) ? readFileSync(side, "utf8").trim().split("\n") : [];
  await until("both ranks have written", () => written().length === 2);
  const first = written().map((line) => Number(line.split(" ")[0]));

  const { ranks } = await jobOf(here, cluster, id);
  const node = ranks[1]?.node ?? "?";
  const { root } = homeAt(here.home).cluster(cluster).node(node);
  const [skylet] = processesOf(root).filter(isSkylet);
  assert.ok(skylet !== undefined, `a skylet of ${node}`);
  process.kill(skylet.pid, "SIGSTOP");
  try {
    await until("the next attempt has begun", () => written().length >= 4, { deadlineMs: 60_000 });
    for (const pid of first) assert.equal(isAlive(pid), false, `${pid} of the first attempt`);
    const beside = written()
      .slice(2)
      .flatMap((line) => (line.split(" ")[2] ?? "").split("+"));
    for (const pid of first) assert.ok(!beside.includes(String(pid)), `beside ${pid}`);
  } finally {
    process.kill(skylet.pid, "SIGCONT");
  }
  const job = await jobOf(here, cluster, id);
  assert.deepEqual(
    job.ranks.map((rank) => rank.node).includes(node),
    false,
    "it runs on the other nodes",
  );
  // The other nodes are full: it takes this one's work, once it has been swept.
  const next = await submit(here, cluster, "--cpus", "1", "echo hello");
  await phaseReached(here, { cluster, id: next }, "SUCCEEDED");
  assert.equal((await jobOf(here, cluster, next)).ranks[0]?.node, node);
  const down = await here.sky(["down", "-y", cluster]);
  assert.equal(down.code, 0, down.stdout + down.stderr);
  assert.deepEqual(processesOf(root), [], "nothing is left, its watchdog neither");
});
