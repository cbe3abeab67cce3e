// The head's log store over the bulk wire: byte for byte, for many followers, through breaks.

import assert from "node:assert/strict";
import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import type { Job, RankKey } from "../../model/job.ts";
import { rankKeyText } from "../../model/job.ts";
import { decodeOffsets, logHeader } from "../../proto/log-channel.ts";
import { createOsClock } from "../../runtime/clock-os.ts";
import { silentLog } from "../../runtime/log.ts";
import type { StreamChannel } from "../../runtime/stream.ts";
import { createStreamHub } from "../../runtime/stream-memory.ts";
import { archiveLogs } from "../../scheduler/log-archive-os.ts";
import { type LogDisk, logDisk } from "../../scheduler/log-disk-os.ts";
import type { LogStore } from "../../scheduler/log-store-os.ts";
import { openLogStore } from "../../scheduler/log-store-os.ts";
import type { ShownBoard } from "../support/board.ts";
import { shownBoard } from "../support/board.ts";
import { until } from "../support/until.ts";

const clock = createOsClock();
const key: RankKey = { job: 1, attempt: 1, phase: "run", index: 0 };
const running: Job = {
  id: 1,
  name: "t",
  user: "u",
  status: "RUNNING",
  phase: "running",
  submittedAt: 0,
  resources: "",
  numNodes: 2,
  attempt: 1,
  ranks: [
    { rank: 0, node: "head", ip: "127.0.0.2" },
    { rank: 1, node: "worker1", ip: "127.0.0.3" },
  ],
  setups: [],
  sweeps: [],
};

function ended(...logBytes: readonly number[]): Job {
  const ranks = running.ranks.map((rank, index) => ({ ...rank, logBytes: logBytes[index] ?? 0 }));
  return { ...running, phase: "ended", status: "SUCCEEDED", ranks };
}

interface World {
  readonly dir: string;
  readonly board: ShownBoard;
  readonly store: LogStore;
  readonly complete: string[];
  /** A channel for `key` that `node` opened, and the first offset that the head said. */
  ship(node: string, key: RankKey): Promise<{ channel: StreamChannel; offset: number }>;
  cut(node: string): void;
}

async function inWorld(check: (world: World) => Promise<void>, disk = logDisk): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), "sky-logs-"));
  const dir = join(root, "logs");
  const board = shownBoard();
  board.show(running);
  const complete: string[] = [];
  const onComplete = (job: number, attempt: number) => complete.push(`${job}-${attempt}`);
  const store = await openLogStore({ dir, board, disk, log: silentLog, clock, onComplete });
  const hub = createStreamHub();
  const { signal } = new AbortController();
  await hub.connect("demo/skyhead").listen({
    target: { host: "head", port: 0 },
    onSession: (session) =>
      session.onChannel((channel) => store.receive(session.peer.split("/")[1] ?? "", channel)),
  });
  const ship: World["ship"] = async (node, of) => {
    const session = await hub.connect(`demo/${node}`).dial({ host: "head", port: 0 }, signal);
    const channel = session.open(logHeader(of));
    const [first] = await take(channel, 1);
    return { channel, offset: first ?? -1 };
  };
  try {
    await check({ dir, board, store, complete, ship, cut: (node) => hub.cut(`demo/${node}`) });
  } finally {
    await store.close();
    await rm(root, { recursive: true, force: true });
  }
}

/** The next `count` offsets that the head says; fewer if it ends. */
async function take(channel: StreamChannel, count: number): Promise<number[]> {
  const offsets: number[] = [];
  const pieces = channel[Symbol.asyncIterator]();
  while (offsets.length < count) {
    const { done, value } = await pieces.next();
    if (done === true) break;
    const { newest } = decodeOffsets(value);
    if (newest !== undefined) offsets.push(newest);
  }
  return offsets;
}

async function collect(store: LogStore, offset = 0, wait = true): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  let at = offset;
  const { signal } = new AbortController();
  for await (const chunk of store.follow({ key, offset, wait, signal })) {
    assert.equal(chunk.offset, at, "no byte is skipped or doubled");
    at += chunk.bytes.length;
    pieces.push(chunk.bytes);
  }
  return Buffer.concat(pieces);
}

function noise(count: number, seed: number): Buffer {
  const bytes = Buffer.alloc(count);
  let value = seed;
  for (let index = 0; index < count; index += 1) {
    value = (Math.imul(value, 1_103_515_245) + 12_345) >>> 0;
    bytes[index] = value >>> 16;
  }
  return bytes;
}

test("followers before, during and after the writing all get exactly the bytes", async () => {
  await inWorld(async ({ dir, board, store, complete, ship }) => {
    const content = noise(9_000_000, 7);
    const before = collect(store);
    const { channel, offset } = await ship("head", key);
    assert.equal(offset, 0);
    let during: Promise<Buffer> | undefined;
    for (let at = 0; at < content.length; ) {
      const size = 1 + (at % 65_536);
      await channel.write(content.subarray(at, at + size));
      at += size;
      if (at > content.length / 2) during ??= collect(store);
    }
    channel.end();
    board.show(ended(content.length, 0));
    assert.ok(content.equals(await before));
    assert.ok(during !== undefined && content.equals(await during));
    assert.ok(content.equals(await collect(store)));
    assert.ok(content.subarray(1_000).equals(await collect(store, 1_000)));
    assert.ok(content.equals(await readFile(join(dir, `${rankKeyText(key)}.log`))));
    await until("the attempt is complete", () => complete.includes("1-1"));
    assert.deepEqual(complete, ["1-1"]);
  });
});

test("after a break the node goes on where the head says, and nothing is doubled", async () => {
  await inWorld(async ({ board, store, ship, cut }) => {
    const content = noise(300_000, 3);
    const follower = collect(store);
    let sent = 0;
    for (let round = 0; round < 5; round += 1) {
      const { channel, offset } = await ship("head", key);
      assert.ok(offset <= sent);
      const next = Math.min(content.length, offset + 70_000);
      await channel.write(content.subarray(offset, next));
      sent = next;
      await until("the head has it", () => store.counts().receivedBytes >= sent);
      if (sent === content.length) channel.end();
      else cut("head");
    }
    board.show(ended(content.length, 0));
    assert.ok(content.equals(await follower));
  });
});

test("a node may write its own ranks' logs only; attempts at others are counted", async () => {
  await inWorld(async ({ store, ship }) => {
    const strange: readonly [string, RankKey][] = [
      ["worker1", key],
      ["head", { ...key, index: 1 }],
      ["head", { ...key, job: 9 }],
      ["head", { ...key, attempt: 2 }],
      ["head", { ...key, phase: "setup" }],
    ];
    for (const [node, of] of strange) {
      await assert.rejects(ship(node, of), (error) => isSkyError(error, "stream/closed"));
    }
    assert.equal(store.counts().refused, strange.length);
    assert.equal(store.counts().receivedBytes, 0);
  });
});

test("a lost node's log goes as far as it goes, and its followers end", async () => {
  await inWorld(async ({ board, store, complete, ship, cut }) => {
    const { channel } = await ship("head", key);
    await channel.write(Buffer.from("half a line"));
    await until("the head has it", () => store.counts().receivedBytes === 11);
    const follower = collect(store);
    cut("head");
    board.showNode("head", "lost");
    board.show({ ...ended(0, 0), ranks: running.ranks });
    assert.equal((await follower).toString(), "half a line");
    await until("the attempt is complete", () => complete.length === 1);
  });
});

test("without waiting, a follower gets what is there and ends", async () => {
  await inWorld(async ({ store, ship }) => {
    assert.equal((await collect(store, 0, false)).length, 0);
    const { channel } = await ship("head", key);
    await channel.write(Buffer.from("one\ntwo\nthree"));
    await until("the head has it", () => store.counts().receivedBytes === 13);
    assert.equal((await collect(store, 0, false)).toString(), "one\ntwo\nthree");
    assert.equal(await store.tailStart(key, 1), 8);
    assert.equal(await store.tailStart(key, 2), 4);
    assert.equal(await store.tailStart(key, 99), 0);
  });
});

test("a later head has the bytes of an earlier one, and archives all of them", async () => {
  await inWorld(async ({ dir, board, store, ship }) => {
    const { channel } = await ship("head", key);
    await channel.write(Buffer.from("kept"));
    channel.end();
    assert.deepEqual(await take(channel, 1), [4]);
    await store.close();
    const complete: string[] = [];
    const later = await openLogStore({
      dir,
      board,
      log: silentLog,
      clock,
      onComplete: (job, attempt) => complete.push(`${job}-${attempt}`),
    });
    board.show(ended(4, 0));
    assert.equal((await collect(later)).toString(), "kept");
    await later.close();
    const to = join(dir, "../archive/demo-1");
    assert.equal(await archiveLogs(dir, to), true);
    assert.equal(await readFile(join(to, `${rankKeyText(key)}.log`), "utf8"), "kept");
    assert.equal(await archiveLogs(dir, to), false);
  });
});

test("the last lines of 10 GB cost their own bytes", async () => {
  let readBytes = 0;
  const counting: LogDisk = {
    ...logDisk,
    open: async (path) => {
      const handle = await logDisk.open(path);
      const readAt = async (into: Buffer, offset: number) => {
        readBytes += into.length;
        return handle.readAt(into, offset);
      };
      return { ...handle, readAt };
    },
  };
  await inWorld(async ({ dir, store, board }) => {
    const size = 10_000_000_000;
    const end = Buffer.from("a line\n".repeat(150));
    const file = await open(`${dir}/${rankKeyText(key)}.log`, "w");
    await file.truncate(size - end.length);
    await file.write(end, 0, end.length, size - end.length);
    await file.close();
    board.show(ended(size, 0));
    const offset = await store.tailStart(key, 100);
    assert.equal(offset, size - 700);
    assert.equal((await collect(store, offset)).toString(), "a line\n".repeat(100));
    assert.ok(readBytes <= 65_536 + 700, `${readBytes} bytes were read`);
    assert.equal(store.counts().logsOpen, 0, "nothing of it is kept");
  }, counting);
});

test("two hundred followers of one log all get it, from one writing", async () => {
  await inWorld(async ({ board, store, ship }) => {
    const followers = Array.from({ length: 200 }, () => collect(store));
    const { channel } = await ship("head", key);
    for (let line = 0; line < 100; line += 1) await channel.write(Buffer.from(`line ${line}\n`));
    channel.end();
    const whole = Array.from({ length: 100 }, (_, line) => `line ${line}\n`).join("");
    board.show(ended(whole.length, 0));
    for (const follower of followers) assert.equal((await follower).toString(), whole);
    assert.equal(store.counts().receivedBytes, whole.length);
  });
});
