// The sink of a transfer: dials whoever is before it, again whenever that ends, and takes what is
// pushed into its destination.

import { setTimeout as pause } from "node:timers/promises";
import type { StreamPort, StreamSession } from "../../runtime/stream.ts";
import type { ChunkSink } from "../../transfer/chunks/exchange.ts";
import { exchangeChannels } from "../../transfer/chunks/exchange-channels.ts";
import { host, type SinkConfig, scope } from "./config.ts";
import { type Destination, openDestination } from "./destination.ts";
import { secretOf } from "./secret.ts";

export interface SinkPorts {
  readonly streams: StreamPort;
  readonly say: (says: string, about?: object) => void;
  /** What stands between the wire and the destination, if anything does. */
  readonly wrap?: (sink: ChunkSink) => ChunkSink;
}

export interface SinkRun {
  readonly destination: Destination;
  close(): Promise<void>;
}

const inFlightBytesMax = 32 * 1024 * 1024;

export async function runSink(config: SinkConfig, ports: SinkPorts): Promise<SinkRun> {
  const { streams, say, wrap = (sink) => sink } = ports;
  const { path, transfer, chunkBytes, folder, dialPort = 0, bytesPerSecond } = config;
  const destination = await openDestination({
    ...{ path, transfer, chunkBytes, folder, secret: secretOf(config.secret) },
    proveAtEnd: config.proveAtEnd ?? true,
    onWord: (says, about) => say(says, about),
  });
  const sink = wrap(
    bytesPerSecond === undefined ? destination : slowed(destination, bytesPerSecond),
  );
  const channels = exchangeChannels({
    admit: (request) => {
      if (request.scope !== scope) return { refused: `there is no ${request.scope}` };
      return { sink, safeMeans: "delivered" };
    },
    inFlightBytesMax,
  });
  const dialler = keepDialled({ streams, port: dialPort, say }, (session) => {
    session.onChannel((channel) => {
      if (!channels.take(session, channel)) channel.abort("there is nothing of that kind here");
    });
  });
  return {
    destination,
    close: async () => {
      await dialler.close();
      await channels.close();
      await destination.close();
    },
  };
}

const redialMs = 30;
const lanes = 2;
/** A connection that is cut is dialled again beneath the session for so long. */
const resumeMs = 3_000;

/** Dials until it is closed; whatever ends is begun again after a moment. */
export function keepDialled(
  { streams, port, say }: Pick<SinkPorts, "streams" | "say"> & { readonly port: number },
  onSession: (session: StreamSession) => void,
): { close(): Promise<void> } {
  const stop = new AbortController();
  let session: StreamSession | undefined;
  const run = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      try {
        session = await streams.dial({ host, port }, stop.signal, { lanes, resumeMs });
        say("session", { peer: session.peer });
        onSession(session);
        say("over", { why: await session.closed });
      } catch (error) {
        if (!stop.signal.aborted) say("not dialled", { why: String(error) });
      }
      await pause(redialMs);
    }
  };
  const running = run();
  return {
    close: async () => {
      stop.abort(new Error("closed"));
      session?.close();
      await running;
    },
  };
}

/** Takes so many bytes a second and no more, one chunk after the other. */
function slowed(sink: ChunkSink, bytesPerSecond: number): ChunkSink {
  let turn: Promise<unknown> = Promise.resolve();
  return {
    known: (refs) => sink.known(refs),
    put: async (ref, bytes, signal) => {
      const before = turn;
      const mine = Promise.withResolvers<void>();
      turn = mine.promise;
      try {
        await before;
        await pause((bytes.length / bytesPerSecond) * 1_000, undefined, { signal });
      } finally {
        mine.resolve();
      }
      await sink.put(ref, bytes, signal);
    },
  };
}
