// Jobs from a program: builders that run, statuses by id, logs as text and files, and who may what.
//
// One cluster for all; each test looks only at jobs that it submitted.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type Code, Dag, isSkyError, Resources, Sky, Task } from "../../client/index.ts";
import { place, until } from "../support/programs.ts";

const here = place(undefined);
const ada = new Sky({ home: here.home, user: "ada" });
const bob = new Sky({ home: here.home, user: "bob" });
const cluster = "jobs";

before(async () => {
  assert.deepEqual(await ada.status(), []);
  await ada.launch(undefined, { cluster, numNodes: 2, cpus: 8 });
});
after(async () => {
  await ada.down(cluster);
  await here.close();
});

function refused(call: () => Promise<unknown>, code: Code, text = /./): Promise<void> {
  return assert.rejects(call, (error: unknown) => {
    assert.ok(isSkyError(error), String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, text);
    return true;
  });
}

/** A job that runs until it is cancelled. */
async function running(sky: Sky): Promise<number> {
  const { jobId } = await sky.exec({ run: "echo up; sleep 300" }, { cluster });
  await until("it runs", async () => (await sky.job(cluster, jobId)).status === "RUNNING");
  return jobId;
}

test("a cluster without jobs has no status, no log and no latest job", async () => {
  assert.deepEqual(await ada.jobStatus(cluster), {});
  assert.deepEqual(await ada.queue(cluster), []);
  assert.deepEqual(await ada.downloadLogs(cluster, []), {});
  assert.deepEqual(await ada.downloadLogs(cluster, "*"), {});
  assert.deepEqual(await ada.cancel(cluster, "all"), []);
  await refused(() => ada.wait(cluster), "job/not-found");
});

test("a task that was built runs as the same task from a file", async () => {
  const path = here.file("task.yaml", "name: from-file\nrun: echo $WHO $SKYPILOT_NUM_NODES\n");
  const read = await Task.fromYaml(path, { envs: { WHO: "ada" } });
  const built = new Task({ name: "built", run: "echo $WHO $SKYPILOT_NUM_NODES" })
    .setEnvs({ WHO: "ada" })
    .setResources(new Resources({ cpus: 1 }))
    .setNumNodes(2);
  for (const [input, nodes] of [
    [read, 1],
    [built, 2],
    [new Dag().add(built), 2],
  ] as const) {
    const exec = await ada.exec(input, { cluster, detachRun: false, streamLogs: false });
    assert.equal(exec.job?.status, "SUCCEEDED");
    assert.equal(exec.job.ranks.length, nodes);
    const log = ada.logs(cluster, exec.jobId, { rank: 0 });
    let text = "";
    for await (const { bytes } of log) text += Buffer.from(bytes).toString();
    assert.equal(text, `ada ${nodes}\n`);
  }
  const pipeline = new Dag().chain(read, built);
  await refused(() => ada.exec(pipeline, { cluster }), "task/invalid", /2 tasks is a pipeline/);
  const text = "echo hi" as never;
  await refused(() => ada.exec(text, { cluster }), "task/invalid", /a text is no task/);
});

test("the status of each id that was asked for; null for one that is not there", async () => {
  const ids = await ada.submitMany(cluster, [{ run: "exit 0" }, { run: "exit 3" }]);
  const [good = 0, bad = 0] = ids;
  await Promise.all(ids.map((id) => ada.wait(cluster, id)));
  assert.deepEqual(await ada.jobStatus(cluster, good), { [good]: "SUCCEEDED" });
  const some = { [good]: "SUCCEEDED", [bad]: "FAILED", 9999: null };
  assert.deepEqual(await ada.jobStatus(cluster, [good, bad, 9999]), some);
  assert.deepEqual(await ada.jobStatus(cluster), { [bad]: "FAILED" });
  const many = Array.from({ length: 40 }, (_, n) => 9000 + n);
  const found = await ada.jobStatus(cluster, [good, ...many]);
  assert.equal(found[good], "SUCCEEDED");
  assert.deepEqual(
    many.map((id) => found[id]),
    many.map(() => null),
  );
});

test("a queue shows one's own jobs, and with allUsers everybody's", async () => {
  const adas = await running(ada);
  const bobs = await running(bob);
  const idsOf = async (sky: Sky, options: { readonly allUsers?: boolean } = {}) => {
    return (await sky.queue(cluster, { skipFinished: true, ...options })).map(({ id }) => id);
  };
  assert.deepEqual(await idsOf(ada), [adas]);
  assert.deepEqual(await idsOf(bob), [bobs]);
  assert.deepEqual(await idsOf(ada, { allUsers: true }), [bobs, adas]);
  assert.deepEqual((await ada.queue(cluster, { allUsers: true }))[0]?.user, "bob");

  const both = () => ada.cancel(cluster, [adas, bobs]);
  await refused(both, "job/not-yours", new RegExp(`Job ${bobs} .* is bob's: ada cannot`));
  assert.deepEqual(await idsOf(ada, { allUsers: true }), [bobs, adas], "none was cancelled");
  assert.deepEqual(await ada.cancel(cluster, "all"), [adas]);
  assert.deepEqual(await idsOf(ada, { allUsers: true }), [bobs], "all are one's own");
  assert.deepEqual(await bob.cancel(cluster, bobs), [bobs]);
  assert.deepEqual(await bob.cancel(cluster, [bobs]), [], "it had ended");
});

test("the log as text: prefixes of ranks, one rank, the last lines", async () => {
  const run = `for i in 1 2 3; do echo "$SKYPILOT_NODE_RANK line $i"; done`;
  const { jobId } = await ada.exec({ num_nodes: 2, run }, { cluster });
  const read = async (options: Parameters<Sky["tailLogs"]>[2]) => {
    let text = "";
    const write = (bytes: Uint8Array): void => {
      text += Buffer.from(bytes).toString();
    };
    const job = await ada.tailLogs(cluster, jobId, { ...options, write });
    assert.equal(job.status, "SUCCEEDED");
    return text.trimEnd().split("\n").sort();
  };
  const whole = await read({});
  assert.equal(whole.length, 6);
  assert.match(whole[0] ?? "", /^\(head, rank=0, pid=\d+\) 0 line 1$/);
  assert.match(whole[3] ?? "", /^\(worker1, rank=1, pid=\d+, ip=[\d.]+\) 1 line 1$/);
  assert.deepEqual(await read({ rank: 1 }), whole.slice(3));
  assert.deepEqual(await read({ rank: 1, tail: 1 }), whole.slice(5));
});

test("a last line without an end is shown too", async () => {
  const { jobId } = await ada.exec({ run: "printf 'no end'" }, { cluster });
  let text = "";
  const write = (bytes: Uint8Array): void => {
    text += Buffer.from(bytes).toString();
  };
  await ada.tailLogs(cluster, jobId, { write });
  assert.match(text, /^\(\w+, rank=0, pid=\d+.*\) no end\n$/);
});

test("without following, the log of a job that runs ends where it is", async () => {
  const id = await running(ada);
  let text = "";
  const write = async (bytes: Uint8Array): Promise<void> => {
    text += Buffer.from(bytes).toString();
  };
  const shown = async (): Promise<string> => {
    text = "";
    const { status } = await ada.tailLogs(cluster, id, { follow: false, write });
    assert.equal(status, "RUNNING");
    return text;
  };
  await until("its line is there", async () => /up\n$/.test(await shown()));
  assert.deepEqual(await ada.cancel(cluster, id), [id]);
});

test("logs become files: of the latest, of ids, of globs", async () => {
  const run = `printf 'rank %s' "$SKYPILOT_NODE_RANK"`;
  const ids = await ada.submitMany(cluster, [{ run }, { num_nodes: 2, run }]);
  const [one = 0, two = 0] = ids;
  await Promise.all(ids.map((id) => ada.wait(cluster, id)));
  const localDir = join(here.folder, "down loads");

  const latest = await ada.downloadLogs(cluster, null, { localDir });
  assert.deepEqual(Object.keys(latest), [String(two)]);
  const folder = latest[two] ?? "";
  assert.equal(join(folder, ".."), localDir);
  assert.deepEqual(readdirSync(folder).sort(), ["0-head.log", "1-worker1.log"]);
  assert.equal(readFileSync(join(folder, "1-worker1.log"), "utf8"), "rank 1");

  const both = await ada.downloadLogs(cluster, [one, `${two}*`], { localDir });
  assert.ok(existsSync(both[one] ?? ""), JSON.stringify(both));
  assert.equal(both[two], folder);
  assert.deepEqual(await ada.downloadLogs(cluster, "999*", { localDir }), {});
  assert.equal(join((await ada.downloadLogs(cluster, one))[one] ?? "", ".."), `${here.home}/logs`);
  await refused(() => ada.downloadLogs(cluster, [one, 9999]), "job/not-found", /9999/);
  await refused(() => ada.downloadLogs(cluster, "1; x"), "request/invalid", /"1; x"/);
});

test("why and the events of a job tell how it came to be", async () => {
  // Exec brings no file mounts: that these need a cloud does not matter.
  const failing = { run: "exit 3", file_mounts: { "/b": "s3://bucket" } };
  const { jobId, job } = await ada.exec(failing, { cluster, detachRun: false });
  assert.equal(job?.status, "FAILED");
  assert.match((await ada.why(cluster, jobId)).summary, /exited with 3/);
  const seen: string[] = [];
  for await (const { to } of ada.events(cluster, { job: jobId })) if (to) seen.push(to);
  assert.deepEqual([seen[0], seen.at(-1)], ["queued", "ended"]);
});

test("every call refuses a cluster that nobody knows, with the close name", async () => {
  const wrong = "jobz";
  const task = { run: "true" };
  const calls: readonly (() => Promise<unknown>)[] = [
    () => ada.exec(task, { cluster: wrong }),
    () => ada.submitMany(wrong, [task]),
    () => ada.queue(wrong),
    () => ada.job(wrong, 1),
    () => ada.jobStatus(wrong, [1]),
    () => ada.wait(wrong, 1),
    () => ada.cancel(wrong, "all"),
    () => ada.tailLogs(wrong, 1),
    () => ada.downloadLogs(wrong, 1),
    () => ada.why(wrong),
    () => ada.status(wrong),
    () => ada.start(wrong),
    () => ada.stop(wrong),
    () => ada.down(wrong),
    () => ada.autostop(wrong, null),
  ];
  for (const call of calls) {
    await refused(call, "cluster/not-found", /jobz.*jobs/s);
  }
  const read = async (): Promise<void> => {
    for await (const _ of ada.logs(wrong, 1)) assert.fail("there is no log");
  };
  await refused(read, "cluster/not-found");
});

test("an aborted call ends with one code, whatever it waited for", async () => {
  const id = await running(ada);
  for (const call of [
    (signal: AbortSignal) => ada.wait(cluster, id, { signal }),
    (signal: AbortSignal) => ada.tailLogs(cluster, id, { signal, write: () => {} }),
  ]) {
    const abort = new AbortController();
    const waiting = refused(() => call(abort.signal), "core/cancelled");
    await ada.job(cluster, id);
    abort.abort();
    await waiting;
  }
  await ada.cancel(cluster, id);
});
