// The objects port in memory: buckets that several stores can share, as several machines would.
//
// What must hold: it keeps the contract of `object-store.ts` as the real stores do, and it is as
// strict as they are: sizes of parts, tags that `complete` names, limits. Faults are asked for:
// `before` is called ahead of each call and may wait or throw, and a bucket can be damaged, denied
// or full.

import { createHash } from "node:crypto";
import { SkyError } from "../../model/errors.ts";
import type { Bucket } from "../../model/transfer-path.ts";
import { demandKey, storeLimits } from "./limits.ts";
import type {
  GetRequest,
  ListedObject,
  ObjectAttributes,
  ObjectStore,
  StoredObject,
  StoreLimits,
  Upload,
  UploadedPart,
} from "./object-store.ts";
import { bucketText } from "./paths.ts";

interface MemoryObject {
  readonly bytes: Uint8Array;
  readonly md5: string;
  readonly version: string;
  readonly modifiedMs: number;
  readonly attributes: ObjectAttributes;
}

interface MemoryUpload extends Upload {
  readonly attributes: ObjectAttributes;
  readonly parts: Map<number, { readonly bytes: Uint8Array; readonly tag: string }>;
}

class MemoryBucket {
  readonly objects = new Map<string, MemoryObject>();
  readonly uploads = new Map<string, MemoryUpload>();
  /** What `complete` said, for whoever asks again because the answer was lost. */
  readonly completed = new Map<string, string>();
}

/** All buckets of a store, by name. */
export class MemoryCloud {
  readonly buckets = new Map<string, MemoryBucket>();
  denied = false;
  full = false;
  #drawn = 0;

  next(): string {
    this.#drawn += 1;
    return `${this.#drawn}`;
  }

  add(bucket: string): void {
    this.buckets.set(bucket, new MemoryBucket());
  }

  /** Flips a bit of an object that is kept. Whether there was one. */
  damage(bucket: string, key: string): boolean {
    const bytes = this.buckets.get(bucket)?.objects.get(key)?.bytes;
    if (bytes === undefined || bytes.length === 0) return false;
    const middle = bytes.length >> 1;
    bytes[middle] = (bytes[middle] ?? 0) ^ 1;
    return true;
  }
}

export interface MemoryStoreOptions {
  readonly bucket: Bucket;
  readonly cloud: MemoryCloud;
  readonly limits?: StoreLimits;
  readonly pageKeys?: number;
  readonly now?: () => number;
  /** Ahead of each call; what it throws, the call throws. */
  readonly before?: (call: string, key: string) => Promise<void> | void;
}

export function createMemoryObjectStore(options: MemoryStoreOptions): ObjectStore {
  return new MemoryObjectStore(options);
}

type Written = { readonly attributes?: ObjectAttributes; readonly signal: AbortSignal };

class MemoryObjectStore implements ObjectStore {
  readonly bucket: Bucket;
  readonly limits: StoreLimits;
  readonly #options: MemoryStoreOptions;

  constructor(options: MemoryStoreOptions) {
    this.#options = options;
    this.bucket = options.bucket;
    this.limits = options.limits ?? storeLimits.s3;
  }

  async region(signal: AbortSignal): Promise<string> {
    await this.#enter("region", "", signal);
    return "local";
  }

  async bucketExists(signal: AbortSignal): Promise<boolean> {
    await this.#before("bucketExists", "", signal);
    return this.#options.cloud.buckets.has(this.bucket.bucket);
  }

  async createBucket(signal: AbortSignal): Promise<void> {
    await this.#before("createBucket", "", signal);
    const { cloud } = this.#options;
    if (!cloud.buckets.has(this.bucket.bucket)) cloud.add(this.bucket.bucket);
  }

  async deleteBucket(signal: AbortSignal): Promise<void> {
    const { objects } = await this.#enter("deleteBucket", "", signal);
    if (objects.size > 0) throw this.#refused("", "the bucket is not empty");
    this.#options.cloud.buckets.delete(this.bucket.bucket);
  }

  async *list(prefix: string, signal: AbortSignal): AsyncIterable<readonly ListedObject[]> {
    const { objects } = await this.#enter("list", prefix, signal);
    const found = [...objects].filter(([key]) => key.startsWith(prefix));
    const { pageKeys = 1_000 } = this.#options;
    for (let at = 0; at < found.length; at += pageKeys) {
      if (at > 0) await this.#before("list", prefix, signal);
      yield found.slice(at, at + pageKeys).map(([key, object]) => listed(key, object));
    }
  }

  async head(key: string, signal: AbortSignal): Promise<StoredObject | undefined> {
    const object = (await this.#enter("head", key, signal)).objects.get(key);
    if (object === undefined) return undefined;
    const { attributes, md5 } = object;
    return { ...listed(key, object), attributes, checksum: { algorithm: "md5", value: md5 } };
  }

  async get({ key, range, ifMatch }: GetRequest, signal: AbortSignal): Promise<Uint8Array> {
    const object = (await this.#enter("get", key, signal)).objects.get(key);
    const name = this.#name(key);
    if (object === undefined) throw new SkyError("objects/no-object", { object: name });
    const changed = (why: string) => new SkyError("objects/changed", { object: name, why });
    if (ifMatch !== undefined && ifMatch !== object.version) throw changed("it was written again");
    if (md5Of(object.bytes) !== object.md5) {
      throw new SkyError("objects/damaged", { object: name, why: "its MD5 is another" });
    }
    const { at, bytes } = range ?? { at: 0, bytes: object.bytes.length };
    if (at + bytes > object.bytes.length) throw changed("it is shorter than it was");
    return copyOf(object.bytes.subarray(at, at + bytes));
  }

  async put(key: string, bytes: Uint8Array, options: Written): Promise<string> {
    const place = await this.#enter("put", key, options.signal);
    this.#demand(key, options.attributes);
    if (bytes.length > this.limits.putBytesMax) throw this.#refused(key, "it is too large");
    return this.#keep(place, key, { bytes: copyOf(bytes), attributes: options.attributes ?? {} });
  }

  async begin(key: string, options: Written): Promise<Upload> {
    const { uploads } = await this.#enter("begin", key, options.signal);
    this.#demand(key, options.attributes);
    const id = `upload-${this.#options.cloud.next()}`;
    uploads.set(id, { key, id, attributes: options.attributes ?? {}, parts: new Map() });
    return { key, id };
  }

  async putPart(
    upload: Upload,
    part: { readonly number: number; readonly bytes: Uint8Array },
    signal: AbortSignal,
  ): Promise<UploadedPart> {
    const { parts } = this.#find(await this.#enter("putPart", upload.key, signal), upload);
    const { number } = part;
    if (number < 1 || number > this.limits.partsMax || part.bytes.length > this.limits.partBytesMax)
      throw this.#refused(upload.key, `part ${number} of ${part.bytes.length} bytes`);
    if (this.#options.cloud.full) throw this.#refused(upload.key, "the store is full");
    const bytes = copyOf(part.bytes);
    const tag = md5Of(bytes);
    parts.set(number, { bytes, tag });
    return { number, bytes: bytes.length, tag };
  }

  async parts(upload: Upload, signal: AbortSignal): Promise<readonly UploadedPart[]> {
    const { parts } = this.#find(await this.#enter("parts", upload.key, signal), upload);
    return [...parts].map(([number, { bytes, tag }]) => ({ number, bytes: bytes.length, tag }));
  }

  async complete(
    upload: Upload,
    parts: readonly UploadedPart[],
    options: Written,
  ): Promise<string> {
    const place = await this.#enter("complete", upload.key, options.signal);
    const done = place.completed.get(upload.id);
    if (done !== undefined) return done;
    const found = this.#find(place, upload);
    const pieces = parts
      .toSorted((one, other) => one.number - other.number)
      .map(({ number, tag }) => {
        const part = found.parts.get(number);
        if (part !== undefined && part.tag === tag) return part.bytes;
        throw this.#refused(upload.key, `part ${number} is not the one that was named`);
      });
    const small = pieces.slice(0, -1).some((piece) => piece.length < this.limits.partBytesMin);
    if (small || pieces.length === 0) throw this.#refused(upload.key, "parts are too small");
    const { attributes } = found;
    const version = this.#keep(place, upload.key, { bytes: Buffer.concat(pieces), attributes });
    place.uploads.delete(upload.id);
    place.completed.set(upload.id, version);
    return version;
  }

  async abort(upload: Upload, signal: AbortSignal): Promise<void> {
    (await this.#enter("abort", upload.key, signal)).uploads.delete(upload.id);
  }

  async uploads(prefix: string, signal: AbortSignal): Promise<readonly Upload[]> {
    const { uploads } = await this.#enter("uploads", prefix, signal);
    return [...uploads.values()]
      .filter(({ key }) => key.startsWith(prefix))
      .map(({ key, id }) => ({ key, id }));
  }

  async delete(keys: readonly string[], signal: AbortSignal): Promise<void> {
    const { objects } = await this.#enter("delete", keys[0] ?? "", signal);
    for (const key of keys) objects.delete(key);
  }

  async close(): Promise<void> {}

  #keep(
    place: MemoryBucket,
    key: string,
    { bytes, attributes }: Pick<MemoryObject, "bytes" | "attributes">,
  ): string {
    if (this.#options.cloud.full) throw this.#refused(key, "the store is full");
    if (bytes.length > this.limits.objectBytesMax) throw this.#refused(key, "it is too large");
    const version = `v${this.#options.cloud.next()}`;
    const modifiedMs = this.#options.now?.() ?? 0;
    place.objects.set(key, { bytes, md5: md5Of(bytes), version, modifiedMs, attributes });
    return version;
  }

  #find(place: MemoryBucket, upload: Upload): MemoryUpload {
    const found = place.uploads.get(upload.id);
    if (found?.key === upload.key) return found;
    const object = `${this.#name(upload.key)} (its upload ${upload.id})`;
    throw new SkyError("objects/no-object", { object });
  }

  #demand(key: string, attributes: ObjectAttributes = {}): void {
    demandKey(key, this.limits);
    const metadata = Object.entries(attributes.metadata ?? {})
      .flat()
      .join("");
    if (Buffer.byteLength(metadata) > this.limits.metadataBytesMax) {
      throw this.#refused(key, "it has too much metadata");
    }
  }

  #refused(key: string, why: string): SkyError {
    return new SkyError("objects/refused", { object: this.#name(key), why });
  }

  #name(key: string): string {
    return `${bucketText(this.bucket)}/${key}`;
  }

  async #enter(call: string, key: string, signal: AbortSignal): Promise<MemoryBucket> {
    await this.#before(call, key, signal);
    const bucket = this.#options.cloud.buckets.get(this.bucket.bucket);
    if (bucket !== undefined) return bucket;
    throw new SkyError("objects/no-bucket", { bucket: bucketText(this.bucket) });
  }

  async #before(call: string, key: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await this.#options.before?.(call, key);
    signal.throwIfAborted();
    if (!this.#options.cloud.denied) return;
    throw new SkyError("objects/denied", { object: this.#name(key), why: "as was asked for" });
  }
}

function listed(key: string, { bytes, modifiedMs, version }: MemoryObject): ListedObject {
  return { key, bytes: bytes.length, modifiedMs, version };
}

/** A Buffer's own `slice` would share its memory. */
function copyOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

function md5Of(bytes: Uint8Array): string {
  return createHash("md5").update(bytes).digest("hex");
}
