// What may be asked of a content store at all: digests, sizes and names of pins.
//
// A digest becomes a file's name, so nothing but 64 lower-case hexadecimal digits passes here,
// whatever a peer sent: no `..`, no slash, no second spelling of the same chunk.

import { createHash } from "node:crypto";
import { SkyError } from "../../model/errors.ts";
import { type ChunkRef, chunkBytesMax, type Digest, digestPattern } from "./chunk.ts";
import { type PinName, pinPattern } from "./content-store.ts";

/** @throws SkyError `request/invalid`. */
export function demandDigest(digest: Digest): void {
  if (typeof digest === "string" && digestPattern.test(digest)) return;
  const shown = String(digest).slice(0, 80);
  throw invalid("digest", `${JSON.stringify(shown)} is not 64 lower-case hexadecimal digits`);
}

/** @throws SkyError `request/invalid`. */
export function demandSize(bytes: number): void {
  if (Number.isSafeInteger(bytes) && bytes >= 1 && bytes <= chunkBytesMax) return;
  throw invalid("chunk", `${bytes} bytes, where a chunk has 1 to ${chunkBytesMax}`);
}

/** @throws SkyError `request/invalid`. */
export function demandRefs(refs: readonly ChunkRef[]): void {
  for (const { digest, bytes } of refs) {
    demandDigest(digest);
    demandSize(bytes);
  }
}

/** @throws SkyError `request/invalid`. */
export function demandPinName(name: PinName): void {
  if (typeof name === "string" && pinPattern.test(name)) return;
  const shown = String(name).slice(0, 80);
  throw invalid("pin", `${JSON.stringify(shown)} is not 1 to 200 of A-Z a-z 0-9 . _ / -`);
}

export function digestOf(bytes: Uint8Array): Digest {
  return createHash("sha256").update(bytes).digest("hex");
}

/** @throws SkyError `chunk/damaged` if the bytes do not have the digest. */
export function demandProof(digest: Digest, found: Digest, where: string): void {
  if (found !== digest) throw damaged(digest, where, `its bytes have the digest ${found}`);
}

export function damaged(digest: Digest, where: string, why: string): SkyError<"chunk/damaged"> {
  return new SkyError("chunk/damaged", { digest, where, why });
}

function invalid(field: string, why: string): SkyError<"request/invalid"> {
  return new SkyError("request/invalid", { field, why });
}
