// The objects port over HDFS: files of a name node, by WebHDFS.
//
// A file is written under a hidden name beside its own and renamed over what is there, in one step
// of the name node. Parts are files of a hidden folder, which the name node puts together without
// moving a byte (CONCAT); appending instead would go through one writer, in order. What HDFS has no
// place for (type, cache control, other user metadata) is not kept; mode and time are. WebHDFS
// takes no checksum of ours; data nodes check what they keep by their own.
//
// What must always hold: under a name is the old file or the whole new one; what was read is of the
// version that was asked for, which is looked at after the read.

import { dirname, join } from "node:path/posix";
import { errorText, isSkyError, SkyError } from "../../model/errors.ts";
import { tempName } from "../../runtime/tree-os.ts";
import { type HdfsClient, openHdfsClient } from "./client-hdfs-os.ts";
import { attributesOfFile } from "./file-attributes.ts";
import { isUnfinishedName } from "./file-keys.ts";
import {
  create,
  type HdfsFile,
  json,
  makeFolder,
  place,
  remove,
  statusOf,
} from "./files-hdfs-os.ts";
import { type FolderPage, walkFolders } from "./folder-walk.ts";
import { type HdfsStatus, hdfsListed, hdfsPath, hdfsVersion } from "./hdfs-text.ts";
import { storeLimits } from "./limits.ts";
import type {
  GetRequest,
  ListedObject,
  ObjectAttributes,
  ObjectStore,
  OpenStore,
  StoredObject,
} from "./object-store.ts";
import { hdfsParts } from "./parts-hdfs-os.ts";

export async function openHdfsStore(open: OpenStore): Promise<ObjectStore> {
  const client = openHdfsClient(open);
  return {
    bucket: open.bucket,
    limits: storeLimits.hdfs,
    region: async () => `hdfs:${open.bucket.region ?? open.bucket.bucket}`,
    bucketExists: async (signal) => {
      return (await statusOf(client, { path: "/", object: client.name }, signal)) !== undefined;
    },
    createBucket: async () => noBuckets(client),
    deleteBucket: async () => noBuckets(client),
    list: (prefix, signal) => list(client, prefix, signal),
    head: (key, signal) => head(client, key, signal),
    get: (request, signal) => get(client, request, signal),
    put: (key, bytes, options) => put(client, { key, bytes, ...options }),
    ...hdfsParts(client),
    delete: (keys, signal) => removeAll(client, keys, signal),
    close: async () => client.close(),
  };
}

function noBuckets({ name }: HdfsClient): never {
  const why = "HDFS has no buckets, and a name node is neither made nor deleted here";
  throw new SkyError("objects/refused", { object: name, why });
}

/** From the folder on in which all such keys are. */
async function* list(
  client: HdfsClient,
  prefix: string,
  signal: AbortSignal,
): AsyncGenerator<readonly ListedObject[], void, void> {
  const first = prefix.slice(0, prefix.lastIndexOf("/") + 1);
  const { connections } = client;
  yield* walkFolders(
    first,
    (folder) => readFolder(client, { folder, prefix }, signal),
    connections,
  );
}

interface Reading {
  /** A key with its `/`; the root's is empty. */
  readonly folder: string;
  readonly prefix: string;
}

interface Listing {
  readonly DirectoryListing: {
    readonly partialListing: { readonly FileStatuses: { readonly FileStatus: HdfsStatus[] } };
    readonly remainingEntries: number;
  };
}

async function* readFolder(
  client: HdfsClient,
  { folder, prefix }: Reading,
  signal: AbortSignal,
): AsyncGenerator<FolderPage<ListedObject>, void, void> {
  const path = folder === "" ? "/" : `/${folder.slice(0, -1)}`;
  const file = { path, object: `${client.name}${path}` };
  let startAfter: string | undefined;
  // A folder that is not there has nothing in it; but a listing of it would be an error.
  if ((await statusOf(client, file, signal))?.type !== "DIRECTORY") return;
  for (;;) {
    const request = { method: "GET", op: "LISTSTATUS_BATCH", ...file } as const;
    const body = await client.ask({ ...request, query: { startAfter } }, signal);
    const { partialListing, remainingEntries } = json<Listing>(body).DirectoryListing;
    const found = partialListing.FileStatuses.FileStatus;
    yield pageOf({ folder, prefix }, found);
    startAfter = found.at(-1)?.pathSuffix;
    if (remainingEntries === 0 || startAfter === undefined) return;
  }
}

function pageOf(
  { folder, prefix }: Reading,
  found: readonly HdfsStatus[],
): FolderPage<ListedObject> {
  const items: ListedObject[] = [];
  const folders: string[] = [];
  for (const status of found) {
    const key = `${folder}${status.pathSuffix}`;
    if (isUnfinishedName(status.pathSuffix)) continue;
    const below = `${key}/`;
    if (status.type === "DIRECTORY") {
      if (below.startsWith(prefix) || prefix.startsWith(below)) folders.push(below);
    } else if (key.startsWith(prefix)) {
      items.push(hdfsListed(key, status));
    }
  }
  return { items, folders };
}

async function head(
  client: HdfsClient,
  key: string,
  signal: AbortSignal,
): Promise<StoredObject | undefined> {
  const path = hdfsPath(key);
  const status = await statusOf(client, { path: trimmed(path), object: key }, signal);
  if (status === undefined) return undefined;
  if (status.type === "DIRECTORY") {
    return key.endsWith("/") ? { ...hdfsListed(key, status), bytes: 0, attributes: {} } : undefined;
  }
  if (key.endsWith("/")) return undefined;
  const listed = hdfsListed(key, status);
  const mtimeMs = listed.modifiedMs;
  const facts = { name: key, mtimeMs, ...(listed.mode === undefined ? {} : { mode: listed.mode }) };
  return { ...listed, attributes: attributesOfFile(facts) };
}

function trimmed(path: string): string {
  return path.endsWith("/") ? path.slice(0, -1) : path;
}

async function get(
  client: HdfsClient,
  { key, range, ifMatch }: GetRequest,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const file = { path: trimmed(hdfsPath(key)), object: key };
  const before = await statusOf(client, file, signal);
  if (before === undefined) throw new SkyError("objects/no-object", { object: key });
  if (before.type === "DIRECTORY" && key.endsWith("/")) return new Uint8Array(0);
  const version = ifMatch ?? hdfsVersion(before);
  demandVersion(key, version, before);
  const { at, bytes } = range ?? { at: 0, bytes: before.length };
  if (at + bytes > before.length) {
    const why = `it ends ${at + bytes - before.length} bytes too early`;
    throw new SkyError("objects/changed", { object: key, why });
  }
  if (bytes === 0) return new Uint8Array(0);
  const query = { offset: String(at), length: String(bytes) };
  const found = await client.move({ method: "GET", op: "OPEN", ...file, query }, signal);
  demandVersion(key, version, await statusOf(client, file, signal));
  if (found.length === bytes) return found;
  const why = `${found.length} bytes came, not ${bytes}`;
  throw new SkyError("objects/failed", { object: key, why });
}

function demandVersion(key: string, wanted: string, status: HdfsStatus | undefined): void {
  const found = status === undefined ? "none" : hdfsVersion(status);
  if (found === wanted) return;
  const why = `its version was ${wanted} and is ${found}`;
  throw new SkyError("objects/changed", { object: key, why });
}

interface PutRequest {
  readonly key: string;
  readonly bytes: Uint8Array;
  readonly attributes?: ObjectAttributes;
  readonly signal: AbortSignal;
}

async function put(
  client: HdfsClient,
  { key, bytes, attributes, signal }: PutRequest,
): Promise<string> {
  signal.throwIfAborted();
  const path = hdfsPath(key);
  if (key.endsWith("/")) {
    if (bytes.length > 0) {
      const why = "it ends in `/`, so it is a folder and has no bytes";
      throw new SkyError("objects/refused", { object: key, why });
    }
    const folder = { path: trimmed(path), object: key };
    await makeFolder(client, folder, signal);
    const status = await statusOf(client, folder, signal);
    return status === undefined ? "" : hdfsVersion(status);
  }
  const temp = { path: join(dirname(path), tempName()), object: key };
  try {
    await create(client, { ...temp, body: bytes }, signal);
    const file = { ...temp, to: path, bytes: bytes.length };
    return await place(client, file, { attributes, signal });
  } catch (error) {
    throw await dropped(client, temp, error);
  }
}

const dropMs = 10_000;

/** What went wrong, and with it what is left there because that went wrong, too. */
async function dropped(client: HdfsClient, temp: HdfsFile, error: unknown): Promise<unknown> {
  const ended = AbortSignal.timeout(dropMs);
  const [left] = await Promise.allSettled([remove(client, { ...temp, recursive: false }, ended)]);
  if (left.status === "fulfilled" || !isSkyError(error, "objects/failed")) return error;
  const why = `${errorText(error)}; ${temp.path} is left there: ${errorText(left.reason)}`;
  return new SkyError("objects/failed", { object: temp.object, why }, { cause: error });
}

async function removeAll(
  client: HdfsClient,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const waiting = [...keys];
  const work = async (): Promise<void> => {
    for (let key = waiting.pop(); key !== undefined; key = waiting.pop()) {
      const path = trimmed(hdfsPath(key));
      await remove(client, { path, object: key, recursive: false }, signal);
    }
  };
  const workers = Array.from({ length: Math.min(client.connections, keys.length) }, work);
  for (const one of await Promise.allSettled(workers)) {
    if (one.status === "rejected") throw one.reason;
  }
}
