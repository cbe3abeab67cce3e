// The relay of a transfer: dials the source, listens for the sink, and keeps what is on its way in
// a content store of its own.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { StreamPort, StreamSession } from "../../runtime/stream.ts";
import { openContentStore } from "../../transfer/chunks/content-store-os.ts";
import { exchangeChannels } from "../../transfer/chunks/exchange-channels.ts";
import { openChunkJournal } from "../../transfer/chunks/journal-os.ts";
import { openRelay } from "../../transfer/chunks/relay.ts";
import { createInlineWork } from "../../transfer/chunks/work-inline.ts";
import { host, type RelayConfig, scope } from "./config.ts";
import { keepDialled } from "./sink.ts";
import { tellingStore } from "./telling.ts";

export interface RelayPorts {
  readonly streams: StreamPort;
  readonly say: (says: string, about?: object) => void;
}

export interface RelayRun {
  readonly port: number;
  close(): Promise<void>;
}

const pauseMs = 20;
const sinkPeer = "proof/sink";

export async function runRelay(config: RelayConfig, ports: RelayPorts): Promise<RelayRun> {
  const { streams, say } = ports;
  const { folder, spoolBytesMax, transfer, dialPort = 0 } = config;
  const dir = join(folder, "store");
  mkdirSync(dir, { recursive: true });
  const store = await openContentStore({ dir, bytesMax: spoolBytesMax * 2, reserveBytes: 0 });
  const journal = await openChunkJournal({ path: join(folder, "journal"), transfer });
  const work = createInlineWork();
  const next = new NextHop();
  const relay = await openRelay({
    ...{ transfer, store: tellingStore(store, say), journal, bytesMax: spoolBytesMax, work },
    hops: [
      {
        scope,
        next: (signal) => next.session(signal),
        pause: (_, signal) => pause(pauseMs, undefined, { signal }),
      },
    ],
  });
  say("had", { count: relay.counts().heldChunks });
  const stop = new AbortController();
  const running = relay.run(stop.signal).catch((error: unknown) => {
    if (!stop.signal.aborted) say("failed", { why: String(error) });
  });
  const listener = await streams.listen({
    target: { host, port: 0 },
    onSession: (session) => next.is(session),
    allow: (peer) => peer === sinkPeer,
  });
  const channels = exchangeChannels({
    work,
    admit: (request) => (request.scope === scope ? relay.admit() : { refused: "no such object" }),
  });
  const dialler = keepDialled({ streams, port: dialPort, say }, (session) => {
    session.onChannel((channel) => {
      if (!channels.take(session, channel)) channel.abort("there is nothing of that kind here");
    });
  });
  return {
    port: listener.target.port,
    close: async () => {
      say("counts", relay.counts());
      stop.abort(new Error("the relay ends"));
      await dialler.close();
      await channels.close();
      await running;
      await listener.close();
      await journal.close();
      await store.close();
    },
  };
}

/** The session with the sink, whenever there is one. */
class NextHop {
  #current: StreamSession | undefined;
  #wake = Promise.withResolvers<void>();

  is(session: StreamSession): void {
    this.#current = session;
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
    void session.closed.then(() => {
      if (this.#current === session) this.#current = undefined;
    });
  }

  async session(signal: AbortSignal): Promise<StreamSession> {
    const stop = Promise.withResolvers<never>();
    const leave = (): void => stop.reject(signal.reason);
    signal.addEventListener("abort", leave, { once: true });
    try {
      while (this.#current === undefined) {
        signal.throwIfAborted();
        await Promise.race([this.#wake.promise, stop.promise]);
      }
      return this.#current;
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }
}
