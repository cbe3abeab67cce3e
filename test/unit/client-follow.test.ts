// Following a log over connections that break: each byte once, in order, or an error.
// The head is a generator that breaks where the property says.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogEvent, LogQuery } from "../../client/head.ts";
import { followLog } from "../../client/log-follow.ts";
import { isSkyError, SkyError } from "../../model/errors.ts";
import type { Job, RankKey } from "../../model/job.ts";
import { fc } from "../support/property.ts";

const key = (index: number): RankKey => ({ job: 7, attempt: 1, phase: "run", index });

const job: Job = {
  ...{ id: 7, name: "t", user: "u", status: "SUCCEEDED", phase: "ended", submittedAt: 1 },
  ...{ resources: "", numNodes: 2, attempt: 1, setups: [], sweeps: [] },
  ranks: [
    { rank: 0, node: "head", ip: "127.0.0.1", pid: 11 },
    { rank: 1, node: "worker1", ip: "127.0.0.2", pid: 12 },
  ],
};

const query: LogQuery = {
  ...{ cluster: "demo", job: 0, follow: true, offsets: [], ranks: [], tailLines: 0 },
};

const logs = [Buffer.from("0123456789"), Buffer.from("abcdefghijklmnop")];

/** A head whose stream breaks after so many events, and which may repeat some bytes. */
function headThatBreaks(breaks: readonly number[], overlap: number) {
  let opened = 0;
  const queries: LogQuery[] = [];
  async function* open(asked: LogQuery): AsyncGenerator<LogEvent> {
    const allowed = breaks[opened] ?? Number.POSITIVE_INFINITY;
    opened += 1;
    queries.push(asked);
    let sent = 0;
    for (const event of eventsFrom(asked, overlap)) {
      if (sent >= allowed) throw new SkyError("head/unreachable", { why: "cut" });
      sent += 1;
      yield event;
    }
  }
  return { open, queries };
}

function* eventsFrom(asked: LogQuery, overlap: number): Generator<LogEvent> {
  yield { kind: "job", job };
  for (const [index, bytes] of logs.entries()) {
    const from = asked.offsets.find((one) => one.key.index === index)?.offset ?? 0;
    for (let offset = Math.max(0, from - overlap); offset < bytes.length; offset += 3) {
      yield { kind: "chunk", key: key(index), offset, bytes: bytes.subarray(offset, offset + 3) };
    }
  }
  yield { kind: "ended", job };
}

test("whatever breaks, every byte comes once and in order", async () => {
  const breaks = fc.array(fc.nat({ max: 12 }), { maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(breaks, fc.nat({ max: 4 }), async (at, overlap) => {
      const head = headThatBreaks(at, overlap);
      const got = ["", ""];
      let ended = false;
      const ports = { open: head.open, pause: async () => {} };
      for await (const event of followLog(query, ports)) {
        if (event.kind === "ended") ended = true;
        if (event.kind !== "piece") continue;
        const { key: of, offset, bytes, node, pid } = event.piece;
        assert.equal(offset, got[of.index]?.length);
        assert.equal(node, of.index === 0 ? "head" : "worker1");
        assert.equal(pid, 11 + of.index);
        got[of.index] += Buffer.from(bytes).toString();
      }
      assert.ok(ended);
      assert.deepEqual(got, logs.map(String));
    }),
    { numRuns: 200 },
  );
});

test("the latest job is a number after the first break", async () => {
  const head = headThatBreaks([2], 0);
  for await (const _ of followLog(query, { open: head.open, pause: async () => {} }));
  assert.deepEqual(
    head.queries.map((asked) => asked.job),
    [0, 7],
  );
});

test("a stream that says only what is known already is no progress", async () => {
  const mute = headThatBreaks(
    Array.from({ length: 100 }, () => 1),
    0,
  );
  await assert.rejects(
    async () => {
      for await (const _ of followLog(query, { open: mute.open, pause: async () => {} }));
    },
    (error: unknown) => isSkyError(error, "head/unreachable"),
  );
  assert.equal(mute.queries.length, 13);
});

test("bytes are progress: a head that breaks again and again is followed to the end", async () => {
  const poor = headThatBreaks(
    Array.from({ length: 9 }, () => 2),
    0,
  );
  let bytes = 0;
  for await (const event of followLog(query, { open: poor.open, pause: async () => {} })) {
    if (event.kind === "piece") bytes += event.piece.bytes.length;
  }
  assert.equal(bytes, 26);
});

test("without follow the log of a job that goes on ends where it is", async () => {
  let opened = 0;
  async function* open(): AsyncGenerator<LogEvent> {
    opened += 1;
    yield { kind: "job", job: { ...job, status: "RUNNING", phase: "running" } };
    yield { kind: "chunk", key: key(0), offset: 0, bytes: Buffer.from("ab") };
  }
  const kinds: string[] = [];
  const once = { ...query, follow: false };
  for await (const event of followLog(once, { open, pause: async () => {} }))
    kinds.push(event.kind);
  assert.deepEqual(kinds, ["job", "piece"]);
  assert.equal(opened, 1);
});

test("retries are bounded, with growing pauses", async () => {
  const pauses: number[] = [];
  const pause = async (ms: number): Promise<void> => {
    pauses.push(ms);
  };
  const dead = headThatBreaks(
    Array.from({ length: 100 }, () => 0),
    0,
  );
  await assert.rejects(
    async () => {
      for await (const _ of followLog(query, { open: dead.open, pause }));
    },
    (error: unknown) => isSkyError(error, "head/unreachable"),
  );
  assert.equal(dead.queries.length, 13);
  assert.ok(Math.max(...pauses) <= 5_000);
});

test("a gap is an error, never a silent loss", async () => {
  async function* open(): AsyncGenerator<LogEvent> {
    yield { kind: "chunk", key: key(0), offset: 0, bytes: Buffer.from("ab") };
    yield { kind: "chunk", key: key(0), offset: 5, bytes: Buffer.from("f") };
  }
  await assert.rejects(async () => {
    for await (const _ of followLog(query, { open, pause: async () => {} }));
  }, /gap: wanted 2, got 5/);
});

test("an error that is not for retrying ends it at once", async () => {
  let opened = 0;
  // biome-ignore lint/correctness/useYield: it fails before the first event
  async function* open(): AsyncGenerator<LogEvent> {
    opened += 1;
    throw new SkyError("job/not-found", { id: 3, name: "demo" });
  }
  await assert.rejects(
    async () => {
      for await (const _ of followLog(query, { open, pause: async () => {} }));
    },
    (error: unknown) => isSkyError(error, "job/not-found"),
  );
  assert.equal(opened, 1);
});
