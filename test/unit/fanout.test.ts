// A whole fan-out over sessions in memory: the source, its sinks, and what may happen to them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeMessage } from "../../transfer/chunks/chunk-frames.ts";
import { MemoryContentDisk } from "../../transfer/chunks/content-store-memory.ts";
import { encodeExchangeHeader } from "../../transfer/chunks/exchange.ts";
import { until } from "../support/until.ts";
import { chunksOf } from "./chunks-stage.ts";
import { Stage, scope } from "./fanout-stage.ts";

const names = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `demo/s${index}`);

test("each chunk leaves the source once, and all sinks have all of it", async () => {
  const stage = new Stage(chunksOf(200, 5_000));
  const sinks = names(7);
  const fanOut = await stage.start(sinks);
  const results = await Promise.all(sinks.map((sink) => stage.join(sink)));
  const outcomes = await fanOut.done;
  for (const sink of sinks) {
    assert.ok(stage.isWhole(sink), sink);
    assert.deepEqual(outcomes.get(sink), { outcome: "done" });
  }
  const { sourceBytes, totalBytes } = fanOut.progress();
  assert.ok(sourceBytes >= totalBytes && sourceBytes < totalBytes * 1.2, `${sourceBytes} bytes`);
  const served = results.reduce((sum, { servedBytes }) => sum + servedBytes, 0);
  assert.ok(served >= 6 * totalBytes, `${served} bytes went from sink to sink`);
  await stage.close();
});

test("a sink that is killed holds nobody up; it comes back and goes on from its disk", async () => {
  const stage = new Stage(chunksOf(400, 4_000));
  const sinks = names(4);
  const fanOut = await stage.start(sinks);
  const first = stage.join("demo/s0");
  const others = ["demo/s1", "demo/s2"].map((sink) => stage.join(sink));
  const onDisk = (): number => stage.disks.get("demo/s0")?.chunks.size ?? 0;
  await until("the first one has some", () => onDisk() > 40);
  stage.leave("demo/s0");
  await assert.rejects(first, /killed/);
  const had = onDisk();
  const again = stage.join("demo/s0");
  const late = stage.join("demo/s3");
  await Promise.all([...others, again, late]);
  for (const sink of sinks) assert.ok(stage.isWhole(sink), sink);
  const { fetchedBytes } = await again;
  assert.ok(fetchedBytes <= (400 - had) * 4_400, `${fetchedBytes} bytes after ${had} chunks`);
  assert.equal((await fanOut.done).get("demo/s0")?.outcome, "done");
  await stage.close();
});

test("the source is killed: sinks join the next one, and go on from what they have", async () => {
  const stage = new Stage(chunksOf(400, 4_000));
  const sinks = names(3);
  await stage.start(sinks);
  const rules = { redialMs: 20 };
  const joined = sinks.map((sink) => stage.join(sink, { rules }));
  const onDisk = (): number => stage.disks.get("demo/s0")?.chunks.size ?? 0;
  await until("some chunks are there", () => onDisk() > 40);
  await stage.kill();
  const fanOut = await stage.start(sinks);
  await Promise.all(joined);
  for (const sink of sinks) assert.ok(stage.isWhole(sink), sink);
  const { sourceBytes, totalBytes } = fanOut.progress();
  assert.ok(sourceBytes < totalBytes, `${sourceBytes} of ${totalBytes} bytes once more`);
  await stage.close();
});

test("the source never comes back: its sinks say so after a while", async () => {
  const stage = new Stage(chunksOf(2_000, 4_000));
  await stage.start(["demo/s0"]);
  const joined = stage.join("demo/s0", { rules: { redialMs: 20, silenceMs: 600 } });
  const onDisk = (): number => stage.disks.get("demo/s0")?.chunks.size ?? 0;
  await until("some chunks are there", () => onDisk() > 40);
  await stage.kill();
  await assert.rejects(joined, { code: "fanout/failed", message: /nothing came for 600 ms/ });
});

test("a chunk damaged on a sink's disk is fetched again, and its child gets it", async () => {
  const stage = new Stage(chunksOf(60, 4_000));
  const fanOut = await stage.start(["demo/s0", "demo/s1"]);
  const first = stage.join("demo/s0");
  await until("the first one has all", () => fanOut.progress().done === 1);
  const damaged = stage.chunks[17]?.ref.digest ?? "";
  assert.ok(stage.disks.get("demo/s0")?.damage(damaged));
  const second = stage.join("demo/s1");
  await Promise.all([first, second]);
  assert.ok(stage.isWhole("demo/s0"));
  assert.ok(stage.isWhole("demo/s1"));
  await stage.close();
});

test("a chunk that the source itself cannot read ends the fan-out, and is named", async () => {
  const stage = new Stage(chunksOf(60, 4_000));
  const lost = stage.chunks[30]?.ref.digest ?? "";
  stage.sourceDisk.damage(lost);
  const fanOut = await stage.start(["demo/s0"]);
  const joined = stage.join("demo/s0");
  await assert.rejects(fanOut.done, { code: "chunk/damaged" });
  await assert.rejects(joined, { code: "fanout/failed", message: new RegExp(lost) });
  await stage.close();
});

test("who is not named takes no part, and is served by nobody", async () => {
  const stage = new Stage(chunksOf(300, 4_000));
  const fanOut = await stage.start(["demo/s0", "demo/s1"]);
  const rules = { silenceMs: 300, redialMs: 50 };
  await assert.rejects(stage.join("demo/thief", { rules }), { message: /takes no part/ });
  const joined = stage.join("demo/s0");
  const target = { host: "demo/s0", port: 0 };
  const thief = stage.hub.connect("demo/thief");
  const session = await until("it listens", () =>
    // Until it does, dialling is refused.
    thief.dial(target, AbortSignal.timeout(1_000)).catch(() => false as const),
  );
  const taken: unknown[] = [];
  const channel = session.open(encodeExchangeHeader({ verb: "fetch", scope }));
  const refs = [stage.chunks[0]?.ref ?? never()];
  for (const piece of encodeMessage({ type: "want", refs })) await channel.write(piece);
  const reading = (async () => {
    for await (const part of channel) taken.push(part);
  })();
  await Promise.all([joined, stage.join("demo/s1"), fanOut.done]);
  await assert.rejects(reading);
  assert.deepEqual(taken, []);
  await stage.close();
});

test("a full disk ends that sink alone, with its own error", async () => {
  const stage = new Stage(chunksOf(100, 4_000));
  const fanOut = await stage.start(["demo/s0", "demo/s1"], { rules: { absentMs: 100 } });
  const disk = new MemoryContentDisk();
  disk.full = true;
  stage.disks.set("demo/s0", disk);
  const full = stage.join("demo/s0");
  await assert.rejects(full, { code: "disk/full" });
  stage.leave("demo/s0");
  await stage.join("demo/s1");
  assert.ok(stage.isWhole("demo/s1"));
  const outcomes = await fanOut.done;
  assert.equal(outcomes.get("demo/s0")?.outcome, "given-up");
  await stage.close();
});

test("an empty fan-out is done at once", async () => {
  const stage = new Stage([]);
  const fanOut = await stage.start(["demo/s0"]);
  assert.deepEqual((await stage.join("demo/s0")).chunks, []);
  await fanOut.done;
  await stage.close();
});

function never(): never {
  throw new Error("there is a first chunk");
}
