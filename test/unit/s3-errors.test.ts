// What answers of S3 mean: the store's code first, then the status, then the connection.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type S3Failure, s3Error, s3Meaning } from "../../transfer/stores/s3-errors.ts";
import {
  bareTag,
  compositeTag,
  decodedName,
  fitsXml,
  headerText,
  isComposite,
  isMd5,
  md5Hex,
  textOfHeader,
} from "../../transfer/stores/s3-text.ts";
import { fc } from "../support/property.ts";

const meanings: readonly (readonly [code: string, status: number | undefined, is: string])[] = [
  ["NoSuchBucket", 404, "no-bucket"],
  ["NoSuchKey", 404, "no-object"],
  ["NoSuchUpload", 404, "no-object"],
  ["NotFound", 404, "no-object"],
  ["AccessDenied", 403, "denied"],
  ["SignatureDoesNotMatch", 403, "denied"],
  ["ExpiredToken", 400, "denied"],
  ["UnknownError", 403, "denied"],
  ["SlowDown", 503, "failed"],
  ["InternalError", 500, "failed"],
  ["RequestTimeout", 400, "failed"],
  ["Unheard", 500, "failed"],
  ["Unheard", 429, "failed"],
  ["ECONNRESET", undefined, "failed"],
  ["ECONNRESET", 400, "failed"],
  ["TimeoutError", undefined, "failed"],
  ["PreconditionFailed", 412, "changed"],
  ["InvalidRange", 416, "changed"],
  ["Unheard", 412, "changed"],
  ["BadDigest", 400, "damaged"],
  ["InvalidDigest", 400, "damaged"],
  ["InvalidPart", 400, "damaged"],
  ["EntityTooLarge", 400, "refused"],
  ["QuotaExceeded", 403, "refused"],
  ["XMinioStorageFull", 507, "refused"],
  ["Unheard", 507, "refused"],
  ["Unheard", 400, "refused"],
  ["PermanentRedirect", 301, "refused"],
];

const failure = (code: string, status?: number, message = ""): S3Failure => ({
  ...{ code, message },
  ...(status === undefined ? {} : { status }),
});

test("each code and status has one meaning", () => {
  for (const [code, status, is] of meanings) {
    assert.equal(s3Meaning(failure(code, status)), `objects/${is}`, `${code} ${status}`);
  }
});

test("an error names its object, says what the store said, and no secret", () => {
  const place = { bucket: "s3://b", object: "s3://b/k", secrets: ["SECRET", ""] };
  const error = s3Error(failure("AccessDenied", 403, "no\n SECRET  for you"), place);
  assert.equal(error.message, "s3://b/k: access denied: AccessDenied (403): no … for you");
  assert.equal(error.cause, undefined);
  assert.equal(s3Error(failure("NoSuchBucket", 404), place).message, "s3://b does not exist");
  const broken = failure(
    "SyntaxError",
    400,
    "no end\n Deserialization error: see {error}.$response",
  );
  assert.equal(s3Error(broken, place).message, "s3://b/k: SyntaxError (400): no end");
  const gone = s3Error(failure("NoSuchUpload", 404), place);
  assert.equal(gone.message, "the upload of s3://b/k does not exist");
  const long = s3Error(failure("SlowDown", 503, "x".repeat(5_000)), place);
  assert.ok(long.message.length < 400);
  assert.match(s3Error(failure("ExpiredToken", 400), place).message, /--resume/);
});

test("ETags are compared without their quotes, and are MD5s only if they can be", () => {
  assert.equal(bareTag('"abc"'), "abc");
  assert.equal(bareTag('W/"abc"'), "abc");
  assert.equal(bareTag(undefined), "");
  assert.ok(isMd5(md5Hex(Buffer.from("x"))));
  assert.ok(!isMd5("abc") && !isMd5(`${"0".repeat(32)}-2`) && isComposite(`${"0".repeat(32)}-2`));
  const parts = [md5Hex(Buffer.from("a")), md5Hex(Buffer.from("b"))];
  // Computed by Python's hashlib.
  assert.equal(compositeTag(parts), "96e024ba2074fe77e8e965ba43a704be-2");
});

test("metadata of any text survives its header", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (text) => {
      const header = headerText(text);
      assert.match(header, /^[\x20-\x7e]*$/);
      assert.equal(textOfHeader(header), text);
    }),
  );
  assert.equal(textOfHeader("=?UTF-8?Q?a=C3=A4_b?="), "aä b");
  assert.equal(textOfHeader("=?UTF-8?B?w6Q=?= =?UTF-8?B?w7Y=?="), "äö");
});

test("names of listings are decoded, and those that XML cannot have are known", () => {
  assert.equal(decodedName("a+b%2Bc%0A%F0%9F%A7%AA/x"), "a b+c\n🧪/x");
  assert.ok(fitsXml("tab\tline\nä🧪") && !fitsXml("\u0001") && !fitsXml("\uffff"));
});
