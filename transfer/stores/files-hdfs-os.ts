// Files of HDFS, one operation each: what the store and its parts are made of.
//
// What must always hold: a file gets its name in one step of the name node, over what is there,
// and only with the length that was written; its version is looked at before, as others may write
// next.

import { dirname } from "node:path/posix";
import { isSkyError, SkyError } from "../../model/errors.ts";
import type { HdfsClient } from "./client-hdfs-os.ts";
import { fileFactsOf } from "./file-attributes.ts";
import { type HdfsStatus, hdfsVersion } from "./hdfs-text.ts";
import type { ObjectAttributes } from "./object-store.ts";

const modeUsual = 0o644;

/** A file or folder, and how errors call it. */
export interface HdfsFile {
  readonly path: string;
  readonly object: string;
}

export async function statusOf(
  client: HdfsClient,
  { path, object }: HdfsFile,
  signal: AbortSignal,
): Promise<HdfsStatus | undefined> {
  try {
    const request = { method: "GET", op: "GETFILESTATUS", path, object } as const;
    return json<{ FileStatus: HdfsStatus }>(await client.ask(request, signal)).FileStatus;
  } catch (error) {
    if (isSkyError(error, "objects/no-object")) return undefined;
    throw error;
  }
}

/** Folders above it are made by the name node. */
export async function create(
  client: HdfsClient,
  { path, object, body }: HdfsFile & { readonly body: Uint8Array },
  signal: AbortSignal,
): Promise<void> {
  const query = { overwrite: "true" };
  await client.move({ method: "PUT", op: "CREATE", path, query, body, object }, signal);
}

export async function makeFolder(
  client: HdfsClient,
  { path, object }: HdfsFile,
  signal: AbortSignal,
): Promise<void> {
  const made = await client.ask({ method: "PUT", op: "MKDIRS", path, object }, signal);
  if (isTrue(made)) return;
  throw new SkyError("objects/failed", { object, why: "its folder was not made" });
}

/** In one step, over what is there. */
export async function renameOver(
  client: HdfsClient,
  { path, object, to }: HdfsFile & { readonly to: string },
  signal: AbortSignal,
): Promise<void> {
  const query = { destination: to, renameoptions: "OVERWRITE" };
  const answer = await client.ask({ method: "PUT", op: "RENAME", path, query, object }, signal);
  // A name node that knows the option says nothing; an HttpFS ignores it, and says what became.
  if (answer.length === 0 || isTrue(answer)) return;
  const why = "this server cannot replace a file in one step; remove it first";
  throw new SkyError("objects/refused", { object, why });
}

export async function remove(
  client: HdfsClient,
  { path, object, recursive }: HdfsFile & { readonly recursive: boolean },
  signal: AbortSignal,
): Promise<void> {
  const query = { recursive: String(recursive) };
  try {
    await client.ask({ method: "DELETE", op: "DELETE", path, query, object }, signal);
  } catch (error) {
    if (!isSkyError(error, "objects/no-object")) throw error;
  }
}

/** The folders above it that are not there, the innermost first. */
export async function missingAbove(
  client: HdfsClient,
  { path, object }: HdfsFile,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const missing: string[] = [];
  for (let at = dirname(path); at !== "/"; at = dirname(at)) {
    if ((await statusOf(client, { path: at, object }, signal)) !== undefined) break;
    missing.push(at);
  }
  return missing;
}

/** So many of the folders above it, from the innermost on, as far as nothing is in them. */
export async function removeEmpty(
  client: HdfsClient,
  { path, object, count }: HdfsFile & { readonly count: number },
  signal: AbortSignal,
): Promise<void> {
  let at = path;
  try {
    for (let left = count; left > 0; left -= 1) {
      at = dirname(at);
      await remove(client, { path: at, object, recursive: false }, signal);
    }
  } catch (error) {
    // Somebody has put something there: it stays.
    if (!isSkyError(error, "objects/refused")) throw error;
  }
}

/**
 * Gives a file its mode, its time and its final name; what it has is the version of the object.
 * @throws SkyError `objects/damaged` if it has another length.
 */
export async function place(
  client: HdfsClient,
  file: HdfsFile & { readonly to: string; readonly bytes: number },
  options: { readonly attributes?: ObjectAttributes | undefined; readonly signal: AbortSignal },
): Promise<string> {
  const { path, object, bytes } = file;
  const { signal } = options;
  const { mode = modeUsual, mtimeMs } = fileFactsOf(options.attributes ?? {});
  const permission = mode.toString(8);
  const request = { method: "PUT", path, object } as const;
  await client.ask({ ...request, op: "SETPERMISSION", query: { permission } }, signal);
  if (mtimeMs !== undefined) {
    const query = { modificationtime: String(Math.round(mtimeMs)) };
    await client.ask({ ...request, op: "SETTIMES", query }, signal);
  }
  const status = await statusOf(client, file, signal);
  if (status?.length !== bytes) {
    const why = `HDFS has ${status?.length ?? "no"} bytes of it, and ${bytes} were written`;
    throw new SkyError("objects/damaged", { object, why });
  }
  await renameOver(client, file, signal);
  return hdfsVersion(status);
}

export function json<T>(body: Uint8Array): T {
  return JSON.parse(Buffer.from(body).toString()) as T;
}

function isTrue(answer: Uint8Array): boolean {
  return json<{ boolean?: unknown }>(answer).boolean === true;
}
