// Exchanges over TLS between real content stores, with connections that break and disks that lie.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { isSkyError, SkyError } from "../../model/errors.ts";
import { createAuthority, issueCertificate } from "../../runtime/certificates-os.ts";
import { createOsClock } from "../../runtime/clock-os.ts";
import type { StreamListener, StreamSession } from "../../runtime/stream.ts";
import { createTcpStreams } from "../../runtime/stream-tcp.ts";
import type { ContentStore } from "../../transfer/chunks/content-store.ts";
import { openContentStore } from "../../transfer/chunks/content-store-os.ts";
import { type Admitted, exchangeChannels } from "../../transfer/chunks/exchange-channels.ts";
import { fetchChunks } from "../../transfer/chunks/fetch.ts";
import { openChunkJournal } from "../../transfer/chunks/journal-os.ts";
import { pushChunks } from "../../transfer/chunks/push.ts";
import { openRelay } from "../../transfer/chunks/relay.ts";
import { nameAndSeal } from "../../transfer/chunks/seal.ts";
import { scopedSource, storeSink } from "../../transfer/chunks/store-parties.ts";
import { createThreadWork } from "../../transfer/chunks/work-threads-os.ts";
import { type FaultProxy, startFaultProxy } from "../support/proxy.ts";
import { type Chunk, chunkOf, refsOf, sourceOf } from "../unit/chunks-stage.ts";

const folder = mkdtempSync(join(tmpdir(), "chunks-exchange-"));
const clock = createOsClock();
const nowMs = Date.now();
const authority = await createAuthority("test head", nowMs);
const certificates = new Map(
  await Promise.all(
    ["a", "b", "c"].map(async (name) => {
      const request = { commonName: `demo/${name}`, hosts: ["127.0.0.1"], nowMs };
      return [name, await issueCertificate(authority, request)] as const;
    }),
  ),
);
const work = createThreadWork({ threads: 2 });
const limits = { timeout: 60_000 };
after(async () => {
  await work.close();
  rmSync(folder, { recursive: true });
});

/** What a test opens, closed in reverse order. */
class Stage {
  readonly #ends: (() => Promise<unknown> | unknown)[] = [];

  closing<T>(value: T, close: (value: T) => Promise<unknown> | unknown): T {
    this.#ends.push(() => close(value));
    return value;
  }

  async end(): Promise<void> {
    for (const end of this.#ends.reverse()) await end();
  }

  async store(name: string): Promise<ContentStore> {
    const dir = join(folder, name);
    mkdirSync(dir, { recursive: true });
    return this.closing(await openContentStore({ dir, work }), (store) => store.close());
  }

  portOf(name: string) {
    const ours = certificates.get(name);
    assert.ok(ours);
    const security = { kind: "tls", ...ours, authority: authority.certificate } as const;
    return createTcpStreams({ security, clock });
  }

  /** Admits what `admit` says; gives a proxy before it, whose connections a test can break. */
  async listen(name: string, admit: (peer: string) => Admitted): Promise<FaultProxy> {
    const exchanges = exchangeChannels({ admit: ({ peer }) => admit(peer), work });
    const listener: StreamListener = await this.portOf(name).listen({
      target: { host: "127.0.0.1", port: 0 },
      onSession: (session) => session.onChannel((channel) => void exchanges.take(session, channel)),
    });
    const to = { host: "127.0.0.1", port: listener.target.port };
    const proxy = await startFaultProxy({ listen: { port: 0 }, target: () => to });
    this.closing(proxy, async () => {
      await exchanges.close();
      await proxy.close();
      await listener.close();
    });
    return proxy;
  }

  async dial(name: string, { port }: FaultProxy, signal = AbortSignal.timeout(20_000)) {
    const session: StreamSession = await this.portOf(name).dial(
      { host: "127.0.0.1", port },
      signal,
    );
    return this.closing(session, () => session.close());
  }
}

function staged(what: string, run: (stage: Stage) => Promise<void>): void {
  test(`exchanges over TLS: ${what}`, limits, async () => {
    const stage = new Stage();
    try {
      await run(stage);
    } finally {
      await stage.end();
    }
  });
}

async function fill(store: ContentStore, chunks: readonly Chunk[]): Promise<void> {
  await Promise.all(chunks.map(({ ref, bytes }) => store.put(ref.digest, bytes)));
}

/** Of every size, and some of them compress. */
const chunks = Array.from({ length: 60 }, (_, index) => chunkOf(index + 1, 10 + index ** 2 * 60));
const signal = new AbortController().signal;

staged("a fetch that is broken off again and again stores each chunk once", async (stage) => {
  const from = await stage.store("one-b");
  const into = await stage.store("one-a");
  await fill(from, chunks);
  const proxy = await stage.listen("b", (peer) => {
    assert.equal(peer, "demo/a");
    return { source: scopedSource(from, refsOf(chunks)) };
  });
  let breaks = 0;
  let moved = 0;
  for (let isOver = false; !isOver; ) {
    const session = await stage.dial("a", proxy);
    let safe = 0;
    try {
      await fetchChunks({
        ...{ session, scope: "x", want: refsOf(chunks), into: storeSink(into), signal, work },
        inFlightBytesMax: 1_000_000,
        onSafe: () => {
          safe += 1;
          moved += 1;
          if (safe === 15) breaks += proxy.cut();
        },
      });
      isOver = true;
    } catch (error) {
      assert.ok(isSkyError(error, "stream/closed"), String(error));
    }
  }
  assert.ok(breaks >= 2);
  assert.equal(moved, chunks.length);
  const { stored, known, damaged } = into.counts();
  assert.deepEqual([stored, known, damaged], [chunks.length, 0, 0]);
  for (const { ref, bytes } of chunks) {
    assert.ok(Buffer.from(await into.get(ref.digest)).equals(bytes));
  }
});

staged("what a supplier's disk damaged is named, and had from another", async (stage) => {
  const from = await stage.store("two-b");
  const into = await stage.store("two-a");
  await fill(from, chunks);
  const spoilt = chunks[20];
  assert.ok(spoilt);
  const { digest } = spoilt.ref;
  const path = join(folder, "two-b", digest.slice(0, 2), digest);
  const bytes = readFileSync(path);
  bytes[5] = (bytes[5] ?? 0) ^ 4;
  writeFileSync(path, bytes);
  const bad = await stage.listen("b", () => ({ source: from }));
  const good = await stage.listen("c", () => ({ source: sourceOf(chunks) }));
  const options = { scope: "x", want: refsOf(chunks), into: storeSink(into), signal, work };
  const first = await fetchChunks({ ...options, session: await stage.dial("a", bad) });
  assert.deepEqual(first.missing, [{ ...spoilt.ref, why: "damaged" }]);
  const rest = await fetchChunks({ ...options, session: await stage.dial("a", good) });
  assert.deepEqual([rest.moved, rest.known, rest.missing.length], [1, chunks.length - 1, 0]);
  assert.ok(Buffer.from(await into.get(digest)).equals(spoilt.bytes));
});

async function aTurn(_: number, signal: AbortSignal): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  signal.throwIfAborted();
}

staged("a relay over a store on disk goes on after it was opened anew", async (stage) => {
  const secret = { transfer: Buffer.alloc(16, 1), key: Buffer.alloc(32, 2) };
  const transfer = secret.transfer.toString("hex");
  const sealed: readonly Chunk[] = chunks.map(({ bytes }, index) => {
    const made = nameAndSeal(bytes, { secret, place: { object: 0, index } });
    return { ref: made.sealedRef, bytes: made.sealed };
  });
  const destination = await stage.store("three-c");
  const end = await stage.listen("c", () => ({
    sink: storeSink(destination),
    safeMeans: "delivered",
  }));
  const spool = await stage.store("three-b");
  const path = join(folder, "three.journal");
  const life = async (isStopped: () => boolean) => {
    const journal = await openChunkJournal({ path, transfer });
    const stop = new AbortController();
    const relay = await openRelay({
      ...{ transfer, store: spool, journal, bytesMax: 3_000_000, work },
      hops: [{ scope: "x", next: (over) => stage.dial("b", end, over), pause: aTurn }],
    });
    const running = relay.run(stop.signal).catch((error: unknown) => error);
    const inlet = await stage.listen("b", () => relay.admit());
    const session = await stage.dial("a", inlet);
    try {
      return await pushChunks({
        ...{ session, scope: "x", offer: refsOf(sealed), from: sourceOf(sealed), signal, work },
        until: "delivered",
        onSafe: () => isStopped() && session.close(),
      });
    } catch (error) {
      assert.ok(isSkyError(error, "stream/closed"), String(error));
      return undefined;
    } finally {
      stop.abort(new SkyError("core/cancelled", { what: "the relay" }));
      await running;
      await journal.close();
    }
  };
  let safe = 0;
  for (const breakAt of [10, 15, 15]) {
    safe = 0;
    const broken = await life(() => {
      safe += 1;
      return safe === breakAt;
    });
    assert.equal(broken, undefined);
  }
  const result = await life(() => false);
  assert.ok(result);
  assert.deepEqual(result.missing, []);
  assert.equal(destination.counts().stored, sealed.length);
  assert.equal(destination.counts().known, 0);
  assert.equal(spool.counts().stored, sealed.length);
  assert.deepEqual(await spool.pins(""), []);
});
