// `sky logs` against real ranks: which lines come and in which order, what a failed setup leaves
// behind, what is kept of a cluster that is gone; and that users keep to their own jobs.

import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type Place, place, until } from "../support/programs.ts";
import { jobOf, phaseReached, submit } from "./jobs.ts";

const here = place(undefined);

before(async () => {
  await up(here, "three", "--num-nodes", "3");
  await up(here, "shared");
});
after(() => here.close());

async function up(where: Place, name: string, ...more: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await where.sky(["launch", "-y", "-c", name, ...more]);
  assert.equal(code, 0, stdout + stderr);
}

/** The lines of one rank, without their prefixes. */
function linesOf(rank: number, stdout: string): readonly string[] {
  const mark = new RegExp(`^\\(\\w+, rank=${rank}, pid=\\d+(?:, ip=[\\d.]+)?\\) (.*)$`);
  return stdout.split("\n").flatMap((line) => mark.exec(line)?.[1] ?? []);
}

test("lines of all ranks are whole, each rank's in order, whatever the writes are", async () => {
  // Each line in two writes: a merge of chunks as they come would cut lines.
  const run = 'for i in $(seq 300); do printf "line "; printf "$i\\n"; done; printf "no end"';
  const id = await submit(here, "three", "--num-nodes", "3", run);
  const { code, stdout } = await here.sky(["logs", "three", String(id)]);
  assert.equal(code, 0, stdout.slice(-2_000));
  const wanted = [...Array.from({ length: 300 }, (_, at) => `line ${at + 1}`), "no end"];
  for (const rank of [0, 1, 2]) assert.deepEqual(linesOf(rank, stdout), wanted);
  assert.equal(stdout.trimEnd().split("\n").length, 3 * 301 + 1);
});

test("--rank shows these ranks, --tail the ends of their logs", async () => {
  const run = "for i in 1 2 3 4; do echo $SKYPILOT_NODE_RANK.$i; done";
  const id = String(await submit(here, "three", "--num-nodes", "3", run));
  await here.sky(["logs", "three", id]);
  const two = await here.sky(["logs", "three", id, "--rank", "2", "--rank", "0", "--tail", "2"]);
  assert.deepEqual(linesOf(0, two.stdout), ["0.3", "0.4"]);
  assert.deepEqual(linesOf(1, two.stdout), []);
  assert.deepEqual(linesOf(2, two.stdout), ["2.3", "2.4"]);
  const beyond = await here.sky(["logs", "three", id, "--rank", "3"]);
  assert.equal(beyond.code, 2, beyond.stderr);
  assert.match(beyond.stderr, new RegExp(`job ${id} has ranks 0 to 2, not 3`));
});

test("a setup that failed is told whenever its job is looked at", async () => {
  const yaml = [
    "num_nodes: 3",
    "setup: |",
    "  for i in $(seq 20); do echo step $i; done",
    '  case "$SKYPILOT_SETUP_NODE_RANK" in 1) echo broken; sleep 0.5; exit 7;; esac',
    "  sleep 1000",
    "run: echo never",
  ];
  const file = here.file("setup.yaml", `${yaml.join("\n")}\n`);
  const launched = await here.sky(["launch", "-y", "-c", "three", "-d", file]);
  assert.equal(launched.code, 0, launched.stderr);
  const { id } = await jobOf(here, "three");
  await phaseReached(here, { cluster: "three", id }, "FAILED_SETUP");
  for (const args of [["--tail", "1"], ["--no-follow"], []]) {
    const { code, stderr } = await here.sky(["logs", "three", String(id), ...args]);
    assert.equal(code, 100, stderr);
    assert.match(stderr, /Exit codes of the setup: 7 \(worker1\), 137 \(head, worker2\)/);
    const told = stderr.split("\n").filter((line) => line.startsWith("(setup, worker1, "));
    const lines = told.map((line) => line.replace(/^\(.*?\) /, ""));
    const steps = Array.from({ length: 9 }, (_, at) => `step ${at + 12}`);
    assert.deepEqual(lines, [...steps, "broken"]);
  }
});

test("a follower that was stopped for a while has missed nothing", async () => {
  const gate = join(here.folder, "go");
  const run = `echo 1; until [ -e ${gate} ]; do sleep 0.1; done; seq 2 20000`;
  const id = await submit(here, "shared", run);
  const running = here.start(["logs", "shared", String(id)]);
  await until("it shows lines", () => running.stdout().includes(" 1\n"));
  // Ctrl-Z is the shell's: the signal is neither caught nor ignored.
  const status = readFileSync(`/proc/${running.pid}/status`, "utf8");
  const stopBit = 1n << 19n; // Source: signal(7): SIGTSTP is 20.
  for (const mask of ["SigIgn", "SigCgt"]) {
    const bits = BigInt(`0x${new RegExp(`^${mask}:\\s*(\\w+)`, "m").exec(status)?.[1]}`);
    assert.equal(bits & stopBit, 0n, mask);
  }
  running.signal("SIGSTOP");
  writeFileSync(gate, "");
  await phaseReached(here, { cluster: "shared", id }, "SUCCEEDED");
  running.signal("SIGCONT");
  const { code, stdout } = await running.ended;
  assert.equal(code, 0);
  const numbers = stdout.split("\n").flatMap((line) => /^\(.*?\) (\d+)$/.exec(line)?.[1] ?? []);
  assert.equal(numbers.length, 20_000);
  assert.ok(numbers.every((text, at) => Number(text) === at + 1));
});

test("users see their own jobs, and all with -a; nobody cancels another's", async () => {
  const as = (user: string) => ({ env: { SKYPILOT_USER: user } });
  const sky = (user: string, ...args: readonly string[]) => here.sky(args, as(user));
  for (const user of ["ada", "bob"]) await sky(user, "exec", "shared", "-d", "sleep 1000");
  const idsOf = async (user: string, ...more: readonly string[]) => {
    const { stdout } = await sky(user, "queue", "shared", "-s", "-o", "json", ...more);
    const rows: { id: number; user: string }[] = JSON.parse(stdout);
    return rows.map((row) => `${row.user} ${row.id}`);
  };
  const both = await idsOf("eve", "-a");
  const [bobs = "", adas = ""] = both;
  assert.match(`${bobs} ${adas}`, /^bob \d+ ada \d+$/);
  assert.deepEqual(await idsOf("eve"), []);
  assert.deepEqual(await idsOf("ada"), [adas]);
  const [ofBob = "", ofAda = ""] = [bobs, adas].map((text) => text.split(" ")[1]);
  const refused = await sky("ada", "cancel", "shared", "-y", ofAda, ofBob);
  assert.equal(refused.code, 2, refused.stderr);
  assert.match(refused.stderr, new RegExp(`Job ${ofBob} on cluster 'shared' is bob's`));
  assert.deepEqual(await idsOf("eve", "-a"), both);
  // Reading is for all.
  assert.equal((await sky("eve", "logs", "shared", ofBob, "--status")).code, 101);
  const own = await sky("ada", "cancel", "shared", "-y", "--all");
  assert.equal(own.stdout, `Job ${ofAda} cancelled.\n`);
  assert.deepEqual(await idsOf("eve", "-a"), [bobs]);
  assert.equal((await sky("bob", "cancel", "shared", "-y", ofBob)).code, 0);
});

test("what a cluster's jobs wrote is kept when it goes, and sky logs says where", async () => {
  await up(here, "going", "--num-nodes", "2");
  const file = here.file("kept.yaml", "num_nodes: 2\nsetup: echo set up\nrun: echo kept\n");
  assert.equal((await here.sky(["launch", "-y", "-c", "going", file])).code, 0);
  const down = await here.sky(["down", "-y", "going"]);
  assert.equal(down.code, 0, down.stderr);
  const gone = await here.sky(["logs", "going"]);
  assert.equal(gone.code, 2);
  const folder = /its logs are in (\S+)$/m.exec(gone.stderr)?.[1] ?? "";
  assert.ok(down.stdout.includes(folder), down.stdout);
  const texts = readdirSync(folder)
    .sort()
    .map((name) => `${name} ${readFileSync(join(folder, name), "utf8")}`);
  assert.deepEqual(texts, [
    ...["1-1-run-0.log kept\n", "1-1-run-1.log kept\n"],
    ...["1-1-setup-0.log set up\n", "1-1-setup-1.log set up\n"],
  ]);
});
