// What the wire benchmark moves: chunks, bare or with what proves them.
//
// A chunk has 4 MiB. With `packed` it is compressed by zstd-1 and has its length before it; with
// `digests` the SHA-256 of the chunk follows. The receiver undoes and proves both.

import { createHash, randomFillSync } from "node:crypto";
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import type { StreamChannel } from "../runtime/stream.ts";

export interface ChunkForm {
  readonly data: "random" | "text";
  readonly digests: boolean;
  readonly packed: boolean;
}

const chunkBytes = 4 * 1024 * 1024;
const digestBytes = 32;
const lengthBytes = 4;

export interface Giving extends ChunkForm {
  /** When to stop. */
  readonly untilMs: number;
  /** Hears of each chunk. */
  readonly sent?: (bytes: number) => void;
}

/** Writes chunks until the time is over. */
export async function giveChunks(channel: StreamChannel, form: Giving): Promise<void> {
  const { untilMs, sent } = form;
  const chunks = chunksOf(form.data);
  for (let turn = 0; performance.now() < untilMs; turn += 1) {
    const chunk = chunks[turn % chunks.length] ?? Buffer.alloc(0);
    const body = form.packed ? packed(chunk) : chunk;
    if (form.packed) await channel.write(lengthOf(body));
    await channel.write(body);
    if (form.digests) await channel.write(createHash("sha256").update(chunk).digest());
    sent?.(chunk.length);
  }
}

/** Proves chunks as they come. */
export class ChunkCheck {
  readonly #form: ChunkForm;
  readonly #head = Buffer.alloc(Math.max(digestBytes, lengthBytes));
  readonly #body = Buffer.alloc(2 * chunkBytes);
  #state: "length" | "body" | "digest";
  #missing: number;
  #filled = 0;
  #hash = createHash("sha256");
  #proven = 0;

  constructor(form: ChunkForm) {
    this.#form = form;
    this.#state = form.packed ? "length" : "body";
    this.#missing = form.packed ? lengthBytes : chunkBytes;
  }

  /** Gives the bytes of the chunks that are now proven. */
  push(part: Uint8Array): number {
    const before = this.#proven;
    for (let at = 0; at < part.length; ) {
      const piece = part.subarray(at, at + this.#missing);
      at += piece.length;
      this.#missing -= piece.length;
      if (this.#state !== "body") this.#head.set(piece, this.#filled);
      else if (this.#form.packed) this.#body.set(piece, this.#filled);
      else this.#hash.update(piece);
      this.#filled += piece.length;
      if (this.#missing === 0) this.#next();
    }
    return this.#proven - before;
  }

  #next(): void {
    if (this.#state === "length") this.#begin("body", this.#head.readUInt32BE());
    else if (this.#state === "body") this.#endBody();
    else this.#endChunk();
  }

  #endBody(): void {
    const body = this.#body.subarray(0, this.#filled);
    if (this.#form.packed) this.#hash.update(zstdDecompressSync(body));
    this.#begin("digest", digestBytes);
  }

  #endChunk(): void {
    const said = this.#head.subarray(0, digestBytes);
    if (!this.#hash.digest().equals(said)) throw new Error("a chunk is not what it was");
    this.#hash = createHash("sha256");
    this.#proven += chunkBytes;
    if (this.#form.packed) this.#begin("length", lengthBytes);
    else this.#begin("body", chunkBytes);
  }

  #begin(state: "length" | "body" | "digest", missing: number): void {
    this.#state = state;
    this.#missing = missing;
    this.#filled = 0;
  }
}

/** Random bytes, or lines as a log has them: zstd-1 makes a fifth of those. */
function chunksOf(data: ChunkForm["data"]): readonly Buffer[] {
  const random = randomFillSync(Buffer.alloc(2 * chunkBytes));
  if (data === "random") return [random.subarray(0, chunkBytes), random.subarray(chunkBytes)];
  const line = "2026-01-01T00:00:00.000Z worker 17 step 1042 loss 0.3121 tokens/s 18234\n";
  const text = Buffer.alloc(chunkBytes, line);
  for (let at = 0; at < text.length; at += 29) text[at] = 97 + ((random[at] ?? 0) % 26);
  return [text];
}

function packed(chunk: Buffer): Buffer {
  return zstdCompressSync(chunk, { params: { [constants.ZSTD_c_compressionLevel]: 1 } });
}

function lengthOf(body: Buffer): Buffer {
  const out = Buffer.alloc(lengthBytes);
  out.writeUInt32BE(body.length);
  return out;
}
