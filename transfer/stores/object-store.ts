// The objects port: one bucket of an object store, or a folder that is used like one.
//
// Obligations of every version:
// - Nothing is tried again here but what the store's own protocol demands: whoever calls has the
//   budget. What went wrong is a SkyError whose remedy says whether trying again may help, and it
//   names the object: `objects/no-bucket`, `objects/no-object`, `objects/denied`,
//   `objects/changed`, `objects/damaged`, `objects/failed` (a fault of the world, remedy retry),
//   `objects/refused` (the store will never take it: a limit, a bad name).
// - Keys are any Unicode that the store takes, byte for byte: none is normalised, trimmed or
//   decoded; `a//b`, `../x`, `a b?#%`, a leading `/` and an empty object are objects like others.
// - Under a key is what was there before, or the whole new object: a put or a `complete` that
//   failed shows nothing.
// - Bytes that arrive are checked against what the store says of them wherever it says anything
//   (`objects/damaged`); bytes that go out carry a checksum which the store checks.
// - Secrets are in no error and no log.

import type { Bucket } from "../../model/transfer-path.ts";

/** What of an object a transfer carries beside its bytes. Absent = the store's default. */
export interface ObjectAttributes {
  readonly contentType?: string;
  readonly cacheControl?: string;
  readonly contentEncoding?: string;
  readonly contentDisposition?: string;
  readonly contentLanguage?: string;
  /** User metadata; keys in lower case. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** An object as it is listed. */
export interface ListedObject {
  readonly key: string;
  readonly bytes: number;
  readonly modifiedMs: number;
  /** Changes whenever the content does; compared by `get`'s `ifMatch`. */
  readonly version: string;
  /** Of a file system: permission bits. */
  readonly mode?: number;
  /** Of a file system: when anything of it was last written here, whatever its time says. */
  readonly changedMs?: number;
}

export interface StoredObject extends ListedObject {
  readonly attributes: ObjectAttributes;
  /** What the store says the content's checksum is, where it is of the whole content. */
  readonly checksum?: Checksum;
  /** Of an object that was put in parts: their size, where a proof needs it. */
  readonly partBytes?: number;
}

export interface Checksum {
  readonly algorithm: "md5" | "sha256" | "crc32c";
  /** Lower-case hexadecimal. */
  readonly value: string;
}

export interface GetRequest {
  readonly key: string;
  /** `bytes` from `at`; absent = all. Never beyond the end. */
  readonly range?: { readonly at: number; readonly bytes: number };
  /** @throws SkyError `objects/changed` if it has another one. */
  readonly ifMatch?: string;
}

/** Limits of a store; `limits.ts` has them all with their sources. */
export interface StoreLimits {
  readonly objectBytesMax: number;
  /** The largest that a single `put` takes. */
  readonly putBytesMax: number;
  readonly partBytesMin: number;
  readonly partBytesMax: number;
  readonly partsMax: number;
  /** In bytes of UTF-8. */
  readonly keyBytesMax: number;
  /** User metadata: names and values together. */
  readonly metadataBytesMax: number;
}

/** An upload in parts, under way. Data: whoever has it can go on with it, or abort it. */
export interface Upload {
  readonly key: string;
  readonly id: string;
}

export interface UploadedPart {
  /** From 1. */
  readonly number: number;
  readonly bytes: number;
  /** What `complete` has to name: an ETag, a block id. */
  readonly tag: string;
}

export interface ObjectStore {
  readonly bucket: Bucket;
  readonly limits: StoreLimits;
  /** `aws:us-east-1`, `gcp:us-central1`, `azure:eastus`, `cloudflare:auto`, `local`; for prices. */
  region(signal: AbortSignal): Promise<string>;
  /** @throws SkyError `objects/denied`: it may be there. */
  bucketExists(signal: AbortSignal): Promise<boolean>;
  createBucket(signal: AbortSignal): Promise<void>;
  /** It must be empty. */
  deleteBucket(signal: AbortSignal): Promise<void>;
  /** All whose keys begin so, in pages, each once, in any order: prefixes go in parallel. */
  list(prefix: string, signal: AbortSignal): AsyncIterable<readonly ListedObject[]>;
  head(key: string, signal: AbortSignal): Promise<StoredObject | undefined>;
  /** The bytes, in memory that is the caller's own from then on. */
  get(request: GetRequest, signal: AbortSignal): Promise<Uint8Array>;
  /** Gives the object's version. */
  put(
    key: string,
    bytes: Uint8Array,
    options: { readonly attributes?: ObjectAttributes; readonly signal: AbortSignal },
  ): Promise<string>;
  begin(
    key: string,
    options: { readonly attributes?: ObjectAttributes; readonly signal: AbortSignal },
  ): Promise<Upload>;
  /** In any order, several at a time; a number that is put again counts as it was last put. */
  putPart(
    upload: Upload,
    part: { readonly number: number; readonly bytes: Uint8Array },
    signal: AbortSignal,
  ): Promise<UploadedPart>;
  /** Those that are there already, of an upload that is gone on with. */
  parts(upload: Upload, signal: AbortSignal): Promise<readonly UploadedPart[]>;
  /** Gives the object's version. @throws SkyError `objects/damaged`: it has another checksum. */
  complete(
    upload: Upload,
    parts: readonly UploadedPart[],
    options: { readonly attributes?: ObjectAttributes; readonly signal: AbortSignal },
  ): Promise<string>;
  /** Nothing of it is left. One that is gone already is no error. */
  abort(upload: Upload, signal: AbortSignal): Promise<void>;
  /** Uploads that are under way, of whoever: what a sweep looks at. */
  uploads?(prefix: string, signal: AbortSignal): Promise<readonly Upload[]>;
  /** One that is not there is no error. */
  delete(keys: readonly string[], signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** How to prove who we are to a store. Secret: in memory and on sealed connections only. */
export interface StoreCredentials {
  /** S3, R2 and COS. */
  readonly accessKeyId?: string;
  readonly secretAccessKey?: string;
  readonly sessionToken?: string;
  /** Google: the JSON of a service account, or a bearer token. */
  readonly serviceAccount?: string;
  readonly token?: string;
  /** Google: the project that pays for requests, and gets new buckets. No secret. */
  readonly project?: string;
  /** HDFS: who we say we are, where nobody asks for a proof. No secret. */
  readonly user?: string;
  /** Azure: a shared key, or a shared access signature. */
  readonly accountKey?: string;
  readonly sas?: string;
  /** Whoever opens the store takes what its own machine has: an instance's role. */
  readonly ambient?: boolean;
}

export interface OpenStore {
  readonly bucket: Bucket;
  readonly credentials: StoreCredentials;
  readonly requesterPays?: boolean;
  /** Requests at a time. */
  readonly connections?: number;
}
