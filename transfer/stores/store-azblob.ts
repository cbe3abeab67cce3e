// The objects port over Azure Blob Storage: block blobs of one container.
//
// An object's version is its ETag. What goes out in one request carries its MD5, which the store
// checks and keeps; a whole read is checked against the MD5 that is kept, a range of up to 4 MiB
// against one that the store makes of it. Objects in parts are in `blocks-azblob.ts`.
//
// Source: learn.microsoft.com/rest/api/storageservices, "Operations on blobs".

import { createHash } from "node:crypto";
import { SkyError } from "../../model/errors.ts";
import { azureFailure, azureMeaning } from "./azure-errors.ts";
import { demandName, described, metadataOf } from "./azure-text.ts";
import { azureBlocks } from "./blocks-azblob.ts";
import { type AzureContainer, openContainer } from "./client-azblob.ts";
import { storeLimits } from "./limits.ts";
import type {
  GetRequest,
  ListedObject,
  ObjectAttributes,
  ObjectStore,
  OpenStore,
  StoredObject,
} from "./object-store.ts";
import { listInParallel, type Page, type PageRequest } from "./parallel-listing.ts";
import { bareTag } from "./s3-text.ts";

const limits = storeLimits.azure;
/** For prices, where nobody says it: the service itself does not. */
const regionUnknown = "eastus";
const listKeys = 5_000;
/** The store makes an MD5 of no larger range. Source: "Get Blob", x-ms-range-get-content-md5. */
const rangeMd5BytesMax = 4 * 1024 * 1024;

/** `pageKeys`: names that a listing asks for at a time; the store may give fewer. */
export async function openAzureStore(
  open: OpenStore,
  { pageKeys = listKeys }: { readonly pageKeys?: number } = {},
): Promise<ObjectStore> {
  const container = await openContainer(open);
  const pages = (request: PageRequest, signal: AbortSignal): Promise<Page<ListedObject>> =>
    page({ ...container, pageKeys }, request, signal);
  const { client, name, named } = container;
  return {
    bucket: open.bucket,
    limits,
    region: async () => `azure:${open.bucket.region ?? regionUnknown}`,
    bucketExists: (signal) => named(name, signal, () => client.exists({ abortSignal: signal })),
    createBucket: (signal) =>
      named(name, signal, async () => {
        await client.create({ abortSignal: signal });
      }),
    deleteBucket: (signal) => named(name, signal, () => deleteBucket(container, signal)),
    list: (prefix, signal) =>
      listInParallel({ page: pages, parallel: container.connections }, prefix, signal),
    head: (key, signal) => named(key, signal, () => head(container, key, signal)),
    get: (request, signal) => named(request.key, signal, () => get(container, request, signal)),
    put: (key, bytes, options) =>
      named(key, options.signal, () => put(container, { key, bytes, ...options })),
    ...azureBlocks(container),
    delete: (keys, signal) => remove(container, keys, signal),
    close: async () => {},
  };
}

/** Azure deletes a container with all that is in it: so it is looked into first. */
async function deleteBucket({ client, name }: AzureContainer, signal: AbortSignal): Promise<void> {
  const pages = client.listBlobsFlat({ abortSignal: signal }).byPage({ maxPageSize: 1 });
  for await (const { segment } of pages) {
    if (segment.blobItems.length === 0) continue;
    throw new SkyError("objects/refused", { object: name, why: "it is not empty" });
  }
  await client.delete({ abortSignal: signal });
}

/** One page; the next is asked for by whoever lists. */
async function page(
  container: AzureContainer & { readonly pageKeys: number },
  request: PageRequest,
  signal: AbortSignal,
): Promise<Page<ListedObject>> {
  const { client, name, named, pageKeys } = container;
  const { prefix, folders, after, token } = request;
  const settings = {
    maxPageSize: pageKeys,
    ...(token === undefined ? {} : { continuationToken: token }),
  };
  const options = { prefix, abortSignal: signal };
  const pages = folders
    ? client.listBlobsByHierarchy("/", options).byPage(settings)
    : client.listBlobsFlat(options).byPage(settings);
  return await named(`${name}/${prefix}`, signal, async () => {
    const { value } = await pages.next();
    if (value === undefined) return { objects: [], folders: [] };
    const { segment, continuationToken } = value;
    const below: readonly { readonly name: string }[] =
      "blobPrefixes" in segment ? (segment.blobPrefixes ?? []) : [];
    return {
      objects: segment.blobItems.flatMap(listedOf),
      folders: below.map((folder) => folder.name),
      ...nextOf(continuationToken, folders ? after : undefined),
    };
  });
}

/**
 * A listing is split where names have an order that the store and we agree on: beyond these letters
 * UTF-16 and UTF-8 differ, and the store says nowhere which is its own. A token says that there is
 * more, and whoever lists goes on in the store's order.
 */
function nextOf(token: string | undefined, after: string | undefined): { readonly token?: string } {
  if (token !== undefined && token !== "") return { token };
  return after !== undefined && /[\ud800-\uffff]/.test(after) ? { token: "in order" } : {};
}

interface Item {
  readonly name: string;
  readonly properties: {
    readonly contentLength?: number;
    readonly lastModified: Date;
    readonly etag: string;
  };
}

function listedOf({ name, properties }: Item): readonly ListedObject[] {
  const { contentLength = 0, lastModified, etag } = properties;
  // Of an account with a hierarchy of folders: a folder is no object.
  const isFolder = "resourceType" in properties && properties.resourceType === "directory";
  if (isFolder) return [];
  const listed = { key: name, bytes: contentLength, modifiedMs: lastModified.getTime() };
  return [{ ...listed, version: bareTag(etag) }];
}

async function head(
  { client }: AzureContainer,
  key: string,
  signal: AbortSignal,
): Promise<StoredObject | undefined> {
  demandName(key);
  const blob = client.getBlockBlobClient(key);
  try {
    const found = await blob.getProperties({ abortSignal: signal });
    const { contentLength = 0, lastModified, etag, contentMD5 } = found;
    return {
      ...{ key, bytes: contentLength, version: bareTag(etag) },
      modifiedMs: lastModified?.getTime() ?? 0,
      attributes: attributesOf(found),
      ...(contentMD5 === undefined
        ? {}
        : { checksum: { algorithm: "md5", value: Buffer.from(contentMD5).toString("hex") } }),
    };
  } catch (error) {
    if (azureMeaning(azureFailure(error)) === "objects/no-object") return undefined;
    throw error;
  }
}

interface Described {
  readonly contentType?: string;
  readonly cacheControl?: string;
  readonly contentEncoding?: string;
  readonly contentDisposition?: string;
  readonly contentLanguage?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

function attributesOf(found: Described): ObjectAttributes {
  const { contentType, cacheControl, contentEncoding, contentDisposition, contentLanguage } = found;
  const metadata = metadataOf(found.metadata ?? {});
  const all = {
    ...{ contentType, cacheControl, contentEncoding, contentDisposition, contentLanguage },
    metadata: Object.keys(metadata).length === 0 ? undefined : metadata,
  };
  const given = Object.entries(all).filter(([, value]) => value !== undefined && value !== "");
  return Object.fromEntries(given) as ObjectAttributes;
}

async function get(
  { client }: AzureContainer,
  { key, range, ifMatch }: GetRequest,
  signal: AbortSignal,
): Promise<Uint8Array> {
  demandName(key);
  const blob = client.getBlockBlobClient(key);
  const conditions = ifMatch === undefined ? {} : { ifMatch: `"${ifMatch}"` };
  if (range?.bytes === 0) {
    // No range of HTTP is empty.
    await blob.getProperties({ abortSignal: signal, conditions });
    return new Uint8Array(0);
  }
  const answer = await blob.download(range?.at ?? 0, range?.bytes, {
    ...{ abortSignal: signal, conditions, maxRetryRequests: 0 },
    ...(range !== undefined && range.bytes <= rangeMd5BytesMax ? { rangeGetContentMD5: true } : {}),
  });
  const expected = answer.contentLength ?? 0;
  const bytes = await readAll(answer.readableStreamBody, expected);
  if (bytes.length !== expected) {
    const why = `the answer ended after ${bytes.length} bytes of ${expected}`;
    throw new SkyError("objects/failed", { object: key, why });
  }
  demandSame(key, bytes, answer.contentMD5);
  if (range === undefined || bytes.length === range.bytes) return bytes;
  const why = `it ends ${range.bytes - bytes.length} bytes too early`;
  throw new SkyError("objects/changed", { object: key, why });
}

async function readAll(
  stream: AsyncIterable<Uint8Array | string> | undefined,
  bytes: number,
): Promise<Uint8Array> {
  const all = Buffer.allocUnsafeSlow(bytes);
  let at = 0;
  for await (const piece of stream ?? []) {
    if (at + piece.length > bytes) return Buffer.concat([all.subarray(0, at), Buffer.from(piece)]);
    all.set(Buffer.from(piece), at);
    at += piece.length;
  }
  return all.subarray(0, at);
}

function demandSame(object: string, bytes: Uint8Array, md5: Uint8Array | undefined): void {
  if (md5 === undefined || md5.length === 0) return;
  const expected = Buffer.from(md5);
  const found = createHash("md5").update(bytes).digest();
  if (found.equals(expected)) return;
  const why = `its MD5 is ${found.toString("hex")}; the store has ${expected.toString("hex")}`;
  throw new SkyError("objects/damaged", { object, why });
}

interface PutRequest {
  readonly key: string;
  readonly bytes: Uint8Array;
  readonly attributes?: ObjectAttributes;
  readonly signal: AbortSignal;
}

async function put(
  { client }: AzureContainer,
  { key, bytes, attributes = {}, signal }: PutRequest,
): Promise<string> {
  demandName(key);
  const options = {
    ...described(key, attributes),
    abortSignal: signal,
    // The SDK passes it on, and its types say so of blocks alone.
    transactionalContentMD5: createHash("md5").update(bytes).digest(),
  };
  const answer = await client.getBlockBlobClient(key).upload(bytes, bytes.length, options);
  return bareTag(answer.etag);
}

async function remove(
  container: AzureContainer,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const { client, named, connections } = container;
  const waiting = [...keys];
  const work = async (): Promise<void> => {
    for (let key = waiting.pop(); key !== undefined; key = waiting.pop()) {
      const blob = client.getBlockBlobClient(key);
      demandName(key);
      await named(key, signal, () => blob.deleteIfExists({ abortSignal: signal }));
    }
  };
  const workers = Array.from({ length: Math.min(connections, keys.length) }, work);
  for (const one of await Promise.allSettled(workers)) {
    if (one.status === "rejected") throw one.reason;
  }
}
