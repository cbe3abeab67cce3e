// A sealed transfer from end to end: files are cut, sealed, relayed, opened, and whole at the end.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { isSkyError, SkyError } from "../../model/errors.ts";
import { fairDefer } from "../../runtime/deferral-os.ts";
import type { StreamSession } from "../../runtime/stream.ts";
import { createStreamHub } from "../../runtime/stream-memory.ts";
import type { Digest } from "../../transfer/chunks/chunk.ts";
import {
  createMemoryContentStore,
  MemoryContentDisk,
} from "../../transfer/chunks/content-store-memory.ts";
import type { ChunkSink } from "../../transfer/chunks/exchange.ts";
import { type Admitted, exchangeChannels } from "../../transfer/chunks/exchange-channels.ts";
import type { ChunkJournal } from "../../transfer/chunks/journal.ts";
import { openChunkJournal } from "../../transfer/chunks/journal-os.ts";
import { createReceiver } from "../../transfer/chunks/receive.ts";
import { fileToReceive } from "../../transfer/chunks/receive-os.ts";
import { openRelay } from "../../transfer/chunks/relay.ts";
import { manifestIndex } from "../../transfer/chunks/seal.ts";
import { type SendOptions, type SentObject, sendObjects } from "../../transfer/chunks/send.ts";
import { createInlineWork } from "../../transfer/chunks/work-inline.ts";
import { fc } from "../support/property.ts";
import { until } from "../support/until.ts";
import { damagePartial } from "./chunks-damage.ts";
import { chunkOf, neverAborts } from "./chunks-stage.ts";

const folder = mkdtempSync(join(tmpdir(), "chunk-transfer-"));
after(() => rmSync(folder, { recursive: true }));
const limits = { timeout: 60_000 };
const secret = { transfer: Buffer.alloc(16, 3), key: Buffer.alloc(32, 4) };
const transfer = secret.transfer.toString("hex");
const scope = `transfer/${transfer}`;
const mib = 1024 * 1024;

/** An object in memory that counts how often it is read. */
interface Original extends SentObject {
  readonly content: Uint8Array;
  reads: number;
}

function originalOf(object: number, length: number): Original {
  const content =
    length === 0 ? Buffer.alloc(0) : chunkOf(object * 2 + 2, Math.max(4, length)).bytes;
  const original: Original = {
    object,
    content,
    bytes: content.length,
    reads: 0,
    read: async ({ at, bytes }) => {
      original.reads += 1;
      return Uint8Array.from(original.content.subarray(at, at + bytes));
    },
  };
  return original;
}

let stages = 0;

class Stage {
  readonly hub = createStreamHub({ defer: fairDefer() });
  readonly work = createInlineWork();
  readonly dir: string;
  readonly disk = new MemoryContentDisk();
  readonly whole: string[] = [];
  /** Awaited by each put into a file. */
  gate: Promise<void> = Promise.resolve();
  /** The destination ends before it records that an object has its final name. */
  crashBeforeWord = false;
  /** Chunks that were put into files, over all lives. */
  readonly puts: string[] = [];
  readonly #originals: readonly Original[];

  constructor(originals: readonly Original[]) {
    stages += 1;
    this.dir = join(folder, `s${stages}`);
    mkdirSync(join(this.dir, "out"), { recursive: true });
    mkdirSync(join(this.dir, "locks"));
    this.#originals = originals;
  }

  pathOf(object: number): string {
    return join(this.dir, "out", `o${object}`);
  }

  dial(from: string, to: string, signal = neverAborts()): Promise<StreamSession> {
    return this.hub.connect(`demo/${from}`).dial({ host: to, port: 0 }, signal);
  }

  journal(name: string): Promise<ChunkJournal> {
    return openChunkJournal({
      path: join(this.dir, `${name}.journal`),
      transfer,
      locks: join(this.dir, "locks"),
    });
  }

  async listen(name: string, admit: () => Admitted): Promise<() => Promise<void>> {
    const exchanges = exchangeChannels({ admit, work: this.work });
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
      this.hub.cut(`demo/${name}`);
      await exchanges.close();
    };
  }

  /** The destination, as its disk was left. */
  async startDestination(): Promise<() => Promise<void>> {
    const opened = await this.journal("destination");
    const journal: ChunkJournal = {
      ...opened,
      entries: (object) => opened.entries(object),
      get: (place) => opened.get(place),
      find: (digest) => opened.find(digest),
      close: () => opened.close(),
      record: (entries) => {
        const isWord = entries.some((one) => one.place.index === manifestIndex);
        const isDelivered = entries.some((one) => one.state === "delivered");
        if (!this.crashBeforeWord || !isWord || !isDelivered) return opened.record(entries);
        return Promise.reject(new SkyError("stream/closed", { why: "a crash" }));
      },
    };
    const receiver = createReceiver({
      secret,
      journal,
      work: this.work,
      target: (object) => this.#targetOf(object),
      onObject: (object, digest) => this.whole.push(`${object} ${digest}`),
    });
    const sink: ChunkSink = receiver;
    const unlisten = await this.listen("c", () => ({ sink, safeMeans: "delivered" }));
    return async () => {
      await unlisten();
      await receiver.close();
      await journal.close();
    };
  }

  #targetOf(object: number) {
    const original = this.#originals.find((one) => one.object === object);
    if (original === undefined)
      throw new SkyError("request/invalid", { field: "object", why: "?" });
    const path = this.pathOf(object);
    const locks = join(this.dir, "locks");
    const target = fileToReceive({ path, bytes: original.bytes, transfer, locks });
    return {
      ...target,
      open: async (journal: Parameters<typeof target.open>[0]) => {
        const file = await target.open(journal);
        const put = file.put.bind(file);
        file.put = async (place, bytes) => {
          await this.gate;
          await put(place, bytes);
          this.puts.push(`${object}/${place.index}`);
        };
        return file;
      },
    };
  }

  async startRelay(bytesMax: number): Promise<() => Promise<void>> {
    const stop = new AbortController();
    const store = createMemoryContentStore({ disk: this.disk });
    const journal = await this.journal("relay");
    const relay = await openRelay({
      work: this.work,
      ...{ transfer, store, journal, bytesMax },
      hops: [
        {
          scope,
          next: (signal) => this.dial("b", "c", signal),
          pause: async (_, signal) => {
            await new Promise((resolve) => setImmediate(resolve));
            signal.throwIfAborted();
          },
        },
      ],
    });
    const unlisten = await this.listen("b", () => relay.admit());
    const running = relay.run(stop.signal).catch((error: unknown) => error);
    return async () => {
      stop.abort(new SkyError("core/cancelled", { what: "the relay" }));
      await unlisten();
      await running;
      await journal.close();
      await store.close();
    };
  }

  async send(to: string, options: Partial<SendOptions> = {}) {
    const session = await this.dial("a", to);
    const signal = neverAborts();
    const common = { session, scope, secret, work: this.work, signal, objects: this.#originals };
    return await sendObjects({ ...common, ...options });
  }

  check(): void {
    for (const { object, content } of this.#originals) {
      assert.ok(readFileSync(this.pathOf(object)).equals(content), `object ${object}`);
    }
    const left = readdirSync(join(this.dir, "out")).filter((name) => name.startsWith("."));
    assert.deepEqual(left, []);
  }
}

const sizes = [0, 1, 5_000, mib, 3 * mib + 17];

test(
  "objects of all sizes arrive whole under their names, and both ends agree",
  limits,
  async () => {
    const originals = sizes.map((length, object) => originalOf(object, length));
    const stage = new Stage(originals);
    const end = await stage.startDestination();
    const told: string[] = [];
    const onObject = (object: number, digest: Digest): unknown => told.push(`${object} ${digest}`);
    const result = await stage.send("c", { onObject });
    stage.check();
    assert.deepEqual(told.toSorted(), stage.whole.toSorted());
    assert.equal(told.length, sizes.length);
    assert.deepEqual(result.missing, []);
    // Each byte was read once.
    assert.deepEqual(
      originals.map(({ reads }) => reads),
      [0, 1, 1, 1, 4],
    );
    await end();
  },
);

test("through a relay with a small spool, and again without moving anything", limits, async () => {
  const originals = sizes.map((length, object) => originalOf(object, length));
  const stage = new Stage(originals);
  const ends = [await stage.startDestination(), await stage.startRelay(2 * mib)];
  const journal = await stage.journal("sender");
  await stage.send("b", { journal, sealedBytesMax: mib });
  stage.check();
  const again = await stage.send("b", { journal });
  assert.deepEqual([again.moved, again.known], [0, 0]);
  // A sender that forgot all has to read, and moves nothing.
  const forgotten = await stage.send("b");
  assert.equal(forgotten.moved, 0);
  assert.ok(forgotten.known > 0);
  assert.equal(new Set(stage.puts).size, stage.puts.length);
  await journal.close();
  for (const end of ends) await end();
});

test("every party may be broken off at any moment; nothing is put twice", limits, async () => {
  const restarts = fc.array(
    fc.record({ who: fc.constantFrom("a", "b", "c"), turns: fc.integer({ min: 0, max: 60 }) }),
    { minLength: 1, maxLength: 6 },
  );
  await fc.assert(
    fc.asyncProperty(restarts, async (plan) => {
      const originals = [6_000, 2 * mib + 5, 0, 40_000].map((n, object) => originalOf(object, n));
      const stage = new Stage(originals);
      const parts = {
        b: await stage.startRelay(mib + 10_000),
        c: await stage.startDestination(),
      };
      let isOver = false;
      const sending = sendUntilDone(stage, () => isOver);
      for (const { who, turns } of plan) {
        for (let turn = 0; turn < turns; turn += 1) {
          await new Promise((resolve) => setImmediate(resolve));
        }
        if (who === "a") stage.hub.cut("demo/a");
        if (who === "b") {
          await parts.b();
          parts.b = await stage.startRelay(mib + 10_000);
        }
        if (who === "c") {
          await parts.c();
          parts.c = await stage.startDestination();
        }
      }
      await sending;
      isOver = true;
      stage.check();
      assert.equal(new Set(stage.puts).size, stage.puts.length, "put twice");
      await parts.b();
      await parts.c();
      assert.equal(stage.disk.pins.size, 0);
    }),
    { numRuns: 15 },
  );
});

async function sendUntilDone(stage: Stage, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    const journal = await stage.journal("sender");
    try {
      await stage.send("b", { journal });
      return;
    } catch (error) {
      if (!isSkyError(error) || error.remedy !== "retry") throw error;
      await new Promise((resolve) => setImmediate(resolve));
    } finally {
      await journal.close();
    }
  }
}

test(
  "a chunk that the destination's disk damaged before the end is sent again",
  limits,
  async () => {
    const originals = [originalOf(1, 3 * mib)];
    const stage = new Stage(originals);
    const end = await stage.startDestination();
    const journal = await stage.journal("sender");
    let delivered = 0;
    const onDelivered = (): void => {
      delivered += 1;
      if (delivered === 2) damagePartial(join(stage.dir, "out"));
    };
    await assert.rejects(stage.send("c", { journal, onDelivered }), (error) =>
      isSkyError(error, "stream/closed"),
    );
    assert.ok(!existsSync(stage.pathOf(1)));
    const again = await stage.send("c", { journal });
    stage.check();
    // The damaged one, and the manifest.
    assert.equal(again.moved, 2);
    await journal.close();
    await end();
  },
);

test(
  "behind a relay, a chunk that the destination lost fails its object by name",
  limits,
  async () => {
    const stage = new Stage([originalOf(1, 3 * mib)]);
    const end = await stage.startDestination();
    const endRelay = await stage.startRelay(8 * mib);
    const journal = await stage.journal("sender");
    let delivered = 0;
    const onDelivered = (): void => {
      delivered += 1;
      if (delivered === 2) damagePartial(join(stage.dir, "out"));
    };
    const sendOn = async (): Promise<unknown> => {
      for (;;) {
        try {
          return await stage.send("b", { journal, onDelivered });
        } catch (error) {
          if (!isSkyError(error) || error.remedy !== "retry") throw error;
          await new Promise((resolve) => setImmediate(resolve));
        }
      }
    };
    await assert.rejects(
      sendOn(),
      (error) => isSkyError(error, "process/failed") && /object 1: chunk/.test(error.message),
    );
    assert.ok(!existsSync(stage.pathOf(1)));
    await journal.close();
    await endRelay();
    await end();
  },
);

test("a sender seals no further than its bound, and reads each chunk once", limits, async () => {
  const original = originalOf(1, 8 * mib);
  const stage = new Stage([original]);
  const { promise, resolve } = Promise.withResolvers<void>();
  stage.gate = promise;
  const end = await stage.startDestination();
  const sending = stage.send("c", { sealedBytesMax: 2 * mib });
  await until("it seals no further", async () => {
    const before = original.reads;
    for (let turn = 0; turn < 20; turn += 1) await new Promise((wake) => setImmediate(wake));
    return before > 0 && before === original.reads;
  });
  assert.ok(original.reads <= 3, `${original.reads}`);
  resolve();
  await sending;
  assert.equal(original.reads, 8);
  stage.check();
  await end();
});

test("a crash between the final name and the word for it costs nothing", limits, async () => {
  const originals = [originalOf(1, 2 * mib)];
  const stage = new Stage(originals);
  stage.crashBeforeWord = true;
  const end = await stage.startDestination();
  await assert.rejects(stage.send("c"), (error) => isSkyError(error, "stream/closed"));
  assert.ok(existsSync(stage.pathOf(1)));
  await end();
  stage.crashBeforeWord = false;
  const endOther = await stage.startDestination();
  const again = await stage.send("c");
  assert.deepEqual([again.moved, again.known], [0, 3]);
  stage.check();
  assert.equal(stage.puts.length, 2);
  assert.equal(stage.whole.length, 1);
  await endOther();
});

test("an object that changed since it was offered is named", limits, async () => {
  const original = originalOf(1, 3 * mib);
  const stage = new Stage([original]);
  const end = await stage.startDestination();
  const journal = await stage.journal("sender");
  const crash = new SkyError("stream/closed", { why: "a crash" });
  const onDelivered = (): never => {
    throw crash;
  };
  await assert.rejects(stage.send("c", { journal, onDelivered }), (error) => error === crash);
  assert.ok([...journal.entries()].length > 0);
  await end();
  // The destination begins anew, and the sender's file is another one.
  rmSync(join(stage.dir, "destination.journal"));
  original.content.fill(7);
  const endOther = await stage.startDestination();
  await assert.rejects(
    stage.send("c", { journal }),
    (error) => isSkyError(error, "process/failed") && /of object 1/.test(error.message),
  );
  assert.ok(!existsSync(stage.pathOf(1)));
  await journal.close();
  await endOther();
});

test("what is sealed for another place, or another transfer, is not taken", limits, async () => {
  const original = originalOf(1, 1_000);
  const stage = new Stage([original]);
  const end = await stage.startDestination();
  const other = { ...secret, key: Buffer.alloc(32, 5) };
  await assert.rejects(stage.send("c", { secret: other }), (error) =>
    isSkyError(error, "codec/invalid"),
  );
  await assert.rejects(stage.send("c", { objects: [originalOf(9, 1_000)] }), (error) =>
    isSkyError(error, "request/invalid"),
  );
  const longer = { ...originalOf(1, 5 * mib), object: 1 };
  await assert.rejects(stage.send("c", { objects: [longer] }), (error) =>
    isSkyError(error, "codec/invalid"),
  );
  assert.deepEqual([stage.whole, stage.puts], [[], []]);
  await end();
});
