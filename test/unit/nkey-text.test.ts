// Nkeys against the library that everybody else uses: the same texts, the same signatures.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createServer, createUser, fromPublic, fromSeed } from "@nats-io/nkeys";
import { isSkyError } from "../../model/errors.ts";
import { userSeedBytes, userSeedText } from "../../runtime/nkey-text.ts";
import { createUserNkey, nkeySigner, publicKeyOf } from "../../runtime/nkeys-nats.ts";
import { fc } from "../support/property.ts";

const seeds = fc.uint8Array({ minLength: 32, maxLength: 32 });
const isInvalid = (error: unknown): boolean => isSkyError(error, "codec/invalid");

test("a seed comes back from its text, which the library reads as the same user", () => {
  fc.assert(
    fc.property(seeds, (seed) => {
      const text = userSeedText(seed);
      assert.deepEqual([...userSeedBytes(text)], [...seed]);
      assert.equal(publicKeyOf(text), fromSeed(Buffer.from(text)).getPublicKey());
    }),
    { numRuns: 20 },
  );
});

test("what we make, the library verifies; what it makes, we sign for", () => {
  const theirs = Buffer.from(createUser().getSeed()).toString();
  for (const seed of [createUserNkey().seed, theirs]) {
    const { nkey, sig } = nkeySigner(seed)("a nonce") as { nkey: string; sig: string };
    assert.equal(nkey, publicKeyOf(seed));
    assert.ok(fromPublic(nkey).verify(Buffer.from("a nonce"), Buffer.from(sig, "base64")));
  }
});

test("a text that was changed, cut, or is somebody else's seed is refused", () => {
  const { seed, publicKey } = createUserNkey();
  const other = seed[20] === "A" ? "B" : "A";
  const server = Buffer.from(createServer().getSeed()).toString();
  const changed = [seed.slice(0, 20), seed.slice(21)].join(other);
  const lower = seed.toLowerCase();
  for (const text of ["", seed.slice(0, -1), `${seed}A`, changed, lower, publicKey, server]) {
    assert.throws(() => userSeedBytes(text), isInvalid, text);
  }
});
