// A send over several hops and ways: plain and sealed, with hops that break and objects that fail.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { SkyError } from "../../model/errors.ts";
import { fairDefer } from "../../runtime/deferral-os.ts";
import type { StreamSession } from "../../runtime/stream.ts";
import { createStreamHub } from "../../runtime/stream-memory.ts";
import {
  createMemoryContentStore,
  MemoryContentDisk,
} from "../../transfer/chunks/content-store-memory.ts";
import { type Admitted, exchangeChannels } from "../../transfer/chunks/exchange-channels.ts";
import { openFork } from "../../transfer/chunks/fork.ts";
import { openChunkJournal } from "../../transfer/chunks/journal-os.ts";
import type { SendHop } from "../../transfer/chunks/push-hops.ts";
import { createReceiver, type Receiver } from "../../transfer/chunks/receive.ts";
import { fileToReceive } from "../../transfer/chunks/receive-os.ts";
import { openRelay, type Relay } from "../../transfer/chunks/relay.ts";
import { type SendOptions, type SentObject, sendObjects } from "../../transfer/chunks/send.ts";
import { chunkOf, neverAborts, work } from "./chunks-stage.ts";

const folder = mkdtempSync(join(tmpdir(), "chunks-ways-"));
after(() => rmSync(folder, { recursive: true }));
const limits = { timeout: 60_000 };
const sealed = { transfer: Buffer.alloc(16, 3), key: Buffer.alloc(32, 4) };
const plain = { transfer: sealed.transfer };
const transfer = sealed.transfer.toString("hex");
const scope = `transfer/${transfer}`;
const mib = 1024 * 1024;

const sizes = [0, 1, 5_000, mib, 3 * mib + 17, 40_000];

function contentOf(object: number): Uint8Array {
  const bytes = sizes[object] ?? 0;
  return chunkOf(object * 2 + 2, Math.max(4, bytes)).bytes.subarray(0, bytes);
}

function originals(): readonly SentObject[] {
  return sizes.map((bytes, object) => ({
    object,
    bytes,
    read: async ({ at, bytes: count }) =>
      Uint8Array.from(contentOf(object).subarray(at, at + count)),
  }));
}

let stages = 0;

class Stage {
  readonly hub = createStreamHub({ defer: fairDefer() });
  readonly dir: string;
  readonly secret: SendOptions["secret"];
  readonly #ends: (() => Promise<unknown>)[] = [];

  constructor(secret: SendOptions["secret"]) {
    stages += 1;
    this.dir = join(folder, `s${stages}`);
    this.secret = secret;
    mkdirSync(join(this.dir, "locks"), { recursive: true });
  }

  hop(from: string, to: string, triesMax = 20): SendHop {
    return {
      scope,
      next: (signal) => this.hub.connect(`demo/${from}`).dial({ host: to, port: 0 }, signal),
      pause: async (failures) => {
        await new Promise((resolve) => setImmediate(resolve));
        if (failures >= triesMax) throw new SkyError("stream/closed", { why: `${to} is gone` });
      },
    };
  }

  async listen(name: string, admit: () => Admitted): Promise<() => Promise<void>> {
    const exchanges = exchangeChannels({ admit, work });
    const sessions: StreamSession[] = [];
    const listener = await this.hub.connect(`demo/${name}`).listen({
      target: { host: name, port: 0 },
      onSession: (session) => {
        sessions.push(session);
        session.onChannel((channel) => void exchanges.take(session, channel));
      },
    });
    const end = async (): Promise<void> => {
      await listener.close();
      this.hub.cut(`demo/${name}`);
      await exchanges.close();
    };
    this.#ends.push(end);
    return end;
  }

  /** A receiver that makes files in a folder of its name. */
  async receiver(name: string, told: Told = {}): Promise<Receiver> {
    const out = join(this.dir, name);
    mkdirSync(out, { recursive: true });
    const path = join(this.dir, `${name}.journal`);
    const journal = await openChunkJournal({ path, transfer });
    const locks = join(this.dir, "locks");
    const receiver = createReceiver({
      ...{ secret: this.secret, journal, work },
      target: async (object) => {
        await told.gate;
        if (object === told.refuses) throw new SkyError("objects/denied", { object: "5", why: "" });
        const bytes = sizes[object] ?? 0;
        const attributes = { mode: 0o640, mtimeMs: 1_000_000 };
        return fileToReceive({
          ...{ path: join(out, `o${object}`), bytes, transfer, locks, attributes },
        });
      },
      onObject: (object) => told.whole?.push(object),
      onFailed: (object, error) => told.failed?.push(`${object} ${error.code}`),
    });
    this.#ends.push(
      () => receiver.close(),
      () => journal.close(),
    );
    return receiver;
  }

  async relay(name: string, hops: readonly SendHop[]): Promise<Relay> {
    const store = createMemoryContentStore({ disk: new MemoryContentDisk() });
    const journal = await openChunkJournal({ path: join(this.dir, `${name}.journal`), transfer });
    const stop = new AbortController();
    const relay = await openRelay({
      ...{ work, transfer, store, journal, bytesMax: 4 * mib, hops },
    });
    const running = relay.run(stop.signal).catch((error: unknown) => error);
    this.#ends.push(async () => {
      stop.abort(new SkyError("core/cancelled", { what: "the relay" }));
      await running;
      await journal.close();
      await store.close();
    });
    return relay;
  }

  async send(options: Pick<SendOptions, "objects"> & Partial<SendOptions> & Ways) {
    return await sendObjects({
      ...{ secret: this.secret, work, signal: neverAborts() },
      ...options,
    } as SendOptions);
  }

  check(name: string, without: readonly number[] = []): void {
    const names = readdirSync(join(this.dir, name)).toSorted();
    const wanted = sizes.map((_, object) => object).filter((one) => !without.includes(one));
    assert.deepEqual(
      names,
      wanted.map((object) => `o${object}`),
    );
    for (const object of wanted) {
      const path = join(this.dir, name, `o${object}`);
      assert.ok(readFileSync(path).equals(contentOf(object)), `object ${object}`);
      const { mode, mtimeMs } = statSync(path);
      assert.deepEqual([mode & 0o777, mtimeMs], [0o640, 1_000_000]);
    }
  }

  async end(): Promise<void> {
    for (const end of this.#ends) await end();
  }
}

interface Told {
  readonly gate?: Promise<void>;
  readonly refuses?: number;
  readonly whole?: number[];
  readonly failed?: string[];
}

interface Ways {
  readonly ways: Extract<SendOptions, { ways: unknown }>["ways"];
}

function deliveredTo(receiver: Receiver): () => Admitted {
  return () => ({ sink: receiver, safeMeans: "delivered", work: receiver.codec });
}

for (const [form, secret] of Object.entries({ plain, sealed })) {
  test(`${form}: objects that come one by one arrive whole, with their modes`, limits, async () => {
    const stage = new Stage(secret);
    await stage.listen("c", deliveredTo(await stage.receiver("c")));
    const objects = (async function* () {
      for (const original of originals()) {
        await new Promise((resolve) => setImmediate(resolve));
        yield original;
      }
    })();
    const digests = new Map<number, string>();
    const onObject = (object: number, digest: string): unknown => digests.set(object, digest);
    await stage.send({ objects, ways: [{ hops: [stage.hop("a", "c")] }], onObject });
    stage.check("c");
    assert.equal(digests.size, sizes.length);
    await stage.end();
  });
}

test("chunks go over two hops, and over one when the other is gone", limits, async () => {
  const stage = new Stage(sealed);
  const receiver = await stage.receiver("d");
  await stage.listen("d", deliveredTo(receiver));
  const endB = await stage.listen(
    "b",
    (
      (relay) => () =>
        relay.admit()
    )(await stage.relay("b", [stage.hop("b", "d")])),
  );
  const relay = await stage.relay("c", [stage.hop("c", "d")]);
  await stage.listen("c", () => relay.admit());
  let delivered = 0;
  const onDelivered = (): void => {
    delivered += 1;
    if (delivered === 3) void endB();
  };
  const hops = [stage.hop("a", "b", 3), stage.hop("a", "c")];
  await stage.send({ objects: originals(), ways: [{ hops }], sealedBytesMax: mib, onDelivered });
  stage.check("d");
  assert.ok(relay.counts().delivered > 0);
  await stage.end();
});

test("without any hop left, a send fails with the last one's reason", limits, async () => {
  const stage = new Stage(plain);
  const hops = [stage.hop("a", "nobody", 2), stage.hop("a", "nowhere", 2)];
  await assert.rejects(stage.send({ objects: originals(), ways: [{ hops }] }), /is gone/);
  await stage.end();
});

test(
  "an object that its destination refuses fails alone, also behind a relay",
  limits,
  async () => {
    const stage = new Stage(sealed);
    const failed: string[] = [];
    const receiver = await stage.receiver("d", { refuses: 4, failed });
    await stage.listen("d", deliveredTo(receiver));
    const relay = await stage.relay("b", [stage.hop("b", "d")]);
    await stage.listen("b", () => relay.admit());
    const refused: number[] = [];
    await stage.send({
      ...{ objects: originals(), ways: [{ hops: [stage.hop("a", "b")] }] },
      onRefused: (object) => refused.push(object),
    });
    assert.deepEqual([failed, refused], [["4 objects/denied"], [4]]);
    stage.check("d", [4]);
    assert.equal(relay.counts().heldBytes, 0);
    await stage.end();
  },
);

test("an object that cannot be read fails alone", limits, async () => {
  const stage = new Stage(plain);
  await stage.listen("c", deliveredTo(await stage.receiver("c")));
  const objects = originals().map((original) =>
    original.object === 4 || original.object === 2
      ? {
          ...original,
          read: () => Promise.reject(new SkyError("objects/no-object", { object: "4" })),
        }
      : original,
  );
  const failed: string[] = [];
  await stage.send({
    ...{ objects, ways: [{ hops: [stage.hop("a", "c")] }] },
    onFailed: (object, error) => failed.push(`${object} ${error.code}`),
  });
  assert.deepEqual(failed.toSorted(), ["2 objects/no-object", "4 objects/no-object"]);
  stage.check("c", [2, 4]);
  await stage.end();
});

test("an object waits until its destination has been told of it", limits, async () => {
  const stage = new Stage(plain);
  const gate = Promise.withResolvers<void>();
  await stage.listen("c", deliveredTo(await stage.receiver("c", { gate: gate.promise })));
  let isOver = false;
  const sending = stage
    .send({ objects: originals(), ways: [{ hops: [stage.hop("a", "c")] }] })
    .finally(() => {
      isOver = true;
    });
  for (let turn = 0; turn < 50; turn += 1) await new Promise((wake) => setImmediate(wake));
  assert.equal(isOver, false);
  gate.resolve();
  await sending;
  stage.check("c");
  await stage.end();
});

test("one read goes two ways: to a sink of this process and over a wire", limits, async () => {
  const stage = new Stage(plain);
  await stage.listen("c", deliveredTo(await stage.receiver("c")));
  let reads = 0;
  const objects = originals().map((original) => ({
    ...original,
    read: (...given: Parameters<SentObject["read"]>) => {
      reads += 1;
      return original.read(...given);
    },
  }));
  const sink = await stage.receiver("here");
  await stage.send({ objects, ways: [{ sink }, { hops: [stage.hop("a", "c")] }] });
  stage.check("c");
  stage.check("here");
  assert.equal(reads, 1 + 1 + 1 + 4 + 1);
  await stage.end();
});

test("a fork writes and sends on; who refuses an object keeps it from nobody", limits, async () => {
  const stage = new Stage(sealed);
  await stage.listen("c", deliveredTo(await stage.receiver("c")));
  const failed: string[] = [];
  const sink = await stage.receiver("b", { refuses: 5, failed });
  const relay = await stage.relay("relay", [stage.hop("b", "c")]);
  const fork = openFork({ parts: [{ sink }, { relay }], work });
  await stage.listen("b", () => fork.admit());
  const whole: number[] = [];
  await stage.send({
    ...{ objects: originals(), ways: [{ hops: [stage.hop("a", "b")] }] },
    onObject: (object) => whole.push(object),
  });
  stage.check("b", [5]);
  stage.check("c");
  assert.deepEqual(failed, ["5 objects/denied"]);
  assert.equal(whole.length, sizes.length);
  // Again, with all that is known: nothing moves.
  const again = await stage.send({
    objects: originals().slice(0, 5),
    ways: [{ hops: [stage.hop("a", "b")] }],
  });
  assert.equal(again.moved, 0);
  await stage.end();
});

test("a destination that refuses an object keeps it from no other way", limits, async () => {
  const stage = new Stage(plain);
  const failed: string[] = [];
  await stage.listen("b", deliveredTo(await stage.receiver("b", { refuses: 4, failed })));
  await stage.listen("c", deliveredTo(await stage.receiver("c")));
  const whole: number[] = [];
  const refused: number[] = [];
  await stage.send({
    ...{ objects: originals(), onRefused: (object) => refused.push(object) },
    ways: ["b", "c"].map((name) => ({ hops: [stage.hop("a", name)] })),
    onObject: (object) => whole.push(object),
  });
  stage.check("b", [4]);
  stage.check("c");
  assert.deepEqual([failed, refused, whole.length], [["4 objects/denied"], [], sizes.length]);
  await stage.end();
});

test("stripes of an object take different ways to one destination", limits, async () => {
  const stage = new Stage(sealed);
  await stage.listen("d", deliveredTo(await stage.receiver("d")));
  const relays: Relay[] = [];
  for (const name of ["b", "c"]) {
    const relay = await stage.relay(name, [stage.hop(name, "d")]);
    await stage.listen(name, () => relay.admit());
    relays.push(relay);
  }
  const ways = ["b", "c"].map((name, stripe) => ({
    takes: ({ index }: { readonly index: number }) => index % 2 === stripe,
    hops: [stage.hop("a", name)],
  }));
  await stage.send({ objects: originals(), ways });
  stage.check("d");
  for (const relay of relays) assert.ok(relay.counts().delivered >= 2);
  await stage.end();
});
