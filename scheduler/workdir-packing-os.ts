// Packs one source of a submit, a workdir's folder or what a file mount names, into the store.
//
// What is wrong with a source is found before anything is packed, and told by the field that names
// it; what the system refuses while it is read is told of the file. Until the tree has its name, it
// is pinned under a name of this packing.

import { randomUUID } from "node:crypto";
import { stat } from "node:fs/promises";
import { errorText, isSkyError, SkyError } from "../model/errors.ts";
import type { Log } from "../runtime/log.ts";
import { isNoRoom, noRoom } from "../runtime/room-os.ts";
import type { ContentStore, PinName } from "../transfer/chunks/content-store.ts";
import type { ChunkWork } from "../transfer/chunks/work.ts";
import { type PackedTree, packTree } from "../transfer/tree/pack.ts";
import { packingPin } from "../transfer/tree/pins.ts";
import type { TreeReading } from "../transfer/tree/reading.ts";
import type { TreeChunk } from "../transfer/tree/region-writer.ts";

export interface PackingOptions {
  readonly cluster: string;
  /** Named where there is no room. */
  readonly dir: string;
  readonly chunks: ContentStore;
  readonly work: Pick<ChunkWork, "name">;
  readonly reading: TreeReading;
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

/** Looks a workdir up. @throws SkyError `request/invalid` if it is no folder that can be read. */
export async function workdirSource(path: string): Promise<Source> {
  // Whatever the reason is that it cannot be looked at: there is nothing to pack.
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) return { path, isFile: false, field: "workdir", named: "" };
  throw new SkyError("request/invalid", { field: "workdir", why: `no folder at ${path}` });
}

/** The same for a file mount: links are followed. @throws SkyError `request/invalid`. */
export async function mountSource(path: string, destination: string): Promise<Source> {
  const about = { field: "file_mounts", named: `${destination}: ` };
  const found = await stat(path).catch((cause: unknown) => {
    throw invalid(about, isMissing(cause) ? `nothing at ${path}` : errorText(cause), cause);
  });
  const isFile = found.isFile();
  if (isFile || found.isDirectory()) return { path, isFile, ...about };
  throw invalid(about, `${path} is neither a file nor a folder`);
}

/**
 * Calls `hold` while its chunks are pinned under a name of their own.
 * @throws SkyError `request/invalid`, `disk/full`, `chunks/full`, `process/failed`.
 */
export async function packSource<T>(
  options: PackingOptions,
  source: Source,
  hold: (packed: PackedTree) => Promise<T>,
): Promise<T> {
  const { chunks, cluster, dir } = options;
  const pin = packingPin(cluster, randomUUID());
  try {
    return await hold(await packInto(options, source, pin));
  } catch (cause) {
    if (isNoRoom(cause)) throw noRoom(dir, cause);
    if (isSkyError(cause)) throw cause;
    if (isDenied(cause)) throw invalid(source, errorText(cause), cause);
    const params = { what: `packing ${source.path}`, why: errorText(cause) };
    throw new SkyError("process/failed", params, { cause });
  } finally {
    await chunks.unpin(pin);
  }
}

async function packInto(
  { chunks, work, reading, log }: PackingOptions,
  source: Source,
  pin: PinName,
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
  };
  const packed = await packTree(source, { keep, work, reading });
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

function isMissing(error: unknown): boolean {
  return hasCode(error, ["ENOENT", "ENOTDIR"]);
}

function isDenied(error: unknown): boolean {
  return hasCode(error, ["EACCES", "EPERM"]);
}

function hasCode(error: unknown, codes: readonly string[]): boolean {
  return error instanceof Error && "code" in error && codes.includes(String(error.code));
}
