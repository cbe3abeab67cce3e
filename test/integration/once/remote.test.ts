// A cluster whose head runs on a host, as its home serves it: calls are forwarded and come back as
// they are, what breaks on the way is said and survived, and files go there by what is missing.

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { followLog } from "../../../client/log-follow.ts";
import { isSkyError } from "../../../model/errors.ts";
import type { NumberedEvent } from "../../../model/event.ts";
import type { Task } from "../../../model/task.ts";
import { noise } from "../../support/noise.ts";
import { processesOf } from "../../support/processes.ts";
import { type RemoteStage, remoteStage } from "../../support/remote-stage.ts";
import { until } from "../../support/until.ts";

const signal = new AbortController().signal;
const cluster = "demo";
/** So that what waits for ever is a failure. */
const limited = { timeout: 120_000 };

async function submit(
  { head }: RemoteStage,
  task: Partial<Task>,
  allNodes = false,
): Promise<number> {
  const whole: Task = {
    ...{ numNodes: 1, resources: {}, envs: {}, secrets: {}, priority: 0, maxRestarts: 0 },
    ...task,
  };
  const about = { cluster, user: "ann", command: "sky exec", noSetup: false, allNodes };
  const asked = { ...about, tasks: [whole], idempotencyKey: crypto.randomUUID() };
  const [id = 0] = await head.submit(asked, signal);
  return id;
}

function log(stage: RemoteStage, job: number) {
  const query = { cluster, job, follow: true, offsets: [], ranks: [], tailLines: 0 };
  return followLog(query, {
    open: (asked) => stage.head.tailLogs(asked, signal),
    pause: async (ms) => await new Promise((resolve) => setTimeout(resolve, ms)),
  });
}

async function output(stage: RemoteStage, job: number): Promise<string> {
  const parts: Buffer[] = [];
  for await (const event of log(stage, job)) {
    if (event.kind === "piece") parts.push(Buffer.from(event.piece.bytes));
  }
  return Buffer.concat(parts).toString();
}

test(
  "a life: launched, used, asked, stopped, started, and down with its logs kept",
  limited,
  async (t) => {
    const stage = await remoteStage(t);
    const { head, hosts } = stage;
    await stage.launch();
    const [shown] = await head.status([cluster], signal);
    assert.deepEqual(
      [shown?.status, shown?.cloud, shown?.region, shown?.nodes[0]?.phase, shown?.nodes[0]?.host],
      ["UP", "ssh", "lab", "alive", "host0"],
    );
    const id = await usedWithFiles(stage);
    await toldOf(stage, id);

    await head.setAutostop(cluster, { idleSeconds: 3_600, down: false }, signal);
    await until("autostop is shown", async () => {
      const [now] = await head.status([cluster], signal);
      return now?.autostop?.idleMs === 3_600_000;
    });
    const sleeping = await submit(stage, { run: "sleep 1000" });
    const asked = { cluster, jobs: [sleeping], all: false, user: "ann" };
    assert.deepEqual(await head.cancel(asked, signal), [sleeping]);

    await head.stop({ cluster, user: "ann" }, signal);
    await assert.rejects(head.listJobs({ cluster, skipFinished: false }, signal), (error) =>
      isSkyError(error, "cluster/not-up"),
    );
    await until("its programs have ended", () => processesOf(hosts.folder).length === 0);
    for await (const _ of stage.client.clusters.start({ cluster }, { signal }));
    const again = await submit(stage, { run: "echo again" });
    assert.equal(await output(stage, again), "again\n");

    const { logsArchive, kept } = await head.down({ cluster, purge: false, user: "ann" }, signal);
    assert.ok(logsArchive.startsWith(stage.home.logs));
    assert.deepEqual(kept, []);
    const name = readdirSync(logsArchive).find((one) => one.startsWith(`${again}-`)) ?? "";
    assert.equal(readFileSync(`${logsArchive}/${name}`, "utf8"), "again\n");
    await until("its programs have ended", () => processesOf(hosts.folder).length === 0);
  },
);

/** Gives the job that had a workdir. */
async function usedWithFiles(stage: RemoteStage): Promise<number> {
  const source = `${stage.hosts.folder}/source`;
  mkdirSync(source);
  writeFileSync(`${source}/hello.txt`, "hello\n");
  const id = await submit(stage, { workdir: source, run: "cat hello.txt; echo bye" });
  assert.equal(await output(stage, id), "hello\nbye\n");
  const fileMounts = [{ destination: "~/greeting", source: `${source}/hello.txt` }];
  const mounted = await submit(stage, { fileMounts, run: 'cat "$HOME/greeting"' }, true);
  assert.equal(await output(stage, mounted), "hello\n");
  return id;
}

/** What can be asked about jobs and the cluster. */
async function toldOf({ head }: RemoteStage, id: number): Promise<void> {
  assert.equal((await head.getJob({ cluster, job: id }, signal)).status, "SUCCEEDED");
  const jobs = await head.listJobs({ cluster, skipFinished: false }, signal);
  assert.ok(jobs.some((job) => job.id === id));
  await assert.rejects(head.getJob({ cluster, job: 77 }, signal), (error) => {
    assert.ok(isSkyError(error, "job/not-found"));
    assert.deepEqual(error.params, { id: "77", name: cluster });
    return true;
  });
  const why = await head.why({ cluster, job: 0 }, signal);
  assert.match(why.summary, /1 of 1 node alive/);
  assert.ok(why.chain.some(({ actor }) => actor === "fleet"));
  assert.match((await head.why({ cluster, job: id }, signal)).summary, /SUCCEEDED/);
  const events: NumberedEvent[] = [];
  const wanted = { cluster, job: 0, afterSeq: 0, follow: false };
  for await (const event of head.watchEvents(wanted, signal)) events.push(event);
  const seqs = events.map(({ seq }) => seq);
  const rising = [...new Set(seqs)].sort((a, b) => a - b);
  assert.deepEqual(seqs, rising);
  assert.ok(events.some(({ subject }) => subject === `job/${id}`));
  const inspection = JSON.parse(await head.inspect(cluster, signal));
  assert.ok(inspection.clusters[cluster].actors !== undefined);
}

test("a log comes byte for byte through tunnels that break", limited, async (t) => {
  const stage = await remoteStage(t);
  await stage.launch();
  const lines = 400_000;
  const id = await submit(stage, { run: `seq 1 ${lines}; sleep 0.5; seq 1 ${lines}` });
  const expected = Array.from({ length: lines }, (_, index) => `${index + 1}\n`).join("");
  const parts: Buffer[] = [];
  let bytes = 0;
  let cuts = 0;
  for await (const event of log(stage, id)) {
    if (event.kind !== "piece") continue;
    parts.push(Buffer.from(event.piece.bytes));
    bytes += event.piece.bytes.length;
    if (bytes < (cuts + 1) * 500_000 || cuts >= 6) continue;
    cuts += 1;
    if (cuts % 2 === 0) stage.tunnels.break();
    else stage.tunnels.cut();
  }
  assert.equal(cuts, 6);
  assert.ok(Buffer.concat(parts).toString() === expected + expected);
});

test("only what is missing of a workdir goes to the host", limited, async (t) => {
  const stage = await remoteStage(t);
  const { hosts, tunnels } = stage;
  await stage.launch();
  const source = `${hosts.folder}/source`;
  for (let folder = 0; folder < 20; folder += 1) {
    mkdirSync(`${source}/${folder}`, { recursive: true });
    for (let file = 0; file < 50; file += 1) {
      const name = `${folder}/${file}`;
      writeFileSync(`${source}/${name}`, [`file ${name}\n`, noise(name, 16_000)].join(""));
    }
  }
  const run = "head -n 1 7/7";
  const moved = () =>
    stage.log.lines.flatMap(({ message, fields }) =>
      message.startsWith("a tree was given") ? [Number(fields?.["movedBytes"])] : [],
    );
  assert.equal(await output(stage, await submit(stage, { workdir: source, run })), "file 7/7\n");
  const [all = 0] = moved();
  assert.ok(all > 15_000_000, `${all} bytes`);

  assert.equal(await output(stage, await submit(stage, { workdir: source, run })), "file 7/7\n");
  assert.equal(tunnels.bulkOpened, 1);

  writeFileSync(`${source}/7/7`, "changed\n");
  assert.equal(await output(stage, await submit(stage, { workdir: source, run })), "changed\n");
  const [, changed = all] = moved();
  assert.ok(changed < all / 4, `${changed} of ${all} bytes`);

  // Before the submit that needs what was pushed, the head dies.
  writeFileSync(`${source}/7/7`, "once more\n");
  tunnels.beforeBulkEnds = async () => {
    tunnels.beforeBulkEnds = async () => {};
    await stage.killHead();
  };
  const id = await until("a head takes it", async () => {
    const [done] = await Promise.allSettled([submit(stage, { workdir: source, run })]);
    if (done.status === "rejected" && !isSkyError(done.reason, "head/unreachable")) {
      throw done.reason;
    }
    return done.status === "fulfilled" ? done.value : undefined;
  });
  assert.equal(await output(stage, id), "once more\n");
});

test(
  "a head that is not heard is shown as it was last, and calls say so at once",
  limited,
  async (t) => {
    const stage = await remoteStage(t);
    const { head, tunnels } = stage;
    await stage.launch();
    tunnels.down = true;
    tunnels.break("the cable is out");
    await until("its silence is shown", async () => {
      const [now] = await head.status([cluster], signal);
      return now?.silence !== undefined && now.nodes[0]?.phase === "suspect";
    });
    const [now] = await head.status([cluster], signal);
    assert.equal(now?.status, "UP");
    await assert.rejects(head.listJobs({ cluster, skipFinished: false }, signal), (error) => {
      assert.ok(isSkyError(error, "head/unreachable"));
      assert.match(String(error.params["why"]), /host0/);
      return true;
    });
    assert.match((await head.why({ cluster, job: 0 }, signal)).summary, /host0/);
    const inspection = JSON.parse(await head.inspect(cluster, signal));
    assert.match(inspection.clusters[cluster].unreachable, /host0/);

    tunnels.down = false;
    await until("it is heard again", async () => {
      const [again] = await head.status([cluster], signal);
      return again?.silence === undefined && again?.nodes[0]?.phase === "alive";
    });
    assert.equal(await output(stage, await submit(stage, { run: "echo here" })), "here\n");
  },
);

test("what stopped by itself winds down here and is not healed", limited, async (t) => {
  const stage = await remoteStage(t);
  const { head, hosts, tunnels } = stage;
  await stage.launch();
  tunnels.down = true;
  tunnels.break();
  // Its own head stops it while nobody here hears of it.
  await hosts.head.stop({ cluster, user: "" }, signal);
  await until("its programs have ended", () => processesOf(hosts.folder).length === 0);
  const opened = stage.asked.filter((what) => what === "openHead").length;
  tunnels.down = false;
  await until("it has stopped here", async () => {
    const [now] = await head.status([cluster], signal);
    return now?.status === "STOPPED";
  });
  assert.equal(stage.asked.filter((what) => what === "openHead").length, opened);
  assert.equal(processesOf(hosts.folder).length, 0);
});

test(
  "a head that does not answer keeps no cluster from going, but from stopping",
  limited,
  async (t) => {
    const stage = await remoteStage(t);
    const { head, tunnels } = stage;
    await stage.launch();
    const id = await submit(stage, { run: "echo before" });
    assert.equal(await output(stage, id), "before\n");
    tunnels.deaf = true;
    tunnels.break();
    await assert.rejects(head.stop({ cluster, user: "ann" }, signal), (error) => {
      assert.ok(isSkyError(error, "cluster/stop-failed"));
      assert.match(String(error.params["why"]), /host0/);
      return true;
    });
    const { logsArchive } = await head.down({ cluster, purge: false, user: "ann" }, signal);
    const [name = ""] = readdirSync(logsArchive);
    assert.equal(readFileSync(`${logsArchive}/${name}`, "utf8"), "before\n");
  },
);

test("where nothing can be reached, a down says so, and a purge goes", limited, async (t) => {
  const stage = await remoteStage(t);
  const { head, tunnels } = stage;
  await stage.launch();
  tunnels.down = true;
  stage.lost = true;
  tunnels.break();
  const down = (purge: boolean) => head.down({ cluster, purge, user: "ann" }, signal);
  await assert.rejects(down(false), (error) => isSkyError(error, "cluster/stop-failed"));
  const { leftBehind } = await down(true);
  assert.match(leftBehind, /host0/);
});
