// Masking: the same result however the stream is cut, and nothing of a secret leaves.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Masker } from "../../agent/mask.ts";
import { createMasker } from "../../agent/mask.ts";
import { fc } from "../support/property.ts";

/** The definition: every byte of every occurrence. */
function masked(text: Buffer, secrets: readonly Buffer[]): Buffer {
  const out = Buffer.from(text);
  for (const secret of secrets.filter((each) => each.length >= 4)) {
    for (let at = 0; at + secret.length <= text.length; at += 1) {
      if (text.subarray(at, at + secret.length).equals(secret))
        out.fill("*", at, at + secret.length);
    }
  }
  return out;
}

/** What leaves when the file grows to each of `sizes` in turn, and what was sent at each moment. */
function streamed(masker: Masker, text: Buffer, sizes: readonly number[]): Buffer {
  const sent: Buffer[] = [];
  let offset = 0;
  const look = (size: number, ended: boolean): void => {
    const from = Math.max(0, offset - masker.margin);
    const piece = masker.mask(text.subarray(from, size), offset - from, ended);
    offset += piece.length;
    sent.push(Buffer.from(piece));
  };
  for (const size of sizes) if (size >= offset) look(size, false);
  look(text.length, true);
  return Buffer.concat(sent);
}

// Few letters, so that secrets occur, overlap, repeat and begin without ending.
const letters = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 60 });
const secret = fc.string({ unit: fc.constantFrom("a", "b"), minLength: 1, maxLength: 7 });

test("however the stream is cut, the whole is what the definition says", () => {
  fc.assert(
    fc.property(
      letters,
      fc.array(secret, { maxLength: 4 }),
      fc.array(fc.nat(60)),
      (text, list, cuts) => {
        const bytes = Buffer.from(text);
        const secrets = list.map((each) => Buffer.from(each));
        const sizes = cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b);
        const out = streamed(createMasker(secrets), bytes, sizes);
        assert.equal(out.toString(), masked(bytes, secrets).toString());
      },
    ),
    { numRuns: 2_000 },
  );
});

test("bytes that may begin a secret are held back, others are not", () => {
  const masker = createMasker([Buffer.from("secret")]);
  const look = (text: string) => Buffer.from(masker.mask(Buffer.from(text), 0, false)).toString();
  assert.equal(look("a line\n"), "a line\n");
  assert.equal(look("my secr"), "my ");
  assert.equal(look("my secret"), "my ******");
  assert.equal(Buffer.from(masker.mask(Buffer.from("my secr"), 0, true)).toString(), "my secr");
});

test("secrets under four bytes are left alone, and none costs nothing", () => {
  const masker = createMasker([Buffer.from("no"), Buffer.from("")]);
  assert.equal(masker.margin, 0);
  assert.equal(Buffer.from(masker.mask(Buffer.from("no news"), 0, false)).toString(), "no news");
});
