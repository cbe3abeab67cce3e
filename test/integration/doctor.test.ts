// `sky doctor` and `sky debug export` on a real home: with no head, with one, with one that was
// killed; and that no secret which such a home holds gets into a bundle.

import assert from "node:assert/strict";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import type { Diagnosis, Finding } from "../../client/doctor.ts";
import { type Place, place, type RunOptions, until } from "../support/programs.ts";
import { jobOf } from "./jobs.ts";

interface Diagnosed extends Diagnosis {
  readonly code: number | null;
}

async function diagnosed(here: Place, ...args: readonly string[]): Promise<Diagnosed> {
  const { code, stdout, stderr } = await here.sky(["doctor", ...args, "-o", "json"]);
  assert.ok(stdout.startsWith("{"), stdout + stderr);
  return { code, ...(JSON.parse(stdout) as Diagnosis) };
}

function findings(of: Diagnosis, check: string): readonly Finding[] {
  return of.findings.filter((finding) => finding.check === check);
}

test("doctor starts no head, and finds nothing wrong with a new home", async (t) => {
  const here = place(t);
  chmodSync(here.home, 0o700);
  const { code, stdout } = await here.sky(["doctor"]);
  assert.equal(code, 0, stdout);
  assert.match(stdout, /^ok +home +/m);
  assert.match(stdout, /0 problems, \d warnings?\n$/);
  assert.equal(existsSync(join(here.home, "head")), false);
  assert.deepEqual(here.processes(), []);
});

test("doctor names what is wrong with a home, each with its remedy", async (t) => {
  const here = place(t);
  assert.equal((await here.sky(["launch", "-y", "-c", "demo", "true"])).code, 0);
  chmodSync(join(here.home, "head"), 0o755);
  chmodSync(join(here.home, "head/lock.db"), 0o644);
  writeFileSync(join(here.home, "config.yaml"), "lokal: {}\n");
  const sick = await diagnosed(here);
  assert.equal(sick.code, 1);
  for (const check of ["home modes", "config", "head lock"]) {
    const [found] = findings(sick, check);
    assert.equal(found?.grade, "problem", `${check}: ${found?.text}`);
    assert.ok(found?.remedy, check);
  }
  chmodSync(join(here.home, "head"), 0o700);
  chmodSync(join(here.home, "head/lock.db"), 0o600);
  writeFileSync(join(here.home, "config.yaml"), "");
  assert.equal((await diagnosed(here)).code, 0);
});

test("doctor of a cluster tells of its nodes and of jobs that wait", async (t) => {
  const here = place(t);
  assert.equal(
    (await here.sky(["launch", "-y", "-c", "demo", "--num-nodes", "2", "true"])).code,
    0,
  );
  for (const _ of ["runs", "waits"]) {
    const gang = ["exec", "demo", "-d", "--num-nodes", "2", "--cpus", "1", "sleep 600"];
    assert.equal((await here.sky(gang)).code, 0);
  }
  await until("one runs", async () => (await jobOf(here, "demo", 2)).status === "RUNNING");
  const seen = await diagnosed(here, "demo");
  assert.equal(seen.code, 0, JSON.stringify(seen.findings));
  assert.equal(findings(seen, "nodes")[0]?.text, "2 of 2 alive");
  assert.match(findings(seen, "waiting jobs")[0]?.text ?? "", /^job 3 is PENDING and waits for /);
  assert.match(findings(seen, "head")[0]?.text ?? "", /^process \d+ answers$/);
  const pid = here.heads()[0]?.pid;
  assert.equal(findings(seen, "head lock")[0]?.text, `held by process ${pid}`);
  const unknown = await here.sky(["doctor", "dmo"]);
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /Did you mean|not found/);
});

test("doctor finds the ranks of a killed head, and starts no other", async (t) => {
  const here = place(t);
  assert.equal((await here.sky(["launch", "-y", "-c", "demo", "true"])).code, 0);
  assert.equal((await here.sky(["exec", "demo", "-d", "sleep 600"])).code, 0);
  await until("it runs", async () => (await jobOf(here, "demo", 2)).status === "RUNNING");
  for (const { pid } of here.heads()) process.kill(pid, "SIGKILL");
  await until("the head is gone", () => here.heads().length === 0);
  const seen = await diagnosed(here);
  assert.equal(seen.code, 0, JSON.stringify(seen.findings));
  assert.equal(findings(seen, "head")[0]?.grade, "ok");
  const [left] = findings(seen, "leftovers");
  assert.equal(left?.grade, "warning");
  assert.match(left?.remedy ?? "", /sky status/);
  assert.deepEqual(here.heads(), []);
  assert.equal((await diagnosed(here, "demo")).code, 1, "nobody can be asked of the cluster");
  await followRemedy(here);
});

/** What the doctor says to do about ranks without a head: the next head finds them. */
async function followRemedy(here: Place): Promise<void> {
  assert.equal((await here.sky(["status"])).code, 0);
  await until("every node is back", async () => {
    const [nodes] = findings(await diagnosed(here, "demo"), "nodes");
    return /^(\d) of \1 alive$/.test(nodes?.text ?? "");
  });
}

const planted = {
  ofTask: "planted-task-secret-4711",
  ofEnv: "planted-env-value-4712",
  inCommand: "planted-in-the-command-4713",
  ofClient: "planted-client-token-4714",
  inFile: "planted-in-a-file-4715",
  inLog: "planted-in-a-url-4716",
} as const;

const plantedEnv: RunOptions = { env: { SOME_API_TOKEN: planted.ofClient } };

/** Everything that no bundle may hold: what was planted, and what our programs made themselves. */
function secretsIn(here: Place): readonly string[] {
  const credentials = ["head", "worker1"].flatMap((id) => {
    const path = join(here.home, "clusters/demo/nodes", id, "state/credentials.json");
    if (!existsSync(path)) return [];
    const { nkeySeed, key } = JSON.parse(readFileSync(path, "utf8"));
    return [nkeySeed, key.split("\n")[1]];
  });
  return [...Object.values(planted), ...credentials, "PRIVATE KEY"];
}

async function launchWithSecrets(here: Place): Promise<void> {
  here.file("work/notes.txt", planted.inFile);
  const launched = await here.sky(
    [
      ...["launch", "-y", "-d", "-c", "demo", "--num-nodes", "2", "--workdir", "work"],
      ...["--secret", `PASS=${planted.ofTask}`, "--env", `PLAIN=${planted.ofEnv}`],
      `echo $PASS $PLAIN ${planted.inCommand}; cat notes.txt; sleep 600`,
    ],
    plantedEnv,
  );
  assert.equal(launched.code, 0, launched.stderr);
  await until("it runs", async () => (await jobOf(here, "demo", 1)).status === "RUNNING");
  // As a careless line of a log would have them.
  const lines = [
    { level: "error", msg: `rank failed: PLAIN=${planted.ofEnv} bash`, why: planted.ofTask },
    { level: "warn", msg: `dial tls://ann:${planted.inLog}@host:1`, token: planted.inCommand },
    { level: "warn", env: { PLAIN: planted.ofEnv }, error: { message: planted.ofClient } },
  ];
  const log = join(here.home, "head/skyhead.log");
  for (const line of lines) appendFileSync(log, `${JSON.stringify(line)}\n`);
}

test("the bundle of debug export holds what is needed, and no secret", async (t) => {
  const here = place(t);
  await launchWithSecrets(here);
  const to = join(here.folder, "bug.json.gz");
  const done = await here.sky(["debug", "export", "demo", "--to", to], plantedEnv);
  assert.equal(done.code, 0, done.stderr);
  assert.equal(done.stdout, `${to}\n`);
  assert.equal(statSync(to).mode & 0o777, 0o600);
  const text = gunzipSync(readFileSync(to)).toString();
  for (const secret of secretsIn(here)) assert.ok(!text.includes(secret), `it holds ${secret}`);
  const bundle = JSON.parse(text);
  assert.equal(bundle.versions.head.pid, here.heads()[0]?.pid);
  assert.equal(bundle.clusters.demo.status.status, "UP");
  assert.match(bundle.clusters.demo.chains[0].summary, /^job 1 is RUNNING/);
  assert.ok(bundle.inspect.process.actors.length > 0);
  assert.ok(bundle.doctor.findings.length > 20);
  assert.ok(bundle.headLog.length >= 3);
  assert.ok(bundle.files.lines.some((line: string) => /^0600 \d+ head\/journal\.db$/.test(line)));
  const again = await here.sky(["debug", "export", "--to", to]);
  assert.equal(again.code, 1, "a file that is there is not written over");
});

test("debug export works without a head, and starts none", async (t) => {
  const here = place(t);
  await launchWithSecrets(here);
  for (const { pid } of here.heads()) process.kill(pid, "SIGKILL");
  await until("the head is gone", () => here.heads().length === 0);
  const done = await here.sky(["debug", "export"], plantedEnv);
  assert.equal(done.code, 0, done.stderr);
  const path = done.stdout.trim();
  assert.match(path, /\/sky-debug-\d{8}-\d{6}\.json\.gz$/);
  const text = gunzipSync(readFileSync(path)).toString();
  for (const secret of secretsIn(here)) assert.ok(!text.includes(secret), `it holds ${secret}`);
  assert.equal(JSON.parse(text).inspect, "no head runs");
  assert.deepEqual(here.heads(), []);
  const unknown = await here.sky(["debug", "export", "demo", "extra"]);
  assert.equal(unknown.code, 2);
  await followRemedy(here);
});
