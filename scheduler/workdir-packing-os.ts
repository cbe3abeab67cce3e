// Packs one source of a submit, a workdir's folder or what a file mount names, into the store.
//
// What is wrong with a source is found before anything is packed, and told by the field that names
// it; what the system refuses while it is read is told of the file. Until the tree has its name, it
// is pinned under a name of this packing. What was packed before is looked up first: a tree that
// looks the same and whose chunks are all there is not read again.

import { randomUUID } from "node:crypto";
import { stat } from "node:fs/promises";
import { errorText, isSkyError, SkyError } from "../model/errors.ts";
import type { TreeRef } from "../model/tree.ts";
import { given } from "../proto/fields.ts";
import type { Log } from "../runtime/log.ts";
import { isNoRoom, noRoom } from "../runtime/room-os.ts";
import { letGo } from "../transfer/chunks/buffers.ts";
import type { ChunkRef } from "../transfer/chunks/chunk.ts";
import type { ContentStore, PinName } from "../transfer/chunks/content-store.ts";
import { decodeManifest } from "../transfer/chunks/manifest.ts";
import type { ChunkWork } from "../transfer/chunks/work.ts";
import {
  type KnownTree,
  type PackedTree,
  type PackSource,
  packTree,
} from "../transfer/tree/pack.ts";
import { packingPin } from "../transfer/tree/pins.ts";
import type { TreeReading } from "../transfer/tree/reading.ts";
import type { TreeChunk } from "../transfer/tree/region-writer.ts";
import type { SourceMemory, SourceRecord } from "./source-memory.ts";
import { isLost } from "./workdir-source.ts";

export interface PackingOptions {
  readonly cluster: string;
  /** Named where there is no room. */
  readonly dir: string;
  readonly chunks: ContentStore;
  readonly work: Pick<ChunkWork, "name">;
  readonly reading: TreeReading;
  readonly memory: SourceMemory;
  readonly signal?: AbortSignal;
  readonly log: Log;
}

/** A file or folder that tasks name, each only once. */
export interface Source {
  readonly path: string;
  readonly isFile: boolean;
  /** Who names it, for messages: `workdir`, or `file_mounts` and the destination. */
  readonly field: string;
  readonly named: string;
}

/**
 * Looks a workdir up.
 * @throws SkyError `request/invalid` if it is no folder, `source/unreadable`.
 */
export async function workdirSource(path: string): Promise<Source> {
  const about = { path, field: "workdir", named: "" };
  const found = await stat(path).catch((cause: unknown) => {
    if (isDenied(cause)) throw unreadable(about, cause);
    // Whatever else the reason is that it cannot be looked at: there is nothing to pack.
    return undefined;
  });
  if (found?.isDirectory()) return { ...about, isFile: false };
  throw new SkyError("request/invalid", { field: "workdir", why: `no folder at ${path}` });
}

/**
 * The same for a file mount: links are followed.
 * @throws SkyError `request/invalid`, `source/unreadable`.
 */
export async function mountSource(path: string, destination: string): Promise<Source> {
  const about = { path, field: "file_mounts", named: `${destination}: ` };
  const found = await stat(path).catch((cause: unknown) => {
    if (isDenied(cause)) throw unreadable(about, cause);
    throw invalid(about, isMissing(cause) ? `nothing at ${path}` : errorText(cause), cause);
  });
  const isFile = found.isFile();
  if (isFile || found.isDirectory()) return { ...about, isFile };
  throw invalid(about, `${path} is neither a file nor a folder`);
}

/** What was packed before: whoever named it is not known any more. */
export function rememberedSource({ path, isFile }: PackSource): Source {
  return { path, isFile, field: isFile ? "file_mounts" : "workdir", named: "" };
}

/**
 * Calls `hold` while its chunks are pinned under a name of their own.
 * @throws SkyError `source/unreadable`, `disk/full`, `chunks/full`, `process/failed`.
 */
export async function packSource<T>(
  options: PackingOptions,
  source: Source,
  hold: (packed: PackedTree) => Promise<T>,
): Promise<T> {
  const { chunks, cluster, dir } = options;
  const pin = packingPin(cluster, randomUUID());
  try {
    const packed = await packInto(options, source, pin);
    const held = await hold(packed);
    options.memory.remember(source, packed);
    return held;
  } catch (cause) {
    if (isNoRoom(cause)) throw noRoom(dir, cause);
    if (isSkyError(cause)) throw cause;
    if (isDenied(cause)) throw unreadable(source, cause);
    const params = { what: `packing ${source.path}`, why: errorText(cause) };
    throw new SkyError("process/failed", params, { cause });
  } finally {
    await chunks.unpin(pin);
  }
}

/** A tree and all its chunks, that of its manifest included. */
export type HeldTree = Pick<PackedTree, "tree" | "chunks">;

/**
 * The same for a tree that was given before: nothing is packed.
 * @throws SkyError `chunk/missing` if it is not here, or not all of it.
 */
export async function takeGiven<T>(
  { chunks, cluster }: Pick<PackingOptions, "chunks" | "cluster">,
  tree: TreeRef,
  hold: (held: HeldTree) => Promise<T>,
): Promise<T> {
  const pin = packingPin(cluster, randomUUID());
  try {
    const refs = await chunksOf(chunks, tree, pin);
    await chunks.pin(pin, refs ?? []);
    const here = await chunks.has((refs ?? []).map(({ digest }) => digest));
    const lacking = refs === undefined ? tree : refs.find(({ digest }) => !here.has(digest));
    if (refs !== undefined && lacking === undefined) return await hold({ tree, chunks: refs });
    const where = `the head of ${cluster}`;
    throw new SkyError("chunk/missing", { digest: lacking?.digest ?? tree.digest, where });
  } finally {
    await chunks.unpin(pin);
  }
}

async function packInto(
  options: PackingOptions,
  source: Source,
  pin: PinName,
): Promise<PackedTree> {
  const { chunks, memory } = options;
  const record = await memory.recall(source);
  const known = record === undefined ? undefined : await knownTree(chunks, record, pin);
  if (known === undefined) return await packAs(options, source, { pin });
  try {
    return await packAs(options, source, { pin, known });
  } catch (error) {
    if (!isSkyError(error, "chunks/full")) throw error;
    // What is known keeps room that the new tree may need.
    memory.forget(source);
    await chunks.unpin(pin);
    return await packAs(options, source, { pin });
  }
}

/** Pins what is there of a tree that was packed before; `undefined` if that is not known. */
async function knownTree(
  chunks: ContentStore,
  record: SourceRecord,
  pin: PinName,
): Promise<KnownTree | undefined> {
  const { tree, stamp, files, bytes, large } = record;
  const refs = await chunksOf(chunks, tree, pin);
  if (refs === undefined) return undefined;
  await chunks.pin(pin, refs);
  const here = await chunks.has(refs.map(({ digest }) => digest));
  const areHere = (some: readonly ChunkRef[]): boolean =>
    some.every(({ digest }) => here.has(digest));
  const reusable = large.flatMap(({ file, from, chunks: count }) => {
    const some = refs.slice(from, from + count);
    return some.length === count && areHere(some) ? [[file, some] as const] : [];
  });
  const packed = { tree, chunks: refs, files, bytes, skipped: [], large };
  const isSame = stamp !== undefined && areHere(refs);
  return {
    large: new Map(reusable),
    ...(isSame ? { same: { stamp, packed: { ...packed, stamp } } } : {}),
  };
}

/** The manifest's own chunk first; `undefined` if it is not there. */
async function chunksOf(
  chunks: ContentStore,
  tree: TreeRef,
  pin: PinName,
): Promise<readonly ChunkRef[] | undefined> {
  await chunks.pin(pin, [tree]);
  try {
    return [tree, ...decodeManifest(await chunks.get(tree.digest)).chunks];
  } catch (error) {
    // It is packed anew, which mends what is mendable.
    if (isLost(error) || isSkyError(error, "codec/invalid")) return undefined;
    throw error;
  }
}

async function packAs(
  { chunks, work, reading, log, signal }: PackingOptions,
  source: Source,
  { pin, known }: { readonly pin: PinName; readonly known?: KnownTree },
): Promise<PackedTree> {
  const keep = async (batch: readonly TreeChunk[]): Promise<void> => {
    // Pinned before it is put: what is known may otherwise be evicted a moment later.
    await chunks.pin(
      pin,
      batch.map(({ ref }) => ref),
    );
    await Promise.all(
      batch.map(({ ref, bytes }) => chunks.put(ref.digest, bytes, { proven: true })),
    );
    for (const { bytes } of batch) letGo(bytes);
  };
  const { path, isFile } = source;
  const options = { keep, work, reading, ...given("known", known), ...given("signal", signal) };
  const packed = await packTree({ path, isFile }, options);
  const { skipped } = packed;
  if (skipped.length > 0) log.warn("not packed: sockets, pipes and devices", { skipped });
  return packed;
}

function invalid(
  { field, named }: Pick<Source, "field" | "named">,
  why: string,
  cause?: unknown,
): SkyError<"request/invalid"> {
  return new SkyError("request/invalid", { field, why: `${named}${why}` }, { cause });
}

/** It is there, and the system refuses it to us: the path that it names, if it does. */
function unreadable(
  { field, named, path }: Pick<Source, "field" | "named" | "path">,
  cause: unknown,
): SkyError<"source/unreadable"> {
  const isTold = cause instanceof Error && "path" in cause && typeof cause.path === "string";
  const place = isTold ? String(cause.path) : path;
  // What stands before the path: `EACCES: permission denied, open`.
  const [why = ""] = errorText(cause).split(" '", 1);
  const params = { field, path: `${named}${place}`, why };
  return new SkyError("source/unreadable", params, { cause });
}

function isMissing(error: unknown): boolean {
  return hasCode(error, ["ENOENT", "ENOTDIR"]);
}

function isDenied(error: unknown): boolean {
  return hasCode(error, ["EACCES", "EPERM"]);
}

function hasCode(error: unknown, codes: readonly string[]): boolean {
  return error instanceof Error && "code" in error && codes.includes(String(error.code));
}
