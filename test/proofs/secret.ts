// Bytes to move: an object whose every chunk differs, some of it compressible, all of it marked.
//
// The marker is printable, so that it would show in any text that is made of it. It stands in
// every part of the object, however it is cut. Everything follows from the seed: whoever makes the
// object again gets the same bytes.

import { createMemoryRandom, type MemoryRandom } from "../../runtime/random-memory.ts";
import type { TransferSecret } from "../../transfer/chunks/seal.ts";
import type { SecretConfig } from "./config.ts";

export const markerBytes = 32;
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-";
const partBytes = 4_096;

export function markerOf(seed: number | string): Buffer {
  const random = createMemoryRandom(`${seed}/marker`);
  return Buffer.from(
    Array.from({ length: markerBytes }, () => alphabet[random.below(alphabet.length)]).join(""),
  );
}

/** Lengths of objects: none, one byte, some pieces, many pieces, and their neighbors. */
export function sizesOf(seed: number, count: number): readonly number[] {
  const random = createMemoryRandom(`${seed}/sizes`);
  const mib = 1024 * 1024;
  const odd = [0, 1, mib, mib + 1, 6 * mib - 1];
  const others = Array.from({ length: count - odd.length }, () => 1 + random.below(2 * mib));
  return [...odd, ...others];
}

/** Parts of three kinds: noise, repetition, and nothing but the marker. */
export function objectOf(seed: number | string, bytes: number, number = 0): Buffer {
  const random = createMemoryRandom(`${seed}/object/${number}`);
  const marker = markerOf(seed);
  const whole = Buffer.alloc(bytes);
  for (let at = 0; at < bytes; at += partBytes) {
    const part = whole.subarray(at, at + partBytes);
    fill(part, random, marker);
    if (part.length < 128 + 8) continue;
    part.write(marker.toString("latin1"), random.below(64), "latin1");
    // No two parts are alike, so no two chunks are.
    part.writeDoubleLE(at, 128);
  }
  return whole;
}

function fill(part: Buffer, random: MemoryRandom, marker: Buffer): void {
  const kind = random.below(3);
  if (kind === 0) part.set(random.bytes(part.length));
  else part.fill(kind === 1 ? `part ${random.below(9)} ` : marker);
}

/** For a test: a secret that is a function of the seed. */
export function secretConfigOf(seed: number): SecretConfig {
  const random = createMemoryRandom(`${seed}/secret`);
  const hex = (count: number): string => Buffer.from(random.bytes(count)).toString("hex");
  return { transfer: hex(16), key: hex(32) };
}

export function secretOf({ transfer, key }: SecretConfig): TransferSecret {
  return { transfer: Buffer.from(transfer, "hex"), key: Buffer.from(key, "hex") };
}
