// An object in parts at HDFS: the parts are files of a hidden folder until they are put together.
//
// The name node joins them without moving a byte, as many at a time as an address has room for: the
// first part takes the others in, in order. Whoever goes on after a crash finds by its length how
// far that went. Then the whole gets its name, and the folder goes.
//
// CONCAT names its sources in a list with commas. Where the path itself has one, the parts are read
// and appended instead.

import { randomUUID } from "node:crypto";
import { join } from "node:path/posix";
import { SkyError } from "../../model/errors.ts";
import { objectNames } from "../chunks/object-place.ts";
import type { HdfsClient } from "./client-hdfs-os.ts";
import {
  create,
  type HdfsFile,
  json,
  makeFolder,
  missingAbove,
  place,
  remove,
  removeEmpty,
  renameOver,
  statusOf,
} from "./files-hdfs-os.ts";
import { concatGroups, type HdfsStatus, hdfsPath, hdfsVersion } from "./hdfs-text.ts";
import type { ObjectAttributes, ObjectStore, Upload, UploadedPart } from "./object-store.ts";

type Parts = Pick<ObjectStore, "begin" | "putPart" | "parts" | "complete" | "abort">;

const wholeName = "whole";
/** Of all sources of one CONCAT: with its target it has to fit the 8 KiB that servers take. */
const sourcesCharsMax = 4_096;

export function hdfsParts(client: HdfsClient): Parts {
  return {
    begin: async (key, { signal }) => {
      signal.throwIfAborted();
      const path = hdfsPath(key);
      if (key.endsWith("/")) {
        const why = "it ends in `/`, so it is a folder and has no parts";
        throw new SkyError("objects/refused", { object: key, why });
      }
      // How many folders above were not there: what an abort takes away with it.
      const made = (await missingAbove(client, { path, object: key }, signal)).length;
      const id = `${randomUUID()}-${made}`;
      const folder = { path: objectNames(path, id).partial, object: key };
      await makeFolder(client, folder, signal);
      return { key, id };
    },
    putPart: (upload, { number, bytes }, signal) =>
      putPart(client, { upload, number, bytes }, signal),
    parts: async (upload, signal) => (await filesOf(client, upload, signal)).parts,
    complete: (upload, parts, options) => complete(client, { upload, parts, ...options }),
    abort: async (upload, signal) => {
      await remove(client, { ...folderOf(upload), recursive: true }, signal);
      const made = Number(/-(\d+)$/.exec(upload.id)?.[1] ?? 0);
      const path = hdfsPath(upload.key);
      await removeEmpty(client, { path, object: upload.key, count: made }, signal);
    },
  };
}

function folderOf({ key, id }: Upload): HdfsFile {
  return { path: objectNames(hdfsPath(key), id).partial, object: key };
}

function gone({ key, id }: Upload): SkyError<"objects/no-object"> {
  return new SkyError("objects/no-object", { object: `the upload ${id} of ${key}` });
}

interface Part {
  readonly upload: Upload;
  readonly number: number;
  readonly bytes: Uint8Array;
}

async function putPart(
  client: HdfsClient,
  { upload, number, bytes }: Part,
  signal: AbortSignal,
): Promise<UploadedPart> {
  signal.throwIfAborted();
  const folder = folderOf(upload);
  // To create a file there would make the folder anew.
  if ((await statusOf(client, folder, signal)) === undefined) throw gone(upload);
  const temp = { path: join(folder.path, randomUUID()), object: upload.key };
  await create(client, { ...temp, body: bytes }, signal);
  const status = await statusOf(client, temp, signal);
  if (status?.length !== bytes.length) {
    const why = `HDFS has ${status?.length ?? "no"} bytes of part ${number}`;
    throw new SkyError("objects/damaged", { object: upload.key, why });
  }
  await renameOver(client, { ...temp, to: join(folder.path, `part-${number}`) }, signal);
  return { number, bytes: bytes.length, tag: hdfsVersion(status) };
}

interface UploadFiles {
  readonly parts: readonly UploadedPart[];
  /** What is together already. */
  readonly whole: HdfsStatus | undefined;
}

async function filesOf(
  client: HdfsClient,
  upload: Upload,
  signal: AbortSignal,
): Promise<UploadFiles> {
  const folder = folderOf(upload);
  if ((await statusOf(client, folder, signal)) === undefined) throw gone(upload);
  const body = await client.ask({ method: "GET", op: "LISTSTATUS", ...folder }, signal);
  const { FileStatuses: found } = json<{ FileStatuses: { FileStatus: HdfsStatus[] } }>(body);
  const parts = found.FileStatus.flatMap((status) => {
    const number = Number(/^part-(\d+)$/.exec(status.pathSuffix)?.[1] ?? Number.NaN);
    if (!Number.isSafeInteger(number)) return [];
    return [{ number, bytes: status.length, tag: hdfsVersion(status) }];
  });
  const whole = found.FileStatus.find(({ pathSuffix }) => pathSuffix === wholeName);
  return { parts: parts.sort((a, b) => a.number - b.number), whole };
}

interface Completion {
  readonly upload: Upload;
  readonly parts: readonly UploadedPart[];
  readonly attributes?: ObjectAttributes;
  readonly signal: AbortSignal;
}

async function complete(client: HdfsClient, completion: Completion): Promise<string> {
  const { upload, attributes, signal } = completion;
  signal.throwIfAborted();
  const folder = folderOf(upload);
  const found = await filesOf(client, upload, signal);
  const named = completion.parts.toSorted((a, b) => a.number - b.number);
  const left = named.slice(joinedOf(upload, named, found.whole));
  demandThere(upload, left, found.parts);
  const whole = { path: join(folder.path, wholeName), object: upload.key };
  const parts = left.map(({ number, bytes }) => {
    return { path: join(folder.path, `part-${number}`), bytes };
  });
  if (found.whole === undefined) await beginWhole(client, { whole, first: parts.shift() }, signal);
  if (folder.path.includes(",")) await appendAll(client, { whole, parts }, signal);
  else await concatAll(client, { whole, parts }, signal);
  const bytes = named.reduce((sum, part) => sum + part.bytes, 0);
  const to = hdfsPath(upload.key);
  const version = await place(client, { ...whole, to, bytes }, { attributes, signal });
  await remove(client, { ...folder, recursive: true }, signal);
  return version;
}

/** How many of them are in the whole already, by its length. */
function joinedOf(
  upload: Upload,
  named: readonly UploadedPart[],
  whole: HdfsStatus | undefined,
): number {
  if (whole === undefined) return 0;
  let bytes = 0;
  for (const [index, part] of named.entries()) {
    if (bytes === whole.length && index > 0) return index;
    bytes += part.bytes;
  }
  if (bytes === whole.length) return named.length;
  const why = `${whole.length} bytes of its parts are together, and no parts have so many`;
  throw new SkyError("objects/damaged", { object: upload.key, why });
}

function demandThere(
  { key }: Upload,
  named: readonly UploadedPart[],
  there: readonly UploadedPart[],
): void {
  const tags = new Map(there.map(({ number, tag }) => [number, tag]));
  const wrong = named.find(({ number, tag }, index) => {
    return tags.get(number) !== tag || named[index - 1]?.number === number;
  });
  if (wrong === undefined) return;
  const why = `part ${wrong.number} is not there as it was put`;
  throw new SkyError("objects/damaged", { object: key, why });
}

interface Begun {
  readonly whole: HdfsFile;
  readonly first: PartFile | undefined;
}

interface PartFile {
  readonly path: string;
  readonly bytes: number;
}

async function beginWhole(
  client: HdfsClient,
  { whole, first }: Begun,
  signal: AbortSignal,
): Promise<void> {
  if (first === undefined) await create(client, { ...whole, body: new Uint8Array(0) }, signal);
  else await renameOver(client, { path: first.path, object: whole.object, to: whole.path }, signal);
}

interface Joining {
  readonly whole: HdfsFile;
  readonly parts: readonly PartFile[];
}

async function concatAll(
  client: HdfsClient,
  { whole, parts }: Joining,
  signal: AbortSignal,
): Promise<void> {
  const paths = parts.map(({ path }) => path);
  for (const group of concatGroups(paths, sourcesCharsMax)) {
    const query = { sources: group.join(",") };
    await client.ask({ method: "POST", op: "CONCAT", ...whole, query }, signal);
  }
}

/** Each part goes when it is in the whole. */
async function appendAll(
  client: HdfsClient,
  { whole, parts }: Joining,
  signal: AbortSignal,
): Promise<void> {
  for (const { path, bytes } of parts) {
    const part = { path, object: whole.object };
    const body = await client.move({ method: "GET", op: "OPEN", ...part }, signal);
    if (body.length !== bytes) {
      const why = `${body.length} bytes came of a part of ${bytes}`;
      throw new SkyError("objects/failed", { object: whole.object, why });
    }
    await client.move({ method: "POST", op: "APPEND", ...whole, body }, signal);
    await remove(client, { ...part, recursive: false }, signal);
  }
}
