// The bus fails under a job of real skylets: its head dies, it freezes for a moment, it freezes for
// longer than a silent node would be called lost. The job goes on, its exit codes are true, and no
// node is called lost for it.
//
// What is under test exists only between processes, so the home is of that isolation in both
// passes.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { connectHead } from "../../../client/connect-os.ts";
import { headOver } from "../../../client/head-grpc.ts";
import { homeAt } from "../../../model/home.ts";
import { isAlive, place, until } from "../../support/programs.ts";
import { jobOf, phaseReached, submit } from "../jobs.ts";

const here = place(undefined, { isolation: "process" });
const home = homeAt(here.home);
const cluster = "two";
const head = headOver((signal) => connectHead({ home }, signal));

before(async () => {
  const up = await here.sky(["launch", "-y", "-c", cluster, "--num-nodes", "2", "--cpus", "2"]);
  assert.equal(up.code, 0, up.stdout + up.stderr);
});
after(async () => {
  head.close();
  await here.close();
});

/** The nats-server of the home: there must be one. */
function busPid(): number {
  const found = here.processes().filter(({ command }) => /\/nats-server -c /.test(command));
  assert.equal(found.length, 1, JSON.stringify(found));
  return found[0]?.pid ?? 0;
}

interface BusSeen {
  readonly pid?: number;
  readonly restarts: number;
  readonly adopted: boolean;
  readonly silentMs: number;
  readonly trouble?: string;
}

async function busSeen(): Promise<BusSeen> {
  const { code, stdout, stderr } = await here.sky(["debug", cluster, "-o", "json"]);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout).inside.process.lanes.process.nats as BusSeen;
}

interface Gang {
  readonly id: number;
  /** Lets it end, and shows that it ran on undisturbed. */
  end(): Promise<void>;
}

/** A gang of two that runs until it is let go: first a rank that succeeds, then one that fails. */
async function gang(name: string): Promise<Gang> {
  const gate = `${here.folder}/gate-${name}`;
  const run = `until [ -e ${gate}-$SKYPILOT_NODE_RANK ]; do sleep 0.05; done`;
  const text = `num_nodes: 2\nrun: |\n  ${run}\n  exit $((SKYPILOT_NODE_RANK * 5))\n`;
  const id = await submit(here, cluster, here.file(`${name}.yaml`, text));
  const before = await phaseReached(here, { cluster, id }, "RUNNING");
  const end = async (): Promise<void> => {
    writeFileSync(`${gate}-0`, "");
    const rankZero = async () => (await jobOf(here, cluster, id)).ranks[0];
    await until("rank 0 has ended", async () => (await rankZero())?.exitCode === 0);
    writeFileSync(`${gate}-1`, "");
    const after = await phaseReached(here, { cluster, id }, "FAILED");
    assert.deepEqual(
      after.ranks.map(({ node, pid, exitCode }) => ({ node, pid, exitCode })),
      before.ranks.map(({ node, pid }, rank) => ({ node, pid, exitCode: rank * 5 })),
    );
    assert.deepEqual(await lostNodes(), []);
  };
  return { id, end };
}

/** Every node that was called lost, by the histories of the cluster. */
async function lostNodes(): Promise<readonly string[]> {
  const lost: string[] = [];
  const query = { cluster, job: 0, afterSeq: 0, follow: false };
  for await (const { subject, to } of head.watchEvents(query, AbortSignal.timeout(40_000))) {
    if (subject.startsWith("node/") && to === "lost") lost.push(subject);
  }
  return lost;
}

test("the head dies: the next one adopts its nats-server, and the job runs on", async () => {
  const { end } = await gang("adopted");
  const pid = busPid();
  for (const { pid: headPid } of here.heads()) {
    process.kill(headPid, "SIGKILL");
    await until("the head is dead", () => !isAlive(headPid));
  }
  assert.equal((await here.sky(["status"])).code, 0, "a command brings a head back");
  const seen = await busSeen();
  assert.deepEqual([seen.pid, seen.adopted, seen.restarts], [pid, true, 0]);
  await end();
  assert.equal(busPid(), pid);
});

test("the bus is stopped for a moment: it is waited for", async () => {
  const { end } = await gang("moment");
  const pid = busPid();
  process.kill(pid, "SIGSTOP");
  await until("the head knows that it is silent", async () => (await busSeen()).silentMs > 0);
  process.kill(pid, "SIGCONT");
  await until("it answers again", async () => (await busSeen()).silentMs === 0);
  await end();
  assert.equal(busPid(), pid);
});

test("the bus is stopped for longer than a node may be silent: no node is lost", async () => {
  const { id, end } = await gang("frozen");
  const pid = busPid();
  process.kill(pid, "SIGSTOP");
  await until("it was replaced", () => !isAlive(pid), { deadlineMs: 60_000 });
  await until("another one runs", async () => (await busSeen()).pid !== undefined);
  assert.notEqual(busPid(), pid);
  assert.match((await busSeen()).trouble ?? "", /did nothing and gave no answer for 1\d\.\d s/);
  assert.match(readFileSync(home.headLog, "utf8"), /nats-server does not answer and is ended/);
  assert.equal((await jobOf(here, cluster, id)).status, "RUNNING");
  await end();
});
