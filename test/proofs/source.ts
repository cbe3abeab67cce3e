// The source of a transfer: listens, and pushes its object to whoever is admitted, until all of it
// is delivered. An exchange that breaks is begun again on the next session, or on the same one.

import { open } from "node:fs/promises";
import { isSkyError } from "../../model/errors.ts";
import { createMemoryRandom } from "../../runtime/random-memory.ts";
import type { StreamPort, StreamSession } from "../../runtime/stream.ts";
import type { ByteRange } from "../../transfer/chunks/cut.ts";
import { codecInPlace, type ExchangeResult, rawCodec } from "../../transfer/chunks/exchange.ts";
import { pushChunks } from "../../transfer/chunks/push.ts";
import { host, type SourceConfig, scope } from "./config.ts";
import { SealedObject } from "./sealed-object.ts";
import { secretOf } from "./secret.ts";

/** How often an exchange is begun again on a session that lives. */
const exchangesMax = 10;

export interface SourceRun {
  readonly port: number;
  close(): Promise<void>;
}

export interface SourcePorts {
  readonly streams: StreamPort;
  readonly say: (says: string, about?: object) => void;
}

export async function runSource(config: SourceConfig, ports: SourcePorts): Promise<SourceRun> {
  const { streams, say } = ports;
  const reader = await readerOf(config);
  const stop = new AbortController();
  const running = new Set<Promise<void>>();
  const push = async (session: StreamSession): Promise<void> => {
    const onGiven = (index: number): void => say("gave", { index });
    const object = new SealedObject({ secret: secretOf(config.secret), ...reader, onGiven });
    const from = { get: object.get.bind(object) };
    const options = { session, scope, from, offer: object.offer(), until: "delivered" } as const;
    const onSafe = (): void => object.safe();
    const { signal } = stop;
    const result = await pushChunks({ ...options, work: rawCodec(codecInPlace), onSafe, signal });
    say("delivered", resultOf(result));
  };
  const serve = async (session: StreamSession): Promise<void> => {
    const over = session.closed.then(() => true);
    for (let tried = 0; tried < exchangesMax; tried += 1) {
      try {
        return await push(session);
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
      await reader.close();
    },
  };
}

function resultOf({ moved, movedBytes, known, damaged, missing }: ExchangeResult): object {
  return { moved, movedBytes, known, damaged, missing: missing.length };
}

async function readerOf({ object, chunkBytes }: SourceConfig) {
  if (typeof object !== "string") {
    const { bytes, seed } = object;
    const read = async (range: ByteRange) => madeOf(seed, range);
    return { ranges: rangesOf(bytes, chunkBytes), read, close: async () => {} };
  }
  const file = await open(object, "r");
  const { size } = await file.stat();
  const read = async ({ at, bytes }: ByteRange): Promise<Uint8Array> => {
    const buffer = Buffer.alloc(bytes);
    await file.read(buffer, 0, bytes, at);
    return buffer;
  };
  return { ranges: rangesOf(size, chunkBytes), read, close: () => file.close() };
}

/** Finer than an object is cut otherwise, so that a small one has many chunks. */
function rangesOf(bytes: number, chunkBytes: number): readonly ByteRange[] {
  return Array.from({ length: Math.ceil(bytes / chunkBytes) }, (_, index) => {
    const at = index * chunkBytes;
    return { at, bytes: Math.min(chunkBytes, bytes - at) };
  });
}

const noiseBytes = 1024 * 1024;

/** Bytes that cost little to make and do not compress: noise, and each piece another. */
function madeOf(seed: number, { at, bytes }: ByteRange): Uint8Array {
  noise ??= Buffer.from(createMemoryRandom(`${seed}/noise`).bytes(noiseBytes));
  const buffer = Buffer.allocUnsafeSlow(bytes);
  for (let from = 0; from < bytes; from += noiseBytes) noise.copy(buffer, from);
  buffer.writeDoubleLE(at, 0);
  return buffer;
}

let noise: Buffer | undefined;
