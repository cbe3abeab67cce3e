// What the tests of a whole fan-out share: a source and sinks over sessions in memory.

import { createOsClock } from "../../runtime/clock-os.ts";
import { fairDefer } from "../../runtime/deferral-os.ts";
import type { StreamSession } from "../../runtime/stream.ts";
import { createStreamHub, type StreamHub } from "../../runtime/stream-memory.ts";
import {
  createMemoryContentStore,
  MemoryContentDisk,
} from "../../transfer/chunks/content-store-memory.ts";
import { type FanOut, type FanOutOptions, startFanOut } from "../../transfer/fanout/fan-out.ts";
import { type JoinOptions, type JoinResult, joinFanOut } from "../../transfer/fanout/join.ts";
import { type Chunk, refsOf, work } from "./chunks-stage.ts";

export const scope = "demo/workdir/1";
export const clock = createOsClock();

export class Stage {
  readonly hub: StreamHub = createStreamHub({ defer: fairDefer() });
  readonly chunks: readonly Chunk[];
  readonly disks = new Map<string, MemoryContentDisk>();
  readonly sourceDisk = new MemoryContentDisk();
  readonly #stops = new Map<string, AbortController>();
  fanOut: FanOut | undefined;
  #close: () => Promise<void> = async () => {};

  constructor(chunks: readonly Chunk[]) {
    this.chunks = chunks;
    for (const { ref, bytes } of chunks)
      this.sourceDisk.chunks.set(ref.digest, Uint8Array.from(bytes));
  }

  /** The source's process begins. */
  async start(sinks: readonly string[], more: Partial<FanOutOptions> = {}): Promise<FanOut> {
    const store = createMemoryContentStore({ disk: this.sourceDisk });
    const refs = refsOf(this.chunks);
    const fanOut = startFanOut({ scope, refs, from: store, work, sinks, clock, ...more });
    this.fanOut = fanOut;
    const sessions = new Set<StreamSession>();
    const listener = await this.hub.connect("demo/head").listen({
      target: { host: "head", port: 0 },
      onSession: (session) => {
        sessions.add(session);
        session.onChannel((channel) => {
          if (!fanOut.receive(session, channel)) channel.abort("of nobody");
        });
      },
    });
    this.#close = async () => {
      fanOut.close("the source ends");
      await listener.close();
      for (const session of sessions) session.close();
    };
    return fanOut;
  }

  /** The source's process ends, without a word. */
  async kill(): Promise<void> {
    this.hub.cut("demo/head");
    await this.#close();
  }

  join(sink: string, more: Partial<JoinOptions> = {}): Promise<JoinResult> {
    const disk = this.disks.get(sink) ?? new MemoryContentDisk();
    this.disks.set(sink, disk);
    const stop = new AbortController();
    this.#stops.set(sink, stop);
    const streams = this.hub.connect(sink);
    return joinFanOut({
      connect: (signal) => streams.dial({ host: "head", port: 0 }, signal),
      ...{ streams, scope, work, clock, signal: stop.signal, listen: { host: sink } },
      store: createMemoryContentStore({ disk }),
      ...more,
    });
  }

  /** The sink's process ends, without a word; its disk stays. */
  leave(sink: string): void {
    this.hub.cut(sink);
    this.#stops.get(sink)?.abort(new Error("killed"));
  }

  /** Whether all chunks are on its disk, as they are. */
  isWhole(sink: string): boolean {
    const disk = this.disks.get(sink);
    return this.chunks.every(({ ref, bytes }) => {
      const found = disk?.chunks.get(ref.digest);
      return found !== undefined && Buffer.compare(found, bytes) === 0;
    });
  }

  close(): Promise<void> {
    return this.#close();
  }
}
