// What a gateway reads: a file of this machine, or bytes that are made to measure.
//
// What must always hold: what is read of an object is of one version, the one that was listed; a
// file that is written to, cut off or replaced meanwhile is a failure that says so, not a mixture.

import { createCipheriv } from "node:crypto";
import type { BigIntStats } from "node:fs";
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { SkyError } from "../../model/errors.ts";
import { noRoom } from "../../runtime/room-os.ts";
import type { ByteRange, CutRule } from "../chunks/cut.ts";
import type { SentObject } from "../chunks/send.ts";
import type { SmallFileSource } from "../chunks/send-options.ts";
import { fileError } from "../stores/file-errors.ts";
import { fileVersion } from "../stores/file-version.ts";
import type { GatewayObject } from "./orders.ts";

const exact = { bigint: true } as const;

/** A path of a node: relative to its HOME unless it is absolute. */
export function nodePath(home: string, path: string): string {
  return isAbsolute(path) ? path : join(home, path);
}

/**
 * The file of an object, opened when it is first read, and looked at before and after each read.
 * Reading throws SkyError `objects/no-object`, `objects/denied`, `objects/changed`,
 * `objects/refused`.
 */
export function fileSource(object: GatewayObject, path: string, cut?: CutRule): FileSource {
  return new FileSource(object, path, cut);
}

interface OpenFile {
  readonly file: FileHandle;
  readonly begun: BigIntStats;
}

export class FileSource implements SentObject {
  readonly object: number;
  readonly bytes: number;
  readonly cut: CutRule | undefined;
  readonly file: SmallFileSource;
  readonly #version: string | undefined;
  readonly #path: string;
  #opening: Promise<OpenFile> | undefined;
  #isClosed = false;

  constructor({ object, bytes, version }: GatewayObject, path: string, cut: CutRule | undefined) {
    this.object = object;
    this.bytes = bytes;
    this.cut = cut;
    this.file = { path, version };
    this.#version = version;
    this.#path = path;
  }

  async #open(): Promise<OpenFile> {
    if (this.#isClosed) throw new SkyError("core/cancelled", { what: `reading ${this.#path}` });
    // A pipe would wait for a writer.
    const file = await open(this.#path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const begun = await file.stat(exact);
      this.#demand(begun);
      return { file, begun };
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  #demand(found: BigIntStats): void {
    if (!found.isFile()) {
      throw new SkyError("objects/refused", { object: this.#path, why: "it is no file" });
    }
    if (Number(found.size) !== this.bytes) {
      throw this.#changed(`it has ${found.size} bytes, and had ${this.bytes}`);
    }
    if (this.#version === undefined || fileVersion(found) === this.#version) return;
    throw this.#changed("it was written to after it was listed");
  }

  async read(range: ByteRange, signal: AbortSignal): Promise<Uint8Array> {
    const out = Buffer.allocUnsafeSlow(range.bytes);
    await this.readInto(range, out, signal);
    return out;
  }

  async readInto({ at, bytes }: ByteRange, target: Uint8Array, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await told(this.#path, async () => {
      this.#opening ??= this.#open();
      const { file, begun } = await this.#opening;
      for (let filled = 0; filled < bytes; ) {
        const { bytesRead } = await file.read(target, filled, bytes - filled, at + filled);
        if (bytesRead === 0) throw this.#changed(`it ends at byte ${at + filled}`);
        filled += bytesRead;
      }
      const found = await file.stat(exact);
      const isSame = found.mtimeNs === begun.mtimeNs && found.size === begun.size;
      if (!isSame) throw this.#changed("it was written to while it was read");
    });
  }

  /** An object without bytes is looked at too, before it counts as read. */
  async look(): Promise<void> {
    await told(this.#path, async () => {
      this.#opening ??= this.#open();
      await this.#opening;
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const [opened] = await Promise.allSettled([this.#opening]);
    if (opened.status === "fulfilled") await opened.value?.file.close();
  }

  #changed(why: string): SkyError {
    return new SkyError("objects/changed", { object: this.#path, why });
  }
}

async function told<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw fileError(error, path, (cause) => noRoom(path, cause));
  }
}

const patternBytes = 64 * 1024;

/** Bytes that follow from the object and the place alone; they compress well, or not at all. */
export function madeSource(
  { object, bytes }: GatewayObject,
  compressible: boolean,
  cut?: CutRule,
): SentObject {
  const readInto = async ({ at, bytes: length }: ByteRange, target: Uint8Array): Promise<void> => {
    if (compressible) {
      target.fill(0, 0, length);
      for (let from = 0; from < length; from += patternBytes) {
        target[from] = (object + at + from) & 0xff;
      }
      return;
    }
    target.set(noise(object, at, length));
  };
  return {
    ...{ object, bytes, cut },
    read: async (range) => {
      const out = Buffer.allocUnsafeSlow(range.bytes);
      await readInto(range, out);
      return out;
    },
  };
}

/** A key stream: nothing finds a pattern in it, and it costs little. */
function noise(object: number, at: number, bytes: number): Uint8Array {
  const key = Buffer.alloc(16);
  key.writeUInt32BE(object >>> 0, 0);
  const counter = Buffer.alloc(16);
  counter.writeBigUInt64BE(BigInt(at), 0);
  return createCipheriv("aes-128-ctr", key, counter).update(Buffer.alloc(bytes));
}
