// The objects port over Google Cloud Storage.
//
// Listings, heads, puts and deletes are the JSON API's; objects in parts are the XML API's
// (`parts-gcs.ts`): its parts go in parallel, are listed by whoever goes on, and are gone after an
// abort, which resumable uploads (one stream, in order) are not. An object's version is its
// generation. A whole read is checked against the MD5, or of an object in parts the CRC32C, that
// the store has of it; of a range the store says nothing.
//
// Source: cloud.google.com/storage/docs/json_api/v1.

import { randomUUID } from "node:crypto";
import { isSkyError, SkyError } from "../../model/errors.ts";
import { type GcsClient, openGcsClient } from "./client-gcs.ts";
import {
  demandName,
  encodedKey,
  type GcsObject,
  hashesIn,
  listedOf,
  listFields,
  md5Of,
  objectFields,
  queryOf,
  resourceOf,
  storedOf,
} from "./gcs-text.ts";
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
import { gcsParts } from "./parts-gcs.ts";

const limits = storeLimits.gs;
const listKeys = "1000";
/** For prices, where nobody may ask where the bucket is. */
const regionUnknown = "us-east1";

export async function openGcsStore(open: OpenStore): Promise<ObjectStore> {
  const client = await openGcsClient(open);
  return {
    bucket: open.bucket,
    limits,
    region: (signal) => region(client, open.bucket.region, signal),
    bucketExists: (signal) => bucketExists(client, signal),
    createBucket: (signal) => createBucket(client, open.bucket.region, signal),
    deleteBucket: async (signal) => {
      await client.ask(
        { method: "DELETE", path: bucketPath(client), object: client.bucket },
        signal,
      );
    },
    list: (prefix, signal) =>
      listInParallel(
        { page: (request, ended) => page(client, request, ended), parallel: client.connections },
        prefix,
        signal,
      ),
    head: (key, signal) => head(client, key, signal),
    get: (request, signal) => get(client, request, signal),
    put: (key, bytes, options) => put(client, { key, bytes, ...options }),
    ...gcsParts(client, (key, signal) => resource(client, key, signal)),
    delete: (keys, signal) => remove(client, keys, signal),
    close: async () => client.close(),
  };
}

function bucketPath({ bucket }: GcsClient): string {
  return `/storage/v1/b/${encodedKey(bucket)}`;
}

function objectPath(client: GcsClient, key: string): string {
  return `${bucketPath(client)}/o/${encodedKey(key)}`;
}

function json<T>(body: Uint8Array): T {
  return JSON.parse(Buffer.from(body).toString()) as T;
}

/** Where one bucket is. Whoever may read objects may often not ask that. */
async function region(
  client: GcsClient,
  said: string | undefined,
  signal: AbortSignal,
): Promise<string> {
  if (said !== undefined) return `gcp:${said.toLowerCase()}`;
  try {
    const path = `${bucketPath(client)}${queryOf({ fields: "location" })}`;
    const { body } = await client.ask({ method: "GET", path, object: client.bucket }, signal);
    return `gcp:${json<{ location: string }>(body).location.toLowerCase()}`;
  } catch (error) {
    if (isSkyError(error, "objects/denied")) return `gcp:${regionUnknown}`;
    throw error;
  }
}

async function bucketExists(client: GcsClient, signal: AbortSignal): Promise<boolean> {
  const look = async (path: string): Promise<boolean> => {
    const request = { method: "GET", path, object: client.bucket, expected: [404] } as const;
    return (await client.ask(request, signal)).status !== 404;
  };
  try {
    return await look(`${bucketPath(client)}${queryOf({ fields: "name" })}`);
  } catch (error) {
    if (!isSkyError(error, "objects/denied")) throw error;
    // To list objects and to see the bucket are two permissions.
    return await look(`${bucketPath(client)}/o${queryOf({ maxResults: "1", fields: "kind" })}`);
  }
}

async function createBucket(
  client: GcsClient,
  location: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  const path = `/storage/v1/b${queryOf({ project: await client.projectId() })}`;
  const resource = { name: client.bucket, ...(location === undefined ? {} : { location }) };
  const request = { method: "POST", path, object: client.bucket } as const;
  await client.ask({ ...request, headers: jsonHeaders, body: jsonBytes(resource) }, signal);
}

const jsonHeaders = { "content-type": "application/json" };

function jsonBytes(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

async function page(
  client: GcsClient,
  { prefix, folders, after, token }: PageRequest,
  signal: AbortSignal,
): Promise<Page<ListedObject>> {
  const query = queryOf({
    ...{ prefix, startOffset: after, pageToken: token, maxResults: listKeys, fields: listFields },
    ...(folders ? { delimiter: "/" } : {}),
  });
  const object = `gs://${client.bucket}/${prefix}`;
  const path = `${bucketPath(client)}/o${query}`;
  const request = { method: "GET", path, object, expected: [404] } as const;
  const { status, body } = await client.ask(request, signal);
  if (status === 404) throw new SkyError("objects/no-bucket", { bucket: `gs://${client.bucket}` });
  const { items = [], prefixes = [], nextPageToken } = json<GcsPage>(body);
  const next = nextPageToken === undefined ? {} : { token: nextPageToken };
  return { objects: items.map(listedOf), folders: prefixes, ...next };
}

interface GcsPage {
  readonly items?: readonly GcsObject[];
  readonly prefixes?: readonly string[];
  readonly nextPageToken?: string;
}

async function resource(
  client: GcsClient,
  key: string,
  signal: AbortSignal,
): Promise<GcsObject | undefined> {
  const path = `${objectPath(client, key)}${queryOf({ fields: objectFields })}`;
  try {
    const { body } = await client.ask({ method: "GET", path, object: key }, signal);
    return json<GcsObject>(body);
  } catch (error) {
    if (isSkyError(error, "objects/no-object")) return undefined;
    throw error;
  }
}

async function head(
  client: GcsClient,
  key: string,
  signal: AbortSignal,
): Promise<StoredObject | undefined> {
  demandName(key);
  const found = await resource(client, key, signal);
  return found === undefined ? undefined : storedOf(found);
}

async function get(
  client: GcsClient,
  { key, range, ifMatch }: GetRequest,
  signal: AbortSignal,
): Promise<Uint8Array> {
  demandName(key);
  if (range?.bytes === 0) return await getNothing(client, { key, ifMatch }, signal);
  const ifGenerationMatch = ifMatch;
  const path = `${objectPath(client, key)}${queryOf({ alt: "media", ifGenerationMatch })}`;
  // Or what is kept packed would come unpacked.
  const headers = { "accept-encoding": "gzip", ...rangeHeader(range) };
  const { body, headers: said } = await client.ask(
    { method: "GET", path, object: key, headers },
    signal,
  );
  if (range === undefined) {
    await demandSame(key, body, said["x-goog-hash"]);
    return body;
  }
  if (body.length !== range.bytes) {
    const why = `it ends ${range.bytes - body.length} bytes too early`;
    throw new SkyError("objects/changed", { object: key, why });
  }
  return body;
}

/** No range of HTTP is empty. */
async function getNothing(
  client: GcsClient,
  { key, ifMatch }: { readonly key: string; readonly ifMatch: string | undefined },
  signal: AbortSignal,
): Promise<Uint8Array> {
  const found = await resource(client, key, signal);
  if (found === undefined) throw new SkyError("objects/no-object", { object: key });
  if (ifMatch === undefined || ifMatch === found.generation) return new Uint8Array(0);
  const why = `its generation was ${ifMatch} and is ${found.generation}`;
  throw new SkyError("objects/changed", { object: key, why });
}

function rangeHeader(range: GetRequest["range"]): Readonly<Record<string, string>> {
  if (range === undefined) return {};
  return { range: `bytes=${range.at}-${range.at + range.bytes - 1}` };
}

async function demandSame(
  object: string,
  bytes: Uint8Array,
  header: string | readonly string[] | undefined,
): Promise<void> {
  const { md5, crc32c } = hashesIn(typeof header === "object" ? header.join(",") : header);
  const isMd5 = md5 !== undefined;
  const expected = isMd5 ? md5 : crc32c;
  if (expected === undefined) return;
  const found = isMd5 ? md5Of(bytes) : await crc32cOf(bytes);
  if (found === expected) return;
  const why = `its ${isMd5 ? "MD5" : "CRC32C"} is ${found}; the store has ${expected}`;
  throw new SkyError("objects/damaged", { object, why });
}

async function crc32cOf(bytes: Uint8Array): Promise<string> {
  const { CRC32C } = await import("@google-cloud/storage");
  const crc = new CRC32C();
  crc.update(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
  return crc.toString();
}

interface PutRequest {
  readonly key: string;
  readonly bytes: Uint8Array;
  readonly attributes?: ObjectAttributes;
  readonly signal: AbortSignal;
}

/** Resource and bytes in one request: the store takes them only if the MD5 is right. */
async function put(
  client: GcsClient,
  { key, bytes, attributes = {}, signal }: PutRequest,
): Promise<string> {
  demandName(key);
  // Of a boundary that somebody knows, an object could have it in its bytes.
  const boundary = `sky-${randomUUID()}`;
  const object = { name: key, ...resourceOf(attributes), md5Hash: md5Of(bytes) };
  const type = attributes.contentType ?? "application/octet-stream";
  const before = [
    ...[`--${boundary}`, "content-type: application/json; charset=utf-8", ""],
    ...[JSON.stringify(object), `--${boundary}`, `content-type: ${headerText(type)}`, "", ""],
  ];
  const query = queryOf({ uploadType: "multipart", fields: "generation" });
  const { body } = await client.ask(
    {
      method: "POST",
      path: `/upload${bucketPath(client)}/o${query}`,
      object: key,
      headers: { "content-type": `multipart/related; boundary=${boundary}` },
      body: [Buffer.from(before.join("\r\n")), bytes, Buffer.from(`\r\n--${boundary}--\r\n`)],
    },
    signal,
  );
  return json<GcsObject>(body).generation;
}

/** The type is in the resource as it is; here nothing may end the line. */
function headerText(type: string): string {
  return /^[ -~]+$/.test(type) ? type : "application/octet-stream";
}

async function remove(
  client: GcsClient,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const waiting = [...keys];
  const work = async (): Promise<void> => {
    for (let key = waiting.pop(); key !== undefined; key = waiting.pop()) {
      demandName(key);
      await removeOne(client, key, signal);
    }
  };
  const workers = Math.min(client.connections, keys.length);
  const ended = await Promise.allSettled(Array.from({ length: workers }, work));
  for (const one of ended) if (one.status === "rejected") throw one.reason;
}

async function removeOne(client: GcsClient, key: string, signal: AbortSignal): Promise<void> {
  try {
    await client.ask({ method: "DELETE", path: objectPath(client, key), object: key }, signal);
  } catch (error) {
    if (!isSkyError(error, "objects/no-object")) throw error;
  }
}
