// The SDK over a real gRPC connection to a head of a few lines: keys, retries, resumption, aborts.
// The connection is real, so that what breaks is what breaks for a user.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isSkyError, Sky } from "../../client/index.ts";
import { SkyError } from "../../model/errors.ts";
import type { Job } from "../../model/job.ts";
import { jobToProto } from "../../proto/converters-job.ts";
import { rankKeyToProto } from "../../proto/converters-rank.ts";
import { stage } from "./client-stage.ts";

const job: Job = {
  ...{ id: 7, name: "t", user: "u", status: "SUCCEEDED", phase: "ended", submittedAt: 1 },
  ...{ resources: "1x [CPU:0.5]", numNodes: 1, attempt: 1, setups: [], sweeps: [] },
  ranks: [{ rank: 0, node: "head", ip: "127.0.0.1", pid: 11, exit: { kind: "code", code: 0 } }],
  reason: { code: "all-ranks-exited-0", params: {} },
};

test("a submission that is repeated carries the same key", async (t) => {
  const keys: string[] = [];
  const { home } = await stage(t, {
    jobs: {
      submit: async ({ idempotencyKey, tasks }) => {
        keys.push(idempotencyKey);
        if (keys.length < 3) throw new SkyError("mailbox/full", { to: "scheduler", count: 1 });
        return { jobIds: tasks.map((_, index) => index + 1) };
      },
    },
  });
  const sky = new Sky({ home });
  assert.deepEqual(await sky.submitMany("demo", [{ run: "a" }, { run: "b" }]), [1, 2]);
  assert.equal(keys.length, 3);
  assert.equal(new Set(keys).size, 1);
  await sky.submitMany("demo", [{ run: "c" }]);
  assert.equal(new Set(keys).size, 2, "another submission is another one");
  sky.close();
});

test("an error that is not for retrying is asked once and arrives typed", async (t) => {
  let asked = 0;
  const { home } = await stage(t, {
    jobs: {
      listJobs: async () => {
        asked += 1;
        throw new SkyError("cluster/not-found", { name: "dema", hint: " Did you mean 'demo'?" });
      },
    },
  });
  const sky = new Sky({ home });
  await assert.rejects(sky.queue("dema"), (error: unknown) => {
    assert.ok(isSkyError(error, "cluster/not-found"));
    assert.equal(error.message, "Cluster dema not found. Did you mean 'demo'?");
    return true;
  });
  assert.equal(asked, 1);
  sky.close();
});

test("an invalid task never reaches the head, and every problem is told", async (t) => {
  const { home } = await stage(t, {});
  const sky = new Sky({ home });
  const tasks = [{ run: "a" }, { num_nodes: 0 }, { runn: "b" }] as never;
  await assert.rejects(sky.submitMany("demo", tasks), (error: unknown) => {
    assert.ok(isSkyError(error, "task/invalid"));
    assert.match(error.message, /^tasks\[1\]\.num_nodes: /m);
    assert.match(error.message, /^tasks\[2\]\.runn: /m);
    return true;
  });
});

test("what has the wrong type is one typed error, and asks the head for nothing", async () => {
  const sky = new Sky({ home: "/nowhere" });
  // What a program without types may do.
  const wrong = (value: unknown): never => value as never;
  const inside: Record<string, unknown> = {};
  inside["inside"] = inside;
  const calls: readonly (readonly [string, () => Promise<unknown>])[] = [
    ["task/invalid", () => sky.exec(wrong(null), { cluster: "demo" })],
    ["task/invalid", () => sky.exec(wrong({ envs: inside }), { cluster: "demo" })],
    ["task/invalid", () => sky.submitMany("demo", wrong("echo"))],
    ["request/invalid", () => sky.job("demo", wrong("1; x"))],
    ["request/invalid", () => sky.wait("demo", 1.5)],
    ["request/invalid", () => sky.cancel("demo", [0])],
    ["request/invalid", async () => sky.logs("demo", -1)],
    ["request/invalid", async () => sky.logs("demo", 1, { offset: -1 })],
    ["request/invalid", async () => sky.logs("demo", 1, { rank: 0.5 })],
    ["request/invalid", () => sky.cancel("demo", wrong(undefined))],
    ["request/invalid", () => sky.cancel("demo", wrong([undefined]))],
    ["request/invalid", () => sky.jobStatus("demo", wrong(["1"]))],
    ["request/invalid", () => sky.autostop("demo", wrong(10))],
    ["request/invalid", () => sky.autostop("demo", wrong(undefined))],
  ];
  for (const [code, call] of calls) {
    await assert.rejects(call, (error) => isSkyError(error, wrong(code)), String(call));
  }
});

test("no cluster, or an empty name of one, is one typed error that names it", async () => {
  const sky = new Sky({ home: "/nowhere" });
  const task = { run: "x" };
  const calls: readonly ((cluster: string) => Promise<unknown>)[] = [
    (cluster) => sky.exec(task, { cluster }),
    (cluster) => sky.submitMany(cluster, [task]),
    (cluster) => sky.status([cluster]),
    (cluster) => sky.start(cluster),
    (cluster) => sky.stop(cluster),
    (cluster) => sky.down(cluster),
    (cluster) => sky.autostop(cluster, null),
    (cluster) => sky.queue(cluster),
    (cluster) => sky.job(cluster),
    (cluster) => sky.jobStatus(cluster),
    (cluster) => sky.wait(cluster),
    (cluster) => sky.cancel(cluster, "all"),
    async (cluster) => sky.logs(cluster),
    (cluster) => sky.tailLogs(cluster),
    (cluster) => sky.downloadLogs(cluster),
    (cluster) => sky.why(cluster),
    async (cluster) => sky.events(cluster),
  ];
  const isNamed = (error: unknown) =>
    isSkyError(error, "request/invalid") && error.params["field"] === "cluster";
  for (const call of calls) {
    // The second is what a program without types may do.
    for (const cluster of ["", undefined as never]) {
      await assert.rejects(() => call(cluster), isNamed, String(call));
    }
  }
  await assert.rejects(sky.exec(task, {} as never), isNamed);
  await assert.rejects(sky.doctor(""), isNamed);
  await assert.rejects(sky.exportDebug({ cluster: " " }), isNamed);
});

test("an option that nobody knows is refused, with the name that was meant", async () => {
  const sky = new Sky({ home: "/nowhere" });
  const wrong = (value: unknown): never => value as never;
  const task = { run: "true" };
  const calls: readonly (readonly [() => Promise<unknown>, RegExp])[] = [
    [() => sky.launch(task, wrong("demo")), /should be an object such as \{ cluster: "demo" \}/],
    [() => sky.exec(task, wrong("demo")), /\{ cluster: "demo" \}, not "demo"/],
    [() => sky.exec(task, wrong(undefined)), /not undefined/],
    [() => sky.launch(task, wrong({ cluster_name: "a" })), /launch\. Did you mean 'cluster'\?/],
    [() => sky.launch(task, wrong({ idle_minutes_to_autostop: 1 })), /'idleMinutes'/],
    [() => sky.launch(task, wrong({ retry_until_up: true })), /'retryUntilUp'/],
    [() => sky.launch(task, wrong({ dryRun: true })), /'dryrun'/],
    [() => sky.dryrun(task, wrong({ backend: 1 })), /"backend" is no option of launch\.$/],
    [() => sky.exec(task, wrong({ cluster: "a", down: true })), /"down" is no option of exec\./],
    [() => sky.optimize(task, wrong({ minimize: 1 })), /no option of optimize/],
    [() => sky.submitMany("a", [task], wrong({ cluster: "b" })), /no option of submitMany/],
    [() => sky.queue("a", wrong({ all_users: true })), /'allUsers'/],
    [() => sky.queue("a", wrong({ skip_finished: true })), /'skipFinished'/],
    [() => sky.status("a", wrong({ refesh: true })), /'refresh'/],
    [() => sky.status("a", wrong(true)), /not true/],
    [() => sky.start("a", wrong({ idleMinute: 5 })), /'idleMinutes'/],
    [() => sky.down("a", wrong({ purg: true })), /'purge'/],
    [() => sky.autostop("a", wrong({ idle_minutes: 5 })), /'idleMinutes'/],
    [() => sky.tailLogs("a", 1, wrong({ folow: false })), /'follow'/],
    [() => sky.downloadLogs("a", 1, wrong({ local_dir: "x" })), /'localDir'/],
  ];
  for (const [call, text] of calls) {
    await assert.rejects(call, (error) => {
      assert.ok(isSkyError(error, "request/invalid"), String(call));
      assert.match(error.message, text);
      return true;
    });
  }
});

test("a log goes on where it was when the head comes back", async (t) => {
  const text = "0123456789";
  const key = rankKeyToProto({ job: 7, attempt: 1, phase: "run", index: 0 });
  let streams = 0;
  const self = await stage(t, {
    jobs: {
      tailLogs: async function* ({ offsets }) {
        streams += 1;
        const first = streams === 1;
        yield { job: jobToProto(job) };
        const from = offsets[0]?.offset ?? 0;
        const data = Buffer.from(first ? text.slice(0, 4) : text.slice(from));
        yield { chunk: { key, offset: from, data } };
        if (first) setImmediate(() => self.cut());
        if (first) await new Promise(() => {});
        yield { ended: jobToProto(job) };
      },
    },
  });
  const sky = new Sky({ home: self.home });
  const log = sky.logs("demo", 7);
  let got = "";
  let served = false;
  for await (const { bytes, offset, rank, node, pid } of log) {
    assert.deepEqual([offset, rank, node, pid], [got.length, 0, "head", 11]);
    got += Buffer.from(bytes).toString();
    if (!served) await self.serve();
    served = true;
  }
  assert.equal(got, text);
  const { status, ranks, reasonText } = await log.outcome;
  assert.equal(status, "SUCCEEDED");
  assert.equal(ranks[0]?.exitCode, 0);
  assert.equal(reasonText, "every rank exited with 0");
  sky.close();
});

test("an aborted signal ends a call and a stream with core/cancelled", async (t) => {
  const { home } = await stage(t, {
    jobs: {
      getJob: () => new Promise(() => {}),
      tailLogs: async function* () {
        await new Promise(() => {});
      },
    },
  });
  const abort = new AbortController();
  const sky = new Sky({ home, signal: abort.signal });
  const isCancelled = (error: unknown): boolean => isSkyError(error, "core/cancelled");
  const log = sky.logs("demo", 7);
  const calls = [
    assert.rejects(sky.job("demo", 7), isCancelled),
    assert.rejects(async () => {
      for await (const _ of log);
    }, isCancelled),
  ];
  setTimeout(() => abort.abort(), 50);
  await Promise.all(calls);
  await assert.rejects(log.outcome, isCancelled);
  sky.close();
});

test("wait is woken by events and reads the record", async (t) => {
  let status: Job["status"] = "RUNNING";
  const { home } = await stage(t, {
    jobs: {
      getJob: async () => ({ job: jobToProto({ ...job, status }) }),
      watchEvents: async function* ({ afterSeq }) {
        const common = {
          at: 1,
          subject: "job/7",
          actor: "x",
          kind: "phase",
          cause: "",
          evidence: {},
        };
        yield { event: { ...common, seq: afterSeq + 1, from: "", to: "draining" } };
        status = "SUCCEEDED";
        yield { event: { ...common, seq: afterSeq + 2, from: "", to: "ended" } };
      },
    },
  });
  const sky = new Sky({ home });
  assert.equal((await sky.wait("demo", 7)).status, "SUCCEEDED");
  sky.close();
});

test("launch brings the cluster up, then submits with autostop in the same call", async (t) => {
  const said: string[] = [];
  const cluster = {
    ...{ name: "demo", status: 2, cloud: "local", isolation: "embedded", launchedAt: 1 },
    ...{ resources: "2x Local", command: "", nodes: [] },
  };
  const { home } = await stage(t, {
    clusters: {
      launch: async function* ({ cluster: name, numNodes, cpus, accelerators }) {
        said.push(
          `launch ${name} ${numNodes} ${cpus} ${accelerators?.name}:${accelerators?.count}`,
        );
        yield { progress: { nodesUp: 1, nodesWanted: 2, text: "starting" } };
        yield { cluster };
      },
    },
    jobs: {
      submit: async ({ autostop, noSetup, tasks }) => {
        said.push(`submit ${autostop?.idleSeconds} ${autostop?.down} ${noSetup} ${tasks[0]?.run}`);
        return { jobIds: [3] };
      },
    },
  });
  const sky = new Sky({ home });
  const progress: number[] = [];
  const { jobId } = await sky.launch(
    { run: "hostname", resources: { cpus: 1, accelerators: "v100" } },
    {
      ...{ cluster: "demo", numNodes: 2, cpus: 4, idleSeconds: 60, down: true },
      onProgress: ({ nodesUp }) => progress.push(nodesUp),
    },
  );
  assert.equal(jobId, 3);
  assert.deepEqual(progress, [1]);
  assert.deepEqual(said, ["launch demo 2 4 V100:1", "submit 60 true false hostname"]);
  sky.close();
});
