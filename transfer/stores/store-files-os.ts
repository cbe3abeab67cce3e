// The objects port over a folder of this machine: keys are paths below it.
//
// It is for what handles files as objects one by one: tests, small copies, listings. A transfer
// that writes chunks in any order has `chunks/object-file-os.ts`, and reads files as they lie.
//
// A file comes under a hidden name beside its own, is flushed, and is renamed; parts are files in a
// hidden folder until they are put together. Links on the way never lead out of the folder. What a
// file system has no place for (type, cache control, other user metadata) is not kept; mode and
// time are. A key that ends in `/` is a folder, and never listed.
//
// What must always hold: under a name is the old file or the whole new one, also after a power cut;
// nothing that was read is a mixture of two versions.

import type { BigIntStats } from "node:fs";
import { constants } from "node:fs";
import { type FileHandle, open, rmdir, stat, unlink } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { SkyError } from "../../model/errors.ts";
import { noRoom } from "../../runtime/room-os.ts";
import { attributesOfFile } from "./file-attributes.ts";
import { fileError, fileFault } from "./file-errors.ts";
import { pathWithin } from "./file-keys.ts";
import { fileParts } from "./file-parts-os.ts";
import { type FolderPlace, placeFile } from "./file-place-os.ts";
import { fileVersion } from "./file-version.ts";
import { type ListNote, listedOf, listLocal } from "./folder-list-os.ts";
import { demandWithin, makeFolderAt, makeWay, removeWay } from "./folder-way-os.ts";
import { storeLimits } from "./limits.ts";
import type {
  GetRequest,
  ListedObject,
  ObjectAttributes,
  ObjectStore,
  StoredObject,
} from "./object-store.ts";

/** No bucket of a store, but a folder that is used like one. */
export type FolderStore = Omit<ObjectStore, "bucket"> & { readonly root: string };

export interface FolderStoreOptions {
  readonly root: string;
  /** Hears what a listing finds that is no object. Without it, what failed ends the listing. */
  readonly told?: (note: ListNote) => void;
}

const exact = { bigint: true } as const;

/** The folder need not be there yet. */
export function openFolderStore({ root, told }: FolderStoreOptions): FolderStore {
  const folder = resolve(root);
  const place: FolderPlace = { root: folder, named: (object, work) => named(folder, object, work) };
  return {
    root: folder,
    limits: storeLimits.local,
    region: async () => "local",
    bucketExists: () => place.named(folder, () => isFolder(folder)),
    createBucket: () => place.named(folder, () => makeFolderAt("/", folder)),
    deleteBucket: () =>
      place.named(folder, () => rmdir(folder).catch((error) => unlessGone(error))),
    list: (prefix, signal) => list({ root: folder, told }, prefix, signal),
    head: (key, signal) => place.named(key, () => head(place, key, signal)),
    get: (request, signal) => place.named(request.key, () => get(place, request, signal)),
    put: (key, bytes, options) => place.named(key, () => put(place, { key, bytes, ...options })),
    ...fileParts(place),
    delete: (keys, signal) => remove(place, keys, signal),
    close: async () => {},
  };
}

async function named<T>(root: string, object: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    // Nothing can be in a folder that is not there.
    const isGone = fileFault(error) === "none" && !(await isFolder(root).catch(() => true));
    if (isGone) throw new SkyError("objects/no-bucket", { bucket: root }, { cause: error });
    throw fileError(error, object, (cause) => noRoom(root, cause));
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    const found = await stat(path);
    if (found.isDirectory()) return true;
    throw new SkyError("objects/refused", { object: path, why: "it is no folder" });
  } catch (error) {
    if (fileFault(error) === "none") return false;
    throw error;
  }
}

interface Listening {
  readonly root: string;
  readonly told: FolderStoreOptions["told"];
}

async function* list(
  { root, told }: Listening,
  prefix: string,
  signal: AbortSignal,
): AsyncGenerator<readonly ListedObject[], void, void> {
  const listing = await listLocal(`${root}/`, { recursive: true, prefix }, signal);
  if (listing === undefined) throw new SkyError("objects/no-bucket", { bucket: root });
  for await (const { objects, notes } of listing.pages) {
    for (const note of notes) {
      if (told !== undefined) told(note);
      else if (note.failed)
        throw new SkyError("objects/failed", { object: note.path, why: note.why });
    }
    if (objects.length > 0) yield objects;
  }
}

async function head(
  { root }: FolderPlace,
  key: string,
  signal: AbortSignal,
): Promise<StoredObject | undefined> {
  signal.throwIfAborted();
  const path = pathWithin(root, key);
  const found = await stat(path, exact).catch((error) => unlessGone(error));
  if (found === undefined) {
    if (!(await isFolder(root))) throw new SkyError("objects/no-bucket", { bucket: root });
    return undefined;
  }
  await demandWithin(root, path);
  if (found.isDirectory()) return key.endsWith("/") ? folderOf(key, found) : undefined;
  if (!found.isFile()) throw refused(key, "it is no file");
  const listed = listedOf(key, found);
  const facts = { name: key, mode: Number(found.mode), mtimeMs: listed.modifiedMs };
  return { ...listed, attributes: attributesOfFile(facts) };
}

function folderOf(key: string, found: BigIntStats): StoredObject {
  return { ...listedOf(key, found), bytes: 0, attributes: {} };
}

async function get(
  { root }: FolderPlace,
  { key, range, ifMatch }: GetRequest,
  signal: AbortSignal,
): Promise<Uint8Array> {
  signal.throwIfAborted();
  const path = pathWithin(root, key);
  await demandWithin(root, path);
  // A pipe that took the file's place keeps nobody waiting.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const before = await file.stat(exact);
    if (before.isDirectory() && key.endsWith("/")) return new Uint8Array(0);
    if (!before.isFile()) throw refused(key, "it is no file");
    const version = fileVersion(before);
    if (ifMatch !== undefined && ifMatch !== version) throw changed(key, ifMatch, version);
    const bytes = await read(file, before.size, range);
    const after = fileVersion(await file.stat(exact));
    if (after !== version || bytes === undefined) throw changed(key, version, after);
    if (range === undefined || bytes.length === range.bytes) return bytes;
    const why = `it ends ${range.bytes - bytes.length} bytes too early`;
    throw new SkyError("objects/changed", { object: key, why });
  } finally {
    await file.close();
  }
}

/** `undefined` if the file ended early: somebody cut it. */
async function read(
  file: FileHandle,
  size: bigint,
  range: GetRequest["range"],
): Promise<Uint8Array | undefined> {
  const at = range?.at ?? 0;
  const end = Math.min(Number(size), at + (range?.bytes ?? Number(size)));
  const bytes = Buffer.allocUnsafeSlow(Math.max(0, end - at));
  for (let filled = 0; filled < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, at + filled);
    if (bytesRead === 0) return undefined;
    filled += bytesRead;
  }
  return bytes;
}

interface PutRequest {
  readonly key: string;
  readonly bytes: Uint8Array;
  readonly attributes?: ObjectAttributes;
  readonly signal: AbortSignal;
}

async function put(
  { root }: FolderPlace,
  { key, bytes, attributes, signal }: PutRequest,
): Promise<string> {
  signal.throwIfAborted();
  const path = pathWithin(root, key);
  // Also of a put to nothing: a folder that is not there is told, not made.
  await stat(root);
  if (key.endsWith("/")) {
    if (bytes.length > 0) throw refused(key, "it ends in `/`, so it is a folder and has no bytes");
    await makeFolderAt(root, path.slice(0, -1));
    return fileVersion(await stat(path, exact));
  }
  const made = await makeWay(root, path);
  try {
    return await placeFile(path, attributes, async (file) => {
      await file.writeFile(bytes);
      signal.throwIfAborted();
    });
  } catch (error) {
    await removeWay(made);
    throw error;
  }
}

/** Folders that have nothing in them any more go with the last of their files. */
async function remove(
  place: FolderPlace,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const { root } = place;
  for (const key of keys) {
    signal.throwIfAborted();
    await place.named(key, async () => {
      const path = pathWithin(root, key);
      await demandWithin(root, path);
      if (key.endsWith("/")) return await removeWay([path.slice(0, -1)]);
      await unlink(path).catch((error) => unlessGone(error));
      const above = [...foldersAbove(root, path)];
      await removeWay(above.toReversed());
    });
  }
}

function* foldersAbove(root: string, path: string): Generator<string> {
  for (let at = dirname(path); at.length > root.length; at = dirname(at)) yield at;
}

function unlessGone(error: unknown): undefined {
  if (fileFault(error) === "none") return undefined;
  throw error;
}

function refused(key: string, why: string): SkyError<"objects/refused"> {
  return new SkyError("objects/refused", { object: key, why });
}

function changed(key: string, from: string, to: string): SkyError<"objects/changed"> {
  const why = `its version was ${from} and is ${to}`;
  return new SkyError("objects/changed", { object: key, why });
}
