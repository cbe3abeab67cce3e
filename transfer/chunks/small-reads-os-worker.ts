// The thread that reads small files: opens one, looks at it, reads it, looks again, packs it.

import type { BigIntStats } from "node:fs";
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { parentPort, type Transferable } from "node:worker_threads";
import { assert, errorText, isSkyError, SkyError } from "../../model/errors.ts";
import { fileVersion } from "../stores/file-version.ts";
import type { Failure, Letter, Reply } from "./batch-thread-os.ts";
import { packPlain, plainHeaderBytes } from "./plain.ts";
import { nameAndSeal, type SealedChunk } from "./seal.ts";
import type { SmallReadRequest } from "./small-reads-os.ts";

assert(parentPort !== null, "small files are read on a thread of its own");
const port = parentPort;

type Done = Extract<Reply<SealedChunk>, { readonly done: unknown }>["done"][number];

/** Answered together: the first of a letter need not wait for the last. */
const turnMax = 16;

port.on("message", ({ items }: Letter<SmallReadRequest>) => {
  for (let at = 0; at < items.length; at += turnMax) {
    const done: Done[] = [];
    const movable: Transferable[] = [];
    for (const { id, request } of items.slice(at, at + turnMax)) {
      try {
        const answer = packed(request);
        done.push({ id, answer });
        movable.push(answer.sealed.buffer as ArrayBuffer);
      } catch (error) {
        done.push({ id, failure: failureOf(error) });
      }
    }
    port.postMessage({ done } satisfies Reply<SealedChunk>, movable);
  }
  port.postMessage({ next: true } satisfies Reply<SealedChunk>);
});

function packed(request: SmallReadRequest): SealedChunk {
  const { secret, place, compress } = request;
  if (secret.key !== undefined) return nameAndSeal(read(request, 0), { secret, place });
  const { transfer } = secret;
  return packPlain(read(request, plainHeaderBytes), { transfer, place, compress });
}

function read({ path, bytes, version }: SmallReadRequest, roomBytes: number): Uint8Array {
  // A pipe would wait for a writer.
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const before = fstatSync(fd, { bigint: true });
    demand({ path, bytes, version }, before);
    const memory = Buffer.allocUnsafeSlow(roomBytes + bytes);
    for (let at = roomBytes; at < memory.length; ) {
      const count = readSync(fd, memory, at, memory.length - at, at - roomBytes);
      if (count === 0) throw changed(path, `it ends at byte ${at - roomBytes}`);
      at += count;
    }
    const after = fstatSync(fd, { bigint: true });
    const isSame = after.mtimeNs === before.mtimeNs && after.size === before.size;
    if (!isSame) throw changed(path, "it was written to while it was read");
    return memory;
  } finally {
    closeSync(fd);
  }
}

function demand(
  { path, bytes, version }: Pick<SmallReadRequest, "path" | "bytes" | "version">,
  found: BigIntStats,
): void {
  if (!found.isFile()) {
    throw new SkyError("objects/refused", { object: path, why: "it is no file" });
  }
  if (Number(found.size) !== bytes) {
    throw changed(path, `it has ${found.size} bytes, and had ${bytes}`);
  }
  if (version === undefined || fileVersion(found) === version) return;
  throw changed(path, "it was written to after it was listed");
}

function changed(object: string, why: string): SkyError {
  return new SkyError("objects/changed", { object, why });
}

function failureOf(error: unknown): Failure {
  const text = errorText(error);
  if (!isSkyError(error)) {
    return { code: (error as NodeJS.ErrnoException).code ?? "", params: {}, text };
  }
  const params = Object.entries(error.params).map(([name, value]) => [name, String(value)]);
  return { code: error.code, params: Object.fromEntries(params), text };
}
