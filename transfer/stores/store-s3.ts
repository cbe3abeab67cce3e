// The objects port over S3, and over every store that speaks like it: R2, COS, `--endpoint`.
//
// What must hold: each body goes out with its MD5, which the store compares (`Content-MD5`), and
// what the store then says of it (the ETag) is compared again where it is an MD5. An object that is
// read whole is compared with its ETag likewise. Nothing is tried again

import { createHash } from "node:crypto";
import type { GetObjectCommandOutput, HeadObjectCommandOutput } from "@aws-sdk/client-s3";
import { isSkyError, SkyError } from "../../model/errors.ts";
import type { Bucket } from "../../model/transfer-path.ts";
import { type S3Call, S3Calls } from "./calls-s3.ts";
import { demandKey, storeLimits } from "./limits.ts";
import type {
  GetRequest,
  ListedObject,
  ObjectAttributes,
  ObjectStore,
  OpenStore,
  StoredObject,
  StoreLimits,
  Upload,
  UploadedPart,
} from "./object-store.ts";
import { listInParallel, type Page, type PageRequest } from "./parallel-listing.ts";
import { attributesOf } from "./s3-attributes.ts";
import {
  bareTag,
  compositeTag,
  decodedName,
  fitsXml,
  isComposite,
  isMd5,
  md5Hex,
} from "./s3-text.ts";
import { base64Of, S3Uploads, type Sdk, type UploadPart } from "./uploads-s3.ts";

type Written = { readonly attributes?: ObjectAttributes; readonly signal: AbortSignal };

const listingsMax = 8;
const deletedMax = 1_000;

export async function openS3Store(open: OpenStore): Promise<ObjectStore> {
  return new S3ObjectStore(open, await import("@aws-sdk/client-s3"));
}

class S3ObjectStore implements ObjectStore {
  readonly bucket: Bucket;
  readonly limits: StoreLimits;
  readonly #calls: S3Calls;
  readonly #uploads: S3Uploads;
  readonly #sdk: Sdk;
  readonly #named: { readonly Bucket: string };

  constructor(open: OpenStore, sdk: Sdk) {
    this.#calls = new S3Calls(open);
    this.#named = { Bucket: open.bucket.bucket };
    this.#sdk = sdk;
    this.bucket = open.bucket;
    this.limits = storeLimits[open.bucket.store];
    this.#uploads = new S3Uploads({ calls: this.#calls, sdk, limits: this.limits, ...this.#named });
  }

  async region(signal: AbortSignal): Promise<string> {
    const { store, endpoint, region } = this.bucket;
    if (store === "r2") return "cloudflare:auto";
    if (store === "s3" && endpoint !== undefined && region === undefined) return "local";
    return `${store === "cos" ? "ibm" : "aws"}:${await this.#calls.region(signal)}`;
  }

  /** By a listing of one, which says why it is denied; a HEAD has no words for it. */
  async bucketExists(signal: AbortSignal): Promise<boolean> {
    const command = new this.#sdk.ListObjectsV2Command({ ...this.#named, MaxKeys: 1 });
    const run: S3Call<unknown>["run"] = (client, options) => client.send(command, options);
    return (await this.#calls.sendOrMiss({ key: "", signal, run })) !== undefined;
  }

  async createBucket(signal: AbortSignal): Promise<void> {
    const { store, endpoint } = this.bucket;
    const region = this.bucket.region ?? "us-east-1";
    const isPlain = store === "r2" || (store === "s3" && region === "us-east-1");
    const constraint = (store === "cos" ? `${region}-standard` : region) as never;
    const input = {
      ...this.#named,
      ...(isPlain || endpoint !== undefined
        ? {}
        : { CreateBucketConfiguration: { LocationConstraint: constraint } }),
    };
    try {
      await this.#calls.send({
        key: "",
        signal,
        run: (client, options) => client.send(new this.#sdk.CreateBucketCommand(input), options),
      });
    } catch (error) {
      if (!(error instanceof SkyError) || !/BucketAlreadyOwnedByYou/.test(error.message))
        throw error;
    }
  }

  async deleteBucket(signal: AbortSignal): Promise<void> {
    await this.#calls.send({
      key: "",
      signal,
      run: (client, options) =>
        client.send(new this.#sdk.DeleteBucketCommand(this.#named), options),
    });
    this.#calls.seen = false;
  }

  list(prefix: string, signal: AbortSignal): AsyncIterable<readonly ListedObject[]> {
    const page = (request: PageRequest, ended: AbortSignal) => this.#page(request, ended);
    return listInParallel({ page, parallel: listingsMax }, prefix, signal);
  }

  async head(key: string, signal: AbortSignal): Promise<StoredObject | undefined> {
    demandKey(key, this.limits);
    const command = new this.#sdk.HeadObjectCommand({ ...this.#named, Key: key });
    const run: S3Call<HeadObjectCommandOutput>["run"] = (client, options) =>
      client.send(command, options);
    const found = await this.#calls.sendOrMiss({ key, signal, run }).catch(async (error) => {
      // A HEAD says no more than 403; a read says why.
      if (isSkyError(error, "objects/denied")) {
        await this.get({ key, range: { at: 0, bytes: 1 } }, signal);
      }
      throw error;
    });
    if (found === undefined) {
      // A 404 of a head says not of what.
      if (!this.#calls.seen && !(await this.bucketExists(signal))) throw this.#calls.noBucket();
      return undefined;
    }
    const version = bareTag(found.ETag);
    const bytes = found.ContentLength ?? 0;
    const isOfParts = isComposite(version) && this.#calls.hasPlainTags(found);
    const partBytes = isOfParts
      ? await this.#partBytes({ key, version, bytes }, signal)
      : undefined;
    return {
      ...{ key, bytes, version, modifiedMs: found.LastModified?.getTime() ?? 0 },
      attributes: attributesOf(found),
      ...(this.#calls.provesBy(version, found)
        ? { checksum: { algorithm: "md5" as const, value: version } }
        : {}),
      ...(partBytes === undefined ? {} : { partBytes }),
    };
  }

  async get({ key, range, ifMatch }: GetRequest, signal: AbortSignal): Promise<Uint8Array> {
    demandKey(key, this.limits);
    if (range?.bytes === 0) return new Uint8Array(0);
    const input = {
      ...this.#named,
      Key: key,
      ...(range === undefined ? {} : { Range: `bytes=${range.at}-${range.at + range.bytes - 1}` }),
      ...(ifMatch === undefined ? {} : { IfMatch: `"${ifMatch}"` }),
    };
    const run: S3Call<Uint8Array>["run"] = async (client, options) => {
      const found = await client.send(new this.#sdk.GetObjectCommand(input), options);
      const problem = whatChanged(found, { range, ifMatch });
      if (problem !== undefined) {
        (found.Body as { destroy?: () => void } | undefined)?.destroy?.();
        throw this.#calls.wrong("objects/changed", key, problem);
      }
      return this.#read(key, found, range?.bytes);
    };
    return this.#calls.send({ key, signal, run });
  }

  /** The bytes of an answer, compared with its ETag where they are all of the object's. */
  async #read(
    key: string,
    found: GetObjectCommandOutput,
    asked: number | undefined,
  ): Promise<Uint8Array> {
    const length = found.ContentLength ?? asked;
    if (length === undefined) {
      throw this.#calls.wrong("objects/failed", key, "the store does not say how long it is");
    }
    const tag = bareTag(found.ETag);
    const isWhole =
      found.ContentRange === undefined || found.ContentRange.endsWith(`-${length - 1}/${length}`);
    const md5 = isWhole && this.#calls.provesBy(tag, found) ? createHash("md5") : undefined;
    const bytes = Buffer.allocUnsafeSlow(length);
    let at = 0;
    for await (const piece of (found.Body ?? []) as AsyncIterable<Uint8Array>) {
      if (at + piece.length > length) {
        throw this.#calls.wrong("objects/damaged", key, "it is longer than it says");
      }
      bytes.set(piece, at);
      md5?.update(piece);
      at += piece.length;
    }
    if (at !== length) {
      const why = `the answer ended after ${at} of ${length} bytes`;
      throw this.#calls.wrong("objects/failed", key, why);
    }
    if (md5 !== undefined && md5.digest("hex") !== tag) {
      throw this.#calls.wrong("objects/damaged", key, "its MD5 is not its ETag");
    }
    return bytes;
  }

  async put(key: string, bytes: Uint8Array, options: Written): Promise<string> {
    demandKey(key, this.limits);
    if (bytes.length > this.limits.putBytesMax)
      throw this.#calls.wrong("objects/refused", key, "it is too large");
    const md5 = md5Hex(bytes);
    const input = {
      ...{ ...this.#named, Key: key, Body: bytes, ContentMD5: base64Of(md5) },
      ...this.#uploads.attributes(key, options.attributes),
    };
    const answer = await this.#calls.send({
      key,
      signal: options.signal,
      run: (client, at) => client.send(new this.#sdk.PutObjectCommand(input), at),
    });
    const tag = bareTag(answer.ETag);
    if (this.#calls.provesBy(tag, answer) && tag !== md5)
      throw this.#calls.wrong("objects/damaged", key, "its ETag is another");
    return tag;
  }

  begin(key: string, options: Written): Promise<Upload> {
    return this.#uploads.begin(key, options);
  }

  putPart(upload: Upload, part: UploadPart, signal: AbortSignal): Promise<UploadedPart> {
    return this.#uploads.putPart(upload, part, signal);
  }

  parts(upload: Upload, signal: AbortSignal): Promise<readonly UploadedPart[]> {
    return this.#uploads.parts(upload, signal);
  }

  async complete(
    upload: Upload,
    parts: readonly UploadedPart[],
    { signal }: Written,
  ): Promise<string> {
    const ordered = parts.toSorted((one, other) => one.number - other.number);
    const tags = ordered.map(({ tag }) => tag);
    const expected = tags.every(isMd5) ? compositeTag(tags) : undefined;
    try {
      const { tag, isPlain } = await this.#uploads.complete(upload, ordered, signal);
      const isKnown = isPlain && expected !== undefined && isComposite(tag);
      if (!isKnown || tag === expected) return tag;
      throw this.#calls.wrong("objects/damaged", upload.key, "the ETag of the whole is another");
    } catch (error) {
      // It may be whole already: the answer to the first time was lost.
      const isGone = error instanceof SkyError && error.code === "objects/no-object";
      const there = isGone ? await this.head(upload.key, signal) : undefined;
      if (there !== undefined && there.version === expected) return there.version;
      throw error;
    }
  }

  abort(upload: Upload, signal: AbortSignal): Promise<void> {
    return this.#uploads.abort(upload, signal);
  }

  uploads(prefix: string, signal: AbortSignal): Promise<readonly Upload[]> {
    return this.#uploads.list(prefix, signal);
  }

  async delete(keys: readonly string[], signal: AbortSignal): Promise<void> {
    const together = keys.filter(fitsXml);
    for (let at = 0; at < together.length; at += deletedMax) {
      await this.#deleteMany(together.slice(at, at + deletedMax), signal);
    }
    for (const key of keys) if (!fitsXml(key)) await this.#deleteOne(key, signal);
  }

  close(): Promise<void> {
    return this.#calls.close();
  }

  async #deleteMany(keys: readonly string[], signal: AbortSignal): Promise<void> {
    const Delete = { Objects: keys.map((Key) => ({ Key })), Quiet: true };
    const command = new this.#sdk.DeleteObjectsCommand({ ...this.#named, Delete });
    const answer = await this.#calls.send({
      key: "",
      signal,
      run: (client, options) => client.send(command, options),
    });
    const [failed] = answer.Errors ?? [];
    if (failed === undefined || failed.Code === "NoSuchKey") return;
    const { Code: code = "", Message: message = "", Key: key = "" } = failed;
    throw this.#calls.error({ code, message }, key);
  }

  async #deleteOne(key: string, signal: AbortSignal): Promise<void> {
    const command = new this.#sdk.DeleteObjectCommand({ ...this.#named, Key: key });
    await this.#calls.sendOrMiss({
      key,
      signal,
      run: (client, options) => client.send(command, options),
    });
  }

  async #page(request: PageRequest, signal: AbortSignal): Promise<Page<ListedObject>> {
    const { prefix, folders, after, token } = request;
    const command = new this.#sdk.ListObjectsV2Command({
      ...this.#named,
      ...{ Prefix: prefix, EncodingType: "url" },
      ...(folders ? { Delimiter: "/" } : {}),
      ...(after === undefined || token !== undefined ? {} : { StartAfter: after }),
      ...(token === undefined ? {} : { ContinuationToken: token }),
    });
    const page = await this.#calls.send({
      key: "",
      signal,
      run: (client, options) => client.send(command, options),
    });
    const name = page.EncodingType === "url" ? decodedName : (text: string) => text;
    if (page.IsTruncated === true && page.NextContinuationToken === undefined) {
      throw this.#calls.wrong("objects/failed", "", "a listing ended before its end");
    }
    return {
      objects: (page.Contents ?? []).map(({ Key = "", Size = 0, LastModified, ETag }) => ({
        ...{ key: name(Key), bytes: Size, version: bareTag(ETag) },
        modifiedMs: LastModified?.getTime() ?? 0,
      })),
      folders: (page.CommonPrefixes ?? []).map(({ Prefix = "" }) => name(Prefix)),
      ...(page.IsTruncated === true && page.NextContinuationToken !== undefined
        ? { token: page.NextContinuationToken }
        : {}),
    };
  }

  /** Of an object whose ETag is of parts that have one size, the last aside. */
  async #partBytes(
    { key, version, bytes }: Pick<ListedObject, "key" | "version" | "bytes">,
    signal: AbortSignal,
  ): Promise<number | undefined> {
    const count = Number(/-(\d+)$/.exec(version)?.[1] ?? 0);
    const sizeOf = async (PartNumber: number): Promise<number | undefined> => {
      const command = new this.#sdk.HeadObjectCommand({ ...this.#named, Key: key, PartNumber });
      const run: S3Call<HeadObjectCommandOutput>["run"] = (client, options) =>
        client.send(command, options);
      const part = await this.#calls.sendOrMiss({ key, signal, run });
      return bareTag(part?.ETag) === version ? part?.ContentLength : undefined;
    };
    const [first = 0, last = 0] = await Promise.all([sizeOf(1), sizeOf(count)]);
    // A store that does not know parts gives the whole, whichever is asked for.
    return first > 0 && first * (count - 1) + last === bytes ? first : undefined;
  }
}

/** Why an answer is not of what was listed. */
function whatChanged(
  found: GetObjectCommandOutput,
  { range, ifMatch }: { range: GetRequest["range"]; ifMatch: string | undefined },
): string | undefined {
  const length = found.ContentLength;
  if (range !== undefined && length !== undefined && length !== range.bytes) {
    return `${length} bytes are there where ${range.bytes} were`;
  }
  const isOther = ifMatch !== undefined && bareTag(found.ETag) !== ifMatch;
  return isOther ? "it was written again" : undefined;
}
