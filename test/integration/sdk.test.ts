// The SDK: submit many, follow bytes with offsets, wait, cancel, typed errors.

import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { isSkyError, Sky } from "../../client/index.ts";
import { place } from "../support/programs.ts";

const here = place(undefined);
const sky = new Sky({ home: here.home });

before(async () => {
  process.env["SKY_HOME"] = here.home;
  await sky.launch(undefined, { cluster: "demo", cpus: 8 });
});
after(async () => {
  await sky.down("demo");
  await here.close();
});

test("submitMany gives as many ids as tasks, in order, and each job ends", async () => {
  const tasks = Array.from({ length: 40 }, (_, n) => ({ name: `many-${n}`, run: `exit ${n % 2}` }));
  const ids = await sky.submitMany("demo", tasks);
  assert.equal(ids.length, 40);
  assert.deepEqual(
    ids,
    [...ids].sort((a, b) => a - b),
  );
  const ended = await Promise.all(ids.map((id) => sky.wait("demo", id)));
  ended.forEach((job, n) => {
    assert.equal(job.status, n % 2 === 0 ? "SUCCEEDED" : "FAILED");
    assert.equal(job.name, `many-${n}`);
    assert.equal(job.ranks[0]?.exitCode, n % 2);
  });
});

test("the same idempotency key again is the same job", async () => {
  const task = { run: "true" };
  const options = { cluster: "demo", idempotencyKey: "of the caller" };
  const first = await sky.exec(task, options);
  assert.deepEqual(await sky.exec(task, options), first);
  assert.notDeepEqual(await sky.exec(task, { cluster: "demo" }), first);
});

test("an invalid task among many takes no id at all", async () => {
  const before = (await sky.queue("demo")).length;
  const tasks = [{ run: "true" }, { run: "true", num_nodes: 0 }];
  await assert.rejects(sky.submitMany("demo", tasks), (error: unknown) => {
    return isSkyError(error, "task/invalid") && /num_nodes/.test(error.message);
  });
  assert.equal((await sky.queue("demo")).length, before);
});

test("logs are bytes with offsets and can be read on from one", async () => {
  const [id] = await sky.submitMany("demo", [{ run: "printf 0123456789" }]);
  assert.ok(id !== undefined);
  const read = async (offset: number): Promise<string> => {
    let text = "";
    for await (const chunk of sky.logs("demo", id, { follow: true, rank: 0, offset })) {
      assert.equal(chunk.offset, offset + text.length);
      text += Buffer.from(chunk.bytes).toString();
    }
    return text;
  };
  assert.equal(await read(0), "0123456789");
  assert.equal(await read(7), "789");
});

test("an unknown cluster is a typed error that names close ones", async () => {
  await assert.rejects(sky.queue("dema"), (error: unknown) => {
    return isSkyError(error, "cluster/not-found") && error.message.includes("demo");
  });
});

test("an aborted signal ends a follow", async () => {
  const [id] = await sky.submitMany("demo", [{ run: "echo up; sleep 300" }]);
  assert.ok(id !== undefined);
  const abort = new AbortController();
  const follow = async (): Promise<void> => {
    for await (const _ of sky.logs("demo", id, { follow: true, signal: abort.signal }))
      abort.abort();
  };
  await assert.rejects(follow());
  assert.deepEqual(await sky.cancel("demo", [id]), [id]);
  assert.equal((await sky.job("demo", id)).status, "CANCELLED");
});

test("a rank that a job does not have is named, with those that it has", async () => {
  const [id] = await sky.submitMany("demo", [{ run: "true" }]);
  const read = async (): Promise<void> => {
    for await (const _ of sky.logs("demo", id, { rank: 7 })) assert.fail("there is no such rank");
  };
  await assert.rejects(read(), (error: unknown) => {
    return isSkyError(error, "request/invalid") && /has only rank 0, not 7/.test(error.message);
  });
});

test("the doctor and the bundle of a bug report are calls too", async () => {
  const { findings } = await sky.doctor("demo");
  const graded = new Map(findings.map(({ check, grade }) => [check, grade]));
  assert.equal(graded.get("head"), "ok");
  assert.equal(graded.get("nodes"), "ok");
  const to = join(here.folder, "bug.json.gz");
  assert.equal(await sky.exportDebug({ cluster: "demo", to }), to);
  assert.equal(statSync(to).mode & 0o777, 0o600);
  await assert.rejects(sky.doctor("dema"), (error) => isSkyError(error, "cluster/not-found"));
});
