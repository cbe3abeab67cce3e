// A sealed chunk opens with its key, at its place, as it was sealed; everything else is damage.

import assert from "node:assert/strict";
import { createCipheriv, createHmac, hash } from "node:crypto";
import { test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import { createMemoryRandom } from "../../runtime/random-memory.ts";
import { type ChunkRef, chunkBytesMax } from "../../transfer/chunks/chunk.ts";
import { type Encoded, encodeChunk } from "../../transfer/chunks/encoding.ts";
import {
  manifestIndex,
  nameAndSeal,
  openChunk,
  type Place,
  readSealHeader,
  sealBytes,
  sealChunk,
  sealedPayloadBytesMax,
  type TransferSecret,
} from "../../transfer/chunks/seal.ts";
import { fc } from "../support/property.ts";

const random = createMemoryRandom("seal");
const secret: TransferSecret = { transfer: random.bytes(16), key: random.bytes(32) };
const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const anyPlace: fc.Arbitrary<Place> = fc.record(
  { object: u32, index: u32 },
  { noNullPrototype: true },
);
const noise = fc.uint8Array({ minLength: 1, maxLength: 2_000 });
/** Compresses well, so that zstd is chosen. */
const repeated = fc
  .tuple(fc.uint8Array({ minLength: 1, maxLength: 20 }), fc.integer({ min: 9, max: 99 }))
  .map(([word, times]) => Buffer.concat(Array.from({ length: times }, () => word)));
const anyBytes: fc.Arbitrary<Uint8Array> = fc.oneof(noise, repeated);

function refOf(bytes: Uint8Array): ChunkRef {
  return { digest: hash("sha256", bytes), bytes: bytes.length };
}

function seal(bytes: Uint8Array, place: Place, chunk: Encoded = encodeChunk(bytes)): Uint8Array {
  return sealChunk({ secret, place, ref: refOf(bytes), chunk });
}

/** What is damaged is refused by one error, and its reason does not give the chunk away. */
function refuses(sealed: Uint8Array, options: Parameters<typeof openChunk>[1], why?: RegExp): void {
  assert.throws(
    () => openChunk(sealed, options),
    (error) => {
      assert.ok(isSkyError(error, "chunk/damaged"), String(error));
      assert.equal(error.params["digest"], hash("sha256", sealed));
      if (why !== undefined) assert.match(error.message, why);
      return true;
    },
  );
}

test("seal: what was sealed opens to the same, at the same place", () => {
  fc.assert(
    fc.property(anyBytes, anyPlace, (bytes, place) => {
      const sealed = seal(bytes, place);
      const opened = openChunk(sealed, { secret, place });
      assert.deepEqual(Buffer.from(opened.bytes), Buffer.from(bytes));
      assert.deepEqual({ place: opened.place, ref: opened.ref }, { place, ref: refOf(bytes) });
      assert.deepEqual(openChunk(sealed, { secret }), opened);
    }),
  );
});

test("seal: the same again gives the same bytes", () => {
  fc.assert(
    fc.property(anyBytes, anyPlace, (bytes, place) => {
      assert.deepEqual(seal(bytes, place), seal(Buffer.from(bytes), { ...place }));
    }),
  );
});

test("seal: naming and sealing at once comes to the same", () => {
  fc.assert(
    fc.property(anyBytes, anyPlace, (bytes, place) => {
      const { ref, sealed, sealedRef } = nameAndSeal(bytes, { secret, place });
      assert.deepEqual(ref, refOf(bytes));
      assert.deepEqual(sealed, seal(bytes, place));
      assert.deepEqual(sealedRef, refOf(sealed));
    }),
  );
});

test("seal: any flipped bit is found", () => {
  fc.assert(
    fc.property(anyBytes, anyPlace, fc.nat(), (bytes, place, position) => {
      const sealed = seal(bytes, place);
      const bit = position % (sealed.length * 8);
      sealed[bit >> 3] = (sealed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      refuses(sealed, { secret });
    }),
    { numRuns: 500 },
  );
});

test("seal: every bit of a small one, one after the other", () => {
  const sealed = seal(Buffer.from("a chunk"), { object: 1, index: 2 });
  for (let bit = 0; bit < sealed.length * 8; bit += 1) {
    const changed = Buffer.from(sealed);
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    refuses(changed, { secret });
  }
});

test("seal: cut short or longer is found, and so is noise", () => {
  const sealed = seal(Buffer.from("a chunk"), { object: 1, index: 2 });
  for (let length = 0; length < sealed.length; length += 1) {
    refuses(sealed.subarray(0, length), { secret });
  }
  refuses(Buffer.concat([sealed, Buffer.alloc(1)]), { secret });
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => refuses(bytes, { secret })));
});

test("seal: another place, transfer or key is named as the reason", () => {
  const sealed = seal(Buffer.from("a chunk"), { object: 1, index: 2 });
  const other = random.bytes(32);
  refuses(sealed, { secret, place: { object: 1, index: 3 } }, /it is chunk 2 of object 1, not 3/);
  refuses(sealed, { secret, place: { object: 2, index: 2 } }, /it is chunk 2 of object 1, not 2/);
  refuses(sealed, { secret: { ...secret, key: other } }, /changed, or sealed with another key/);
  const transfer = other.subarray(0, 16);
  refuses(sealed, { secret: { ...secret, transfer } }, /it is of transfer /);
});

test("seal: a relay that gives a sealed chunk another place or transfer is found", () => {
  const sealed = Buffer.from(seal(Buffer.from("a chunk"), { object: 1, index: 2 }));
  const moved = Buffer.from(sealed);
  moved.writeUInt32BE(3, 28);
  assert.deepEqual(readSealHeader(moved).place, { object: 1, index: 3 });
  refuses(moved, { secret }, /changed/);
  const transfer = random.bytes(16);
  const carried = Buffer.from(sealed);
  carried.set(transfer, 8);
  refuses(carried, { secret: { ...secret, transfer } }, /changed/);
});

test("seal: no two different chunks, places, encodings or transfers share a salt", () => {
  const bytes = Buffer.from("a chunk a chunk a chunk a chunk");
  const raw: Encoded = { encoding: "raw", payload: bytes };
  const zstd = encodeChunk(Buffer.alloc(500));
  assert.equal(zstd.encoding, "zstd");
  const place = { object: 1, index: 2 };
  const ref = refOf(bytes);
  const all = [
    { secret, place, ref, chunk: raw },
    { secret, place: { object: 1, index: 3 }, ref, chunk: raw },
    { secret, place: { object: 2, index: 2 }, ref, chunk: raw },
    { secret: { ...secret, transfer: random.bytes(16) }, place, ref, chunk: raw },
    { secret: { ...secret, key: random.bytes(32) }, place, ref, chunk: raw },
    // The same payload, said to be something else: what is encrypted differs.
    { secret, place, ref, chunk: { ...raw, encoding: "zstd" as const } },
    { secret, place, ref: { ...ref, bytes: 500 }, chunk: raw },
    { secret, place, ref: refOf(Buffer.alloc(500)), chunk: zstd },
    { secret, place, ref: refOf(Buffer.from("b")), chunk: { ...raw, payload: Buffer.from("b") } },
  ].map((request) => Buffer.from(sealChunk(request)));
  const salts = all.map((sealed) => sealed.toString("hex", 36, 68));
  const contents = all.map((sealed) => sealed.toString("hex", 68, 68 + 32));
  assert.equal(new Set(salts).size, all.length);
  // The first block would be the same if a key and its nonce came twice.
  assert.equal(new Set(contents).size, all.length);
});

test("seal: bytes that changed since they were named are not sealed", () => {
  const bytes = Buffer.from("a chunk");
  const ref = refOf(Buffer.from("as it was"));
  const request = { secret, place: { object: 0, index: 0 }, ref };
  assert.throws(
    () => sealChunk({ ...request, chunk: { encoding: "raw", payload: bytes } }),
    (error) => isSkyError(error, "chunk/damaged"),
  );
});

test("seal: an end that lies about a digest or a length is found", () => {
  const bytes = Buffer.alloc(500);
  const chunk = encodeChunk(bytes);
  const place = { object: 0, index: 0 };
  const lie = { ...refOf(bytes), digest: "ab".repeat(32) };
  refuses(sealChunk({ secret, place, ref: lie, chunk }), { secret }, /its digest does not fit/);
  const short = { ...refOf(bytes), bytes: 499 };
  refuses(sealChunk({ secret, place, ref: short, chunk }), { secret }, /does not decode/);
  const long = { ...refOf(bytes), bytes: 501 };
  refuses(sealChunk({ secret, place, ref: long, chunk }), { secret }, /500 bytes of 501/);
});

test("seal: a relay reads no header of what is no sealed chunk", () => {
  const sealed = Buffer.from(seal(Buffer.from("a chunk"), { object: 1, index: 2 }));
  const wrong: readonly (() => Uint8Array)[] = [
    () => sealed.subarray(0, -1),
    () => sealed.subarray(0, 20),
    () => Buffer.concat([sealed, Buffer.alloc(1)]),
    () => Buffer.concat([sealed, Buffer.alloc(chunkBytesMax)]),
    ...[0, 4, 5, 6, 7, 32, 35].map((at) => () => flipped(sealed, at)),
  ];
  for (const [index, make] of wrong.entries()) {
    assert.throws(
      () => readSealHeader(make()),
      (error) => isSkyError(error, "codec/invalid"),
      `${index}`,
    );
  }
  assert.deepEqual(readSealHeader(sealed).place, { object: 1, index: 2 });
});

test("seal: an end of a version to come, with an encoding of its own, is refused", () => {
  const bytes = Buffer.from("a chunk");
  const sealed = Buffer.from(seal(bytes, { object: 1, index: 2 }));
  const inner = Buffer.alloc(40);
  inner.write(refOf(bytes).digest, 0, "hex");
  inner.writeUInt32BE(bytes.length, 32);
  assert.equal(openChunk(sealedByHand(sealed, inner, bytes), { secret }).bytes.length, 7);
  for (const at of [36, 37, 39]) {
    const other = sealedByHand(sealed, flipped(inner, at, 2), bytes);
    refuses(other, { secret }, /its encoding is not known/);
  }
});

/** What an end that holds the key makes of this content, whatever is in it. */
function sealedByHand(like: Buffer, inner: Uint8Array, payload: Uint8Array): Buffer {
  const header = like.subarray(0, 68);
  const hmac = createHmac("sha256", secret.key).update("skylet seal 1: key\0");
  const cipher = createCipheriv(
    "aes-256-gcm",
    hmac.update(header.subarray(36)).digest(),
    Buffer.alloc(12),
  );
  cipher.setAAD(header);
  const parts = [cipher.update(inner), cipher.update(payload), cipher.final()];
  return Buffer.concat([header, ...parts, cipher.getAuthTag()]);
}

function flipped(bytes: Uint8Array, at: number, bit = 1): Buffer {
  const changed = Buffer.from(bytes);
  changed[at] = (changed[at] ?? 0) ^ bit;
  return changed;
}

test("seal: what a relay sees holds nothing of the chunk or its digest", () => {
  const marker = Buffer.from("MARKER-of-what-nobody-may-read");
  const bytes = Buffer.concat(Array.from({ length: 40 }, () => marker));
  for (const chunk of [encodeChunk(bytes), { encoding: "raw" as const, payload: bytes }]) {
    const sealed = Buffer.from(seal(bytes, { object: 7, index: manifestIndex }, chunk));
    const { digest } = refOf(bytes);
    assert.equal(sealed.indexOf(marker.subarray(0, 8)), -1);
    assert.equal(sealed.indexOf(Buffer.from(digest, "hex").subarray(0, 8)), -1);
    assert.deepEqual(readSealHeader(sealed), {
      transfer: Buffer.from(secret.transfer).toString("hex"),
      place: { object: 7, index: manifestIndex },
    });
    assert.equal(sealed.length, chunk.payload.length + sealBytes);
  }
});

test("seal: the largest payload can be sealed, and no larger one", () => {
  const bytes = Buffer.alloc(sealedPayloadBytesMax + 1, 1);
  const place = { object: 0, index: 0 };
  const fits = bytes.subarray(1);
  const sealed = seal(fits, place, { encoding: "raw", payload: fits });
  assert.equal(openChunk(sealed, { secret }).bytes.length, sealedPayloadBytesMax);
  assert.throws(
    () => seal(bytes, place, { encoding: "raw", payload: bytes }),
    (error) => isSkyError(error, "core/broken-invariant"),
  );
});

/** Counts up from `first`: easily made in any language, for who checks the vectors elsewhere. */
function counted(bytes: number, first: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, index) => first + index);
}

const vector = {
  secret: { transfer: counted(16, 0x10), key: counted(32, 0x80) },
  place: { object: 1, index: 2 },
};

const sealedRaw = [
  "534b595300010000101112131415161718191a1b1c1d1e1f00000001000000020000004a34717c879629813201",
  "dda3954d2f70d80aefcc942b44229c5a1b69b3aaba7d437a8b8b310f29d6ad5e22e517eaa2fb4d24e8e6aadf59",
  "c191bd59d64c9c5153d76bd1baacc4fc889990f5213c0e2aa08b165c0e5d969c608776ebb14d78c442f94bec9b",
  "32e9c95a333e7f21656601b5b6bdb4b55c1a76295f539d",
].join("");
const sealedZstd = [
  "534b595300010000101112131415161718191a1b1c1d1e1f00000001000000020000003bddf3d7ffd780855f4d",
  "401092fe4c725a73948db9c3d84e8382fd26cb9ce43f1728157826bbd85522e28bf978dc43682ab0102338be67",
  "969355504e2156865a7e24cee4b645445a6058874f0c0cb47a0ffa4ce70a89e0a44c2ea6859a96b8e6e854f605",
  "617add4627693074",
].join("");

// Never to be updated: what was sealed before must open, and be sealed alike.
test("seal: its form does not change", () => {
  const raw = Buffer.from("a chunk that everybody seals alike");
  const sealed = sealChunk({ ...vector, ref: refOf(raw), chunk: encodeChunk(raw) });
  assert.equal(Buffer.from(sealed).toString("hex"), sealedRaw);
  assert.ok(raw.equals(openChunk(Buffer.from(sealedRaw, "hex"), vector).bytes));
  // Of what is compressed, only that it opens: another zstd may compress otherwise.
  const opened = openChunk(Buffer.from(sealedZstd, "hex"), vector);
  assert.ok(Buffer.alloc(1_000, "ab").equals(opened.bytes));
});

test("seal: another program opens it by the form alone", async () => {
  const bytes = Buffer.from("opened by hand, with the web's cryptography");
  const request = { ...vector, ref: refOf(bytes), chunk: encodeChunk(bytes) };
  const sealed = Buffer.from(sealChunk(request));
  const sign = async (key: Uint8Array, parts: readonly Uint8Array[]): Promise<Buffer> => {
    const algorithm = { name: "HMAC", hash: "SHA-256" };
    const imported = await crypto.subtle.importKey("raw", plain(key), algorithm, false, ["sign"]);
    return Buffer.from(await crypto.subtle.sign("HMAC", imported, plain(Buffer.concat(parts))));
  };
  const { key } = vector.secret;
  const salt = sealed.subarray(36, 68);
  const chunkKey = await sign(key, [Buffer.from("skylet seal 1: key\0"), salt]);
  const imported = await crypto.subtle.importKey("raw", plain(chunkKey), "AES-GCM", false, [
    "decrypt",
  ]);
  const algorithm = {
    ...{ name: "AES-GCM", iv: new Uint8Array(12), additionalData: plain(sealed.subarray(0, 68)) },
  };
  const opened = await crypto.subtle.decrypt(algorithm, imported, plain(sealed.subarray(68)));
  const content = Buffer.from(opened);
  assert.equal(content.toString("hex", 0, 32), request.ref.digest);
  assert.equal(content.readUInt32BE(32), bytes.length);
  assert.ok(content.subarray(40).equals(bytes));
  // The salt is what it has to be: all that is encrypted is in it.
  const parts = [
    sealed.subarray(0, 36),
    content.subarray(0, 40),
    Buffer.from(hash("sha256", bytes), "hex"),
  ];
  const salts = await sign(key, [Buffer.from("skylet seal 1: salt\0"), ...parts]);
  assert.ok(salts.equals(salt));
});

function plain(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}
