// A relay between a sender and a destination: what is acknowledged, kept, passed back, had again.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { isSkyError, SkyError } from "../../model/errors.ts";
import { fairDefer } from "../../runtime/deferral-os.ts";
import type { StreamSession } from "../../runtime/stream.ts";
import { createStreamHub } from "../../runtime/stream-memory.ts";
import type { ChunkRef, Digest } from "../../transfer/chunks/chunk.ts";
import type { ContentStore } from "../../transfer/chunks/content-store.ts";
import {
  createMemoryContentStore,
  MemoryContentDisk,
} from "../../transfer/chunks/content-store-memory.ts";
import type { ChunkSource, ExchangeResult } from "../../transfer/chunks/exchange.ts";
import { type Admitted, exchangeChannels } from "../../transfer/chunks/exchange-channels.ts";
import type { ChunkJournal } from "../../transfer/chunks/journal.ts";
import { openChunkJournal } from "../../transfer/chunks/journal-os.ts";
import { pushChunks } from "../../transfer/chunks/push.ts";
import { openRelay, type Relay } from "../../transfer/chunks/relay.ts";
import { nameAndSeal } from "../../transfer/chunks/seal.ts";
import { fc } from "../support/property.ts";
import { until } from "../support/until.ts";
import {
  type Chunk,
  chunkOf,
  MemorySink,
  neverAborts,
  refsOf,
  sourceOf,
  work,
} from "./chunks-stage.ts";

const folder = mkdtempSync(join(tmpdir(), "chunk-relay-"));
after(() => rmSync(folder, { recursive: true }));
const limits = { timeout: 60_000 };
const sendMs = 15_000;

const secret = { transfer: Buffer.alloc(16, 7), key: Buffer.alloc(32, 9) };
const transfer = secret.transfer.toString("hex");

/** Sealed chunks; these do not compress, so that their sizes are known. */
function sealedOf(count: number, length = 2_000): readonly Chunk[] {
  return Array.from({ length: count }, (_, index) => {
    const { bytes } = chunkOf(2 * index, length);
    const { sealed, sealedRef } = nameAndSeal(bytes, { secret, place: { object: 0, index } });
    return { ref: sealedRef, bytes: sealed };
  });
}

let stages = 0;

/** A sender, a relay that can be made anew over its disk, and a destination. */
class Stage {
  readonly hub = createStreamHub({ defer: fairDefer() });
  readonly disk = new MemoryContentDisk();
  readonly arrived = new MemorySink();
  readonly spoolBytesMax: number;
  readonly failures: unknown[] = [];
  relay: Relay | undefined;
  store: ContentStore | undefined;
  journal: ChunkJournal | undefined;
  /** Puts of each chunk into the spool's disk. */
  readonly spooled = new Map<Digest, number>();
  #running: Promise<unknown> = Promise.resolve();
  readonly #path: string;

  constructor(spoolBytesMax = 1_000_000) {
    stages += 1;
    this.#path = join(folder, `journal-${stages}`);
    this.spoolBytesMax = spoolBytesMax;
  }

  /** Whoever listens as `name` admits what `admit` says. */
  async listen(name: string, admit: () => Admitted): Promise<() => Promise<void>> {
    const exchanges = exchangeChannels({ work, admit });
    const sessions: StreamSession[] = [];
    const listener = await this.hub.connect(`demo/${name}`).listen({
      target: { host: name, port: 0 },
      onSession: (session) => {
        sessions.push(session);
        session.onChannel((channel) => void exchanges.take(session, channel));
      },
    });
    return async () => {
      await listener.close();
      for (const session of sessions) session.close();
      await exchanges.close();
    };
  }

  dial(from: string, to: string, signal = neverAborts()): Promise<StreamSession> {
    return this.hub.connect(`demo/${from}`).dial({ host: to, port: 0 }, signal);
  }

  startDestination(): Promise<() => Promise<void>> {
    return this.listen("c", () => ({ sink: this.arrived, safeMeans: "delivered" }));
  }

  async startRelay(): Promise<() => Promise<void>> {
    const stop = new AbortController();
    this.store = createMemoryContentStore({
      disk: this.disk,
      beforePut: async (digest) => {
        this.spooled.set(digest, (this.spooled.get(digest) ?? 0) + 1);
      },
    });
    this.journal = await openChunkJournal({ path: this.#path, transfer });
    const relay = await openRelay({
      work,
      transfer,
      store: this.store,
      journal: this.journal,
      bytesMax: this.spoolBytesMax,
      hops: [
        {
          scope: `relay/${transfer}`,
          next: (signal) => this.dial("b", "c", signal),
          pause: async (_, signal) => {
            await new Promise((resolve) => setImmediate(resolve));
            signal.throwIfAborted();
          },
        },
      ],
    });
    this.relay = relay;
    const unlisten = await this.listen("b", () => relay.admit());
    this.#running = relay.run(stop.signal).catch((error: unknown) => this.failures.push(error));
    return async () => {
      this.hub.cut("demo/b");
      stop.abort(new SkyError("core/cancelled", { what: "the relay" }));
      await unlisten();
      await this.#running;
      await this.journal?.close();
      await this.store?.close();
    };
  }

  /** Pushes until all is delivered, over as many sessions as it takes. */
  async send(chunks: readonly Chunk[], seen: Partial<Seen> = {}): Promise<ExchangeResult> {
    // The next relay listens once its journal is read, however busy the disk is.
    const late = AbortSignal.timeout(sendMs);
    for (;;) {
      try {
        const session = await this.dial("a", "b");
        return await this.sendOnce(session, chunks, seen);
      } catch (error) {
        if (!isSkyError(error) || error.remedy !== "retry" || late.aborted) throw error;
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
  }

  sendOnce(session: StreamSession, chunks: readonly Chunk[], seen: Partial<Seen> = {}) {
    return pushChunks({
      work,
      session,
      scope: `relay/${transfer}`,
      offer: refsOf(chunks),
      from: seen.from ?? sourceOf(chunks),
      until: "delivered",
      signal: neverAborts(),
      onSafe: (ref) => seen.onSafe?.(ref),
      onDelivered: (ref) => seen.onDelivered?.(ref),
    });
  }

  get pins(): number {
    return this.disk.pins.size;
  }
}

interface Seen {
  readonly from: ChunkSource;
  readonly onSafe: (ref: ChunkRef) => void;
  readonly onDelivered: (ref: ChunkRef) => void;
}

test("what is sent arrives through the relay, is passed back, and is let go", limits, async () => {
  const stage = new Stage();
  const chunks = sealedOf(100);
  const endDestination = await stage.startDestination();
  const endRelay = await stage.startRelay();
  const result = await stage.send(chunks);
  assert.deepEqual([result.moved, result.known, result.missing.length], [100, 0, 0]);
  assert.deepEqual([...stage.arrived.held.keys()].toSorted(), digestsOf(chunks));
  assert.equal(stage.arrived.puts.length, 100);
  assert.equal(stage.pins, 0);
  assert.deepEqual(stage.relay?.counts(), {
    ...{ heldChunks: 0, heldBytes: 0, taken: 100, delivered: 100, lost: 0, failures: 0 },
  });
  // What was delivered is known for good.
  const again = await stage.send(chunks);
  assert.deepEqual([again.moved, again.known], [0, 100]);
  await endRelay();
  await endDestination();
});

test("safe comes before delivered, and a full spool makes the sender wait", limits, async () => {
  const stage = new Stage(20_000);
  const chunks = sealedOf(60);
  const safe: Digest[] = [];
  const delivered: Digest[] = [];
  const endRelay = await stage.startRelay();
  const sending = stage.send(chunks, {
    onSafe: ({ digest }) => safe.push(digest),
    onDelivered: ({ digest }) => delivered.push(digest),
  });
  await until("the spool is full", () => safe.length === 9);
  for (let turn = 0; turn < 50; turn += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok((stage.relay?.counts().heldBytes ?? 0) <= 20_000);
  }
  assert.deepEqual([safe.length, delivered.length, stage.pins], [9, 0, 9]);
  const endDestination = await stage.startDestination();
  assert.equal((await sending).moved, 60);
  assert.equal(stage.arrived.puts.length, 60);
  assert.equal(delivered.length, 60);
  await endRelay();
  await endDestination();
});

test("what the relay's disk loses is had again from the sender", limits, async () => {
  const stage = new Stage(20_000);
  const chunks = sealedOf(40);
  const endRelay = await stage.startRelay();
  const sending = stage.send(chunks);
  await until("the spool is full", () => stage.relay?.counts().heldChunks === 9);
  // More than a read-ahead of them, so that the rest of the spool must not be in their way.
  for (const digest of [...stage.disk.chunks.keys()]) stage.disk.damage(digest);
  const endDestination = await stage.startDestination();
  const result = await sending;
  assert.deepEqual(result.missing, []);
  assert.equal(stage.arrived.puts.length, 40);
  assert.equal(stage.relay?.counts().lost, 9);
  assert.equal(stage.pins, 0);
  await endRelay();
  await endDestination();
});

test("what is no sealed chunk of this transfer is not taken", limits, async () => {
  const stage = new Stage();
  const endRelay = await stage.startRelay();
  const other = { ...secret, transfer: Buffer.alloc(16, 8) };
  const place = { object: 0, index: 0 };
  const strange = nameAndSeal(chunkOf(2, 100).bytes, { secret: other, place });
  for (const chunk of [chunkOf(4, 500), { ref: strange.sealedRef, bytes: strange.sealed }]) {
    await assert.rejects(
      stage.sendOnce(await stage.dial("a", "b"), [chunk]),
      (error) => isSkyError(error, "codec/invalid") || isSkyError(error, "stream/protocol"),
    );
  }
  assert.deepEqual([stage.pins, stage.disk.chunks.size], [0, 0]);
  await endRelay();
});

test(
  "a destination that cannot go on ends the relay, and the sender hears why",
  limits,
  async () => {
    const stage = new Stage();
    const full = new SkyError("disk/full", { path: "p", free: "0", hint: "h" });
    stage.arrived.gate = () => Promise.reject(full);
    const endDestination = await stage.startDestination();
    const endRelay = await stage.startRelay();
    await assert.rejects(stage.send(sealedOf(5)), (error) => isSkyError(error, "disk/full"));
    assert.ok(isSkyError(stage.failures[0], "disk/full"));
    await stage.relay?.remove();
    assert.equal(stage.pins, 0);
    await endRelay();
    await endDestination();
  },
);

test("a relay that is broken off at any moment goes on from its spool", limits, async () => {
  const moments = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(moments, fc.integer({ min: 6_000, max: 100_000 }), async (turns, bytesMax) => {
      const stage = new Stage(bytesMax);
      const chunks = sealedOf(60, 1_000);
      const endDestination = await stage.startDestination();
      const safe = new Set<Digest>();
      let endRelay = await stage.startRelay();
      const sending = stage.send(chunks, { onSafe: ({ digest }) => safe.add(digest) });
      for (const count of turns) {
        for (let turn = 0; turn < count; turn += 1) {
          await new Promise((resolve) => setImmediate(resolve));
        }
        await endRelay();
        // What was acknowledged is on the relay's disk, or beyond.
        for (const digest of safe) {
          assert.ok(stage.disk.chunks.has(digest) || stage.arrived.held.has(digest));
        }
        endRelay = await stage.startRelay();
      }
      await sending;
      assert.deepEqual([...stage.arrived.held.keys()].toSorted(), digestsOf(chunks));
      assert.equal(stage.arrived.puts.length, chunks.length, "no chunk is stored twice there");
      assert.equal(stage.pins, 0);
      await endRelay();
      await endDestination();
    }),
    { numRuns: 25 },
  );
});

function digestsOf(chunks: readonly Chunk[]): readonly Digest[] {
  return refsOf(chunks)
    .map(({ digest }) => digest)
    .toSorted();
}
