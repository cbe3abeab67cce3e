// The sink of a transfer: dials whoever is before it, again whenever that ends, and takes what is
// pushed into files.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { SkyError } from "../../model/errors.ts";
import type { StreamPort, StreamSession } from "../../runtime/stream.ts";
import type { ChunkSink } from "../../transfer/chunks/exchange.ts";
import { exchangeChannels } from "../../transfer/chunks/exchange-channels.ts";
import { openChunkJournal } from "../../transfer/chunks/journal-os.ts";
import { openObjectFile } from "../../transfer/chunks/object-file-os.ts";
import { sweepObjectLocks } from "../../transfer/chunks/object-lock-sqlite.ts";
import { createReceiver, type ObjectTarget } from "../../transfer/chunks/receive.ts";
import { fileToReceive } from "../../transfer/chunks/receive-os.ts";
import { createInlineWork } from "../../transfer/chunks/work-inline.ts";
import { host, type SinkConfig, scope } from "./config.ts";
import { secretOf } from "./secret.ts";
import { type Say, tellingJournal } from "./telling.ts";

export interface SinkPorts {
  readonly streams: StreamPort;
  readonly say: Say;
  /** What stands between the wire and the files, if anything does. */
  readonly wrap?: (sink: ChunkSink) => ChunkSink;
}

export interface SinkRun {
  close(): Promise<void>;
}

const inFlightBytesMax = 32 * 1024 * 1024;

export async function runSink(config: SinkConfig, ports: SinkPorts): Promise<SinkRun> {
  const { streams, say, wrap = (sink) => sink } = ports;
  const { folder, secret, dialPort = 0, bytesPerSecond } = config;
  mkdirSync(folder, { recursive: true });
  sweepObjectLocks(join(folder, "locks"));
  const { transfer } = secret;
  const opened = await openChunkJournal({ path: join(folder, "journal"), transfer });
  const journal = tellingJournal(opened, say);
  say("had", { count: [...journal.entries()].length });
  const work = createInlineWork();
  const receiver = createReceiver({
    ...{ secret: secretOf(secret), journal, work },
    target: (object) => targetOf(config, object),
    onObject: (object) => say("whole", { object }),
  });
  const told = wrap(telling(receiver, say));
  const sink = bytesPerSecond === undefined ? told : slowed(told, bytesPerSecond);
  const channels = exchangeChannels({
    admit: (request) => {
      if (request.scope !== scope) return { refused: `there is no ${request.scope}` };
      return { sink, safeMeans: "delivered" };
    },
    ...{ work, inFlightBytesMax },
  });
  const dialler = keepDialled({ streams, port: dialPort, say }, (session) => {
    session.onChannel((channel) => {
      if (!channels.take(session, channel)) channel.abort("there is nothing of that kind here");
    });
  });
  return {
    close: async () => {
      await dialler.close();
      await channels.close();
      await receiver.close();
      await work.close();
      await journal.close();
    },
  };
}

/** The file of an object, below the target, by its number. */
export function targetOf(
  { target, folder, sizes, secret, proveAtEnd = true }: SinkConfig,
  object: number,
): ObjectTarget {
  const bytes = sizes[object];
  if (bytes === undefined) throw new SkyError("request/invalid", { field: "object", why: "none" });
  const path = join(target, String(object));
  const file = { path, bytes, transfer: secret.transfer, locks: join(folder, "locks") };
  const usual = fileToReceive(file);
  if (proveAtEnd) return usual;
  const open: ObjectTarget["open"] = (journal) =>
    openObjectFile({ ...file, openJournal: async () => journal, proveAtEnd: false });
  return { ...usual, open };
}

/** Tells of every chunk that comes, and of those that are refused. */
function telling(sink: ChunkSink, say: Say): ChunkSink {
  return {
    known: (refs) => sink.known(refs),
    put: async (ref, bytes, signal) => {
      say("came", { index: ref.digest });
      try {
        await sink.put(ref, bytes, signal);
      } catch (error) {
        say("refused", { index: ref.digest, why: String(error) });
        throw error;
      }
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
