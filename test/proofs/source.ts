// The source of a transfer: listens, and sends its objects to whoever dials it, until all of them
// are whole at the destination. What breaks is begun again with the next session, or on this one.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { isSkyError } from "../../model/errors.ts";
import { createMemoryRandom } from "../../runtime/random-memory.ts";
import type { StreamPort, StreamSession } from "../../runtime/stream.ts";
import type { ByteRange } from "../../transfer/chunks/cut.ts";
import { openChunkJournal } from "../../transfer/chunks/journal-os.ts";
import { fileToSend } from "../../transfer/chunks/receive-os.ts";
import { type SentObject, sendObjects } from "../../transfer/chunks/send.ts";
import { createInlineWork } from "../../transfer/chunks/work-inline.ts";
import { host, type SourceConfig, scope } from "./config.ts";
import { secretOf } from "./secret.ts";

export interface SourcePorts {
  readonly streams: StreamPort;
  readonly say: (says: string, about?: object) => void;
}

export interface SourceRun {
  readonly port: number;
  close(): Promise<void>;
}

/** How often it is begun again on a session that lives. */
const triesMax = 10;

export async function runSource(config: SourceConfig, ports: SourcePorts): Promise<SourceRun> {
  const { streams, say } = ports;
  const { folder, secret } = config;
  mkdirSync(folder, { recursive: true });
  const journal = await openChunkJournal({
    path: join(folder, "journal"),
    transfer: secret.transfer,
  });
  const opened = await objectsOf(config, say);
  // They are sent again where a send breaks: only the source itself closes them.
  const objects = opened.map(({ object, bytes, read }) => ({ object, bytes, read }));
  const work = createInlineWork();
  const stop = new AbortController();
  const running = new Set<Promise<void>>();
  const send = async (session: StreamSession): Promise<void> => {
    const all = { session, scope, secret: secretOf(secret), objects, journal, work };
    const { moved, known } = await sendObjects({ ...all, signal: stop.signal });
    say("delivered", { moved, known });
  };
  const serve = async (session: StreamSession): Promise<void> => {
    const over = session.closed.then(() => true);
    for (let tried = 0; tried < triesMax; tried += 1) {
      try {
        return await send(session);
      } catch (error) {
        say("broken", { why: String(error) });
        if (stop.signal.aborted || !isSkyError(error, "stream/closed")) return;
        if (await Promise.race([over, Promise.resolve(false)])) return;
      }
    }
  };
  const listener = await streams.listen({
    target: { host, port: 0 },
    onSession: (session) => {
      say("session", { peer: session.peer });
      const serving = serve(session).finally(() => running.delete(serving));
      running.add(serving);
    },
  });
  return {
    port: listener.target.port,
    close: async () => {
      stop.abort(new Error("the source ends"));
      await Promise.all(running);
      await listener.close();
      await work.close();
      await journal.close();
      for (const object of opened) await object.close?.();
    },
  };
}

type Closable = SentObject & { close?(): Promise<void> };

async function objectsOf(
  { objects, sizes, seed }: SourceConfig,
  say: SourcePorts["say"],
): Promise<readonly Closable[]> {
  const made = async (object: number, bytes: number): Promise<Closable> =>
    objects === undefined
      ? { object, bytes, read: async (range) => madeOf(seed + object, range) }
      : await fileToSend(object, join(objects, String(object)));
  return await Promise.all(
    sizes.map(async (bytes, object) => {
      const source = await made(object, bytes);
      const read: SentObject["read"] = async (range, signal) => {
        say("read", { place: `${object}/${range.at}` });
        return await source.read(range, signal);
      };
      return { ...source, read };
    }),
  );
}

const noiseBytes = 1024 * 1024;
let noise: Buffer | undefined;

/** Bytes that cost little to make and do not compress: noise, and each range another. */
function madeOf(seed: number, { at, bytes }: ByteRange): Uint8Array {
  noise ??= Buffer.from(createMemoryRandom(`${seed}/noise`).bytes(noiseBytes));
  const buffer = Buffer.allocUnsafeSlow(bytes);
  for (let from = 0; from < bytes; from += noiseBytes) noise.copy(buffer, from);
  if (bytes >= 16) {
    buffer.writeDoubleLE(at, 0);
    buffer.writeDoubleLE(seed, 8);
  }
  return buffer;
}
