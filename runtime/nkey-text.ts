// Nkeys as text: base32 of a few bytes that say what it is, the key, and a checksum.
//
//     "U…"   0xa0, the public key                  a user
//     "SU…"  0x95 0x00, the 32 bytes of the seed   a user's seed
//
// Pure. What must always hold: a text that was mistyped or cut off is refused, never half read.
// Source: github.com/nats-io/nkeys, README and `crc16`.

import { SkyError } from "../model/errors.ts";

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const userPrefix = Uint8Array.of(0xa0);
const userSeedPrefix = Uint8Array.of(0x95, 0x00);
const keyBytes = 32;
const checksumBytes = 2;
const crcPolynomial = 0x1021;

export function userText(publicKey: Uint8Array): string {
  return textOf(userPrefix, publicKey);
}

export function userSeedText(seed: Uint8Array): string {
  return textOf(userSeedPrefix, seed);
}

/** Whether a text is the public key of a user, whole and as it was made. */
export function isUserNkey(text: unknown): text is string {
  if (typeof text !== "string") return false;
  const body = base32Bytes(text).subarray(0, -checksumBytes);
  const key = body.subarray(userPrefix.length);
  return key.length === keyBytes && userText(key) === text;
}

/** The 32 bytes of a user's seed. @throws SkyError `codec/invalid`. */
export function userSeedBytes(text: string): Uint8Array {
  const bytes = base32Bytes(text);
  const body = bytes.subarray(0, -checksumBytes);
  const isSeed = userSeedPrefix.every((byte, at) => body[at] === byte);
  const isWhole = bytes.length === userSeedPrefix.length + keyBytes + checksumBytes;
  if (!isSeed || !isWhole || userSeedText(body.subarray(userSeedPrefix.length)) !== text) {
    throw new SkyError("codec/invalid", { what: "an nkey", why: "it is no seed of a user" });
  }
  return body.subarray(userSeedPrefix.length);
}

function textOf(prefix: Uint8Array, key: Uint8Array): string {
  const body = Uint8Array.of(...prefix, ...key);
  const crc = checksum(body);
  return base32Text(Uint8Array.of(...body, crc & 0xff, crc >> 8));
}

function base32Text(bytes: Uint8Array): string {
  let text = "";
  let held = 0;
  let bits = 0;
  for (const byte of bytes) {
    held = ((held << 8) | byte) & 0xfff;
    for (bits += 8; bits >= 5; bits -= 5) text += alphabet[(held >> (bits - 5)) & 31];
  }
  return bits === 0 ? text : text + alphabet[(held << (5 - bits)) & 31];
}

function base32Bytes(text: string): Uint8Array {
  const bytes: number[] = [];
  let held = 0;
  let bits = 0;
  for (const letter of text) {
    // A letter that is none of ours becomes bits that no checksum fits; see `userSeedBytes`.
    held = ((held << 5) | (alphabet.indexOf(letter) & 31)) & 0xfff;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push((held >> bits) & 0xff);
  }
  return Uint8Array.from(bytes);
}

/** CRC-16/XMODEM. */
function checksum(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1) {
      crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ crcPolynomial;
    }
    crc &= 0xffff;
  }
  return crc;
}
