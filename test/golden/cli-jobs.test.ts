// What queue, logs and cancel say, to the letter: several jobs and globs, ranks, failed setups,
// other users' jobs, clusters that are gone, and every kind of wrong use.
//
// The head is a few lines behind a real socket, so times and pids are always the same ones. It
// counts what it was asked: wrong use must not reach it.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, test } from "node:test";
import type { ClusterView } from "../../model/cluster.ts";
import { SkyError } from "../../model/errors.ts";
import type { Exit, Job, RankRecord } from "../../model/job.ts";
import { clusterToProto } from "../../proto/converters-cluster.ts";
import { jobToProto } from "../../proto/converters-job.ts";
import { rankKeyToProto } from "../../proto/converters-rank.ts";
import { assertGolden, transcriptStep } from "../support/golden.ts";
import { stage } from "../unit/client-stage.ts";

const checkout = resolve(import.meta.dirname, "../..");
const hourMs = 3_600_000;
const now = Date.now();

const node = (index: number): ClusterView["nodes"][number] => ({
  id: index === 0 ? "head" : `worker${index}`,
  ...{ index, ip: `127.1.0.${index + 1}`, phase: "alive" },
  capacity: { cpus: 2, memoryBytes: 8 << 20, accelerators: [] },
});

const two: ClusterView = {
  ...{ name: "two", status: "UP", cloud: "local", isolation: "embedded" },
  ...{ launchedAt: now - 3 * hourMs, resources: "2x Local", nodes: [node(0), node(1)] },
  ...{ command: "sky launch -c two", user: "ann", lastUsedAt: now },
};
const old: ClusterView = { ...two, name: "old", status: "STOPPED", nodes: [node(0)] };
const coming: ClusterView = { ...two, name: "coming", status: "INIT" };

const rank = (index: number, exit: Exit = { kind: "code", code: 0 }): RankRecord => ({
  ...{ rank: index, node: node(index).id, ip: node(index).ip, pid: 100 + index, exit },
});

const done: Job = {
  ...{ id: 1, name: "train", user: "ann", status: "SUCCEEDED", phase: "ended" },
  ...{ submittedAt: now - 2 * hourMs, startedAt: now - 2 * hourMs },
  ...{ endedAt: now - 2 * hourMs + 65_000, resources: "2x [CPU:0.5]", numNodes: 2, attempt: 1 },
  ...{ ranks: [rank(0), rank(1)], setups: [], sweeps: [] },
  reason: { code: "all-ranks-exited-0", params: {} },
};
const { endedAt: _never, reason: _none, ...begun } = done;
const running: Job = {
  ...{ ...begun, id: 10, status: "RUNNING", phase: "running", numNodes: 1 },
  ranks: [rank(0)],
};
const theirs: Job = { ...running, id: 11, user: "bob", name: "serve" };
const unready: Job = {
  ...{ ...done, id: 2, status: "FAILED_SETUP", ranks: [] },
  setups: [
    rank(0),
    { ...rank(1, { kind: "code", code: 7 }), pid: 201 },
    { ...rank(2, { kind: "stopped", why: "peer-failed" }), pid: 202 },
  ],
  reason: { code: "setup-failed", params: { node: "worker1", outcome: "exited with 7" } },
};
const alone: Job = { ...unready, id: 3, setups: unready.setups.slice(1, 2) };
const jobs = [theirs, running, alone, unready, done];

const texts = ["first line\nsecond", "10%\r100%\nlast\n"];
const setupLines = (index: number): readonly string[] =>
  Array.from({ length: 12 }, (_, at) => `step ${at + 1} of setup ${index}\n`);

let asked = 0;

function jobOf(id: number): Job {
  asked += 1;
  const job = id === 0 ? theirs : jobs.find((candidate) => candidate.id === id);
  if (job === undefined) throw new SkyError("job/not-found", { id, name: "two" });
  return job;
}

interface TailRequest {
  readonly job: number;
  readonly follow: boolean;
  readonly tailLines: number;
  readonly ranks: readonly number[];
}

function* chunksOf(job: Job, { ranks, tailLines }: TailRequest) {
  for (const { rank: index } of ranks.length === 0 ? job.setups : []) {
    const key = rankKeyToProto({ job: job.id, attempt: 1, phase: "setup", index });
    // Slicing at -0 takes all.
    const data = Buffer.from(setupLines(index).slice(-tailLines).join(""));
    yield { chunk: { key, offset: 0, data } };
  }
  for (const { rank: index } of job.ranks) {
    if (ranks.length > 0 && !ranks.includes(index)) continue;
    const key = rankKeyToProto({ job: job.id, attempt: 1, phase: "run", index });
    yield { chunk: { key, offset: 0, data: Buffer.from(texts[index] ?? "") } };
  }
}

const methods = {
  clusters: {
    status: async () => {
      asked += 1;
      return { clusters: [coming, old, two].map(clusterToProto) };
    },
  },
  jobs: {
    listJobs: async (request: { cluster: string; user?: string | null; skipFinished: boolean }) => {
      const { cluster, user, skipFinished } = request;
      const refusal = { what: "Getting the job queue", name: cluster, status: "INIT" };
      if (cluster === "coming") throw new SkyError("cluster/not-up", refusal);
      const seen = cluster === "old" ? [done] : jobs;
      const those = seen
        .filter((job) => !user || job.user === user)
        .filter(({ phase }) => !skipFinished || phase !== "ended");
      return { jobs: those.map(jobToProto) };
    },
    getJob: async ({ cluster, job }: { cluster: string; job: number }) => {
      if (cluster === "gone") throw new SkyError("cluster/not-found", { name: "'gone'", hint: "" });
      return { job: jobToProto(jobOf(job)) };
    },
    cancel: async (request: { jobs: number[]; all: boolean; user: string }) => {
      const { jobs: ids, all, user } = request;
      if (all) return { cancelled: user === "ann" ? [10] : [] };
      for (const id of ids) {
        const { user: owner } = jobOf(id);
        const refusal = { id, name: "two", owner, user };
        if (owner !== user) throw new SkyError("job/not-yours", refusal);
      }
      return { cancelled: ids.filter((id) => id === 10) };
    },
    tailLogs: async function* (request: TailRequest) {
      const job = jobOf(request.job);
      yield { job: jobToProto(job) };
      yield* chunksOf(job, request);
      if (job.phase === "ended" || request.follow) yield { ended: jobToProto(job) };
    },
  },
};

const commands = [
  ["queue"],
  ["queue", "two", "-a"],
  ["queue", "two", "-u", "-s"],
  ["queue", "old"],
  ["queue", "coming"],
  ["queue", "*o*", "-s"],
  ["queue", "t*", "x*"],
  ["queue", "x*"],
  ["queue", "tow"],
  ["logs", "two", "1", "--rank", "1"],
  ["logs", "two", "1", "1", "--rank", "1", "--rank", "0"],
  ["logs", "two", "1", "10", "--no-follow"],
  ["logs", "two", "1*", "--no-follow", "--rank", "0"],
  ["logs", "two", "1*", "--no-follow", "--rank", "1"],
  ["logs", "two", "?"],
  ["logs", "two", "[1]"],
  ["logs", "two", "x*"],
  ["logs", "two", "1", "77", "--no-follow"],
  ["logs", "two", "2"],
  ["logs", "two", "2", "--tail", "1"],
  ["logs", "old", "3"],
  ["logs", "old", "3", "--rank", "0"],
  ["logs", "two", "1", "2", "--status"],
  ["logs", "two", "*", "--status"],
  ["logs", "two", "1", "1", "--status"],
  ["logs", "two", "1", "77", "--status"],
  ["logs", "two", "77", "--status"],
  ["logs", "two", "x*", "--status"],
  ["logs", "two", "1", "1*", "--sync-down", "--local-dir", "LOGS"],
  ["logs", "two", "1", "--sync-down", "--rank", "1", "--local-dir", "ONE"],
  ["logs", "two", "77", "--sync-down"],
  ["logs", "two", "x*", "--sync-down"],
  ["logs", "two", "1", "x*", "--sync-down", "--local-dir", "MORE"],
  ["logs", "two", "10", "--sync-down", "--rank", "1"],
  ["logs", "gone"],
  ["logs", "gone", "1", "--status"],
  ["logs", "gone", "1", "--sync-down"],
  ["logs", "nobody"],
  ["cancel", "two", "10", "1", "10"],
  ["cancel", "two", "10", "11"],
  ["cancel", "two", "10", "77"],
  ["cancel", "two", "-a", "-y"],
] as const;

test("queue, logs and cancel against a head", async (t) => {
  const { home } = await stage(t, methods);
  for (const stamp of ["20260101-000000-000", "20260102-030405-678"]) {
    mkdirSync(join(home, `logs/gone-${stamp}`), { recursive: true });
  }
  mkdirSync(join(home, "logs/gone-2026-01-01"), { recursive: true });
  const steps: string[] = [];
  for (const args of commands) {
    steps.push(transcriptStep(`sky ${args.join(" ")}`, await sky(home, args)));
  }
  assertGolden("cli/jobs.txt", steps.join("\n"));
  const files = readdirSync(home, { recursive: true, encoding: "utf8" })
    .filter((name) => /^(LOGS|ONE|MORE)\/.*\.log$/.test(name))
    .map((name) => name.replaceAll(/\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d/g, "TIME"));
  assert.deepEqual(files.sort(), [
    ...["LOGS/two-1-TIME/0-head.log", "LOGS/two-1-TIME/1-worker1.log"],
    ...["LOGS/two-10-TIME/0-head.log", "LOGS/two-11-TIME/0-head.log"],
    ...["MORE/two-1-TIME/0-head.log", "MORE/two-1-TIME/1-worker1.log"],
    "ONE/two-1-TIME/1-worker1.log",
  ]);
});

test("who has cancelled nothing is told so", async (t) => {
  const { home } = await stage(t, methods);
  const said = await sky(home, ["cancel", "two", "--all", "-y"], { SKYPILOT_USER: "eve" });
  assert.equal(said, "No job of yours was running or waiting.\nexit 0\n");
});

const misuses = [
  ["queue", "two", "-o", "xml"],
  ["queue", "--all"],
  ["logs"],
  ["logs", "two", "first"],
  ["logs", "two", "0"],
  ["logs", "two", "1", "-2"],
  ["logs", "two", "1", "2"],
  ["logs", "two", "1", "2", "x", "--sync-down"],
  ["logs", "two", "--status", "--sync-down"],
  ["logs", "two", "--status", "--tail", "3"],
  ["logs", "two", "--status", "--rank", "0"],
  ["logs", "two", "--sync-down", "--tail", "3"],
  ["logs", "two", "--local-dir", "x"],
  ["logs", "two", "--tail", "-1"],
  ["logs", "two", "--tail", "1.5"],
  ["logs", "two", "--tail", "many"],
  ["logs", "two", "--rank", "-1"],
  ["logs", "two", "--rank", "head"],
  ["logs", "two", "--provision"],
  ["logs", "two", "--follow", "--no-such-flag"],
  ["cancel"],
  ["cancel", "two"],
  ["cancel", "two", "first"],
  ["cancel", "two", "1*"],
  ["cancel", "two", "10", "--all"],
  ["cancel", "two", "--all-users"],
  ["cancel", "two", "-a"],
  ["why", "two", "first"],
] as const;

test("wrong use of queue, logs and cancel asks nobody anything", async (t) => {
  const { home } = await stage(t, methods);
  asked = 0;
  const steps: string[] = [];
  for (const args of misuses) {
    const said = await sky(home, args);
    assert.match(said, /exit 2\n$/, said);
    steps.push(transcriptStep(`sky ${args.join(" ")}`, said));
  }
  assert.equal(asked, 0);
  assertGolden("cli/jobs-misuse.txt", steps.join("\n"));
});

test("wrong use starts no head", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "sky-golden-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const args of misuses) await sky(folder, args);
  assert.equal(existsSync(join(folder, "head")), false);
});

const runs: Promise<unknown>[] = [];
after(() => Promise.all(runs));

function sky(
  home: string,
  args: readonly string[],
  more: Readonly<Record<string, string>> = {},
): Promise<string> {
  const env = {
    ...{ PATH: process.env["PATH"], HOME: home, SKY_HOME: home, SKYPILOT_USER: "ann" },
    ...more,
  };
  const ended = new Promise<string>((resolveEnd) => {
    const program = join(checkout, "bin/sky.ts");
    execFile(process.execPath, [program, ...args], { env, cwd: home }, (error, stdout, stderr) => {
      const marked = stderr.replaceAll(/^(?=.)/gm, "! ");
      const said = `${stdout}${marked}exit ${error?.code ?? 0}\n`.replaceAll(home, "HOME");
      // What still runs has run a little longer by the time that it is shown.
      const steady = said.replaceAll(/ 2h \d+s +2x/g, " 2h        2x");
      resolveEnd(steady.replaceAll(/(two-\d+)-\d{4}(-\d\d){5}/g, "$1-TIME"));
    });
  });
  runs.push(ended);
  return ended;
}
