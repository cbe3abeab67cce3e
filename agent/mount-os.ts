// Lays one file mount out on this node, at the place that it has (`mount-places.ts`).
//
// What is of another kind than the mount is refused by name and never touched: neither a folder nor
// a link makes way for a file. A link elsewhere is made when all that it shows is there.

import { lstat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { SkyError } from "../model/errors.ts";
import type { FileLinks } from "../runtime/file-links-os.ts";
import { makeFolders, missingAbove } from "../runtime/folders-os.ts";
import type { ChunkSource } from "../transfer/chunks/exchange.ts";
import { unpackTree } from "../transfer/tree/unpack-os.ts";
import type { LaidTrees } from "./laid-trees-os.ts";
import type { PlacedMount } from "./mount-places.ts";

export interface MountLaying {
  /** The job's workdir. */
  readonly workdir: string;
  readonly source: ChunkSource;
  readonly links: FileLinks;
  readonly laid: LaidTrees;
  readonly signal: AbortSignal;
}

/** @throws SkyError `process/failed`; what `source` and the file system throw. */
export async function layMount(
  { mount, place }: PlacedMount,
  { workdir, source, links, laid, signal }: MountLaying,
): Promise<void> {
  const { tree, isFile } = mount;
  const path = place.kind === "workdir" ? join(workdir, place.path) : place.path;
  if (place.kind === "link") await links.demandFree(place.link);
  await demandKind(path, isFile);
  const made = missingAbove(path);
  makeFolders(dirname(path), 0o755);
  await laid.laying({ path, digest: tree.digest, isFile, made }, (known) =>
    unpackTree(path, { source, tree, signal, isFile, ...known }),
  );
  if (place.kind === "link") await links.place(place.link, path);
}

async function demandKind(path: string, isFile: boolean): Promise<void> {
  const found = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (found === undefined || (isFile ? found.isFile() : found.isDirectory())) return;
  const shown = found.isSymbolicLink() ? "a link" : found.isDirectory() ? "a folder" : "a file";
  const wanted = isFile ? "a file" : "a folder";
  const hint = "remove it, or choose another destination";
  const why = `${shown} is there, where ${wanted} belongs; ${hint}`;
  throw new SkyError("process/failed", { what: path, why });
}
