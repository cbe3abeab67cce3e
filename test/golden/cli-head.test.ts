// What the commands print when a head answers: tables, prefixes, outcomes, exit codes.
//
// The head is a few lines behind a real socket, so times and pids are always the same ones.

import { execFile } from "node:child_process";
import { join, resolve } from "node:path";
import { after, test } from "node:test";
import type { ClusterCost, ClusterView } from "../../model/cluster.ts";
import { SkyError } from "../../model/errors.ts";
import type { Job, RankRecord } from "../../model/job.ts";
import { clusterToProto, costToProto } from "../../proto/converters-cluster.ts";
import { eventToProto, jobToProto } from "../../proto/converters-job.ts";
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
  ...{ launchedAt: now - 3 * hourMs, resources: "2x Local(cpus=2)", nodes: [node(0), node(1)] },
  ...{ command: "sky launch -c two --num-nodes 2 train.yaml", user: "ann", lastUsedAt: now },
  autostop: { idleMs: 600_000, verb: "down", verdict: "not idle: job 2 RUNNING" },
};
const one: ClusterView = { ...two, name: "one", nodes: [node(0)], resources: "1x Local(cpus=2)" };
const { autostop: _none, ...stopped } = { ...one, name: "old", status: "STOPPED" } as const;

const rank = (index: number, over: Partial<RankRecord> = {}): RankRecord => ({
  ...{ rank: index, node: node(index).id, ip: node(index).ip, pid: 100 + index },
  ...{ startedAt: now - 2 * hourMs, exit: { kind: "code", code: 0 } },
  ...over,
});

const times = { submittedAt: now - 2 * hourMs, startedAt: now - 2 * hourMs };
const done: Job = {
  ...{ id: 1, name: "train", user: "ann", status: "SUCCEEDED", phase: "ended", ...times },
  ...{ endedAt: now - 2 * hourMs + 65_000, resources: "2x [CPU:0.5]", numNodes: 2, attempt: 1 },
  ...{ ranks: [rank(0), rank(1)], setups: [], sweeps: [] },
  reason: { code: "all-ranks-exited-0", params: {} },
};
const failed: Job = {
  ...{ ...done, id: 2, name: "-", status: "FAILED" },
  ranks: [rank(0, { exit: { kind: "code", code: 7 } })],
  reason: {
    code: "rank-failed",
    params: { rank: "0", node: "head", outcome: "exited with 7", peers: "" },
  },
};
const waiting: Job = {
  ...{ id: 3, name: "next", user: "ann", status: "PENDING", phase: "queued" },
  ...{ submittedAt: now - hourMs, resources: "2x [V100:1]", numNodes: 2, attempt: 1 },
  ...{ ranks: [], setups: [], sweeps: [], waitingFor: "2 nodes with V100:1: job 2 has them" },
};
const jobs = [waiting, failed, done];

function jobOf(id: number): Job {
  const job = id === 0 ? done : jobs.find((candidate) => candidate.id === id);
  if (job === undefined) throw new SkyError("job/not-found", { id, name: "two" });
  return job;
}

const cost = (index: number): ClusterCost => ({
  ...{ name: `gone-${index}`, user: "ann", launchedAt: now - index * 24 * hourMs, numNodes: 2 },
  ...{ durationMs: hourMs, resources: "2x AWS(p3.2xlarge)", costPerHour: 6.12, cost: 6.12 },
  usage: [{ startedAt: now - index * 24 * hourMs, endedAt: now - index * 24 * hourMs + hourMs }],
});
const costs: readonly ClusterCost[] = [
  ...[1, 2, 3, 4, 5].map(cost),
  {
    ...{ name: "one", user: "ann", launchedAt: now - 3 * hourMs, durationMs: 3 * hourMs },
    ...{ numNodes: 1, resources: "1x Local(cpus=2)", status: "UP", costPerHour: 0, cost: 0 },
    usage: [{ startedAt: now - 3 * hourMs }],
  },
  {
    ...{ name: "old", user: "ann", launchedAt: now - 4 * hourMs, durationMs: 65_000, numNodes: 1 },
    ...{ resources: "1x Moon(large)", status: "STOPPED", usage: [] },
  },
];

const refreshed = [
  { cluster: "three", text: "Autodowned cluster: three", failed: false },
  { cluster: "one", text: "one: the cloud did not answer", failed: true },
];

const texts = ["first line\nsecond", "10%\r100%\nlast\n"];

const methods = {
  clusters: {
    status: async ({ refresh }: { refresh: boolean }) => ({
      clusters: [one, stopped, two].map(clusterToProto),
      refreshed: refresh ? refreshed : [],
    }),
    launch: async function* () {
      yield { progress: { nodesUp: 1, nodesWanted: 2, text: "two: 1 of 2 nodes up" } };
      yield { cluster: clusterToProto(two) };
    },
    costReport: async () => ({ clusters: costs.map(costToProto) }),
    start: async function* () {
      yield { cluster: clusterToProto(one) };
    },
    stop: async () => ({}),
    down: async ({ cluster }: { cluster: string }) => {
      if (cluster === "old") throw new SkyError("cluster/start-failed", { name: "old", why: "x" });
      return { logsArchive: `LOGS/${cluster}` };
    },
    setAutostop: async () => ({}),
  },
  jobs: {
    submit: async () => ({ jobIds: [1] }),
    listJobs: async () => ({ jobs: jobs.map(jobToProto) }),
    getJob: async ({ job }: { job: number }) => ({ job: jobToProto(jobOf(job)) }),
    cancel: async () => ({ cancelled: [3] }),
    tailLogs: async function* ({ job: id, follow }: { job: number; follow: boolean }) {
      const job = jobOf(id);
      yield { job: jobToProto(job) };
      for (const { rank: index } of job.ranks) {
        const key = rankKeyToProto({ job: job.id, attempt: 1, phase: "run", index });
        const data = Buffer.from(texts[index] ?? "");
        yield { chunk: { key, offset: 0, data } };
      }
      if (job.phase === "ended" || follow) yield { ended: jobToProto(job) };
    },
    why: async () => ({
      summary: "job 2 is FAILED: rank 0 on head exited with 7",
      chain: [
        eventToProto({
          ...{ seq: 1, at: 1_000, subject: "job/2", actor: "user:ann", kind: "submitted" },
          ...{ to: "queued", cause: "submitted by ann", evidence: {} },
        }),
        eventToProto({
          ...{ seq: 2, at: 2_345, subject: "job/2", actor: "agent:head", kind: "phase" },
          ...{ from: "running", to: "draining", cause: "rank 0 exited with 7" },
          evidence: { rank: "0", exit: "7" },
        }),
      ],
    }),
  },
};

const commands = [
  ["status"],
  ["status", "t*", "x*"],
  ["status", "tow"],
  ["status", "-a", "-u", "one"],
  ["status", "-r"],
  ["status", "--ip", "two"],
  ["status", "--ip", "old"],
  ["status", "--ip", "t*", "-r"],
  ["cost-report"],
  ["cost-report", "-a"],
  ["cost-report", "--days", "1.5", "-a"],
  ["queue", "two"],
  ["launch", "-y", "-c", "two", "--num-nodes", "2", "hostname"],
  ["launch", "-y", "-c", "two", "-d", "hostname"],
  ["launch", "-y", "-c", "two"],
  ["launch", "-c", "new", "hostname"],
  ["exec", "two", "hostname"],
  ["logs", "two", "2"],
  ["logs", "one", "2"],
  ["logs", "two", "3", "--no-follow"],
  ["logs", "two", "9"],
  ["logs", "two", "1", "--status"],
  ["logs", "two", "2", "--status"],
  ["logs", "two", "3", "--status"],
  ["cancel", "two", "3", "1", "-y"],
  ["why", "two", "2"],
  ["autostop", "two", "-i", "0.5", "--down"],
  ["autostop", "two", "--cancel"],
  ["start"],
  ["start", "one", "old"],
  ["start", "-f", "one", "-i", "1h"],
  ["stop", "two"],
  ["down", "two"],
  ["down", "t*", "old", "-y"],
  ["down", "-a"],
  ["down", "-u"],
  ["down", "-u", "two", "-y"],
  ["launch", "--dryrun", "-c", "old", "-i", "10", "--down", "--env", "A=1", "hostname"],
  ["launch", "--dryrun", "-c", "two", "--num-nodes", "5", "true"],
  ["launch", "--dryrun", "-c", "two", "--cpus", "64", "true"],
  ["launch", "--dryrun", "-c", "old", "--gpus", "K81", "true"],
  ["down", "nobody"],
];

test("the commands against a head", async (t) => {
  const { home } = await stage(t, methods);
  const steps: string[] = [];
  for (const args of commands) {
    steps.push(transcriptStep(`sky ${args.join(" ")}`, await sky(home, args)));
  }
  assertGolden("cli/head.txt", steps.join("\n"));
});

test("the same as JSON", async (t) => {
  const { home } = await stage(t, methods);
  const plain = async (args: readonly string[]): Promise<string> => {
    return (await sky(home, [...args, "-o", "json"])).replaceAll(/"(\w+At)": \d+/g, '"$1": 0');
  };
  assertGolden("cli/queue.json.txt", await plain(["queue", "two"]));
  assertGolden("cli/status.json.txt", await plain(["status", "two"]));
  assertGolden("cli/cost-report.json.txt", await plain(["cost-report", "--days", "1"]));
  assertGolden("cli/check.json.txt", await plain(["check", "local", "aws"]));
});

const running: Promise<unknown>[] = [];
after(() => Promise.all(running));

function sky(home: string, args: readonly string[]): Promise<string> {
  const env = { PATH: process.env["PATH"], HOME: home, SKY_HOME: home };
  const ended = new Promise<string>((resolveEnd) => {
    const program = join(checkout, "bin/sky.ts");
    execFile(process.execPath, [program, ...args], { env, cwd: home }, (error, stdout, stderr) => {
      const marked = stderr.replaceAll(/^(?=.)/gm, "! ");
      resolveEnd(`${stdout}${marked}exit ${error?.code ?? 0}\n`);
    });
  });
  running.push(ended);
  return ended;
}
